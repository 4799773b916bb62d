package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/internal/queue"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Write is store.Tx's: one round trip, a second when there are new messages. The order is
// that of the references between tables.
func (t *tx) Write(ctx context.Context, c store.Changes) error {
	b := &pgx.Batch{}
	var fresh []string // messages that were not there
	if err := errors.Join(queueRuns(b, c.Runs), queueAttempts(b, c.Attempts), queueBatches(b, c.Batches)); err != nil {
		return err
	}
	queueEpochs(b, c.Epochs)
	queueHeld(b, c.Hold, c.Release)
	if err := errors.Join(queueFindings(b, c.Findings), queueCommands(b, c.Commands)); err != nil {
		return err
	}
	if err := errors.Join(queueJoins(b, c.Joins, c.News), queueGroups(b, &c)); err != nil {
		return err
	}
	queueMessages(b, c.Messages, &fresh)
	for _, d := range c.Deliveries {
		b.Queue(string(qDeliver), deliveryOf(d)...)
	}
	queueQuarantined(b, c.Quarantined)
	if b.Len() == 0 {
		return nil
	}
	if err := t.SendBatch(ctx, b).Close(); err != nil {
		return fmt.Errorf("write changes: %w", plain(err))
	}
	if len(fresh) == 0 {
		return nil
	}
	if _, err := t.s.jobs.InsertManyFastTx(ctx, t.Tx, queue.Messages(fresh)); err != nil {
		return fmt.Errorf("queue messages: %w", plain(err))
	}
	return nil
}

// last returns rows without those that a later one of the same key replaces; the later
// one takes the place of the first. One statement must not meet a key twice.
func last[T any, K comparable](rows []T, key func(*T) K) []T {
	at := make(map[K]int, len(rows))
	out := make([]T, 0, len(rows))
	for i := range rows {
		k := key(&rows[i])
		if n, ok := at[k]; ok {
			out[n] = rows[i]
			continue
		}
		at[k] = len(out)
		out = append(out, rows[i])
	}
	return out
}

// seqKey is where an event stands.
type seqKey struct {
	runPK   int64
	attempt string
	seq     int64
}

func queueRuns(b *pgx.Batch, runs []store.Run) error {
	for i := range runs {
		r := &runs[i]
		started, err := optionalJSON(r.Started)
		if err != nil {
			return err
		}
		tags := make([]string, len(r.Tags))
		for j, tag := range r.Tags {
			tags[j] = clean(tag)
		}
		b.Queue(string(qUpdateRun), r.PK, clean(r.Name), tags, r.State, clean(r.EndReason), r.StartedAt, r.EndedAt,
			r.LastSignAt, r.Revision, started)
	}
	return nil
}

func queueAttempts(b *pgx.Batch, rows []store.Attempt) error {
	if len(rows) == 0 {
		return nil
	}
	type key struct {
		runPK int64
		id    string
	}
	rows = last(rows, func(a *store.Attempt) key { return key{a.RunPK, a.ID} })
	c := newColumns(8)
	for i := range rows {
		a := &rows[i]
		gaps, err := column.Gaps(a.Gaps)
		if err != nil {
			return err
		}
		started, err := optionalJSON(a.Started)
		if err != nil {
			return err
		}
		c.add(a.RunPK, clean(a.ID), a.StartedAt, a.NextSeq, gaps, string(a.State), a.EndedAt, started)
	}
	b.Queue(string(qUpsertAttempts), c.arrays()...)
	return nil
}

func queueEpochs(b *pgx.Batch, rows []store.Epoch) {
	if len(rows) == 0 {
		return
	}
	seen := make(map[seqKey]bool, len(rows))
	epochs, metrics := newColumns(9), newColumns(6)
	for i := range rows {
		e := &rows[i]
		k := seqKey{e.RunPK, e.Attempt, e.Seq}
		if seen[k] {
			continue // the first one stays, as it would had it come before
		}
		seen[k] = true
		epochs.add(e.RunPK, clean(e.Attempt), e.Seq, int64(e.Epoch), e.EndedAt, e.Seconds, e.LearningRate, e.Step, e.FirstBatchLoss)
		for name, v := range e.Metrics {
			value, nonfinite := split(v)
			metrics.add(e.RunPK, clean(e.Attempt), e.Seq, clean(name), value, nonfinite)
		}
	}
	b.Queue(string(qInsertEpochs), append(epochs.arrays(), metrics.arrays()...)...)
}

func queueBatches(b *pgx.Batch, rows []store.Batches) error {
	if len(rows) == 0 {
		return nil
	}
	c := newColumns(7)
	for i := range rows {
		r := &rows[i]
		metrics, err := column.JSON(r.Body.Metrics)
		if err != nil {
			return err
		}
		c.add(r.RunPK, clean(r.Attempt), r.Seq, int64(r.Body.Epoch), int64(r.Body.Batch), int64(r.Body.Count), metrics)
	}
	b.Queue(string(qInsertBatches), c.arrays()...)
	return nil
}

func queueHeld(b *pgx.Batch, hold, release []store.Held) {
	if len(hold) > 0 {
		c := newColumns(5)
		for i := range hold {
			h := &hold[i]
			c.add(h.RunPK, clean(h.Attempt), h.Seq, h.ReceivedAt, blob(h.Event))
		}
		b.Queue(string(qHold), c.arrays()...)
	}
	if len(release) > 0 {
		c := newColumns(3)
		for i := range release {
			h := &release[i]
			c.add(h.RunPK, clean(h.Attempt), h.Seq)
		}
		b.Queue(string(qRelease), c.arrays()...)
	}
}
