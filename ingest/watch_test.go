package ingest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// watched is a service whose watch is looked through by hand.
type watched struct {
	*Service
	st     *memStore
	clock  *clock
	watch  *watch
	part   int
	sender *sends
}

func newWatched(t *testing.T, o Options) *watched {
	w := &watched{st: newMemStore(), clock: newClock(), sender: &sends{}}
	if o.Store == nil {
		o.Store = w.st
	}
	o.Now, o.Sender = w.clock.Now, w.sender
	if o.Announcer == nil {
		o.Announcer = toTeam{}
	}
	w.Service = service(t, o)
	w.watch = &watch{Service: w.Service, trouble: trouble{log: w.log}}
	w.part = w.listening.join()
	w.listening.heard(w.part, w.clock.Now())
	return w
}

// pass lets time pass, with a look each second.
func (w *watched) pass(t *testing.T, d time.Duration) {
	t.Helper()
	for range int(d / time.Second) {
		w.clock.move(time.Second)
		require.NoError(t, w.watch.look(t.Context()))
	}
}

func TestAMissingEventIsGivenUpAndTakenWhenItComesAfterAll(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	events := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, 0.6).heartbeat().out
	deliver(ctx, t, w.Service, events[0], events[1], events[3])
	w.pass(t, 29*time.Second)
	deliver(ctx, t, w.Service, events[4], events[5]) // a run that goes on
	require.Len(t, pictureOf(ctx, t, w.st, "r1").Epochs, 1, "not before 30 s")
	w.pass(t, 3*time.Second)
	p := pictureOf(ctx, t, w.st, "r1")
	require.Len(t, p.Epochs, 3)
	require.Equal(t, []store.SeqRange{{From: 3, To: 3}}, p.Attempts[0].Gaps)
	require.Equal(t, int64(7), p.Attempts[0].NextSeq)
	require.Empty(t, w.st.data.held)
	require.NotContains(t, strings.Join(p.Findings, ""), "loss_nan")

	deliver(ctx, t, w.Service, events[2])
	p = pictureOf(ctx, t, w.st, "r1")
	require.Len(t, p.Epochs, 4)
	require.Empty(t, p.Attempts[0].Gaps)
	require.Contains(t, strings.Join(p.Findings, ""), "loss_nan")

	straight := newMemStore()
	deliver(ctx, t, service(t, Options{Store: straight}), events...)
	want := pictureOf(ctx, t, straight, "r1")
	require.ElementsMatch(t, want.Findings, p.Findings)
	require.Equal(t, want.Epochs, p.Epochs)
	require.Equal(t, want.Run, p.Run)
}

func TestNothingIsGivenUpWhileNobodyListened(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	events := newTrainer("r1", first).started().epochs(0, 1, 2).out
	deliver(ctx, t, w.Service, events[0], events[2])
	w.listening.deaf(w.part)
	w.pass(t, 2*time.Minute)
	require.Len(t, w.st.data.held, 1)
	require.Equal(t, store.StateRunning, pictureOf(ctx, t, w.st, "r1").Run.State)
	w.listening.heard(w.part, w.clock.Now())
	w.pass(t, 29*time.Second)
	require.Len(t, w.st.data.held, 1)
	w.pass(t, 3*time.Second)
	require.Empty(t, w.st.data.held)
}

func TestASilentRunIsLostAndComesBack(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	r := newTrainer("r1", first).started().epochs(0, 1).heartbeat()
	deliver(ctx, t, w.Service, r.out[:2]...)
	w.pass(t, 44*time.Second)
	require.Equal(t, store.StateRunning, pictureOf(ctx, t, w.st, "r1").Run.State)
	w.pass(t, 3*time.Second)
	p := pictureOf(ctx, t, w.st, "r1")
	require.Equal(t, store.StateLost, p.Run.State)
	require.Equal(t, start.Add(time.Minute), *p.Run.EndedAt, "when it was last heard of")
	deliver(ctx, t, w.Service, r.out[2])
	p = pictureOf(ctx, t, w.st, "r1")
	require.Equal(t, store.StateRunning, p.Run.State)
	require.Nil(t, p.Run.EndedAt)
}

