package ingest

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// history is a run of several attempts that goes wrong in several ways.
func history(t *rapid.T, run string) []contract.Event {
	var out []contract.Event
	from := 0
	for i, id := range []string{first, second, third}[:rapid.IntRange(1, 3).Draw(t, "attempts")] {
		r := newTrainer(run, id)
		if rapid.Bool().Draw(t, "started") {
			r.started()
		}
		n := rapid.IntRange(1, 8).Draw(t, "epochs")
		for k := range n {
			loss := rapid.SampledFrom([]float64{0.9, 0.8, 1.5, 4, math.NaN(), math.Inf(1)}).Draw(t, "loss")
			r.epochs(from+k, loss)
			if rapid.IntRange(0, 3).Draw(t, "more") == 0 {
				r.heartbeat().batches(from + k)
			}
		}
		if rapid.Bool().Draw(t, "answered") {
			r.answer(fmt.Sprintf("%s-%s-%d", run, id[30:], 3), contract.OutcomeApplied, from+n)
		}
		if rapid.Bool().Draw(t, "ended") {
			r.ended(rapid.SampledFrom([]contract.EndState{contract.EndCompleted, contract.EndFailed}).Draw(t, "end"))
		}
		out = append(out, r.out...)
		from = max(0, from+n-rapid.IntRange(0, 3).Draw(t, fmt.Sprint("again", i)))
	}
	return out
}

// mix returns the events in any order with repeats, cut into batches.
func mix(t *rapid.T, events []contract.Event) [][]contract.Event {
	all := slices.Clone(events)
	for range rapid.IntRange(0, 2*len(events)).Draw(t, "repeats") {
		all = append(all, rapid.SampledFrom(events).Draw(t, "repeat"))
	}
	all = rapid.Permutation(all).Draw(t, "order")
	var out [][]contract.Event
	for len(all) > 0 {
		n := rapid.IntRange(1, len(all)).Draw(t, "batch")
		out = append(out, all[:n])
		all = all[n:]
	}
	return out
}

// anyOrder holds that any order of arrival, with repeats, in any batches, by one daemon
// or by two in turn, stores what the order of training stores.
func anyOrder(t *testing.T, stores [2]store.Store) {
	ctx := t.Context()
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		run := fmt.Sprintf("run-%d", n)
		events := history(t, run)
		o := Options{Policy: everyThird{always: true}, Announcer: toTeam{}, Now: newClock().Now}

		o.Store = stores[0]
		straight := service(t, o)
		for _, e := range events {
			deliver(ctx, t, straight, e)
		}
		want := pictureOf(ctx, t, o.Store, run)

		o.Store = stores[1]
		two := [2]*Service{service(t, o), service(t, o)}
		for _, batch := range mix(t, events) {
			deliver(ctx, t, two[rapid.IntRange(0, 1).Draw(t, "daemon")], batch...)
		}
		got := pictureOf(ctx, t, o.Store, run)

		require.Equal(t, want.Epochs, got.Epochs)
		require.Equal(t, want.Curve, got.Curve)
		require.ElementsMatch(t, want.Findings, got.Findings)
		require.ElementsMatch(t, want.Commands, got.Commands)
		require.Equal(t, want.Attempts, got.Attempts)
		require.Equal(t, want.Run, got.Run)
		// People hear of each finding where it stands, once; of what it went through
		// before it was known in full they may hear less.
		for _, f := range got.Findings {
			require.Contains(t, got.Messages, f[:36]+"-firing")
			if !strings.Contains(f, `"ResolvedEpoch":null`) {
				require.Contains(t, got.Messages, f[:36]+"-resolved")
			}
		}
		require.Empty(t, want.Withdrawn)
	})
}

func TestAnyOrderOfArrivalStoresTheSame(t *testing.T) {
	t.Parallel()
	anyOrder(t, [2]store.Store{newMemStore(), newMemStore()})
}

func TestArrangeFoldsEachNumberOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Int64Range(1, 12).Draw(t, "n")
		next, gaps, got, waiting := int64(1), []store.SeqRange(nil), map[int64]int{}, []pending(nil)
		sent := map[int64]bool{}
		for range rapid.IntRange(1, 40).Draw(t, "arrivals") {
			seq := rapid.Int64Range(1, n).Draw(t, "seq")
			sent[seq] = true
			giveUp := start
			if rapid.Bool().Draw(t, "late") {
				giveUp = start.Add(1)
			}
			p := arrange(next, gaps, append(slices.Clone(waiting), pending{event: contract.Event{Seq: seq}, receivedAt: start}), giveUp)
			for _, f := range slices.Concat(p.fill, p.fold) {
				got[f.event.Seq]++
			}
			next, gaps, waiting = p.next, p.gaps, nil
			for _, w := range p.wait {
				w.held = true
				waiting = append(waiting, w)
			}
		}
		// What was given up and never came, and nothing else, is a gap.
		for seq := int64(1); seq < next; seq++ {
			missing := slices.ContainsFunc(gaps, func(g store.SeqRange) bool { return g.From <= seq && seq <= g.To })
			require.Equal(t, !sent[seq], missing, "seq %d", seq)
		}
		for seq := range sent {
			waits := slices.ContainsFunc(waiting, func(w pending) bool { return w.event.Seq == seq })
			require.Equal(t, waits, got[seq] == 0, "seq %d folded %d times", seq, got[seq])
			require.LessOrEqual(t, got[seq], 1)
		}
	})
}
