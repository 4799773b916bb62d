package ingest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func lesson(run string) []contract.Event {
	return newTrainer(run, first).started().epochs(0, 0.9, 0.8, math.NaN(), 0.7, 0.6).ended(contract.EndCompleted).out
}

// whole holds that the run of lesson is stored in full.
func whole(t *testing.T, st store.Store, run string) {
	t.Helper()
	p := pictureOf(t.Context(), t, st, run)
	require.Len(t, p.Epochs, 5)
	require.Equal(t, store.StateCompleted, p.Run.State)
	require.Equal(t, int64(8), p.Attempts[0].NextSeq)
	require.Empty(t, p.Attempts[0].Gaps)
	require.Len(t, slices.DeleteFunc(p.Findings, func(f string) bool { return !strings.Contains(f, "loss_nan") }), 1)
}

func TestADatabaseAwayForAMinuteLosesNothing(t *testing.T) {
	t.Parallel()
	for name, away := range map[string]error{
		"disk full": errDisk,
		"away":      &net.OpError{Op: "dial", Err: errors.New("connection refused")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				st, log := newMemStore(), &lines{}
				back := time.Now().Add(time.Minute)
				tries := 0
				st.fail = func(c *store.Changes) error {
					if c == nil || time.Now().After(back) {
						return nil
					}
					tries++
					return away
				}
				s := service(t, Options{Store: st, Now: time.Now, Log: log.logger(), Announcer: toTeam{}})
				w := s.newWorker(nil)
				w.progress = time.Second
				s.listening.heard(w.part, time.Now())
				msgs := messages(t, lesson("r1")...)
				for _, m := range msgs {
					m.onAck = func() { require.True(t, time.Now().After(back), "acknowledged while the database was away") }
				}
				require.NoError(t, w.settle(t.Context(), arrivals(time.Now(), msgs...)))
				for _, m := range msgs {
					acks, progress := m.reported()
					require.Equal(t, 1, acks)
					require.GreaterOrEqual(t, progress, 59, "the broker would have delivered it again")
				}
				require.Less(t, tries, 40, "tried in a storm")
				require.Equal(t, 1, log.count("trying again"))
				require.Equal(t, 1, log.count("works again"))
				require.Empty(t, st.data.quarantined)
				whole(t, st, "r1")
				_, heard := s.listening.since(time.Now())
				require.False(t, heard, "a run silent meanwhile would be lost")
			})
		})
	}
}

func TestAnEventThatCannotBeStoredIsSetAsideAlone(t *testing.T) {
	t.Parallel()
	st, log := newMemStore(), &lines{}
	st.fail = func(c *store.Changes) error {
		if c != nil && slices.ContainsFunc(c.Epochs, func(e store.Epoch) bool { return e.Epoch == 13 }) {
			return &store.PermanentError{Err: errors.New("CHECK constraint failed: epoch <> 13")}
		}
		return nil
	}
	reg := prometheus.NewRegistry()
	s := service(t, Options{Store: st, Log: log.logger(), Metrics: NewMetrics(reg)})
	w := s.newWorker(nil)
	var events []contract.Event
	for i := range 9 {
		events = append(events, lesson(fmt.Sprint("r", i))...)
	}
	events = append(events, newTrainer("bad", first).started().epochs(12, 1, 2, 3).out...)
	msgs := messages(t, events...)
	require.NoError(t, w.settle(t.Context(), arrivals(s.now(), msgs...)))
	for i := range 9 {
		whole(t, st, fmt.Sprint("r", i))
	}
	for _, m := range msgs {
		acks, _ := m.reported()
		require.Equal(t, 1, acks)
	}
	refused, err := st.ListQuarantined(t.Context(), 10)
	require.NoError(t, err)
	require.Len(t, refused, 1)
	require.Equal(t, contract.ReasonInvalid, refused[0].Reason)
	require.Contains(t, refused[0].Detail, "epoch <> 13")
	require.Contains(t, string(refused[0].Payload), `"epoch":13`)
	require.Equal(t, "bad."+first+".3", refused[0].MessageID)
	require.Equal(t, 1, log.count("put into quarantine"))
	// The one behind it waits for it and is not lost.
	require.Len(t, st.data.held, 1)
	require.InDelta(t, 1, measured(t, reg, "refused_total", "invalid"), 0)
	require.InDelta(t, 47, measured(t, reg, "events_stored_total", "epoch_ended"), 0)
	require.InDelta(t, 1, measured(t, reg, "held_total", ""), 0)
}

// measured returns the value of a counter with a label's value.
func measured(t *testing.T, reg *prometheus.Registry, name, label string) float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() != "epochwatch_ingest_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			if label == "" || m.GetLabel()[0].GetValue() == label {
				return m.GetCounter().GetValue()
			}
		}
	}
	require.Fail(t, "no such metric", "%s %s", name, label)
	return 0
}

