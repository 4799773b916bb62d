package postgres_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestManyDaemonsStartAtOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	group, ctx := errgroup.WithContext(t.Context())
	stores := make([]store.Store, 5)
	for i := range stores {
		group.Go(func() (err error) {
			stores[i], err = postgres.Open(ctx, url, postgres.Options{})
			return err
		})
	}
	require.NoError(t, group.Wait())
	for _, s := range stores {
		require.NoError(t, s.Ping(t.Context()))
		require.NoError(t, s.Close())
	}
	require.Equal(t, [][]string{{"1"}}, text(t, url, `SELECT count(*) FROM goose_db_version WHERE version_id = 1`))
}

func TestANewerSchemaIsRefused(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"ours":  `INSERT INTO goose_db_version (version_id, is_applied) VALUES (4242, true)`,
		"queue": `INSERT INTO river_migration (line, version) VALUES ('main', 4242)`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := pgtest.New(t)
			open(t, url)
			text(t, url, statement)
			_, err := postgres.Open(t.Context(), url, postgres.Options{})
			require.ErrorIs(t, err, store.ErrNewerSchema)
			require.ErrorContains(t, err, "4242")
		})
	}
}

func TestNothingIsWrittenToANewerDatabase(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	text(t, url, `CREATE TABLE goose_db_version (version_id bigint, is_applied boolean)`)
	text(t, url, `INSERT INTO goose_db_version VALUES (4242, true)`)
	_, err := postgres.Open(t.Context(), url, postgres.Options{})
	require.ErrorIs(t, err, store.ErrNewerSchema)
	require.Equal(t, [][]string{{"goose_db_version"}}, text(t, url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`))
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	ctx, url := t.Context(), pgtest.New(t)
	_, err := postgres.Open(ctx, url, postgres.Options{ReadOnly: true})
	require.ErrorContains(t, err, "epochwatch up")
	require.Empty(t, text(t, url, `SELECT tablename FROM pg_tables WHERE schemaname = 'public'`), "nothing is made")

	open(t, url)
	r, err := postgres.Open(ctx, url, postgres.Options{ReadOnly: true})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	runs, err := r.ListRuns(ctx, store.RunFilter{})
	require.NoError(t, err)
	require.Empty(t, runs)
	require.ErrorContains(t, r.Upkeep(ctx, time.Now()), "read-only")
}

func TestBadAddresses(t *testing.T) {
	t.Parallel()
	for name, url := range map[string]string{
		"not one":    "postgres://user:hunter2@host:port/db",
		"nobody":     "postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=2",
		"no such db": pgtest.New(t) + "&dbname=nothere",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := postgres.Open(t.Context(), url, postgres.Options{})
			require.Error(t, err)
			require.NotContains(t, err.Error(), "hunter2")
			var own *pgconn.PgError
			require.NotErrorAs(t, err, &own, "no type of the driver comes out")
		})
	}
}

func TestSessionsAreBounded(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	require.NoError(t, s.Ingest(t.Context(), func(store.Tx) error {
		require.Equal(t, [][]string{{"epochwatch"}}, text(t, url,
			`SELECT DISTINCT application_name FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`))
		return nil
	}))
}

// TestADeadlockIsTriedAgain makes two transactions lock two runs the wrong way round,
// which LockRuns never does by itself: Postgres ends one of them, and Ingest runs it again.
func TestADeadlockIsTriedAgain(t *testing.T) {
	t.Parallel()
	s := open(t, pgtest.New(t))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	a, b := store.RunKey{Project: "p", ID: "a"}, store.RunKey{Project: "p", ID: "b"}
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		_, err := tx.LockRuns(ctx, []store.RunKey{a, b})
		return err
	}))
	group, ctx := errgroup.WithContext(ctx)
	var tries [2]int
	met := [2]chan struct{}{make(chan struct{}), make(chan struct{})}
	for i, order := range [][]store.RunKey{{a, b}, {b, a}} {
		group.Go(func() error {
			return s.Ingest(ctx, func(tx store.Tx) error {
				tries[i]++
				if _, err := tx.LockRuns(ctx, order[:1]); err != nil {
					return err
				}
				if tries[i] == 1 { // each waits for the other to hold its first run
					close(met[i])
					<-met[1-i]
				}
				_, err := tx.LockRuns(ctx, order[1:])
				return err
			})
		})
	}
	require.NoError(t, group.Wait())
	// More on a busy machine, where the one that was ended may be back before the other got on.
	require.GreaterOrEqual(t, tries[0]+tries[1], 3, "one of them was run again")
}

// TestALostConnectionIsAnError: the pool connects again by itself.
func TestALostConnectionIsAnError(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	ctx := t.Context()
	err := s.Ingest(ctx, func(tx store.Tx) error {
		text(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
		_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
		return err
	})
	require.Error(t, err)
	var own *pgconn.PgError
	require.NotErrorAs(t, err, &own, "no type of the driver comes out")
	require.Eventually(t, func() bool { return s.Ping(ctx) == nil }, 10*time.Second, 10*time.Millisecond)
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
		return err
	}))
}
