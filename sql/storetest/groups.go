package storetest

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

func aGroup(id string, due time.Time) store.Group {
	return store.Group{
		ID: id, Receiver: "team", Labels: map[string]string{"project": "p"}, Wait: 3 * time.Second, Every: time.Minute,
		Repeat: 4 * time.Hour, OpenedAt: start, DueAt: &due,
	}
}

// other is a group of another receiver.
func other(id string, due time.Time) store.Group {
	g := aGroup(id, due)
	g.Receiver = "other"
	return g
}

func join(g store.Group, f store.Finding) store.Join {
	return store.Join{Group: g, Finding: f.ID, RunPK: f.RunPK, At: start}
}

// due locks the groups due at a time.
func due(t *testing.T, s store.Store, when time.Time) (out []store.GroupState) {
	t.Helper()
	require.NoError(t, s.Ingest(t.Context(), func(tx store.Tx) (err error) {
		out, err = tx.LockGroups(t.Context(), when, 10)
		return err
	}))
	return out
}

func testGroups(t *testing.T, s store.Store) {
	ctx := t.Context()
	next, err := s.NextGroup(ctx)
	require.NoError(t, err)
	require.True(t, next.IsZero())
	first, second := at(3*time.Second), at(4*time.Second)
	var one, two store.Finding
	run := write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		one, two = aFinding(r.Run.PK, detectors.KindPlateau, 3), aFinding(r.Run.PK, detectors.KindRisingLoss, 4)
		return store.Changes{
			Findings: []store.Finding{one, two},
			Joins: []store.Join{
				join(aGroup("g1", second), one), join(aGroup("g1", first), two), join(other("g2", second), one),
				join(aGroup("g4", at(time.Hour)), one), // the receiver has it in a group
				// Nobody was told of it, so there is nothing to resolve.
				{Group: aGroup("g3", first), Finding: "nobody's", RunPK: r.Run.PK, At: start, Resolved: true},
			},
		}
	})
	next, err = s.NextGroup(ctx)
	require.NoError(t, err)
	require.Equal(t, first, next)
	require.Empty(t, due(t, s, at(2*time.Second)))
	got := due(t, s, first)
	require.Len(t, got, 1)
	requireSame(t, aGroup("g1", first), got[0].Group)
	require.Len(t, got[0].Members, 2)
	for _, m := range got[0].Members {
		require.Equal(t, "a", m.Run.ID)
		require.Equal(t, m.FindingID, m.Finding.ID)
		require.Empty(t, m.Told)
	}
	require.Len(t, due(t, s, second), 2)

	// What was told is kept, also when the findings join again; only the time is new.
	told := got[0].Group
	told.Head, told.Messages, told.FirstToldAt, told.ToldAt, told.DueAt = one.ID, 1, &first, &second, nil
	member := got[0].Members[0].Grouped
	member.Told, member.ToldSeverity, member.Why = store.MessageFiring, detectors.SeverityCritical, "why"
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		if _, err := tx.LockGroups(ctx, first, 1); err != nil {
			return err
		}
		g, err := tx.LockGroup(ctx, "g1")
		require.NoError(t, err)
		require.Len(t, g.Members, 2)
		missing, err := tx.LockGroup(ctx, "nothing")
		require.NoError(t, err)
		require.Empty(t, missing.Group.ID)
		return tx.Write(ctx, store.Changes{
			Groups: []store.Group{told}, Grouped: []store.Grouped{member},
			Ungroup: []store.Grouped{{GroupID: "g2", FindingID: one.ID}},
		})
	}))
	later := at(time.Hour)
	write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		again := join(aGroup("g1", later), one)
		again.Resolved = true
		return store.Changes{Joins: []store.Join{again, join(aGroup("g1", at(2*time.Hour)), two)}}
	})
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		if _, err := tx.LockGroups(ctx, first, 1); err != nil {
			return err
		}
		g, err := tx.LockGroup(ctx, "g1")
		require.NoError(t, err)
		want := told
		want.DueAt = &later
		requireSame(t, want, g.Group)
		require.Contains(t, []store.Grouped{g.Members[0].Grouped, g.Members[1].Grouped}, member)
		for _, id := range []string{"g2", "g4"} {
			empty, err := tx.LockGroup(ctx, id)
			require.NoError(t, err)
			require.Equal(t, id, empty.Group.ID)
			require.Empty(t, empty.Members)
		}
		n, err := tx.CountFirstTold(ctx, "team", first)
		require.NoError(t, err)
		require.Equal(t, 1, n)
		n, err = tx.CountFirstTold(ctx, "team", second)
		require.NoError(t, err)
		require.Zero(t, n)
		return nil
	}))
	require.Equal(t, "a", run.ID)
}

