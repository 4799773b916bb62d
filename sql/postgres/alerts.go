package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// AddSilence is store.Store's.
func (s *Store) AddSilence(ctx context.Context, silence store.Silence) error {
	matchers, err := column.JSON(silence.Matchers)
	if err != nil {
		return err
	}
	_, err = s.pool.Exec(ctx, string(qAddSilence), silence.ID, matchers, clean(silence.Author), clean(silence.Comment),
		silence.CreatedAt, silence.StartsAt, silence.EndsAt)
	if err == nil {
		_, err = s.pool.Exec(ctx, string(qWakeHeld), silence.CreatedAt)
	}
	if err != nil {
		return fmt.Errorf("store a silence: %w", plain(err))
	}
	return nil
}

// Acknowledge is store.Store's.
func (s *Store) Acknowledge(ctx context.Context, seen store.Seen) (n int, err error) {
	by := clean(seen.By)
	err = s.Ingest(ctx, func(inner store.Tx) error {
		t := inner.(*tx)
		q, about := qOpenOfRun, any(seen.RunPK)
		if seen.MessageID != "" {
			q, about = qOpenOfMessage, any(clean(seen.MessageID))
		}
		open, err := list(ctx, t, q, pgx.RowToStructByPos[opening], about)
		if err != nil {
			return err
		}
		n = len(open)
		for _, o := range open {
			done, err := t.Exec(ctx, string(qAcknowledge), o.ID, o.At, by, seen.At)
			if err != nil {
				return plain(err)
			}
			if done.RowsAffected() == 0 { // the same person has said so before
				continue
			}
			if _, err := t.Exec(ctx, string(qNoteSeen), o.ID, seen.At, seen.DueAt); err != nil {
				return plain(err)
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("acknowledge: %w", err)
	}
	return n, nil
}

// opening is a group that told its first message at a time.
type opening struct {
	ID string
	At time.Time
}

// ListAcknowledgements is store.Store's.
func (s *Store) ListAcknowledgements(ctx context.Context, messageID string) ([]store.Acknowledgement, error) {
	return named(list(ctx, s.pool, qAcknowledgements, scanAcknowledgement, messageID))("list who has seen a problem")
}

// ListSilences is store.Store's.
func (s *Store) ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error) {
	return named(list(ctx, s.pool, qSilences, scanSilence, after))("list silences")
}

// ListRecentMessages is store.Store's.
func (s *Store) ListRecentMessages(ctx context.Context, runPK int64, limit int) ([]store.Message, error) {
	return named(list(ctx, s.pool, qRecent, scanMessage, runPK, limit))("list messages")
}

// ListEnds is store.Store's.
func (s *Store) ListEnds(ctx context.Context, receiver, channel string, since time.Time, limit int) ([]store.Message, error) {
	return named(list(ctx, s.pool, qEnds, scanMessage, receiver, channel, since, limit))("list messages about ends")
}

// ListDeliveries is store.Store's.
func (s *Store) ListDeliveries(ctx context.Context, messageID string) ([]store.Delivery, error) {
	return named(list(ctx, s.pool, qDeliveries, scanDelivery, messageID))("list the attempts at a message")
}

// ListWaiting is store.Store's.
func (s *Store) ListWaiting(ctx context.Context, runPK int64, limit int) ([]store.Waiting, error) {
	grouped, err := list(ctx, s.pool, qWaiting, scanGrouped, runPK, limit)
	if err != nil || len(grouped) == 0 {
		return nil, err
	}
	var groupIDs, findingIDs []string
	var pks []int64
	for _, g := range grouped {
		groupIDs, findingIDs, pks = append(groupIDs, g.GroupID), append(findingIDs, g.FindingID), append(pks, g.RunPK)
	}
	groups, err := list(ctx, s.pool, qGroupsByID, scanGroup, groupIDs)
	if err != nil {
		return nil, fmt.Errorf("list groups: %w", err)
	}
	findings, err := list(ctx, s.pool, qFindingsByID, scanFinding, findingIDs)
	if err != nil {
		return nil, fmt.Errorf("list the findings of groups: %w", err)
	}
	runs, err := list(ctx, s.pool, qRunsByPK, scanRun, pks)
	if err != nil {
		return nil, fmt.Errorf("list the runs of groups: %w", err)
	}
	return column.Waiting(groups, grouped, findings, runs), nil
}