// toldOfEnds tells of the ends of runs alone.
type toldOfEnds struct{ toTeam }

func (toldOfEnds) Announce(store.Run, store.MessageEvent, store.Finding, time.Time) ([]store.Message, []store.Join) {
	return nil, nil
}

func (toldOfEnds) Ended(r store.Run, _ time.Time) []store.Message {
	return []store.Message{{ID: fmt.Sprintf("%s %s of attempt %d", r.ID, r.State, r.Attempts), RunPK: r.PK, Event: store.MessageRunEnded}}
}

func TestTheEndsOfRunsAreToldAsTheyAreStored(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Announcer: toldOfEnds{}})
	r := newTrainer("r1", first).started().epochs(0, 1).heartbeat().ended(contract.EndFailed)
	deliver(ctx, t, w.Service, r.out[:2]...)
	w.pass(t, 44*time.Second)
	require.Empty(t, w.st.data.messages)
	w.pass(t, 3*time.Second)
	require.Equal(t, []string{"r1 lost of attempt 1"}, slices.Sorted(maps.Keys(w.st.data.messages)))
	deliver(ctx, t, w.Service, r.out[2:]...)
	deliver(ctx, t, w.Service, r.out...) // and all of it again
	deliver(ctx, t, w.Service, newTrainer("r2", first).started().epochs(0, 1).ended(contract.EndCompleted).out...)
	require.Equal(t, []string{"r1 failed of attempt 1", "r1 lost of attempt 1", "r2 completed of attempt 1"},
		slices.Sorted(maps.Keys(w.st.data.messages)))
}

func TestARunIsNotLostWhileTheMachineSlept(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	deliver(ctx, t, w.Service, newTrainer("r1", first).started().out...)
	w.pass(t, 5*time.Second)
	w.clock.move(time.Hour)
	w.pass(t, 44*time.Second)
	require.Equal(t, store.StateRunning, pictureOf(ctx, t, w.st, "r1").Run.State)
	w.pass(t, 3*time.Second)
	require.Equal(t, store.StateLost, pictureOf(ctx, t, w.st, "r1").Run.State)
}

func TestTheEndOfARunThatWaitedIsFoldedBeforeItIsLost(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	events := newTrainer("r1", first).started().epochs(0, 1, 2).ended(contract.EndFailed).out
	deliver(ctx, t, w.Service, events[0], events[1], events[3])
	// The daemon starts anew: nothing in memory knows that an event waits.
	n := newWatched(t, Options{Store: w.st})
	n.st = w.st
	n.pass(t, 50*time.Second)
	p := pictureOf(ctx, t, n.st, "r1")
	require.Equal(t, store.StateFailed, p.Run.State)
	require.Equal(t, "why", p.Run.EndReason)
	require.Empty(t, n.st.data.held)
}

func TestEventsLeftWaitingByAnEndedRunAreFoldedAfterAStart(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	early := newTrainer("r1", first).started().epochs(0, 1, 2, 3).out
	late := newTrainer("r1", second).started().epochs(3, 1).ended(contract.EndCompleted).out
	deliver(ctx, t, w.Service, slices.Concat(early[:2], late, early[3:])...)
	require.Len(t, w.st.data.held, 1)
	n := newWatched(t, Options{Store: w.st})
	n.pass(t, 33*time.Second)
	require.Empty(t, w.st.data.held)
	require.Equal(t, store.StateCompleted, pictureOf(ctx, t, w.st, "r1").Run.State)
}

