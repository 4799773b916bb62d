package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/epochwatch/epochwatch/sql/internal/column"
	"github.com/epochwatch/epochwatch/sql/store"
)

// NextGroup is store.Store's.
func (s *Store) NextGroup(ctx context.Context) (time.Time, error) {
	at, err := find(ctx, s.pool, qNextGroup, pgx.RowTo[*time.Time])
	if err != nil || at == nil {
		return time.Time{}, err
	}
	return at.UTC(), nil
}

// LockGroups is store.Tx's.
func (t *tx) LockGroups(ctx context.Context, due time.Time, limit int) ([]store.GroupState, error) {
	if _, err := t.Exec(ctx, string(qLockGroups)); err != nil {
		return nil, fmt.Errorf("lock the groups: %w", plain(err))
	}
	groups, err := list(ctx, t, qDueGroups, scanGroup, due, limit)
	if err != nil {
		return nil, fmt.Errorf("lock the groups: %w", err)
	}
	return t.withMembers(ctx, groups)
}

// LockGroup is store.Tx's.
func (t *tx) LockGroup(ctx context.Context, id string) (store.GroupState, error) {
	g, err := find(ctx, t, qGroup, scanGroup, id)
	if errors.Is(err, store.ErrNotFound) {
		return store.GroupState{}, nil
	}
	if err != nil {
		return store.GroupState{}, fmt.Errorf("lock a group: %w", err)
	}
	out, err := t.withMembers(ctx, []store.Group{g})
	if err != nil {
		return store.GroupState{}, err
	}
	return out[0], nil
}

// CountFirstTold is store.Tx's.
func (t *tx) CountFirstTold(ctx context.Context, receiver string, since time.Time) (int, error) {
	return named(find(ctx, t, qFirstTold, pgx.RowTo[int], receiver, since))("count groups")
}

// HasMessage is store.Tx's.
func (t *tx) HasMessage(ctx context.Context, id string) (bool, error) {
	n, err := find(ctx, t, qHasMessage, pgx.RowTo[int], id)
	return n > 0, err
}

func (t *tx) withMembers(ctx context.Context, groups []store.Group) ([]store.GroupState, error) {
	if len(groups) == 0 {
		return nil, nil
	}
	ids := make([]string, len(groups))
	for i, g := range groups {
		ids[i] = g.ID
	}
	grouped, err := list(ctx, t, qGrouped, scanGrouped, ids)
	if err != nil {
		return nil, fmt.Errorf("list the findings of groups: %w", err)
	}
	var findingIDs []string
	var pks []int64
	for _, g := range grouped {
		findingIDs, pks = append(findingIDs, g.FindingID), append(pks, g.RunPK)
	}
	findings, err := list(ctx, t, qFindingsByID, scanFinding, findingIDs)
	if err != nil {
		return nil, fmt.Errorf("read the findings of groups: %w", err)
	}
	runs, err := list(ctx, t, qRunsByPK, scanRun, pks)
	if err != nil {
		return nil, fmt.Errorf("read the runs of groups: %w", err)
	}
	return column.Members(groups, grouped, findings, runs), nil
}

func queueJoins(b *pgx.Batch, rows []store.Join, news []store.News) error {
	if len(rows)+len(news) == 0 {
		return nil
	}
	ids, about := []string{}, []string{}
	groups, findings, nudges := newColumns(8), newColumns(4), newColumns(2)
	for _, j := range rows {
		about = append(about, j.Finding)
		nudges.add(j.Finding, j.Group.DueAt)
		if !j.Resolved {
			ids = append(ids, j.Group.ID)
			findings.add(j.Group.ID, j.Finding, j.RunPK, j.At)
		}
	}
	for _, g := range column.Joined(rows) {
		labels, err := column.JSON(g.Labels)
		if err != nil {
			return err
		}
		groups.add(g.ID, clean(g.Receiver), labels, column.Micros(g.Wait), column.Micros(g.Every), column.Micros(g.Repeat), g.OpenedAt, g.DueAt)
	}
	runs, told := []int64{}, newColumns(4)
	for _, n := range news {
		runs = append(runs, n.RunPK)
		told.add(n.RunPK, clean(n.Command), n.Asks, n.DueAt)
	}
	b.Queue(string(qKnownGroups), ids, about, runs)
	if len(rows) > 0 {
		b.Queue(string(qJoinGroups), groups.arrays()...)
		b.Queue(string(qJoinFindings), findings.arrays()...)
		b.Queue(string(qNudgeGroups), nudges.arrays()...)
	}
	if len(news) > 0 {
		b.Queue(string(qAddNews), told.arrays()...)
	}
	return nil
}

func queueGroups(b *pgx.Batch, c *store.Changes) error {
	for i := range c.Groups {
		g := &c.Groups[i]
		labels, err := column.JSON(g.Labels)
		if err != nil {
			return err
		}
		news, err := column.News(g.News)
		if err != nil {
			return err
		}
		b.Queue(string(qUpsertGroup), g.ID, clean(g.Receiver), labels, column.Micros(g.Wait), column.Micros(g.Every),
			column.Micros(g.Repeat), g.OpenedAt, g.Head, g.Messages, g.FirstToldAt, g.ToldAt, g.DueAt, news, g.Asks, g.AckedAt)
	}
	if len(c.Ungroup) > 0 {
		gone := newColumns(2)
		for _, m := range c.Ungroup {
			gone.add(m.GroupID, m.FindingID)
		}
		b.Queue(string(qUngroup), gone.arrays()...)
	}
	if len(c.Grouped) == 0 {
		return nil
	}
	type key struct{ group, finding string }
	cols := newColumns(7)
	for _, m := range last(c.Grouped, func(m *store.Grouped) key { return key{m.GroupID, m.FindingID} }) {
		cols.add(m.GroupID, m.FindingID, m.RunPK, m.JoinedAt, string(m.Told), string(m.ToldSeverity), clean(m.Why))
	}
	b.Queue(string(qUpsertGrouped), cols.arrays()...)
	return nil
}
