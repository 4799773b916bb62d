package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/epochwatch/epochwatch/sql/store"
)

func testRollback(t *testing.T, s store.Store) {
	ctx := t.Context()
	boom := errors.New("boom")
	err := s.Ingest(ctx, func(tx store.Tx) error {
		states, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
		require.NoError(t, err)
		require.NoError(t, tx.Write(ctx, everything(states[0])))
		return boom
	})
	require.ErrorIs(t, err, boom)
	_, err = s.FindRun(ctx, "p", "r")
	require.ErrorIs(t, err, store.ErrNotFound)
	refused, err := s.ListQuarantined(ctx, 1)
	require.NoError(t, err)
	require.Empty(t, refused)
	require.Panics(t, func() {
		_ = s.Ingest(ctx, func(store.Tx) error { panic("a bug") })
	})
	write(t, s, store.RunKey{Project: "p", ID: "r"}, everything) // nothing is left locked
}

// testBadRows: what no second try can store is told apart from a database that is away.
func testBadRows(t *testing.T, s store.Store) {
	ctx := t.Context()
	for name, spoil := range map[string]func(*store.Changes){
		"a state that there is not":  func(c *store.Changes) { c.Runs[0].State = "thinking" },
		"an epoch without attempt":   func(c *store.Changes) { c.Attempts = nil },
		"a message without finding":  func(c *store.Changes) { c.Messages[0].FindingID = "nobody's" },
		"a finding of loud severity": func(c *store.Changes) { c.Findings[0].Severity = "loud" },
	} {
		err := s.Ingest(ctx, func(tx store.Tx) error {
			states, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
			require.NoError(t, err)
			c := everything(states[0])
			spoil(&c)
			return tx.Write(ctx, c)
		})
		var permanent *store.PermanentError
		require.ErrorAs(t, err, &permanent, name)
	}
	_, err := s.FindRun(ctx, "p", "r")
	require.ErrorIs(t, err, store.ErrNotFound)
}

func testOwnWrites(t *testing.T, s store.Store) {
	ctx := t.Context()
	ingest(t, s, store.RunKey{Project: "p", ID: "r"}, func(tx store.Tx, r store.RunState) error {
		c := everything(r)
		require.NoError(t, tx.Write(ctx, c))
		epochs, err := tx.ListEpochs(ctx, r.Run.PK)
		require.NoError(t, err)
		require.Len(t, epochs, 3)
		findings, err := tx.ListFindings(ctx, r.Run.PK)
		require.NoError(t, err)
		requireSame(t, c.Findings, findings)
		commands, err := tx.ListCommands(ctx, r.Run.PK)
		requireSame(t, c.Commands, commands)
		return err
	})
}

// testSerial has many transactions raise one run's revision: none may be lost.
func testSerial(t *testing.T, s store.Store) { raiseTogether(t, s, s) }

