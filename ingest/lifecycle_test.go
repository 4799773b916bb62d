package ingest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestARunFollowsItsLatestAttempt(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newMemStore()
	s := service(t, Options{Store: st})
	one := newTrainer("r1", first).started().epochs(0, 1, 2).out
	two := newTrainer("r1", second)
	two.next(contract.TypeRunStarted).RunStarted = &contract.RunStarted{Name: "again", Tags: []string{"b"}}
	two.epochs(1, 3).ended(contract.EndStopped)

	deliver(ctx, t, s, one...)
	p := pictureOf(ctx, t, st, "r1")
	require.Equal(t, store.StateRunning, p.Run.State)
	require.Equal(t, "digits", p.Run.Name)
	require.Equal(t, one[0].Time, p.Run.StartedAt)

	deliver(ctx, t, s, two.out[0])
	p = pictureOf(ctx, t, st, "r1")
	require.Equal(t, 2, p.Run.Attempts)
	require.Equal(t, store.StateRunning, p.Run.State)
	require.Equal(t, "again", p.Run.Name)
	require.Equal(t, []string{"b"}, p.Run.Tags)
	require.Equal(t, store.StateLost, p.Attempts[0].State, "it never said how it ended")
	require.Equal(t, store.StateRunning, p.Attempts[1].State)

	deliver(ctx, t, s, two.out[1:]...)
	p = pictureOf(ctx, t, st, "r1")
	require.Equal(t, store.StateStopped, p.Run.State)
	require.Equal(t, "why", p.Run.EndReason)
	require.Equal(t, two.out[2].Time, *p.Run.EndedAt)
	require.Len(t, p.Epochs, 3, "both stay in the table")
	require.Len(t, p.Curve, 2, "the later one counts")

	// What the first one's spool brings late changes only that attempt.
	late := newTrainer("r1", first)
	late.seq = int64(len(one))
	late.ended(contract.EndInterrupted)
	deliver(ctx, t, s, late.out...)
	p = pictureOf(ctx, t, st, "r1")
	require.Equal(t, store.StateStopped, p.Run.State)
	require.Equal(t, store.StateInterrupted, p.Attempts[0].State)
}

func TestTheEndOfAnAttemptIsTheStateItSays(t *testing.T) {
	t.Parallel()
	for end, want := range map[contract.EndState]store.State{
		contract.EndCompleted: store.StateCompleted, contract.EndStopped: store.StateStopped,
		contract.EndFailed: store.StateFailed, contract.EndInterrupted: store.StateInterrupted,
	} {
		st := newMemStore()
		deliver(t.Context(), t, service(t, Options{Store: st}), newTrainer("r1", first).started().ended(end).out...)
		require.Equal(t, want, pictureOf(t.Context(), t, st, "r1").Run.State)
	}
}

func TestAnEventOfANewerCallbackKeepsItsPlace(t *testing.T) {
	t.Parallel()
	st := newMemStore()
	r := newTrainer("r1", first).started()
	r.next("gradient_norms")
	r.epochs(0, 1)
	deliver(t.Context(), t, service(t, Options{Store: st}), r.out...)
	p := pictureOf(t.Context(), t, st, "r1")
	require.Len(t, p.Epochs, 1)
	require.Equal(t, int64(4), p.Attempts[0].NextSeq)
}

func TestNoCommandIsDecidedOnThePast(t *testing.T) {
	t.Parallel()
	ctx, st, sender := t.Context(), newMemStore(), &sends{}
	c := newClock() // a minute after the broker stored the messages
	s := service(t, Options{Store: st, Policy: everyThird{}, Sender: sender, Now: c.Now})
	w := s.newWorker(nil)
	msgs := messages(t, newTrainer("r1", first).started().epochs(0, 1, 1, 1, 1, 1).out...)
	for _, m := range msgs[:3] {
		m.pending = 100 // there is much more to read
	}
	require.NoError(t, w.settle(ctx, arrivals(c.Now(), msgs[:3]...)))
	require.Empty(t, sender.all())
	require.NoError(t, w.settle(ctx, arrivals(c.Now(), msgs[3:]...)))
	require.Equal(t, []string{"r1-000001-6"}, sender.all())
	_, err := New(Options{})
	require.ErrorContains(t, err, "store")
}

func TestRecentEpochsAreTheEndOfTheCurve(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newMemStore()
	var seen []Situation
	s := service(t, Options{Store: st, Policy: seeing{&seen}})
	r := newTrainer("r1", first).started()
	for i := range 300 {
		r.epochs(i, 1/float64(i+1))
	}
	deliver(ctx, t, s, r.out...)
	again := newTrainer("r1", second).started().epochs(250, 7, 8)
	deliver(ctx, t, s, again.out...)
	last := seen[len(seen)-1].Recent
	require.Len(t, last, RecentEpochs)
	require.Equal(t, 251, last[63].Epoch)
	require.InDelta(t, 8, last[63].Metrics["loss"], 0)
	require.Equal(t, second, last[62].Attempt)
	require.Equal(t, first, last[61].Attempt)
	require.Equal(t, 188, last[0].Epoch)
	for _, in := range seen {
		require.LessOrEqual(t, len(in.Recent), RecentEpochs)
		for i := 1; i < len(in.Recent); i++ {
			require.Equal(t, in.Recent[i-1].Epoch+1, in.Recent[i].Epoch)
		}
	}
	require.Equal(t, time.Duration(0), seen[0].Now.Sub(s.now()))
}

// seeing is a policy that only looks.
type seeing struct{ seen *[]Situation }

func (p seeing) Decide(s Situation) []store.Command {
	*p.seen = append(*p.seen, s)
	return nil
}
