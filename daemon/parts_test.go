package daemon

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func quietParts() *parts { return newParts(slog.New(slog.DiscardHandler)) }

func TestPartsStopInReverse(t *testing.T) {
	t.Parallel()
	p := quietParts()
	var order []string
	for _, name := range []string{"a", "b", "c"} {
		p.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "b" {
				return errors.New("stuck")
			}
			return nil
		})
	}
	require.EqualError(t, p.stop(time.Second), "stop b: stuck")
	require.Equal(t, []string{"c", "b", "a"}, order, "one that fails does not keep the others")
	require.NoError(t, p.stop(time.Second), "twice is no error")
}

func TestABackgroundPartThatEndsByItselfIsAFailure(t *testing.T) {
	t.Parallel()
	p := quietParts()
	p.background("x", func(context.Context) error { return errors.New("gone") })
	require.EqualError(t, <-p.failed, "x: gone")
	require.NoError(t, p.stop(time.Second))

	p = quietParts()
	p.background("x", func(context.Context) error { return nil })
	require.EqualError(t, <-p.failed, "x: it ended by itself")
	require.NoError(t, p.stop(time.Second))

	p = quietParts()
	p.background("x", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	require.NoError(t, p.stop(time.Second))
	require.Empty(t, p.failed, "it was told to end")
}

func TestStopKeepsToItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := quietParts()
		release := make(chan struct{})
		p.background("deaf", func(context.Context) error { <-release; return nil })
		begun := time.Now()
		require.ErrorContains(t, p.stop(stopWithin), "stop deaf: context deadline exceeded")
		require.Equal(t, stopWithin, time.Since(begun))
		close(release)
	})
}