func TestAnEventThatFailsWithoutAReasonIsSuspectedOnlyWhenOthersAreStored(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		st := newMemStore()
		s := service(t, Options{Store: st, Now: time.Now})
		begun, others := time.Now(), false
		st.fail = func(c *store.Changes) error {
			// For an hour nobody is stored; then only the bad one is not.
			if others = time.Since(begun) > time.Hour; others {
				s.commits.Add(1)
			}
			if c != nil && (!others || slices.ContainsFunc(c.Epochs, func(e store.Epoch) bool { return e.Epoch == 13 })) {
				return errDisk
			}
			return nil
		}
		deliver(t.Context(), t, s, slices.Concat(newTrainer("bad", first).started().epochs(13, 1).out, lesson("r1"))...)
		require.Greater(t, time.Since(begun), time.Hour+suspectAfter)
		whole(t, st, "r1")
		require.Len(t, st.data.quarantined, 1)
	})
}

// bomb panics at one epoch.
type bomb struct{ everyThird }

func (b bomb) Decide(s Situation) []store.Command {
	if n := len(s.Recent); n > 0 && s.Recent[n-1].Epoch == 2 {
		panic("the policy has a fault")
	}
	return b.everyThird.Decide(s)
}

func TestAPanicIsTheEventsFaultAndStopsNothing(t *testing.T) {
	t.Parallel()
	st, log := newMemStore(), &lines{}
	s := service(t, Options{Store: st, Log: log.logger(), Policy: bomb{}})
	deliver(t.Context(), t, s, slices.Concat(newTrainer("bad", first).started().epochs(0, 1, 1, 1, 1).out, newTrainer("good", first).started().epochs(0, 1, 1).out)...)
	require.Len(t, pictureOf(t.Context(), t, st, "bad").Epochs, 2)
	require.Len(t, pictureOf(t.Context(), t, st, "good").Epochs, 2)
	require.Len(t, st.data.quarantined, 1)
	require.Positive(t, log.count("bomb.Decide"), "the stack is logged")
}

func TestWhatIsNotOfTheContractIsKeptWithAReason(t *testing.T) {
	t.Parallel()
	st := newMemStore()
	s := service(t, Options{Store: st})
	w := s.newWorker(nil)
	good := messages(t, lesson("r1")...)
	other := messages(t, newTrainer("r2", first).epochs(0, 1).out...)[0]
	copies := messages(t, slices.Repeat(lesson("r1")[1:2], 3)...)
	big, cut, stranger, far := copies[0], copies[1], copies[2], newTrainer("r1", second).epochs(0, 1)
	big.data = append([]byte(nil), make([]byte, contract.MaxMessageBytes+10)...)
	cut.data = cut.data[:len(cut.data)-5]
	other.subject = good[0].subject
	far.out[0].Seq = maxSeq + 1
	stranger.subject = "epochwatch.v1.p.0.default.r1.command"
	bad := []*message{big, cut, other, messages(t, far.out...)[0], stranger}
	for i, m := range bad {
		m.seq = uint64(100 + i)
	}
	// The poison stands in the middle, and comes twice.
	msgs := slices.Concat(good[:3], bad, bad, good[3:])
	require.NoError(t, w.settle(t.Context(), arrivals(s.now(), msgs...)))
	whole(t, st, "r1")
	require.Len(t, st.data.quarantined, len(bad))
	for i, reason := range []contract.Reason{
		contract.ReasonTooLarge, contract.ReasonMalformed, contract.ReasonSubject, contract.ReasonInvalid, contract.ReasonSubject,
	} {
		q := st.data.quarantined[uint64(100+i)]
		require.Equal(t, reason, q.Reason, q.Detail)
		require.LessOrEqual(t, len(q.Payload), contract.MaxMessageBytes)
		require.Equal(t, len(bad[i].data), q.Size)
		acks, _ := bad[i].reported()
		require.Equal(t, 2, acks)
	}
}

func TestARedeliveryChangesNothing(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newMemStore()
	o := Options{Store: st, Announcer: toTeam{}, Policy: everyThird{}, Now: newClock().Now}
	events := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, 0.6).heartbeat().out
	deliver(ctx, t, service(t, o), events...)
	want := st.tx().d
	// The daemon died between commit and acknowledgement: another one gets all again.
	writes := 0
	st.fail = func(c *store.Changes) error {
		if c != nil {
			writes++
		}
		return nil
	}
	sender := &sends{}
	o.Sender = sender
	s := service(t, o)
	deliver(ctx, t, s, events...)
	for _, e := range events {
		deliver(ctx, t, s, e)
	}
	require.Equal(t, want, st.tx().d)
	require.Zero(t, writes)
	require.Empty(t, sender.all(), "a repeat is no sign of life")
}

