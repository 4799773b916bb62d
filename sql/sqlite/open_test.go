package sqlite_test

import (
	"context"
	"database/sql"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/schema"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

func newer(t *testing.T, s store.Store, statement string) []byte {
	t.Helper()
	path := s.(filed).path
	text(t, "file:"+escape(path), statement)
	require.NoError(t, s.Close())
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	return before
}

func TestANewerSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	for name, statement := range map[string]string{
		"ours":  `INSERT INTO goose_db_version (version_id, is_applied) VALUES (4242, 1) RETURNING id`,
		"queue": `INSERT INTO river_migration (line, version) VALUES ('main', 4242) RETURNING version`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "store.db")
			s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
			require.NoError(t, err)
			before := newer(t, filed{s, path}, statement)
			for _, readOnly := range []bool{false, true} {
				if name == "queue" && readOnly {
					continue // who only reads does not look at the queue
				}
				_, err = sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: readOnly})
				require.ErrorIs(t, err, store.ErrNewerSchema)
				require.ErrorContains(t, err, "4242")
				require.ErrorContains(t, err, path)
			}
			after, err := os.ReadFile(path)
			require.NoError(t, err)
			require.Equal(t, before, after)
		})
	}
}

func TestAnOlderSchemaIsBroughtUpToDateWithWhatItHolds(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "store.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, schema.SQLite(), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = p.UpTo(ctx, 1)
	require.NoError(t, err)
	for _, statement := range []string{
		`INSERT INTO run (project, id, started_at, last_sign_at) VALUES ('p', 'r', '2026-01-02 03:04:05.000000Z', '2026-01-02 03:04:05.000000Z')`,
		`INSERT INTO command (id, run_pk, attempt, caused_by, kind, issued_at, body, state, decided_epoch)
			SELECT 'c', pk, 'a', 2, 'stop', '2026-01-02 03:04:05.000000Z',
				'{"version": 1, "type": "command", "id": "c", "kind": "stop", "expires_epoch": 3}', 'sent', 1 FROM run`,
	} {
		_, err = db.ExecContext(ctx, statement)
		require.NoError(t, err)
	}
	require.NoError(t, db.Close())

	_, err = sqlite.Open(ctx, path, sqlite.Options{ReadOnly: true})
	require.ErrorContains(t, err, "older schema")
	s := open(t, path, sqlite.Options{})
	commands, err := s.ListCommands(ctx, 1)
	require.NoError(t, err)
	require.Len(t, commands, 1)
	require.Equal(t, store.CommandSent, commands[0].State)
	require.Empty(t, commands[0].ProposedBy)
}

func TestReadOnly(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	_, err := sqlite.Open(ctx, path, sqlite.Options{ReadOnly: true})
	require.ErrorIs(t, err, os.ErrNotExist)
	require.ErrorContains(t, err, path)
	require.NoFileExists(t, path)

	s, err := sqlite.Open(ctx, path, sqlite.Options{})
	require.NoError(t, err)
	add := func(id string) {
		require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
			_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: id}})
			return err
		}))
	}
	add("one")
	require.FileExists(t, path+"-wal")
	r := open(t, path, sqlite.Options{ReadOnly: true}) // beside a daemon
	_, err = r.FindRun(ctx, "p", "one")
	require.NoError(t, err)
	add("two")
	_, err = r.FindRun(ctx, "p", "two")
	require.NoError(t, err)
	require.NoError(t, r.Ping(ctx))
	require.Error(t, r.Ingest(ctx, func(store.Tx) error { return nil }))
	require.Error(t, r.RecordDelivery(ctx, store.Delivery{}))
	require.Error(t, r.Upkeep(ctx, time.Now()))
	_, err = r.Work(ctx, nil, nil)
	require.Error(t, err)

	require.NoError(t, s.Close()) // and without one
	late := open(t, path, sqlite.Options{ReadOnly: true})
	_, err = late.FindRun(ctx, "p", "two")
	require.NoError(t, err)
}

