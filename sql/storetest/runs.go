package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

func testLockRuns(t *testing.T, s store.Store) {
	ctx := t.Context()
	keys := []store.RunKey{{Project: "q", ID: "b"}, {Project: "p", ID: "z"}, {Project: "q", ID: "a"}, {Project: "p", ID: "z"}}
	var first []store.RunState
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		var err error
		if first, err = tx.LockRuns(ctx, keys); err != nil {
			return err
		}
		return tx.Write(ctx, store.Changes{Attempts: []store.Attempt{anAttempt(first[0].Run.PK, 2), anAttempt(first[0].Run.PK, 1)}})
	}))
	require.Len(t, first, len(keys))
	for i, k := range keys {
		r := first[i].Run
		require.Equal(t, []string{k.Project, k.ID}, []string{r.Project, r.ID})
		require.Equal(t, store.StateRunning, r.State)
		require.Zero(t, r.Revision)
		require.Nil(t, r.Started)
		require.Nil(t, r.EndedAt)
		require.WithinDuration(t, time.Now(), r.StartedAt, time.Minute)
		require.Empty(t, first[i].Attempts)
	}
	require.Equal(t, first[1].Run.PK, first[3].Run.PK)
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		again, err := tx.LockRuns(ctx, keys[:1])
		require.NoError(t, err)
		require.Equal(t, first[0].Run.PK, again[0].Run.PK)
		requireSame(t, []store.Attempt{anAttempt(first[0].Run.PK, 1), anAttempt(first[0].Run.PK, 2)}, again[0].Attempts)
		require.Equal(t, 2, again[0].Run.Attempts)
		none, err := tx.LockRuns(ctx, nil)
		require.Empty(t, none)
		return err
	}))
}

func testListRuns(t *testing.T, s store.Store) {
	ctx := t.Context()
	for i, key := range []store.RunKey{{Project: "p", ID: "one"}, {Project: "p", ID: "two"}, {Project: "q", ID: "three"}} {
		write(t, s, key, func(r store.RunState) store.Changes {
			run := r.Run
			run.StartedAt = at(time.Duration(i) * time.Hour)
			if i == 1 {
				run.State = store.StateLost
			}
			return store.Changes{Runs: []store.Run{run}}
		})
	}
	for _, c := range []struct {
		filter store.RunFilter
		want   []string
	}{
		{store.RunFilter{}, []string{"three", "two", "one"}},
		{store.RunFilter{Limit: 2}, []string{"three", "two"}},
		{store.RunFilter{Project: "p"}, []string{"two", "one"}},
		{store.RunFilter{State: store.StateRunning}, []string{"three", "one"}},
		{store.RunFilter{Project: "p", State: store.StateLost, Limit: 5}, []string{"two"}},
		{store.RunFilter{Project: "nobody"}, nil},
	} {
		runs, err := s.ListRuns(ctx, c.filter)
		require.NoError(t, err)
		var ids []string
		for _, r := range runs {
			ids = append(ids, r.ID)
		}
		require.Equal(t, c.want, ids, "%+v", c.filter)
	}
}

func testFindRun(t *testing.T, s store.Store) {
	ctx := t.Context()
	for _, key := range []store.RunKey{{Project: "p", ID: "same"}, {Project: "q", ID: "same"}, {Project: "q", ID: "only"}} {
		write(t, s, key, func(store.RunState) store.Changes { return store.Changes{} })
	}
	_, err := s.FindRun(ctx, "", "same")
	require.ErrorIs(t, err, store.ErrAmbiguous)
	_, err = s.FindRun(ctx, "p", "only")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.FindRun(ctx, "", "none")
	require.ErrorIs(t, err, store.ErrNotFound)
	r, err := s.FindRun(ctx, "", "only")
	require.NoError(t, err)
	require.Equal(t, "q", r.Project)
	r, err = s.FindRun(ctx, "q", "same")
	require.NoError(t, err)
	require.Equal(t, "q", r.Project)
}

func testFindings(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	run := write(t, s, key, func(r store.RunState) store.Changes {
		return store.Changes{Findings: []store.Finding{
			aFinding(r.Run.PK, detectors.KindRisingLoss, 3), aFinding(r.Run.PK, detectors.KindDivergence, 1), aFinding(r.Run.PK, detectors.KindRisingLoss, 9),
		}}
	})
	f := aFinding(run.PK, detectors.KindRisingLoss, 3)
	f.Severity, f.FiredEpoch, f.ResolvedEpoch, f.Summary = detectors.SeverityCritical, 8, new(11), "worse, then over"
	f.Advice, f.Evidence = nil, nil
	late := f
	late.OpenedAt = at(9 * time.Hour) // the time of opening stays
	write(t, s, key, func(store.RunState) store.Changes { return store.Changes{Findings: []store.Finding{late}} })
	got, err := s.ListFindings(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, []store.Finding{f, aFinding(run.PK, detectors.KindDivergence, 1), aFinding(run.PK, detectors.KindRisingLoss, 9)}, got)
}

