package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/sql/store"
)

// ingestTries is how often a transaction that ran into another one is tried.
const ingestTries = 5

// rollbackPatience bounds the rollback of a transaction whose context is over.
const rollbackPatience = 5 * time.Second

// Ingest is store.Store's.
func (s *Store) Ingest(ctx context.Context, fn func(store.Tx) error) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval = 20 * time.Millisecond
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.once(ctx, fn)
		switch {
		case errors.Is(err, errConflict):
			s.log.DebugContext(ctx, "a transaction is tried again", "reason", err)
		case err != nil:
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxTries(ingestTries), backoff.WithBackOff(wait))
	return err
}

func (s *Store) once(ctx context.Context, fn func(store.Tx) error) (err error) {
	inner, err := s.pool.Begin(ctx)
	if err != nil {
		return fmt.Errorf("begin: %w", plain(err))
	}
	defer func() {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
		defer cancel()
		// A connection that cannot even roll back is closed by the pool, which is a rollback.
		if rolled := inner.Rollback(back); rolled != nil && err == nil && !errors.Is(rolled, pgx.ErrTxClosed) {
			err = plain(rolled)
		}
	}()
	if err := fn(&tx{Tx: inner, s: s}); err != nil {
		return err
	}
	if err := inner.Commit(ctx); err != nil {
		return fmt.Errorf("commit: %w", plain(err))
	}
	return nil
}

// tx is store.Tx.
type tx struct {
	pgx.Tx
	s *Store
}

// LockRuns is store.Tx's.
func (t *tx) LockRuns(ctx context.Context, keys []store.RunKey) ([]store.RunState, error) {
	ordered := slices.Clone(keys)
	slices.SortFunc(ordered, func(a, b store.RunKey) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.ID, b.ID))
	})
	var projects, ids []string
	for _, k := range slices.Compact(ordered) {
		projects, ids = append(projects, k.Project), append(ids, k.ID)
	}
	if _, err := t.Exec(ctx, string(qInsertRuns), projects, ids); err != nil {
		return nil, fmt.Errorf("create runs: %w", plain(err))
	}
	runs, err := list(ctx, t, qLockRuns, scanRun, projects, ids)
	if err != nil {
		return nil, fmt.Errorf("lock runs: %w", err)
	}
	states := make(map[store.RunKey]*store.RunState, len(runs))
	byPK := make(map[int64]*store.RunState, len(runs))
	var pks []int64
	for _, r := range runs {
		state := &store.RunState{Run: r}
		states[store.RunKey{Project: r.Project, ID: r.ID}], byPK[r.PK] = state, state
		pks = append(pks, r.PK)
	}
	// After the lock: only now is everything there that an earlier holder wrote.
	attempts, err := list(ctx, t, qAttemptsOf, scanAttempt, pks)
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	for _, a := range attempts {
		byPK[a.RunPK].Attempts = append(byPK[a.RunPK].Attempts, a)
	}
	out := make([]store.RunState, len(keys))
	for i, k := range keys {
		state := states[k]
		if state == nil {
			return nil, fmt.Errorf("lock run %s of %s: %w", k.ID, k.Project, store.ErrNotFound)
		}
		// The row may have been waited for; the count beside it is from before the wait.
		state.Run.Attempts = len(state.Attempts)
		out[i] = *state
	}
	return out, nil
}

// ListEpochs is store.Tx's.
func (t *tx) ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error) {
	return named(list(ctx, t, qEpochs, scanEpoch, runPK))("list epochs")
}

// ListFindings is store.Tx's.
func (t *tx) ListFindings(ctx context.Context, runPK int64) ([]store.Finding, error) {
	return named(list(ctx, t, qFindings, scanFinding, runPK))("list findings")
}

// ListFiring is store.Tx's.
func (t *tx) ListFiring(ctx context.Context, limit int) ([]store.RunFinding, error) {
	return listFiring(ctx, t, limit)
}

// ListCommands is store.Tx's.
func (t *tx) ListCommands(ctx context.Context, runPK int64) ([]store.Command, error) {
	return named(list(ctx, t, qCommands, scanCommand, runPK))("list commands")
}

// ListHeld is store.Tx's.
func (t *tx) ListHeld(ctx context.Context, runPK int64) ([]store.Held, error) {
	return named(list(ctx, t, qHeld, scanHeld, runPK))("list held events")
}
