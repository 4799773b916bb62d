package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// NextGroup is store.Store's.
func (s *Store) NextGroup(ctx context.Context) (time.Time, error) {
	at, err := find(ctx, s.read, qNextGroup, scanOptionalTime)
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return *at, nil
}

// LockGroups is store.Tx's. The one writer is the lock.
func (t *tx) LockGroups(ctx context.Context, due time.Time, limit int) ([]store.GroupState, error) {
	groups, err := list(ctx, t, qDueGroups, scanGroup, timeText(due), limit)
	if err != nil {
		return nil, fmt.Errorf("list the groups: %w", err)
	}
	out := make([]store.GroupState, len(groups))
	for i, g := range groups {
		if out[i], err = t.withMembers(ctx, g); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// LockGroup is store.Tx's.
func (t *tx) LockGroup(ctx context.Context, id string) (store.GroupState, error) {
	g, err := find(ctx, t, qGroup, scanGroup, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.GroupState{}, nil
	}
	if err != nil {
		return store.GroupState{}, fmt.Errorf("read a group: %w", err)
	}
	return t.withMembers(ctx, g)
}

// CountFirstTold is store.Tx's.
func (t *tx) CountFirstTold(ctx context.Context, receiver string, since time.Time) (int, error) {
	return named(find(ctx, t, qFirstTold, scanCount, receiver, timeText(since)))("count groups")
}

// HasMessage is store.Tx's.
func (t *tx) HasMessage(ctx context.Context, id string) (bool, error) {
	n, err := find(ctx, t, qHasMessage, scanCount, id)
	return n > 0, err
}

func (t *tx) withMembers(ctx context.Context, g store.Group) (store.GroupState, error) {
	grouped, err := list(ctx, t, qGrouped, scanGrouped, g.ID)
	if err != nil {
		return store.GroupState{}, fmt.Errorf("list the findings of a group: %w", err)
	}
	findings, err := list(ctx, t, qGroupFindings, scanFinding, g.ID)
	if err != nil {
		return store.GroupState{}, fmt.Errorf("read the findings of a group: %w", err)
	}
	runs, err := list(ctx, t, qGroupRuns, scanRun, g.ID)
	if err != nil {
		return store.GroupState{}, fmt.Errorf("read the runs of a group: %w", err)
	}
	return column.Members([]store.Group{g}, grouped, findings, runs)[0], nil
}

func (t *tx) writeGroups(ctx context.Context, c *store.Changes) error {
	if err := each(ctx, column.Joined(c.Joins), t.joinGroup, "join a group"); err != nil {
		return err
	}
	if err := each(ctx, c.Joins, t.joinFinding, "join a group"); err != nil {
		return err
	}
	if err := each(ctx, c.News, t.addNews, "note news"); err != nil {
		return err
	}
	if err := each(ctx, c.Groups, t.upsertGroup, "store a group"); err != nil {
		return err
	}
	if err := each(ctx, c.Ungroup, t.ungroup, "leave a group"); err != nil {
		return err
	}
	return each(ctx, c.Grouped, t.upsertGrouped, "store a finding of a group")
}

func (t *tx) joinGroup(ctx context.Context, g *store.Group) error {
	labels, err := column.JSON(g.Labels)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qJoinGroup, g.ID, g.Receiver, labels, column.Micros(g.Wait), column.Micros(g.Every), column.Micros(g.Repeat),
		timeText(g.OpenedAt), optionalTime(g.DueAt))
	return err
}

func (t *tx) joinFinding(ctx context.Context, j *store.Join) error {
	if !j.Resolved {
		if _, err := t.exec(ctx, qJoinFinding, j.Group.ID, j.Finding, j.RunPK, timeText(j.At), j.Group.Receiver); err != nil {
			return err
		}
	}
	_, err := t.exec(ctx, qNudgeGroup, j.Finding, optionalTime(j.Group.DueAt))
	return err
}

func (t *tx) upsertGroup(ctx context.Context, g *store.Group) error {
	labels, err := column.JSON(g.Labels)
	if err != nil {
		return err
	}
	news, err := column.News(g.News)
	if err != nil {
		return err
	}
	_, err = t.exec(ctx, qUpsertGroup, g.ID, g.Receiver, labels, column.Micros(g.Wait), column.Micros(g.Every), column.Micros(g.Repeat),
		timeText(g.OpenedAt), g.Head, g.Messages, optionalTime(g.FirstToldAt), optionalTime(g.ToldAt), optionalTime(g.DueAt), news,
		g.Asks, optionalTime(g.AckedAt))
	return err
}

func (t *tx) addNews(ctx context.Context, n *store.News) error {
	_, err := t.exec(ctx, qAddNews, n.RunPK, n.Command, n.Asks, timeText(n.DueAt))
	return err
}

func (t *tx) upsertGrouped(ctx context.Context, m *store.Grouped) error {
	_, err := t.exec(ctx, qUpsertGrouped, m.GroupID, m.FindingID, m.RunPK, timeText(m.JoinedAt), m.Told, m.ToldSeverity, m.Why)
	return err
}

func (t *tx) ungroup(ctx context.Context, m *store.Grouped) error {
	_, err := t.exec(ctx, qUngroup, m.GroupID, m.FindingID)
	return err
}
