//go:build unix

package main

import (
	"context"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// It sends signals to the test's own process and sets a variable of the package, so it runs
// beside no other.
func TestTheSecondSignalEndsThereAndThen(t *testing.T) {
	codes := make(chan int, 1)
	exit = func(code int) { codes <- code }
	defer func() { exit = os.Exit }()
	ctx, stop := untilSignal(context.Background(), slog.New(slog.DiscardHandler))
	defer stop()

	require.NoError(t, ctx.Err())
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case <-ctx.Done():
	case <-time.After(patience):
		require.FailNow(t, "the first signal changed nothing")
	}
	require.Empty(t, codes, "the first one asks")
	require.NoError(t, syscall.Kill(os.Getpid(), syscall.SIGTERM))
	select {
	case code := <-codes:
		require.Equal(t, 128+int(syscall.SIGTERM), code)
	case <-time.After(patience):
		require.FailNow(t, "the second signal changed nothing")
	}
}