func TestARollbackLeavesMemorySound(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := Options{Announcer: toTeam{}, Policy: everyThird{always: true}, Now: newClock().Now}
	events := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, math.NaN(), 0.6, 0.5).ended(contract.EndCompleted).out

	straight := newMemStore()
	o.Store = straight
	deliver(ctx, t, service(t, o), events...)

	// Each transaction fails twice, the second time after it was written.
	st := newMemStore()
	tries := 0
	st.fail = func(c *store.Changes) error {
		if c == nil {
			return nil
		}
		if tries++; tries%3 != 0 {
			return errDisk
		}
		return nil
	}
	o.Store = st
	s := service(t, o)
	for _, e := range events {
		errands, _ := errandsOf(arrivals(s.now(), messages(t, e)...), s.now())
		for range 2 {
			_, err := s.transact(ctx, errands, nil)
			require.ErrorIs(t, err, errDisk)
		}
		_, err := s.transact(ctx, errands, nil)
		require.NoError(t, err)
	}
	require.Equal(t, pictureOf(ctx, t, straight, "r1"), pictureOf(ctx, t, st, "r1"))
}

// again runs each transaction twice, as a store does after a serialization failure.
type again struct{ *memStore }

func (a again) Ingest(ctx context.Context, fn func(store.Tx) error) error {
	lost := &memTx{d: a.tx().d}
	if err := fn(lost); err != nil {
		return err
	}
	return a.memStore.Ingest(ctx, fn)
}

func TestATransactionMayRunAgain(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := Options{Announcer: toTeam{}, Policy: everyThird{always: true}, Now: newClock().Now}
	events := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, math.NaN(), 0.6, 0.5).ended(contract.EndCompleted).out
	straight, twice := newMemStore(), newMemStore()
	o.Store = straight
	deliver(ctx, t, service(t, o), events...)
	o.Store = again{twice}
	s := service(t, o)
	for _, e := range events {
		deliver(ctx, t, s, e)
	}
	require.Equal(t, pictureOf(ctx, t, straight, "r1"), pictureOf(ctx, t, twice, "r1"))
}

// twoDaemons has two services take the same messages at the same time.
func twoDaemons(t *testing.T, straight, st store.Store) {
	t.Helper()
	ctx := t.Context()
	o := Options{Announcer: toTeam{}, Policy: everyThird{always: true}, Now: newClock().Now}
	events := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, math.NaN(), 0.6, 0.5, 0.4, 0.3).heartbeat().out
	o.Store = straight
	deliver(ctx, t, service(t, o), events...)
	o.Store = st
	var wg sync.WaitGroup
	for range 2 {
		s := service(t, o)
		wg.Go(func() {
			w := s.newWorker(nil)
			for _, m := range messages(t, events...) {
				if err := w.settle(ctx, arrivals(s.now(), m)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	want, got := pictureOf(ctx, t, straight, "r1"), pictureOf(ctx, t, st, "r1")
	require.NotEmpty(t, want.Findings)
	require.NotEmpty(t, want.Messages)
	require.NotEmpty(t, want.Commands)
	require.Equal(t, want, got)
}

func TestTwoDaemonsDoubleNothing(t *testing.T) {
	t.Parallel()
	twoDaemons(t, newMemStore(), newMemStore())
}

// coded is an error of a driver.
type coded struct {
	code  int
	state string
}

func (coded) Error() string { return "it did not work" }

type liteError struct{ coded }

func (e liteError) Code() int { return e.code }

type pgError struct{ coded }

func (e pgError) SQLState() string { return e.state }

func TestWhoseFaultItIs(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		err  error
		want fault
	}{
		{liteError{coded{code: 13}}, faultStore},  // FULL
		{liteError{coded{code: 5}}, faultStore},   // BUSY
		{liteError{coded{code: 275}}, faultEvent}, // CONSTRAINT_CHECK
		{pgError{coded{state: "53100"}}, faultStore},
		{pgError{coded{state: "57P01"}}, faultStore},
		{pgError{coded{state: "22003"}}, faultEvent},
		{pgError{coded{state: "23514"}}, faultEvent},
		{&store.PermanentError{Err: errDisk}, faultEvent},
		{&panicError{value: "x"}, faultEvent},
		{context.DeadlineExceeded, faultStore},
		{&net.OpError{Op: "read", Err: net.ErrClosed}, faultStore},
		{errDisk, faultUnknown},
	} {
		require.Equal(t, tc.want, faultOf(fmt.Errorf("write: %w", tc.err)), "%v", tc.err)
	}
}
