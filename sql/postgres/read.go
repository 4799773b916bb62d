package postgres

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// querier asks: the pool, or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// list returns all rows of q.
func list[T any](ctx context.Context, db querier, q query, scan pgx.RowToFunc[T], args ...any) ([]T, error) {
	rows, err := db.Query(ctx, string(q), args...)
	if err != nil {
		return nil, plain(err)
	}
	out, err := pgx.CollectRows(rows, scan)
	return out, plain(err)
}

// find returns the one row of q, or store.ErrNotFound.
func find[T any](ctx context.Context, db querier, q query, scan pgx.RowToFunc[T], args ...any) (v T, err error) {
	rows, err := db.Query(ctx, string(q), args...)
	if err != nil {
		return v, plain(err)
	}
	v, err = pgx.CollectOneRow(rows, scan)
	if errors.Is(err, pgx.ErrNoRows) {
		return v, store.ErrNotFound
	}
	return v, plain(err)
}

// FindRun is store.Store's.
func (s *Store) FindRun(ctx context.Context, project, id string) (store.Run, error) {
	if project != "" {
		r, err := find(ctx, s.pool, qRunByKey, scanRun, project, id)
		if err != nil {
			return r, fmt.Errorf("find run %s of %s: %w", id, project, err)
		}
		return r, nil
	}
	runs, err := list(ctx, s.pool, qRunsByID, scanRun, id)
	switch {
	case err != nil:
	case len(runs) == 0:
		err = store.ErrNotFound
	case len(runs) > 1:
		err = store.ErrAmbiguous
	default:
		return runs[0], nil
	}
	return store.Run{}, fmt.Errorf("find run %s: %w", id, err)
}

// ListRuns is store.Store's.
func (s *Store) ListRuns(ctx context.Context, f store.RunFilter) ([]store.Run, error) {
	limit := int64(math.MaxInt64)
	if f.Limit > 0 {
		limit = int64(f.Limit)
	}
	return named(list(ctx, s.pool, qRuns, scanRun, f.Project, string(f.State), limit))("list runs")
}

// ListAttempts is store.Store's.
func (s *Store) ListAttempts(ctx context.Context, runPK int64) ([]store.Attempt, error) {
	return named(list(ctx, s.pool, qAttempts, scanAttempt, runPK))("list attempts")
}

// ListEpochs is store.Store's.
func (s *Store) ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error) {
	return named(list(ctx, s.pool, qEpochs, scanEpoch, runPK))("list epochs")
}

// ListFindings is store.Store's.
func (s *Store) ListFindings(ctx context.Context, runPK int64) ([]store.Finding, error) {
	return named(list(ctx, s.pool, qFindings, scanFinding, runPK))("list findings")
}

// ListFiring is store.Store's.
func (s *Store) ListFiring(ctx context.Context, limit int) ([]store.RunFinding, error) {
	return listFiring(ctx, s.pool, limit)
}

func listFiring(ctx context.Context, db querier, limit int) ([]store.RunFinding, error) {
	findings, err := list(ctx, db, qFiring, scanFinding, limit)
	if err != nil || len(findings) == 0 {
		return nil, wrap(err, "list what fires")
	}
	pks := make([]int64, len(findings))
	for i, f := range findings {
		pks[i] = f.RunPK
	}
	runs, err := list(ctx, db, qRunsByPK, scanRun, pks)
	return column.WithRuns(findings, runs), wrap(err, "list the runs of what fires")
}

// ListCommands is store.Store's.
func (s *Store) ListCommands(ctx context.Context, runPK int64) ([]store.Command, error) {
	return named(list(ctx, s.pool, qCommands, scanCommand, runPK))("list commands")
}

// ListMessages is store.Store's.
func (s *Store) ListMessages(ctx context.Context, runPK int64) ([]store.Message, error) {
	return named(list(ctx, s.pool, qMessages, scanMessage, runPK))("list messages")
}

// ListQuarantined is store.Store's.
func (s *Store) ListQuarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return named(list(ctx, s.pool, qQuarantined, scanQuarantined, limit))("list refused messages")
}

// FindMessage is store.Store's.
func (s *Store) FindMessage(ctx context.Context, id string) (d store.MessageDetail, err error) {
	if d.Message, err = find(ctx, s.pool, qMessage, scanMessage, id); err != nil {
		return d, fmt.Errorf("find message %s: %w", id, err)
	}
	if d.Message.RunPK == 0 {
		return d, nil
	}
	if d.Run, err = find(ctx, s.pool, qRunByPK, scanRun, d.Message.RunPK); err != nil {
		return d, fmt.Errorf("find the run of message %s: %w", id, err)
	}
	if d.Message.FindingID != "" {
		if d.Finding, err = find(ctx, s.pool, qFinding, scanFinding, d.Message.FindingID); err != nil {
			return d, fmt.Errorf("find the finding of message %s: %w", id, err)
		}
		if d.Also, err = s.also(ctx, &d.Message); err != nil {
			return d, fmt.Errorf("find the findings of message %s: %w", id, err)
		}
	}
	if d.Message.GroupID != "" {
		if d.Acknowledged, err = s.ListAcknowledgements(ctx, id); err != nil {
			return d, err
		}
	}
	if d.Commands, err = s.ListCommands(ctx, d.Run.PK); err != nil {
		return d, err
	}
	all, err := s.ListEpochs(ctx, d.Run.PK)
	d.Epochs = store.Curve(all)
	return d, err
}

// FindOrder is store.Store's.
func (s *Store) FindOrder(ctx context.Context, id string) (store.Order, error) {
	return named(find(ctx, s.pool, qOrder, pgx.RowToStructByPos[store.Order], id))("find the order of messages")
}

// also returns the findings of a message, but for the one that heads it.
func (s *Store) also(ctx context.Context, m *store.Message) ([]store.RunFinding, error) {
	findings, err := list(ctx, s.pool, qMessageFindings, scanFinding, m.ID)
	if err != nil || len(findings) < 2 {
		return nil, err
	}
	pks := make([]int64, len(findings))
	for i, f := range findings {
		pks[i] = f.RunPK
	}
	runs, err := list(ctx, s.pool, qRunsByPK, scanRun, pks)
	return column.Also(m.FindingID, findings, runs), err
}

func wrap(err error, what string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}

// named wraps the error of a question with what was asked.
func named[T any](v T, err error) func(what string) (T, error) {
	return func(what string) (T, error) {
		if err != nil {
			return v, fmt.Errorf("%s: %w", what, err)
		}
		return v, nil
	}
}
