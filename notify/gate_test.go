package notify

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAGateLetsTwoIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Now)
		require.Zero(t, g.enter(t.Context(), false))
		require.Zero(t, g.enter(t.Context(), false))
		start := time.Now()
		require.Equal(t, turnAgain, g.enter(t.Context(), false), "the third goes back to the queue")
		require.Equal(t, gateWait, time.Since(start))
		go func() {
			time.Sleep(gateWait / 2) //nolint:forbidigo // in a bubble: no real time passes
			g.leave(false, 0)
		}()
		require.Zero(t, g.enter(t.Context(), false), "or finds a turn while it waits")
	})
}

func TestAGateRestsAfterAFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Now)
		for _, want := range []time.Duration{1, 2, 4, 8, 16, 32, 60, 60} {
			require.Zero(t, g.enter(t.Context(), false))
			g.leave(true, 0)
			require.Equal(t, want*time.Second, g.enter(t.Context(), false))
			time.Sleep(want * time.Second) //nolint:forbidigo // in a bubble: no real time passes
		}
		require.Zero(t, g.enter(t.Context(), false))
		g.leave(false, 0)
		require.Zero(t, g.enter(t.Context(), false))
		g.leave(true, 0)
		require.Equal(t, time.Second, g.enter(t.Context(), false), "a success forgets what was before")
	})
}

func TestAGateHeedsWhatTheServiceAskedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Now)
		require.Zero(t, g.enter(t.Context(), false))
		require.Zero(t, g.enter(t.Context(), false))
		g.leave(true, time.Minute)
		g.leave(true, 0)
		require.Equal(t, time.Minute, g.enter(t.Context(), false), "a shorter rest does not end a longer one")
		require.Zero(t, g.enter(t.Context(), true), "the last try of a message is made all the same")
	})
}

// Whoever waits has a worker that others could use, the last try of a message too.
func TestOneWaitsAtAGate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Now)
		for range gateWidth {
			require.Zero(t, g.enter(t.Context(), false))
		}
		start := time.Now()
		waited := make(chan time.Duration)
		go func() { waited <- g.enter(t.Context(), false) }()
		synctest.Wait()
		for _, urgent := range []bool{false, true} {
			require.Equal(t, turnAgain, g.enter(t.Context(), urgent))
		}
		require.Zero(t, time.Since(start))
		require.Equal(t, turnAgain, <-waited)
		require.Equal(t, gateWait, time.Since(start))
	})
}

func TestATurnGivenBackSaysNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := newGate(time.Now)
		for _, want := range []time.Duration{1, 2} {
			require.Zero(t, g.enter(t.Context(), false))
			g.leave(true, 0)
			require.Equal(t, want*time.Second, g.enter(t.Context(), false))
			time.Sleep(want * time.Second) //nolint:forbidigo // in a bubble: no real time passes
			require.Zero(t, g.enter(t.Context(), false))
			g.giveBack()
		}
	})
}
