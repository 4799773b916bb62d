package sqlite

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// scanner is a row.
type scanner interface{ Scan(dest ...any) error }

func scanRun(s scanner) (r store.Run, err error) {
	var tags, started, sign string
	var ended, facts sql.NullString
	err = s.Scan(&r.PK, &r.Project, &r.ID, &r.Name, &tags, &r.State, &r.EndReason, &started, &ended,
		&sign, &r.Revision, &facts, &r.Attempts)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal([]byte(tags), &r.Tags); err != nil {
		return r, fmt.Errorf("decode tags: %w", err)
	}
	if len(r.Tags) == 0 {
		r.Tags = nil
	}
	if r.StartedAt, err = parseTime(started); err != nil {
		return r, err
	}
	if r.EndedAt, err = parseOptionalTime(ended); err != nil {
		return r, err
	}
	if r.LastSignAt, err = parseTime(sign); err != nil {
		return r, err
	}
	r.Started, err = parseOptionalJSON[contract.RunStarted](facts)
	return r, err
}

func scanAttempt(s scanner) (a store.Attempt, err error) {
	var started, gaps string
	var ended, facts sql.NullString
	err = s.Scan(&a.RunPK, &a.ID, &started, &a.NextSeq, &gaps, &a.State, &ended, &facts)
	if err != nil {
		return a, err
	}
	if a.Gaps, err = column.ParseGaps(gaps); err != nil {
		return a, err
	}
	if a.StartedAt, err = parseTime(started); err != nil {
		return a, err
	}
	if a.EndedAt, err = parseOptionalTime(ended); err != nil {
		return a, err
	}
	a.Started, err = parseOptionalJSON[contract.RunStarted](facts)
	return a, err
}

// epochRow is an epoch with the key its metrics refer to.
type epochRow struct {
	pk int64
	store.Epoch
}

func scanEpoch(s scanner) (e epochRow, err error) {
	var ended string
	var seconds, rate, first any
	err = s.Scan(&e.pk, &e.RunPK, &e.Attempt, &e.Seq, &e.Epoch.Epoch, &ended, &seconds, &rate, &e.Step, &first)
	if err != nil {
		return e, err
	}
	if e.EndedAt, err = parseTime(ended); err != nil {
		return e, err
	}
	if e.Seconds, err = parseFloat(seconds); err != nil {
		return e, fmt.Errorf("seconds: %w", err)
	}
	if e.LearningRate, err = parseFloat(rate); err != nil {
		return e, fmt.Errorf("learning rate: %w", err)
	}
	if e.FirstBatchLoss, err = parseFloat(first); err != nil {
		return e, fmt.Errorf("first batch loss: %w", err)
	}
	e.Metrics = map[string]float64{}
	return e, nil
}

// metricRow is one value of one epoch.
type metricRow struct {
	epochPK int64
	metric  string
	value   float64
}

func scanMetric(s scanner) (m metricRow, err error) {
	var value any
	var nonfinite sql.NullString
	if err = s.Scan(&m.epochPK, &m.metric, &value, &nonfinite); err != nil {
		return m, err
	}
	if nonfinite.Valid {
		value = nonfinite.String
	}
	f, err := parseFloat(value)
	if err == nil && f == nil {
		err = errNoFloat
	}
	if err != nil {
		return m, fmt.Errorf("metric %q: %w", m.metric, err)
	}
	m.value = *f
	return m, nil
}

func scanHeld(s scanner) (h store.Held, err error) {
	var received string
	if err = s.Scan(&h.RunPK, &h.Attempt, &h.Seq, &received, &h.Event); err != nil {
		return h, err
	}
	h.ReceivedAt, err = parseTime(received)
	return h, err
}

func scanFinding(s scanner) (f store.Finding, err error) {
	var evidence, advice, opened string
	var confidence any
	err = s.Scan(&f.ID, &f.RunPK, &f.Kind, &f.Metric, &f.OnsetEpoch, &f.Severity, &f.FiredEpoch, &f.ResolvedEpoch,
		&confidence, &f.Reason, &f.Summary, &evidence, &advice, &opened)
	if err != nil {
		return f, err
	}
	c, err := parseFloat(confidence)
	if err == nil && c == nil {
		err = errNoFloat
	}
	if err != nil {
		return f, fmt.Errorf("confidence: %w", err)
	}
	f.Confidence = *c
	if err := json.Unmarshal([]byte(evidence), &f.Evidence); err != nil {
		return f, fmt.Errorf("decode evidence: %w", err)
	}
	if err := json.Unmarshal([]byte(advice), &f.Advice); err != nil {
		return f, fmt.Errorf("decode advice: %w", err)
	}
	f.OpenedAt, err = parseTime(opened)
	return f, err
}

