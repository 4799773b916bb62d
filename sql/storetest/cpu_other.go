//go:build !unix

package storetest

import (
	"testing"
	"time"
)

func processorTime(t testing.TB) time.Duration {
	t.Helper()
	t.Skip("the processor time of a process is measured on Unix only")
	return 0
}