func TestAStalledRunIsToldOfOnceAndRecovers(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	r := newTrainer("r1", first).started().epochs(0, 1, 0.9, 0.8, 0.7, 0.6, 0.5)
	for _, e := range r.out {
		deliver(ctx, t, w.Service, e)
		w.pass(t, time.Second)
	}
	stalled := func() (firing, all int) {
		for _, f := range w.st.tx().d.findings {
			if f.Kind == detectors.KindStalled {
				all++
				if f.Firing() {
					firing++
				}
			}
		}
		return firing, all
	}
	for range 12 * 6 { // heartbeats go on for twelve minutes, epochs do not
		w.pass(t, 10*time.Second)
		r.heartbeat()
		r.out[len(r.out)-1].Time = w.clock.Now()
		deliver(ctx, t, w.Service, r.out[len(r.out)-1])
	}
	firing, all := stalled()
	require.Equal(t, 1, firing)
	require.Equal(t, 1, all)
	require.Len(t, pictureOf(ctx, t, w.st, "r1").Messages, 1)

	// Another daemon, which has not seen it open, takes over.
	n := w.successor(t)
	r.heartbeat()
	deliver(ctx, t, n.Service, r.out[len(r.out)-1])
	n.pass(t, 3*time.Second)
	firing, all = stalled()
	require.Equal(t, 1, firing)
	require.Equal(t, 1, all, "told of twice")
	// And another, whose first sign of the run is that it goes on.
	n = n.successor(t)
	r.epochs(6, 0.4)
	r.out[len(r.out)-1].Time = n.clock.Now()
	deliver(ctx, t, n.Service, r.out[len(r.out)-1])
	firing, all = stalled()
	require.Zero(t, firing)
	require.Equal(t, 1, all)
}

func TestAStalledRunIsToldOfThoughTheDatabaseWasAway(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{LostAfter: time.Hour})
	deliver(ctx, t, w.Service, newTrainer("r1", first).started().epochs(0, 1, 0.9).out...)
	failed := 0
	w.st.fail = func(c *store.Changes) error {
		if failed < 3 && (c == nil || len(c.Findings) > 0) {
			failed++
			return errDisk
		}
		return nil
	}
	for range 300 {
		w.clock.move(time.Second)
		if err := w.watch.look(ctx); err != nil {
			require.ErrorIs(t, err, errDisk)
		}
	}
	require.Equal(t, 3, failed)
	require.Len(t, w.st.tx().d.findings, 1)
	require.Equal(t, detectors.KindStalled, w.st.tx().d.findings[0].Kind)
}

// successor is another daemon on the same store, which has listened for as long.
func (w *watched) successor(t *testing.T) *watched {
	t.Helper()
	n := newWatched(t, Options{Store: w.st})
	n.st = w.st
	n.clock.now = w.clock.Now()
	n.listening.look = n.clock.Now()
	n.pass(t, 3*time.Second)
	return n
}

func TestACommandDecidedByTheClockIsSentAtOnce(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Policy: everyThird{}})
	events := newTrainer("r1", first).started().epochs(0, 1, 1).out
	deliver(ctx, t, w.Service, events[0], events[2])
	require.Empty(t, w.sender.all())
	w.pass(t, 32*time.Second)
	require.Equal(t, []string{"r1-000001-3"}, w.sender.all())
}

func TestACommandIsSentUntilItIsAnsweredOrExpires(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Policy: everyThird{}})
	r := newTrainer("r1", first).started().epochs(0, 1, 1).heartbeat()
	deliver(ctx, t, w.Service, r.out[:3]...)
	id := "r1-000001-3"
	require.Equal(t, []string{id}, w.sender.all())
	w.pass(t, 5*time.Second)
	require.Equal(t, []string{id}, w.sender.all(), "the clock is no sign of life")
	deliver(ctx, t, w.Service, r.out[3])
	require.Equal(t, []string{id, id}, w.sender.all())
	// Another daemon goes on with it.
	n := newWatched(t, Options{Store: w.st, Policy: everyThird{}})
	r.heartbeat()
	deliver(ctx, t, n.Service, r.out[4])
	require.Equal(t, []string{id}, n.sender.all())
	r.answer(id, contract.OutcomeApplied, 2)
	deliver(ctx, t, n.Service, r.out[5])
	r.heartbeat()
	deliver(ctx, t, n.Service, r.out[6])
	require.Equal(t, []string{id}, n.sender.all(), "answered")
	r.answer(id, contract.OutcomeRefused, 3)
	deliver(ctx, t, n.Service, r.out[7])
	c := w.st.tx().d.commands[0]
	require.Equal(t, store.CommandApplied, c.State, "the first answer counts")
	require.Equal(t, 2, *c.AppliedEpoch)
	require.InDelta(t, 0.1, *c.Before, 0)
	require.InDelta(t, 0.05, *c.After, 0)
	require.Equal(t, store.EffectPending, c.Effect)
}