func scanCommand(s scanner) (c store.Command, err error) {
	var body string
	var finding, answered sql.NullString
	var before, after any
	err = s.Scan(&c.RunPK, &body, &c.State, &finding, &c.DecidedEpoch, &c.AppliedEpoch, &c.Answer, &before, &after,
		&answered, &c.Effect, &c.Forecast, &c.ProposedBy)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(body), &c.Command); err != nil {
		return c, fmt.Errorf("decode a command: %w", err)
	}
	c.FindingID = finding.String
	if c.Before, err = parseFloat(before); err != nil {
		return c, fmt.Errorf("before: %w", err)
	}
	if c.After, err = parseFloat(after); err != nil {
		return c, fmt.Errorf("after: %w", err)
	}
	c.AnsweredAt, err = parseOptionalTime(answered)
	return c, err
}

func scanMessage(s scanner) (m store.Message, err error) {
	var created string
	var sent, finding sql.NullString
	var run sql.NullInt64
	err = s.Scan(&m.ID, &run, &finding, &m.Receiver, &m.Channel, &m.Event, &m.State, &m.Attempts, &m.LastError,
		&created, &sent, &m.Reference, &m.GroupID, &m.Thread, &m.Repeated, &m.Body)
	if err != nil {
		return m, err
	}
	m.RunPK, m.FindingID = run.Int64, finding.String
	if m.CreatedAt, err = parseTime(created); err != nil {
		return m, err
	}
	m.SentAt, err = parseOptionalTime(sent)
	return m, err
}

func scanGroup(s scanner) (g store.Group, err error) {
	var labels, opened string
	var news string
	var first, told, due, acked sql.NullString
	var wait, every, repeat int64
	err = s.Scan(&g.ID, &g.Receiver, &labels, &wait, &every, &repeat, &opened, &g.Head, &g.Messages, &first, &told, &due,
		&news, &g.Asks, &acked)
	if err != nil {
		return g, err
	}
	g.Wait, g.Every, g.Repeat = column.Span(wait), column.Span(every), column.Span(repeat)
	if g.OpenedAt, err = parseTime(opened); err != nil {
		return g, err
	}
	if g.News, err = column.ParseNews(news); err != nil {
		return g, err
	}
	var errs [4]error
	g.FirstToldAt, errs[0] = parseOptionalTime(first)
	g.ToldAt, errs[1] = parseOptionalTime(told)
	g.DueAt, errs[2] = parseOptionalTime(due)
	g.AckedAt, errs[3] = parseOptionalTime(acked)
	return g, errors.Join(append(errs[:], json.Unmarshal([]byte(labels), &g.Labels))...)
}

func scanGrouped(s scanner) (g store.Grouped, err error) {
	var joined string
	if err = s.Scan(&g.GroupID, &g.FindingID, &g.RunPK, &joined, &g.Told, &g.ToldSeverity, &g.Why); err != nil {
		return g, err
	}
	g.JoinedAt, err = parseTime(joined)
	return g, err
}

func scanAcknowledgement(s scanner) (a store.Acknowledgement, err error) {
	var at string
	if err = s.Scan(&a.By, &at); err != nil {
		return a, err
	}
	a.At, err = parseTime(at)
	return a, err
}

// opening is a group that told its first message at a time, as it is kept.
type opening struct{ id, at string }

func scanOpening(s scanner) (o opening, err error) {
	err = s.Scan(&o.id, &o.at)
	return o, err
}

func scanCount(s scanner) (n int, err error) {
	err = s.Scan(&n)
	return n, err
}

func scanOrder(s scanner) (o store.Order, err error) {
	err = s.Scan(&o.NewerSent, &o.NewerWaits, &o.OlderSending)
	return o, err
}

func scanOptionalTime(s scanner) (*time.Time, error) {
	var text sql.NullString
	if err := s.Scan(&text); err != nil {
		return nil, err
	}
	return parseOptionalTime(text)
}

func scanSilence(s scanner) (out store.Silence, err error) {
	var matchers string
	var at [3]string
	if err = s.Scan(&out.ID, &matchers, &out.Author, &out.Comment, &at[0], &at[1], &at[2]); err != nil {
		return out, err
	}
	for i, t := range []*time.Time{&out.CreatedAt, &out.StartsAt, &out.EndsAt} {
		if *t, err = parseTime(at[i]); err != nil {
			return out, err
		}
	}
	return out, json.Unmarshal([]byte(matchers), &out.Matchers)
}

func scanDelivery(s scanner) (d store.Delivery, err error) {
	var at string
	if err = s.Scan(&d.MessageID, &at, &d.State, &d.Error, &d.Reference); err != nil {
		return d, err
	}
	d.At, err = parseTime(at)
	return d, err
}

func scanQuarantined(s scanner) (q store.Quarantined, err error) {
	var received string
	var seq int64
	err = s.Scan(&q.ID, &received, &q.Subject, &q.MessageID, &seq, &q.Reason, &q.Detail, &q.Size, &q.Payload)
	if err != nil {
		return q, err
	}
	q.StreamSeq = uint64(seq)
	q.ReceivedAt, err = parseTime(received)
	return q, err
}
