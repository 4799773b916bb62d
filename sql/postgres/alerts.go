package postgres

import (
	"context"
	"fmt"
	"time"

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

// ListSilences is store.Store's.
func (s *Store) ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error) {
	return named(list(ctx, s.pool, qSilences, scanSilence, after))("list silences")
}

// ListRecentMessages is store.Store's.
func (s *Store) ListRecentMessages(ctx context.Context, runPK int64, limit int) ([]store.Message, error) {
	return named(list(ctx, s.pool, qRecent, scanMessage, runPK, limit))("list messages")
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
