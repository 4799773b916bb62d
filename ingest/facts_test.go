package ingest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// of adds a run_started with facts.
func (r *trainer) of(f contract.Facts) *trainer {
	r.next(contract.TypeRunStarted).RunStarted = &contract.RunStarted{Facts: f}
	return r
}

// softmaxOfOne are facts that need no epoch to be known wrong; mended, to be right.
func softmaxOfOne(initial int) contract.Facts {
	return contract.Facts{Loss: "mean_squared_error", OutputUnits: 1, OutputActivation: "softmax", InitialEpoch: initial}
}

func mended(initial int) contract.Facts {
	f := softmaxOfOne(initial)
	f.OutputActivation = "linear"
	return f
}

func findingsOf(ctx context.Context, t *testing.T, st store.Store) []store.Finding {
	t.Helper()
	r, err := st.FindRun(ctx, "default", "r1")
	require.NoError(t, err)
	all, err := st.ListFindings(ctx, r.PK)
	require.NoError(t, err)
	return all
}

func TestWhatTheFactsSayIsStoredAndToldBeforeTheFirstEpoch(t *testing.T) {
	t.Parallel()
	ctx, h, st := t.Context(), &hearsay{}, newMemStore()
	o := Options{Store: st, Observer: h, Announcer: toTeam{}, Policy: everyThird{always: true}}
	s := service(t, o)
	a := newTrainer("r1", first).of(softmaxOfOne(0))
	deliver(ctx, t, s, a.out...)
	types, _ := h.heard()
	require.Equal(t, []NewsType{NewsRunStarted, NewsFindingOpened}, types)
	found := findingsOf(ctx, t, st)
	require.Len(t, found, 1)
	require.Equal(t, detectors.Key{Kind: detectors.KindHeadLossMismatch, Metric: "loss", Onset: 0}, found[0].Key())
	require.Equal(t, []string{found[0].ID + "-firing"}, pictureOf(ctx, t, st, "r1").Messages)

	// Neither a redelivery, nor the epochs, nor another daemon, nor a fit that is no better
	// says it again.
	deliver(ctx, t, s, a.out...)
	other := service(t, o)
	deliver(ctx, t, other, a.epochs(0, 1, 0.9).out...)
	b := newTrainer("r1", second).of(softmaxOfOne(2)).epochs(2, 0.8)
	deliver(ctx, t, service(t, o), b.out...)
	types, _ = h.heard()
	require.NotContains(t, types, NewsFindingOpened)
	require.Len(t, pictureOf(ctx, t, st, "r1").Messages, 1)

	// One that is mended ends it, at its start.
	deliver(ctx, t, other, newTrainer("r1", third).of(mended(3)).out...)
	types, _ = h.heard()
	require.Equal(t, []NewsType{NewsRunStarted, NewsFindingResolved}, types)
	found = findingsOf(ctx, t, st)
	require.Len(t, found, 1)
	require.Equal(t, 3, *found[0].ResolvedEpoch)
	require.Equal(t, []string{found[0].ID + "-firing", found[0].ID + "-resolved"}, pictureOf(ctx, t, st, "r1").Messages)
}

// TestFactsThatComeLateAreHeard has the epochs overtake what the run says of itself.
func TestFactsThatComeLateAreHeard(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	straight, late := newMemStore(), newMemStore()
	a := newTrainer("r1", first).of(softmaxOfOne(0)).epochs(0, 1, 0.9)
	b := newTrainer("r1", second).of(mended(2)).epochs(2, 0.8, 0.7)
	s := service(t, Options{Store: straight, Announcer: toTeam{}})
	deliver(ctx, t, s, a.out...)
	deliver(ctx, t, s, b.out...)
	want := pictureOf(ctx, t, straight, "r1")
	require.Len(t, want.Findings, 1)

	s = service(t, Options{Store: late, Announcer: toTeam{}})
	deliver(ctx, t, s, b.out[1:]...)
	deliver(ctx, t, s, a.out[1:]...)
	require.Empty(t, findingsOf(ctx, t, late))
	deliver(ctx, t, s, b.out[0])
	deliver(ctx, t, s, a.out[0])
	got := pictureOf(ctx, t, late, "r1")
	require.Equal(t, want.Findings, got.Findings)
	require.Equal(t, want.Attempts, got.Attempts)
	require.Equal(t, want.Messages, got.Messages)
}