func TestReadOnlyAfterAKill(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{})
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "one"}})
		return err
	}))
	// What a killed daemon leaves: the file and its journal, not folded in.
	left := filepath.Join(t.TempDir(), "store.db")
	for _, suffix := range []string{"", "-wal"} {
		b, err := os.ReadFile(path + suffix)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(left+suffix, b, 0o600))
	}
	r := open(t, left, sqlite.Options{ReadOnly: true})
	_, err := r.FindRun(ctx, "p", "one")
	require.NoError(t, err)
}

func TestBadFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, prepare := range map[string]func(path string) error{
		"no database": func(path string) error {
			return os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 100)), 0o600)
		},
		"a folder":      func(path string) error { return os.Mkdir(path, 0o700) },
		"in no folder":  func(string) error { return nil },
		"older, frozen": func(path string) error { return os.WriteFile(path, nil, 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(dir, name)
			if name == "in no folder" {
				path = filepath.Join(path, "store.db")
			}
			require.NoError(t, prepare(path))
			_, err := sqlite.Open(t.Context(), path, sqlite.Options{ReadOnly: name == "older, frozen"})
			require.ErrorContains(t, err, path)
			require.NotContains(t, err.Error(), "\n", "one line")
		})
	}
}

func TestTheFileIsTheOwnersAlone(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	s := openNew(t).(filed)
	require.NoError(t, s.Ping(t.Context()))
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(s.path + suffix)
		require.NoError(t, err)
		require.Equal(t, os.FileMode(0o600), info.Mode().Perm(), suffix)
	}
}

func TestSettings(t *testing.T) {
	t.Parallel()
	s := openNew(t).(filed)
	require.Equal(t, [][]string{{"wal"}}, text(t, "file:"+escape(s.path), "PRAGMA journal_mode"))
	require.Equal(t, [][]string{}, append([][]string{}, text(t, "file:"+escape(s.path), "PRAGMA foreign_key_check")...))
	tables := text(t, "file:"+escape(s.path), `SELECT name FROM pragma_table_list
		WHERE schema = 'main' AND type = 'table' AND strict = 0 AND name NOT LIKE 'river%' AND name NOT LIKE 'sqlite%' AND name NOT LIKE 'goose%'`)
	require.Empty(t, tables, "tables of ours that are not STRICT")
}

// signal is a log that says when anything is logged.
type signal chan struct{}

func (s signal) Enabled(context.Context, slog.Level) bool { return true }
func (s signal) WithAttrs([]slog.Attr) slog.Handler       { return s }
func (s signal) WithGroup(string) slog.Handler            { return s }

func (s signal) Handle(context.Context, slog.Record) error {
	select {
	case s <- struct{}{}:
	default:
	}
	return nil
}

func TestAnotherProgramHoldsTheLock(t *testing.T) {
	t.Parallel()
	other := openNew(t).(filed)
	again := make(signal, 1)
	s := open(t, other.path, sqlite.Options{Log: slog.New(again)})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	inside, release := make(chan struct{}), make(chan struct{})
	first := make(chan error, 1)
	go func() {
		first <- other.Ingest(ctx, func(store.Tx) error {
			close(inside)
			<-release
			return nil
		})
	}()
	<-inside
	second := make(chan error, 1)
	go func() {
		second <- s.Ingest(ctx, func(tx store.Tx) error {
			_, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}})
			return err
		})
	}()
	// One wait for the lock is over: the transaction is begun again.
	select {
	case <-again:
	case err := <-second:
		require.Fail(t, "it was not tried again", "%v", err)
	}
	close(release)
	require.NoError(t, <-first)
	require.NoError(t, <-second)
}

// TestTheLibcIsTheDriversOwn: modernc.org/sqlite misbehaves on any other version.
func TestTheLibcIsTheDriversOwn(t *testing.T) {
	t.Parallel()
	ask := func(format, module string) string {
		out, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", format, module).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	driver, err := os.ReadFile(ask("{{.GoMod}}", "modernc.org/sqlite"))
	require.NoError(t, err)
	asked := regexp.MustCompile(`(?m)^\s*(?:require )?modernc\.org/libc (v\S+)`).FindSubmatch(driver)
	require.NotNil(t, asked, "the driver asks for no libc")
	require.Equal(t, string(asked[1]), ask("{{.Version}}", "modernc.org/libc"))
}
