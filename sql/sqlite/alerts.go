package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// AddSilence is store.Store's.
func (s *Store) AddSilence(ctx context.Context, silence store.Silence) error {
	if s.write == nil {
		return errReadOnly
	}
	matchers, err := column.JSON(silence.Matchers)
	if err != nil {
		return err
	}
	created := timeText(silence.CreatedAt)
	_, err = s.write.ExecContext(ctx, string(qAddSilence), silence.ID, matchers, silence.Author, silence.Comment, created,
		timeText(silence.StartsAt), timeText(silence.EndsAt))
	if err == nil {
		_, err = s.write.ExecContext(ctx, string(qWakeHeld), created)
	}
	if err != nil {
		return fmt.Errorf("store a silence: %w", plain(err))
	}
	return nil
}

// Acknowledge is store.Store's.
func (s *Store) Acknowledge(ctx context.Context, seen store.Seen) (n int, err error) {
	err = s.Ingest(ctx, func(inner store.Tx) error {
		t := inner.(*tx)
		q, about := qOpenOfRun, any(seen.RunPK)
		if seen.MessageID != "" {
			q, about = qOpenOfMessage, any(seen.MessageID)
		}
		open, err := list(ctx, t, q, scanOpening, about)
		if err != nil {
			return err
		}
		n = len(open)
		for _, o := range open {
			r, err := t.exec(ctx, qAcknowledge, o.id, o.at, seen.By, timeText(seen.At))
			if err != nil {
				return err
			}
			fresh, err := r.RowsAffected()
			if err != nil {
				return err
			}
			if fresh == 0 { // the same person has said so before
				continue
			}
			if _, err := t.exec(ctx, qNoteSeen, o.id, timeText(seen.At), timeText(seen.DueAt)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("acknowledge: %w", plain(err))
	}
	return n, nil
}

// ListAcknowledgements is store.Store's.
func (s *Store) ListAcknowledgements(ctx context.Context, messageID string) ([]store.Acknowledgement, error) {
	return named(list(ctx, s.read, qAcknowledgements, scanAcknowledgement, messageID))("list who has seen a problem")
}

// ListSilences is store.Store's.
func (s *Store) ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error) {
	return named(list(ctx, s.read, qSilences, scanSilence, timeText(after)))("list silences")
}

// ListRecentMessages is store.Store's.
func (s *Store) ListRecentMessages(ctx context.Context, runPK int64, limit int) ([]store.Message, error) {
	return named(list(ctx, s.read, qRecent, scanMessage, runPK, limit))("list messages")
}

// ListEnds is store.Store's.
func (s *Store) ListEnds(ctx context.Context, receiver, channel string, since time.Time, limit int) ([]store.Message, error) {
	return named(list(ctx, s.read, qEnds, scanMessage, receiver, channel, timeText(since), limit))("list messages about ends")
}

// ListDeliveries is store.Store's.
func (s *Store) ListDeliveries(ctx context.Context, messageID string) ([]store.Delivery, error) {
	return named(list(ctx, s.read, qDeliveries, scanDelivery, messageID))("list the attempts at a message")
}

// ListWaiting is store.Store's.
func (s *Store) ListWaiting(ctx context.Context, runPK int64, limit int) ([]store.Waiting, error) {
	grouped, err := list(ctx, s.read, qWaiting, scanGrouped, runPK, limit)
	if err != nil {
		return nil, fmt.Errorf("list what was not told: %w", err)
	}
	out := make([]store.Waiting, 0, len(grouped))
	for _, g := range grouped {
		group, err1 := find(ctx, s.read, qGroup, scanGroup, g.GroupID)
		finding, err2 := find(ctx, s.read, qFinding, scanFinding, g.FindingID)
		run, err3 := find(ctx, s.read, qRunByPK, scanRun, g.RunPK)
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("read what was not told: %w", err)
		}
		out = append(out, store.Waiting{Group: group, Member: store.GroupMember{
			Grouped: g, RunFinding: store.RunFinding{Run: run, Finding: finding},
		}})
	}
	return out, nil
}
