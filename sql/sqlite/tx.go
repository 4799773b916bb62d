package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/epochwatch/epochwatch/sql/store"
)

// ingestTries is how often a transaction is tried when another program holds the lock;
// each try waits for busyTimeout already.
const ingestTries = 3

// Ingest is store.Store's.
func (s *Store) Ingest(ctx context.Context, fn func(store.Tx) error) error {
	if s.write == nil {
		return errReadOnly
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		err := s.once(ctx, fn)
		switch {
		case errors.Is(err, errBusy):
			s.log.DebugContext(ctx, "a transaction is tried again", "reason", err)
		case err != nil:
			err = backoff.Permanent(err)
		}
		return struct{}{}, err
	}, backoff.WithMaxTries(ingestTries))
	return err
}

func (s *Store) once(ctx context.Context, fn func(store.Tx) error) (err error) {
	inner, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", plain(err))
	}
	defer func() {
		if back := inner.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) {
			err = errors.Join(err, plain(back))
		}
	}()
	t := &tx{Tx: inner, s: s}
	if err := fn(t); err != nil {
		return err
	}
	if err := inner.Commit(); err != nil {
		return fmt.Errorf("commit: %w", plain(err))
	}
	if t.queued {
		s.bell.ring()
	}
	return nil
}

// tx is store.Tx. The database has one writer, so its lock is the lock on every run.
type tx struct {
	*sql.Tx
	s      *Store
	queued bool // jobs
}

// exec runs a prepared statement.
func (t *tx) exec(ctx context.Context, q query, args ...any) (sql.Result, error) {
	r, err := t.StmtContext(ctx, t.s.statements[q]).ExecContext(ctx, args...) //nolint:sqlclosecheck // the transaction closes it
	return r, plain(err)
}

// LockRuns is store.Tx's.
func (t *tx) LockRuns(ctx context.Context, keys []store.RunKey) ([]store.RunState, error) {
	ordered := slices.Clone(keys)
	slices.SortFunc(ordered, func(a, b store.RunKey) int {
		return cmp.Or(cmp.Compare(a.Project, b.Project), cmp.Compare(a.ID, b.ID))
	})
	now := timeText(time.Now())
	states := make(map[store.RunKey]store.RunState, len(keys))
	for _, k := range slices.Compact(ordered) {
		if _, err := t.exec(ctx, qInsertRun, k.Project, k.ID, now); err != nil {
			return nil, fmt.Errorf("create run %s of %s: %w", k.ID, k.Project, err)
		}
		run, err := find(ctx, t, qRunByKey, scanRun, k.Project, k.ID)
		if err != nil {
			return nil, fmt.Errorf("lock run %s of %s: %w", k.ID, k.Project, err)
		}
		attempts, err := list(ctx, t, qAttempts, scanAttempt, run.PK)
		if err != nil {
			return nil, fmt.Errorf("list the attempts of run %s: %w", k.ID, err)
		}
		states[k] = store.RunState{Run: run, Attempts: attempts}
	}
	out := make([]store.RunState, len(keys))
	for i, k := range keys {
		out[i] = states[k]
	}
	return out, nil
}

// ListEpochs is store.Tx's.
func (t *tx) ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error) {
	return listEpochs(ctx, t, runPK)
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