func testCommands(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	var first, second store.Command
	run := write(t, s, key, func(r store.RunState) store.Changes {
		first, second = aCommand(r.Run, "a", 5), aCommand(r.Run, "a", 6)
		return store.Changes{Commands: []store.Command{first, second}}
	})
	rival := aCommand(run, "a", 5)
	elsewhere := aCommand(run, "b", 5)
	answered := first
	answered.State, answered.Answer, answered.AnsweredAt = store.CommandRefused, "below the floor", new(at(time.Hour))
	write(t, s, key, func(store.RunState) store.Changes {
		return store.Changes{Commands: []store.Command{rival, answered, elsewhere}}
	})
	got, err := s.ListCommands(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, []store.Command{answered, second, elsewhere}, got)
	ingest(t, s, key, func(tx store.Tx, _ store.RunState) error {
		inside, err := tx.ListCommands(ctx, run.PK)
		requireSame(t, got, inside)
		return err
	})
}

func testManyEpochs(t *testing.T, s store.Store) {
	ctx := t.Context()
	const epochs, batch = 10000, 500
	key := store.RunKey{Project: "p", ID: "long"}
	var pk int64
	var want []store.Epoch
	began := time.Now()
	for from := 0; from < epochs; from += batch {
		pk = write(t, s, key, func(r store.RunState) store.Changes {
			a := anAttempt(r.Run.PK, 1)
			c := store.Changes{Attempts: []store.Attempt{a}}
			for n := from; n < from+batch; n++ {
				c.Epochs = append(c.Epochs, anEpoch(a, int64(n+1), n, map[string]float64{"loss": 1 / float64(n+1), "val_loss": float64(n) / 3}))
			}
			want = append(want, c.Epochs...)
			return c
		}).PK
	}
	wrote := time.Since(began)
	began = time.Now()
	got, err := s.ListEpochs(ctx, pk)
	require.NoError(t, err)
	t.Logf("%s: %d epochs written in %v, read in %v", s.Engine(), epochs, wrote.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	requireSame(t, want, got)
}

func testHeld(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	var held []store.Held
	run := write(t, s, key, func(r store.RunState) store.Changes {
		first, second := anAttempt(r.Run.PK, 1), anAttempt(r.Run.PK, 2)
		held = []store.Held{
			{RunPK: r.Run.PK, Attempt: first.ID, Seq: 9},
			{RunPK: r.Run.PK, Attempt: second.ID, Seq: 3},
			{RunPK: r.Run.PK, Attempt: first.ID, Seq: 11, ReceivedAt: at(2 * time.Microsecond), Event: []byte("x")},
		}
		return store.Changes{Attempts: []store.Attempt{first, second}, Hold: held}
	})
	ingest(t, s, key, func(tx store.Tx, _ store.RunState) error {
		got, err := tx.ListHeld(ctx, run.PK)
		require.NoError(t, err)
		requireSame(t, []store.Held{held[0], held[2], held[1]}, got)
		require.NoError(t, tx.Write(ctx, store.Changes{Release: held[:2]}))
		got, err = tx.ListHeld(ctx, run.PK)
		requireSame(t, held[2:], got)
		return err
	})
}

func testUpkeep(t *testing.T, s store.Store) {
	ctx := t.Context()
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		return tx.Write(ctx, store.Changes{Quarantined: []store.Quarantined{
			{ReceivedAt: at(0), StreamSeq: 1},
			{ReceivedAt: at(time.Hour), StreamSeq: 2},
			{ReceivedAt: at(2 * time.Hour), StreamSeq: 3},
			{ReceivedAt: at(3 * time.Hour), StreamSeq: 3}, // the same message again
			{ReceivedAt: at(time.Minute), StreamSeq: 3, Payload: []byte("of a stream made anew")},
		}})
	}))
	seqs := func(limit int) (out []uint64) {
		all, err := s.ListQuarantined(ctx, limit)
		require.NoError(t, err)
		for _, q := range all {
			out = append(out, q.StreamSeq)
		}
		return out
	}
	require.Equal(t, []uint64{3, 2, 3, 1}, seqs(10))
	require.Equal(t, []uint64{3, 2}, seqs(2))
	require.NoError(t, s.Upkeep(ctx, at(time.Hour)))
	require.Equal(t, []uint64{3, 2}, seqs(10))
}