func testManyOrNone(t *testing.T, s store.Store) {
	ctx := t.Context()
	var head, symptom store.Finding
	var first, second store.Run
	first = write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		head = aFinding(r.Run.PK, detectors.KindLossNaN, 3)
		return store.Changes{Findings: []store.Finding{head}}
	})
	second = write(t, s, store.RunKey{Project: "p", ID: "b"}, func(r store.RunState) store.Changes {
		symptom = aFinding(r.Run.PK, detectors.KindPlateau, 4)
		m := aMessage(head, "team", store.MessageUpdate)
		m.GroupID, m.Thread, m.Repeated, m.Findings = "g", "t", true, []string{head.ID, symptom.ID}
		more := m
		more.ID = "another update"
		digest := store.Message{
			ID: "digest", Receiver: "team", Channel: "email", Event: store.MessageDigest, State: store.MessageQueued, Body: "{}", CreatedAt: start,
		}
		ended := digest
		ended.ID, ended.Event, ended.RunPK = "ended", store.MessageRunEnded, r.Run.PK
		return store.Changes{Findings: []store.Finding{symptom}, Messages: []store.Message{m, more, digest, ended}}
	})
	messages, err := s.ListMessages(ctx, second.PK)
	require.NoError(t, err)
	require.Len(t, messages, 3, "what speaks of the run's finding, and its end")
	messages, err = s.ListMessages(ctx, first.PK)
	require.NoError(t, err)
	require.Len(t, messages, 2)
	d, err := s.FindMessage(ctx, messages[0].ID)
	require.NoError(t, err)
	require.Equal(t, []string{"g", "t"}, []string{d.Message.GroupID, d.Message.Thread})
	require.True(t, d.Message.Repeated)
	require.Equal(t, "a", d.Run.ID)
	require.Equal(t, head.ID, d.Finding.ID)
	require.Len(t, d.Also, 1)
	require.Equal(t, "b", d.Also[0].Run.ID)
	requireSame(t, symptom, d.Also[0].Finding)
	d, err = s.FindMessage(ctx, "digest")
	require.NoError(t, err)
	require.Equal(t, "{}", d.Message.Body)
	require.Zero(t, d.Run.PK)
	d, err = s.FindMessage(ctx, "ended")
	require.NoError(t, err)
	require.Equal(t, "b", d.Run.ID)
	require.Empty(t, d.Finding.ID)
}

// testOneTellsOfTwoStores has two daemons look at groups that runs go on joining.
func testOneTellsOfTwoStores(t *testing.T, e Engine) {
	s := e.Open(t)
	stores := []store.Store{s, e.Again(t, s)}
	const rounds = 20
	var told atomic.Int64
	var all sync.WaitGroup
	for i := range rounds {
		id := string(rune('a' + i))
		all.Go(func() {
			write(t, stores[i%2], store.RunKey{Project: "p", ID: id}, func(r store.RunState) store.Changes {
				f := aFinding(r.Run.PK, detectors.KindPlateau, 3)
				return store.Changes{Findings: []store.Finding{f}, Joins: []store.Join{join(aGroup("one", start), f), join(other("g-"+id, start), f)}}
			})
			for _, each := range stores {
				all.Go(func() {
					var mine int64
					err := each.Ingest(t.Context(), func(tx store.Tx) error {
						mine = 0
						groups, err := tx.LockGroups(t.Context(), start, 100)
						if err != nil {
							return err
						}
						var c store.Changes
						for _, g := range groups {
							g.Group.DueAt = nil
							c.Groups = append(c.Groups, g.Group)
							for _, m := range g.Members {
								if m.Told == "" {
									mine++
									m.Told = store.MessageFiring
									c.Grouped = append(c.Grouped, m.Grouped)
									one := aMessage(m.Finding, g.Group.ID, store.MessageFiring)
									one.ID = g.Group.ID + m.Finding.ID
									c.Messages = append(c.Messages, one)
								}
							}
						}
						return tx.Write(t.Context(), c)
					})
					if err != nil {
						t.Errorf("look at the groups: %v", err)
					}
					told.Add(mine)
				})
			}
		})
	}
	all.Wait()
	for _, g := range due(t, s, at(time.Hour)) {
		require.NotEmpty(t, g.Members, "a group that a look left out is due still")
	}
	require.NoError(t, s.Ingest(t.Context(), func(tx store.Tx) error {
		if _, err := tx.LockGroups(t.Context(), start, 1); err != nil {
			return err
		}
		g, err := tx.LockGroup(t.Context(), "one")
		require.Len(t, g.Members, rounds)
		for _, m := range g.Members {
			if m.Told == "" {
				told.Add(1) // still due
				require.NotNil(t, g.Group.DueAt, "nobody would look at it again")
			}
		}
		return err
	}))
	require.GreaterOrEqual(t, told.Load(), int64(rounds))
	require.LessOrEqual(t, told.Load(), int64(2*rounds), "a finding was told twice in one group")
}
