package notice_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestClassify(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Statuses() {
		err := notice.Classify(c.Status, c.RetryAfter, notifytest.SpecimenTime, "what it said")
		c.Require(t, err)
	}
}

func TestClassifyShortensWhatWasSaid(t *testing.T) {
	t.Parallel()
	long := make([]byte, 5000)
	for i := range long {
		long[i] = 'x'
	}
	err := notice.Classify(400, "", time.Time{}, "a\nb "+string(long))
	require.Less(t, len(err.Error()), 400)
	require.NotContains(t, err.Error(), "\n")
	var permanent *store.PermanentError
	require.ErrorAs(t, err, &permanent)
}