func TestAnUnansweredCommandExpires(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Policy: everyThird{}, LostAfter: 3 * time.Hour})
	r := newTrainer("r1", first).started().epochs(0, 1, 1).heartbeat()
	deliver(ctx, t, w.Service, r.out[:3]...)
	w.pass(t, time.Hour)
	require.Equal(t, store.CommandSent, w.st.tx().d.commands[0].State)
	w.pass(t, 2*time.Second)
	c := w.st.tx().d.commands[0]
	require.Equal(t, store.CommandExpired, c.State)
	require.Equal(t, unanswered, c.Answer)
	deliver(ctx, t, w.Service, r.out[3])
	require.Len(t, w.sender.all(), 1, "not sent any more")
	// What the run says of it after all is what happened.
	r.answer(c.ID, contract.OutcomeApplied, 2)
	deliver(ctx, t, w.Service, r.out[4])
	require.Equal(t, store.CommandApplied, w.st.tx().d.commands[0].State)
}

func TestACommandOfAnEndedRunIsNotLeftOpen(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Policy: everyThird{}})
	r := newTrainer("r1", first).started().epochs(0, 1, 1).ended(contract.EndCompleted)
	deliver(ctx, t, w.Service, r.out[:3]...)
	deliver(ctx, t, w.Service, r.out[3])
	require.Equal(t, store.CommandExpired, w.st.tx().d.commands[0].State)
	require.Len(t, w.sender.all(), 1)
}

func TestCommandsComeOnlyOfTheLastEpoch(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{Policy: everyThird{}})
	// Sequence number 3 is no longer the last when it is folded; 6 is.
	deliver(ctx, t, w.Service, newTrainer("r1", first).started().epochs(0, 1, 1, 1, 1, 1).out...)
	require.Equal(t, []string{"r1-000001-6"}, w.sender.all())
}

func TestOneRunAtFaultDoesNotStopTheWatch(t *testing.T) {
	t.Parallel()
	ctx, w := t.Context(), newWatched(t, Options{})
	for _, run := range []string{"a", "bad", "z"} {
		deliver(ctx, t, w.Service, newTrainer(run, first).started().out...)
	}
	w.st.fail = func(c *store.Changes) error {
		if c != nil && slices.ContainsFunc(c.Runs, func(r store.Run) bool { return r.ID == "bad" }) {
			return &store.PermanentError{Err: errors.New("no")}
		}
		return nil
	}
	for range 50 {
		w.clock.move(time.Second)
		if err := w.watch.look(ctx); err != nil {
			require.ErrorContains(t, err, "no")
		}
	}
	for run, want := range map[string]store.State{"a": store.StateLost, "bad": store.StateRunning, "z": store.StateLost} {
		require.Equal(t, want, pictureOf(ctx, t, w.st, run).Run.State, run)
	}
}

func TestWatchWaitsForTheDatabaseAndSaysSoOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st, log := newMemStore(), &lines{}
		s := service(t, Options{Store: st, Now: time.Now, Log: log.logger()})
		deliver(t.Context(), t, s, newTrainer("r1", first).started().out...)
		s.listening.heard(s.listening.join(), time.Now())
		back := time.Now().Add(2 * time.Minute)
		st.fail = func(*store.Changes) error {
			if time.Now().Before(back) {
				return errDisk
			}
			return nil
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		require.NoError(t, s.Watch(ctx))
		require.Equal(t, store.StateLost, pictureOf(t.Context(), t, st, "r1").Run.State)
		require.Equal(t, 1, log.count("trying again"))
		require.Equal(t, 1, log.count("works again"))
	})
}
