package postgres

import (
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

func scanRun(row pgx.CollectableRow) (r store.Run, err error) {
	var facts *string
	err = row.Scan(&r.PK, &r.Project, &r.ID, &r.Name, &r.Tags, &r.State, &r.EndReason, &r.StartedAt, &r.EndedAt,
		&r.LastSignAt, &r.Revision, &facts, &r.Attempts)
	if err != nil {
		return r, err
	}
	utc(&r.StartedAt)
	utc(r.EndedAt)
	utc(&r.LastSignAt)
	if len(r.Tags) == 0 {
		r.Tags = nil
	}
	r.Started, err = parseOptionalJSON[contract.RunStarted](facts)
	return r, err
}

func scanAttempt(row pgx.CollectableRow) (a store.Attempt, err error) {
	var gaps string
	var facts *string
	err = row.Scan(&a.RunPK, &a.ID, &a.StartedAt, &a.NextSeq, &gaps, &a.State, &a.EndedAt, &facts)
	if err != nil {
		return a, err
	}
	utc(&a.StartedAt)
	utc(a.EndedAt)
	if a.Gaps, err = column.ParseGaps(gaps); err != nil {
		return a, err
	}
	a.Started, err = parseOptionalJSON[contract.RunStarted](facts)
	return a, err
}

func scanEpoch(row pgx.CollectableRow) (e store.Epoch, err error) {
	var names []string
	var numbers []float64
	err = row.Scan(&e.RunPK, &e.Attempt, &e.Seq, &e.Epoch, &e.EndedAt, &e.Seconds, &e.LearningRate, &e.Step,
		&e.FirstBatchLoss, &names, &numbers)
	if err != nil {
		return e, err
	}
	utc(&e.EndedAt)
	e.Metrics = make(map[string]float64, len(names))
	for i, name := range names {
		e.Metrics[name] = numbers[i]
	}
	return e, nil
}

func scanHeld(row pgx.CollectableRow) (h store.Held, err error) {
	err = row.Scan(&h.RunPK, &h.Attempt, &h.Seq, &h.ReceivedAt, &h.Event)
	utc(&h.ReceivedAt)
	return h, err
}

func scanFinding(row pgx.CollectableRow) (f store.Finding, err error) {
	var evidence, advice string
	err = row.Scan(&f.ID, &f.RunPK, &f.Kind, &f.Metric, &f.OnsetEpoch, &f.Severity, &f.FiredEpoch, &f.ResolvedEpoch,
		&f.Confidence, &f.Reason, &f.Summary, &evidence, &advice, &f.OpenedAt)
	if err != nil {
		return f, err
	}
	utc(&f.OpenedAt)
	if err := json.Unmarshal([]byte(evidence), &f.Evidence); err != nil {
		return f, fmt.Errorf("decode evidence: %w", err)
	}
	if err := json.Unmarshal([]byte(advice), &f.Advice); err != nil {
		return f, fmt.Errorf("decode advice: %w", err)
	}
	return f, nil
}

func scanCommand(row pgx.CollectableRow) (c store.Command, err error) {
	var body string
	var finding *string
	err = row.Scan(&c.RunPK, &body, &c.State, &finding, &c.DecidedEpoch, &c.AppliedEpoch, &c.Answer, &c.Before, &c.After,
		&c.AnsweredAt, &c.Effect, &c.Forecast, &c.ProposedBy)
	if err != nil {
		return c, err
	}
	utc(c.AnsweredAt)
	if finding != nil {
		c.FindingID = *finding
	}
	if err := json.Unmarshal([]byte(body), &c.Command); err != nil {
		return c, fmt.Errorf("decode a command: %w", err)
	}
	return c, nil
}

func scanMessage(row pgx.CollectableRow) (m store.Message, err error) {
	var run *int64
	var finding *string
	err = row.Scan(&m.ID, &run, &finding, &m.Receiver, &m.Channel, &m.Event, &m.State, &m.Attempts, &m.LastError,
		&m.CreatedAt, &m.SentAt, &m.Reference, &m.GroupID, &m.Thread, &m.Repeated, &m.Body)
	if run != nil {
		m.RunPK = *run
	}
	if finding != nil {
		m.FindingID = *finding
	}
	utc(&m.CreatedAt)
	utc(m.SentAt)
	return m, err
}

func scanGroup(row pgx.CollectableRow) (g store.Group, err error) {
	var labels, news string
	var wait, every, repeat int64
	err = row.Scan(&g.ID, &g.Receiver, &labels, &wait, &every, &repeat, &g.OpenedAt, &g.Head, &g.Messages, &g.FirstToldAt,
		&g.ToldAt, &g.DueAt, &news, &g.Asks, &g.AckedAt)
	if err != nil {
		return g, err
	}
	g.Wait, g.Every, g.Repeat = column.Span(wait), column.Span(every), column.Span(repeat)
	utc(&g.OpenedAt)
	utc(g.FirstToldAt)
	utc(g.ToldAt)
	utc(g.DueAt)
	utc(g.AckedAt)
	if g.News, err = column.ParseNews(news); err != nil {
		return g, err
	}
	if err := json.Unmarshal([]byte(labels), &g.Labels); err != nil {
		return g, fmt.Errorf("decode the labels of a group: %w", err)
	}
	return g, nil
}

func scanGrouped(row pgx.CollectableRow) (g store.Grouped, err error) {
	err = row.Scan(&g.GroupID, &g.FindingID, &g.RunPK, &g.JoinedAt, &g.Told, &g.ToldSeverity, &g.Why)
	utc(&g.JoinedAt)
	return g, err
}

func scanSilence(row pgx.CollectableRow) (s store.Silence, err error) {
	var matchers string
	if err = row.Scan(&s.ID, &matchers, &s.Author, &s.Comment, &s.CreatedAt, &s.StartsAt, &s.EndsAt); err != nil {
		return s, err
	}
	utc(&s.CreatedAt)
	utc(&s.StartsAt)
	utc(&s.EndsAt)
	return s, json.Unmarshal([]byte(matchers), &s.Matchers)
}

func scanDelivery(row pgx.CollectableRow) (d store.Delivery, err error) {
	err = row.Scan(&d.MessageID, &d.At, &d.State, &d.Error, &d.Reference)
	utc(&d.At)
	return d, err
}

func scanQuarantined(row pgx.CollectableRow) (q store.Quarantined, err error) {
	var seq int64
	err = row.Scan(&q.ID, &q.ReceivedAt, &q.Subject, &q.MessageID, &seq, &q.Reason, &q.Detail, &q.Size, &q.Payload)
	utc(&q.ReceivedAt)
	q.StreamSeq = uint64(seq)
	return q, err
}

func scanAcknowledgement(row pgx.CollectableRow) (a store.Acknowledgement, err error) {
	err = row.Scan(&a.By, &a.At)
	utc(&a.At)
	return a, err
}
