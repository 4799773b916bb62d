package ingest

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// engine is a real database, with a way into it beside the store.
type engine struct {
	st   store.Store
	exec func(t *testing.T, query string)
	url  string
}

func sqliteEngine(t *testing.T) engine {
	t.Helper()
	path := filepath.Join(t.TempDir(), "store.db")
	st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return engine{st: st, exec: func(t *testing.T, query string) {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), query)
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}}
}

func postgresEngine(t *testing.T) engine {
	t.Helper()
	e := engine{url: pgtest.New(t)}
	st, err := postgres.Open(t.Context(), e.url, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	e.st = st
	e.exec = func(t *testing.T, query string) { t.Helper(); ask(t, e.url, query) }
	return e
}

func ask(t *testing.T, url, query string) {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(ctx)) }()
	_, err = c.Exec(ctx, query)
	require.NoError(t, err)
}

// poisoned has a database with a rule against one epoch take many events.
func poisoned(t *testing.T, e engine) {
	t.Helper()
	ctx, s := t.Context(), service(t, Options{Store: e.st, Announcer: toTeam{}})
	var events []contract.Event
	for i := range 9 {
		events = append(events, lesson(fmt.Sprint("r", i))...)
	}
	events = append(events, newTrainer("bad", first).started().epochs(12, 1, 2, 3).out...)
	deliver(ctx, t, s, events...)
	for i := range 9 {
		require.Equal(t, 5, epochsOf(t, e.st, fmt.Sprint("r", i)))
	}
	require.Equal(t, 1, epochsOf(t, e.st, "bad"))
	refused, err := e.st.ListQuarantined(ctx, 10)
	require.NoError(t, err)
	require.Len(t, refused, 1)
	require.Contains(t, refused[0].Detail, "unlucky")
	require.Contains(t, string(refused[0].Payload), `"epoch":13`)
}

func TestOnePoisonEventOnSQLite(t *testing.T) {
	t.Parallel()
	e := sqliteEngine(t)
	e.exec(t, `CREATE TRIGGER unlucky BEFORE INSERT ON epoch WHEN new.epoch = 13 BEGIN SELECT raise(ABORT, 'unlucky'); END`)
	poisoned(t, e)
}

func TestOnePoisonEventOnPostgres(t *testing.T) {
	t.Parallel()
	e := postgresEngine(t)
	e.exec(t, `ALTER TABLE epoch ADD CONSTRAINT unlucky CHECK (epoch <> 13)`)
	poisoned(t, e)
}

func TestTwoDaemonsDoubleNothingOnPostgres(t *testing.T) {
	t.Parallel()
	twoDaemons(t, newMemStore(), postgresEngine(t).st)
}

func TestPostgresAwayAndBackLosesNothing(t *testing.T) {
	t.Parallel()
	e, log := postgresEngine(t), &lines{}
	u, err := url.Parse(e.url)
	require.NoError(t, err)
	name := strings.TrimPrefix(u.Path, "/")
	u.Path = "/postgres"
	s := service(t, Options{Store: e.st, Announcer: toTeam{}, Log: log.logger(), Now: time.Now})
	events := lesson("r1")
	deliver(t.Context(), t, s, events[:3]...)

	ask(t, u.String(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS false")
	ask(t, u.String(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '"+name+"'")
	w := s.newWorker(nil)
	msgs := messages(t, events...)
	done := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { done <- w.settle(ctx, arrivals(time.Now(), msgs...)) }()
	require.Eventually(t, func() bool { return log.count("trying again") > 0 }, 20*time.Second, 10*time.Millisecond)
	for _, m := range msgs {
		acks, _ := m.reported()
		require.Zero(t, acks)
	}
	ask(t, u.String(), "ALTER DATABASE "+name+" ALLOW_CONNECTIONS true")
	select {
	case err := <-done:
		require.NoError(t, err)
	case <-time.After(30 * time.Second):
		require.Fail(t, "not stored after the database came back")
	}
	require.Equal(t, 5, epochsOf(t, e.st, "r1"))
	refused, err := e.st.ListQuarantined(t.Context(), 10)
	require.NoError(t, err)
	require.Empty(t, refused)
}
