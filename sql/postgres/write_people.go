package postgres

import (
	"crypto/sha256"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

func queueFindings(b *pgx.Batch, rows []store.Finding) error {
	if len(rows) == 0 {
		return nil
	}
	type key struct {
		runPK int64
		detectors.Key
	}
	rows = last(rows, func(f *store.Finding) key { return key{f.RunPK, f.Key()} })
	c := newColumns(14)
	for i := range rows {
		f := &rows[i]
		evidence, err := column.JSON(f.Evidence)
		if err != nil {
			return err
		}
		advice, err := column.JSON(f.Advice)
		if err != nil {
			return err
		}
		c.add(f.ID, f.RunPK, string(f.Kind), clean(f.Metric), int64(f.OnsetEpoch), string(f.Severity), int64(f.FiredEpoch),
			wide(f.ResolvedEpoch), f.Confidence, clean(f.Reason), clean(f.Summary), evidence, advice, f.OpenedAt)
	}
	b.Queue(string(qUpsertFindings), c.arrays()...)
	return nil
}

func queueCommands(b *pgx.Batch, rows []store.Command) error {
	if len(rows) == 0 {
		return nil
	}
	rows = last(rows, func(c *store.Command) string { return c.ID })
	c := newColumns(20)
	for i := range rows {
		r := &rows[i]
		body, err := column.JSON(r.Command)
		if err != nil {
			return err
		}
		c.add(clean(r.ID), r.RunPK, clean(r.Attempt), r.CausedBy, string(r.Kind), r.IssuedAt, (*float64)(r.Expected),
			(*float64)(r.Wanted), body, string(r.State), optionalText(r.FindingID), int64(r.DecidedEpoch), wide(r.AppliedEpoch),
			clean(r.Answer), r.Before, r.After, r.AnsweredAt, string(r.Effect), r.Forecast, clean(r.ProposedBy))
	}
	b.Queue(string(qInsertCommands), c.arrays()...)
	b.Queue(string(qUpdateCommands), c.arrays()...)
	return nil
}

// queueMessages adds the ids of the messages that were not there to fresh.
func queueMessages(b *pgx.Batch, rows []store.Message, fresh *[]string) {
	if len(rows) == 0 {
		return
	}
	c, about := newColumns(16), newColumns(2)
	for i := range rows {
		m := &rows[i]
		c.add(clean(m.ID), optionalKey(m.RunPK), optionalText(m.FindingID), clean(m.Receiver), clean(m.Channel), string(m.Event),
			string(m.State), int64(m.Attempts), clean(m.LastError), m.CreatedAt, m.SentAt, clean(m.Reference), clean(m.GroupID),
			clean(m.Thread), m.Repeated, clean(m.Body))
		for _, f := range column.About(m) {
			about.add(clean(m.ID), f)
		}
	}
	b.Queue(string(qInsertMessages), c.arrays()...).Query(func(rows pgx.Rows) error {
		ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
		*fresh = ids
		return err
	})
	b.Queue(string(qInsertMessageFindings), about.arrays()...)
}

func optionalKey(pk int64) *int64 {
	if pk == 0 {
		return nil
	}
	return &pk
}

func queueQuarantined(b *pgx.Batch, rows []store.Quarantined) {
	if len(rows) == 0 {
		return
	}
	c := newColumns(9)
	for i := range rows {
		q := &rows[i]
		digest := sha256.Sum256(q.Payload)
		c.add(q.ReceivedAt, clean(q.Subject), clean(q.MessageID), int64(q.StreamSeq), string(q.Reason), clean(q.Detail),
			int64(q.Size), blob(q.Payload), digest[:])
	}
	b.Queue(string(qQuarantine), c.arrays()...)
}

func wide(n *int) *int64 {
	if n == nil {
		return nil
	}
	w := int64(*n)
	return &w
}
