package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// querier asks: the pool of readers, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// list returns all rows of q.
func list[T any](ctx context.Context, db querier, q query, scan func(scanner) (T, error), args ...any) (_ []T, err error) {
	rows, err := db.QueryContext(ctx, string(q), args...)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { err = errors.Join(err, plain(rows.Close())) }()
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, plain(err)
		}
		out = append(out, v)
	}
	return out, plain(rows.Err())
}

// find returns the one row of q, or store.ErrNotFound.
func find[T any](ctx context.Context, db querier, q query, scan func(scanner) (T, error), args ...any) (T, error) {
	v, err := scan(db.QueryRowContext(ctx, string(q), args...))
	if errors.Is(err, sql.ErrNoRows) {
		return v, store.ErrNotFound
	}
	return v, plain(err)
}

func listEpochs(ctx context.Context, db querier, runPK int64) ([]store.Epoch, error) {
	rows, err := list(ctx, db, qEpochs, scanEpoch, runPK)
	if err != nil {
		return nil, fmt.Errorf("list epochs: %w", err)
	}
	at := make(map[int64]map[string]float64, len(rows))
	out := make([]store.Epoch, len(rows))
	for i, r := range rows {
		out[i] = r.Epoch
		at[r.pk] = r.Metrics
	}
	metrics, err := list(ctx, db, qMetrics, scanMetric, runPK)
	if err != nil {
		return nil, fmt.Errorf("list metrics: %w", err)
	}
	for _, m := range metrics {
		if values := at[m.epochPK]; values != nil { // nil: committed between the two questions
			values[m.metric] = m.value
		}
	}
	return out, nil
}

// FindRun is store.Store's.
func (s *Store) FindRun(ctx context.Context, project, id string) (store.Run, error) {
	if project != "" {
		r, err := find(ctx, s.read, qRunByKey, scanRun, project, id)
		if err != nil {
			return r, fmt.Errorf("find run %s of %s: %w", id, project, err)
		}
		return r, nil
	}
	runs, err := list(ctx, s.read, qRunsByID, scanRun, id)
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
	return named(list(ctx, s.read, qRuns, scanRun, f.Project, string(f.State), limit))("list runs")
}

// ListAttempts is store.Store's.
func (s *Store) ListAttempts(ctx context.Context, runPK int64) ([]store.Attempt, error) {
	return named(list(ctx, s.read, qAttempts, scanAttempt, runPK))("list attempts")
}

// ListEpochs is store.Store's.
func (s *Store) ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error) {
	return listEpochs(ctx, s.read, runPK)
}

// ListFindings is store.Store's.
func (s *Store) ListFindings(ctx context.Context, runPK int64) ([]store.Finding, error) {
	return named(list(ctx, s.read, qFindings, scanFinding, runPK))("list findings")
}

// ListFiring is store.Store's.
func (s *Store) ListFiring(ctx context.Context, limit int) ([]store.RunFinding, error) {
	return listFiring(ctx, s.read, limit)
}

func listFiring(ctx context.Context, db querier, limit int) ([]store.RunFinding, error) {
	findings, err := list(ctx, db, qFiring, scanFinding, limit)
	if err != nil {
		return nil, fmt.Errorf("list what fires: %w", err)
	}
	runs, err := list(ctx, db, qFiringRuns, scanRun)
	if err != nil {
		return nil, fmt.Errorf("list the runs of what fires: %w", err)
	}
	return column.WithRuns(findings, runs), nil
}

// ListCommands is store.Store's.
func (s *Store) ListCommands(ctx context.Context, runPK int64) ([]store.Command, error) {
	return named(list(ctx, s.read, qCommands, scanCommand, runPK))("list commands")
}

// ListMessages is store.Store's.
func (s *Store) ListMessages(ctx context.Context, runPK int64) ([]store.Message, error) {
	return named(list(ctx, s.read, qMessages, scanMessage, runPK))("list messages")
}

// ListQuarantined is store.Store's.
func (s *Store) ListQuarantined(ctx context.Context, limit int) ([]store.Quarantined, error) {
	return named(list(ctx, s.read, qQuarantined, scanQuarantined, limit))("list refused messages")
}

// FindMessage is store.Store's.
func (s *Store) FindMessage(ctx context.Context, id string) (d store.MessageDetail, err error) {
	if d.Message, err = find(ctx, s.read, qMessage, scanMessage, id); err != nil {
		return d, fmt.Errorf("find message %s: %w", id, err)
	}
	if d.Message.RunPK == 0 {
		return d, nil
	}
	if d.Run, err = find(ctx, s.read, qRunByPK, scanRun, d.Message.RunPK); err != nil {
		return d, fmt.Errorf("find the run of message %s: %w", id, err)
	}
	if d.Message.FindingID != "" {
		if d.Finding, err = find(ctx, s.read, qFinding, scanFinding, d.Message.FindingID); err != nil {
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
	return named(find(ctx, s.read, qOrder, scanOrder, id))("find the order of messages")
}

// also returns the findings of a message, but for the one that heads it.
func (s *Store) also(ctx context.Context, m *store.Message) ([]store.RunFinding, error) {
	findings, err := list(ctx, s.read, qMessageFindings, scanFinding, m.ID)
	if err != nil || len(findings) < 2 {
		return nil, err
	}
	runs, err := list(ctx, s.read, qMessageRuns, scanRun, m.ID)
	return column.Also(m.FindingID, findings, runs), err
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