func raiseTogether(t *testing.T, stores ...store.Store) {
	t.Helper()
	const workers, rounds = 4, 10
	key := store.RunKey{Project: "p", ID: "r"}
	group, ctx := errgroup.WithContext(t.Context())
	var inside atomic.Int32
	for i := range workers {
		group.Go(func() error {
			s := stores[i%len(stores)]
			for range rounds {
				if err := raise(ctx, s, key, &inside); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	r, err := stores[0].FindRun(t.Context(), key.Project, key.ID)
	require.NoError(t, err)
	require.EqualValues(t, workers*rounds, r.Revision)
}

func raise(ctx context.Context, s store.Store, key store.RunKey, inside *atomic.Int32) error {
	return s.Ingest(ctx, func(tx store.Tx) error {
		states, err := tx.LockRuns(ctx, []store.RunKey{key})
		if err != nil {
			return err
		}
		if n := inside.Add(1); n != 1 {
			return fmt.Errorf("%d transactions hold the run at once", n)
		}
		defer inside.Add(-1)
		run := states[0].Run
		run.Revision++
		return tx.Write(ctx, store.Changes{Runs: []store.Run{run}})
	})
}

func testNoDeadlock(t *testing.T, s store.Store) {
	keys := []store.RunKey{{Project: "p", ID: "a"}, {Project: "p", ID: "b"}, {Project: "p", ID: "c"}}
	back := []store.RunKey{keys[2], keys[1], keys[0]}
	group, ctx := errgroup.WithContext(t.Context())
	for i := range 4 {
		order := keys
		if i%2 == 1 {
			order = back
		}
		group.Go(func() error {
			for range 10 {
				err := s.Ingest(ctx, func(tx store.Tx) error {
					states, err := tx.LockRuns(ctx, order)
					if err != nil {
						return err
					}
					for j := range states {
						states[j].Run.Revision++
						if err := tx.Write(ctx, store.Changes{Runs: []store.Run{states[j].Run}}); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, k := range keys {
		r, err := s.FindRun(t.Context(), k.Project, k.ID)
		require.NoError(t, err)
		require.EqualValues(t, 40, r.Revision)
	}
}

func testCancelled(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	err := s.Ingest(ctx, func(tx store.Tx) error {
		_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
		require.NoError(t, err)
		cancel()
		_, err = tx.ListEpochs(ctx, 1)
		return err
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, s.Ingest(ctx, func(store.Tx) error { return nil }), context.Canceled)
	_, err = s.FindRun(t.Context(), "p", "r")
	require.ErrorIs(t, err, store.ErrNotFound)
	write(t, s, store.RunKey{Project: "p", ID: "r"}, everything) // nothing is left locked
}

func testTwoStores(t *testing.T, e Engine) {
	s := e.Open(t)
	raiseTogether(t, s, e.Again(t, s))
}

func testReopen(t *testing.T, e Engine) {
	s := e.Open(t)
	run := write(t, s, store.RunKey{Project: "p", ID: "r"}, everything)
	again := e.Again(t, s)
	want, err := s.ListEpochs(t.Context(), run.PK)
	require.NoError(t, err)
	got, err := again.ListEpochs(t.Context(), run.PK)
	require.NoError(t, err)
	requireSame(t, want, got)
	require.NotEmpty(t, got)
}

// testOneDecides has many people answer one proposal at once, each as ingest does: lock
// the run, look, write. Exactly one finds it open.
func testOneDecides(t *testing.T, s store.Store) { decideTogether(t, s, s) }

func testOneDecidesOfTwoStores(t *testing.T, e Engine) {
	s := e.Open(t)
	decideTogether(t, s, e.Again(t, s))
}

func decideTogether(t *testing.T, stores ...store.Store) {
	t.Helper()
	key := store.RunKey{Project: "p", ID: "r"}
	for range 5 {
		var proposal store.Command
		run := write(t, stores[0], key, func(r store.RunState) store.Changes {
			a := anAttempt(r.Run.PK, 1)
			r.Run.Revision++
			proposal = aCommand(r.Run, a.ID, r.Run.Revision)
			proposal.State, proposal.ProposedBy = store.CommandProposed, "policy"
			return store.Changes{Runs: []store.Run{r.Run}, Attempts: []store.Attempt{a}, Commands: []store.Command{proposal}}
		})
		group, ctx := errgroup.WithContext(t.Context())
		var won [4]bool
		for i := range won {
			group.Go(func() (err error) {
				won[i], err = approve(ctx, stores[i%len(stores)], key, proposal.ID, fmt.Sprint("person", i))
				return err
			})
		}
		require.NoError(t, group.Wait())
		commands, err := stores[0].ListCommands(t.Context(), run.PK)
		require.NoError(t, err)
		winners := 0
		for i, w := range won {
			if w {
				winners++
				require.Equal(t, fmt.Sprint("person", i), commands[len(commands)-1].IssuedBy)
			}
		}
		require.Equal(t, 1, winners)
	}
}

// approve reports whether it found the proposal open and has sent it.
func approve(ctx context.Context, s store.Store, key store.RunKey, id, by string) (won bool, err error) {
	err = s.Ingest(ctx, func(tx store.Tx) error {
		won = false
		states, err := tx.LockRuns(ctx, []store.RunKey{key})
		if err != nil {
			return err
		}
		commands, err := tx.ListCommands(ctx, states[0].Run.PK)
		if err != nil {
			return err
		}
		for _, c := range commands {
			if c.ID == id && c.State == store.CommandProposed {
				c.State, c.IssuedBy, won = store.CommandSent, by, true
				return tx.Write(ctx, store.Changes{Commands: []store.Command{c}})
			}
		}
		return nil
	})
	return won && err == nil, err
}
