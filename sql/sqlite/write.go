package sqlite

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/internal/queue"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Write is store.Tx's. The order is that of the references between tables.
func (t *tx) Write(ctx context.Context, c store.Changes) error {
	if err := each(ctx, c.Runs, t.updateRun, "update a run"); err != nil {
		return err
	}
	if err := each(ctx, c.Attempts, t.upsertAttempt, "store an attempt"); err != nil {
		return err
	}
	if err := each(ctx, c.Epochs, t.insertEpoch, "store an epoch"); err != nil {
		return err
	}
	if err := each(ctx, c.Batches, t.insertBatches, "store batches"); err != nil {
		return err
	}
	if err := each(ctx, c.Hold, t.hold, "hold an event"); err != nil {
		return err
	}
	if err := each(ctx, c.Release, t.release, "release a held event"); err != nil {
		return err
	}
	if err := each(ctx, c.Findings, t.upsertFinding, "store a finding"); err != nil {
		return err
	}
	if err := each(ctx, c.Commands, t.upsertCommand, "store a command"); err != nil {
		return err
	}
	if err := t.writeGroups(ctx, &c); err != nil {
		return err
	}
	if err := t.insertMessages(ctx, c.Messages); err != nil {
		return err
	}
	if err := each(ctx, c.Deliveries, t.deliver, "record a delivery"); err != nil {
		return err
	}
	return each(ctx, c.Quarantined, t.quarantine, "store a refused message")
}

func each[T any](ctx context.Context, rows []T, write func(context.Context, *T) error, what string) error {
	for i := range rows {
		if err := write(ctx, &rows[i]); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func (t *tx) updateRun(ctx context.Context, r *store.Run) error {
	tags, err := column.JSON(append([]string{}, r.Tags...))
	if err != nil {
		return err
	}
	started, err := optionalJSON(r.Started)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qUpdateRun, r.Name, tags, r.State, r.EndReason, timeText(r.StartedAt), optionalTime(r.EndedAt),
		timeText(r.LastSignAt), r.Revision, started, r.PK)
	return err
}

func (t *tx) upsertAttempt(ctx context.Context, a *store.Attempt) error {
	gaps, err := column.Gaps(a.Gaps)
	if err != nil {
		return err
	}
	started, err := optionalJSON(a.Started)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qUpsertAttempt, a.RunPK, a.ID, timeText(a.StartedAt), a.NextSeq, gaps, a.State,
		optionalTime(a.EndedAt), started)
	return err
}

func (t *tx) insertEpoch(ctx context.Context, e *store.Epoch) error {
	r, err := t.exec(ctx, qInsertEpoch, e.RunPK, e.Attempt, e.Seq, e.Epoch, timeText(e.EndedAt), optionalFloat(e.Seconds),
		optionalFloat(e.LearningRate), e.Step, optionalFloat(e.FirstBatchLoss))
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return err // stored before, metrics and all
	}
	pk, err := r.LastInsertId()
	if err != nil {
		return err
	}
	for metric, v := range e.Metrics {
		value, nonfinite := any(v), any(nil)
		if math.IsNaN(v) || math.IsInf(v, 0) {
			value, nonfinite = nil, float(v)
		}
		if _, err := t.exec(ctx, qInsertMetric, pk, metric, value, nonfinite); err != nil {
			return fmt.Errorf("metric %q: %w", metric, err)
		}
	}
	return nil
}

func (t *tx) insertBatches(ctx context.Context, b *store.Batches) error {
	metrics, err := column.JSON(b.Body.Metrics)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qInsertBatches, b.RunPK, b.Attempt, b.Seq, b.Body.Epoch, b.Body.Batch, b.Body.Count, metrics)
	return err
}

func (t *tx) hold(ctx context.Context, h *store.Held) error {
	_, err := t.exec(ctx, qHold, h.RunPK, h.Attempt, h.Seq, timeText(h.ReceivedAt), blob(h.Event))
	return err
}

func (t *tx) release(ctx context.Context, h *store.Held) error {
	_, err := t.exec(ctx, qRelease, h.RunPK, h.Attempt, h.Seq)
	return err
}

func (t *tx) upsertFinding(ctx context.Context, f *store.Finding) error {
	evidence, err := column.JSON(f.Evidence)
	if err != nil {
		return err
	}
	advice, err := column.JSON(f.Advice)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qUpsertFinding, f.ID, f.RunPK, f.Kind, f.Metric, f.OnsetEpoch, f.Severity, f.FiredEpoch,
		f.ResolvedEpoch, float(f.Confidence), f.Reason, f.Summary, evidence, advice, timeText(f.OpenedAt))
	return err
}

func (t *tx) upsertCommand(ctx context.Context, c *store.Command) error {
	body, err := column.JSON(c.Command)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qUpsertCommand, c.ID, c.RunPK, c.Attempt, c.CausedBy, c.Kind, timeText(c.IssuedAt),
		optionalNumber(c.Expected), optionalNumber(c.Wanted), body, c.State, optionalText(c.FindingID), c.DecidedEpoch,
		c.AppliedEpoch, c.Answer, optionalFloat(c.Before), optionalFloat(c.After), optionalTime(c.AnsweredAt), c.Effect,
		c.Forecast, c.ProposedBy)
	return err
}

// insertMessages stores the messages that are new, each with the job that sends it.
func (t *tx) insertMessages(ctx context.Context, messages []store.Message) error {
	var fresh []string
	for i := range messages {
		m := &messages[i]
		r, err := t.exec(ctx, qInsertMessage, m.ID, optionalKey(m.RunPK), optionalText(m.FindingID), m.Receiver, m.Channel, m.Event,
			m.State, m.Attempts, m.LastError, timeText(m.CreatedAt), optionalTime(m.SentAt), m.Reference, m.GroupID, m.Thread,
			m.Repeated, m.Body)
		if err != nil {
			return fmt.Errorf("store a message: %w", err)
		}
		n, err := r.RowsAffected()
		if err != nil {
			return fmt.Errorf("store a message: %w", err)
		}
		if n == 0 {
			continue
		}
		fresh = append(fresh, m.ID)
		for _, f := range column.About(m) {
			if _, err := t.exec(ctx, qInsertMessageFinding, m.ID, f); err != nil {
				return fmt.Errorf("store what a message is about: %w", err)
			}
		}
	}
	if len(fresh) == 0 {
		return nil
	}
	if _, err := t.s.jobs.InsertManyFastTx(ctx, t.Tx, queue.Messages(fresh)); err != nil {
		return fmt.Errorf("queue messages: %w", plain(err))
	}
	t.queued = true
	return nil
}

func (t *tx) quarantine(ctx context.Context, q *store.Quarantined) error {
	digest := sha256.Sum256(q.Payload)
	_, err := t.exec(ctx, qQuarantine, timeText(q.ReceivedAt), q.Subject, q.MessageID, int64(q.StreamSeq), q.Reason, q.Detail,
		q.Size, blob(q.Payload), digest[:])
	return err
}

func optionalKey(pk int64) any {
	if pk == 0 {
		return nil
	}
	return pk
}

// blob keeps an empty one from becoming null.
func blob(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
