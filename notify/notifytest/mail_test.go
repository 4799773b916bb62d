package notifytest_test

import (
	"testing"

	"github.com/epochwatch/epochwatch/notify/notifytest"
)

// A test may end before its server's goroutine has run at all.
func TestMailServerEndsBeforeItServed(t *testing.T) {
	for range 20 {
		t.Run("", func(t *testing.T) { notifytest.NewMailServer(t, notifytest.MailOptions{}) })
	}
}
