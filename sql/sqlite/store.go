package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/riverqueue/river"

	"github.com/epochwatch/epochwatch/sql/internal/queue"
	"github.com/epochwatch/epochwatch/sql/store"
)

// busyTimeout is how long a statement waits for another program's lock.
const busyTimeout = 5 * time.Second

// readers is how many questions are answered at once.
const readers = 4

// Options of Open.
type Options struct {
	// ReadOnly opens for questions only, with or without a daemon at work on the same
	// file. Ingest, RecordDelivery, Work and Upkeep return an error.
	ReadOnly bool
	// Log takes what the job queue has to say; nil for nowhere.
	Log *slog.Logger
}

// Store is store.Store on a file of SQLite.
type Store struct {
	read  *sql.DB
	write *sql.DB // one connection; nil when read-only
	// statements are the prepared ones of the writing connection.
	statements map[query]*sql.Stmt
	jobs       *river.Client[*sql.Tx] // inserts only
	bell       bell                   // rung for the workers when it has
	log        *slog.Logger
}

var _ store.Store = (*Store)(nil)

var errReadOnly = errors.New("the database was opened for reading only")

// Open opens the database at path, makes it where it is missing and brings its schema up
// to date. The caller holds the lock on the data folder: one daemon at a time owns the
// file. It returns store.ErrNewerSchema, with nothing written, when a newer program has
// been there.
func Open(ctx context.Context, path string, o Options) (store.Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{bell: newBell(), log: o.Log}
	if err := s.open(ctx, path, o); err != nil {
		return nil, errors.Join(fmt.Errorf("open the database %s: %w", path, plain(err)), s.Close())
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, path string, o Options) error {
	path, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if o.ReadOnly {
		return s.openReadOnly(ctx, path)
	}
	// SQLite would make the file readable by all; its journals take their mode from it.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	// FULL: an epoch that is committed is acknowledged to the broker, which never sends it
	// again, so it must survive the loss of power too. A batch of epochs pays one fsync.
	if s.write, err = sql.Open("sqlite", dsn(path, "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)")+"&_txlock=immediate"); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if err := migrate(ctx, s.write); err != nil {
		return err
	}
	if err := s.openReaders(path, ""); err != nil {
		return err
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	s.jobs, err = river.NewClient(newDriver(s.write, s.bell), queue.Inserter(s.log))
	return err
}

func (s *Store) openReadOnly(ctx context.Context, path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is none yet, a daemon makes it (epochwatch up): %w", fs.ErrNotExist)
	} else if err != nil {
		return err
	}
	if err := s.openReaders(path, "&mode=ro"); err != nil {
		return err
	}
	err := checkVersion(ctx, s.read)
	if err == nil || !s.mayBeFrozen(path) {
		return err
	}
	// A folder that may not be written cannot take the journal's index. Without a journal
	// the file is complete, and nobody who could change it is at work.
	if err := s.read.Close(); err != nil {
		return err
	}
	if err := s.openReaders(path, "&mode=ro&immutable=1"); err != nil {
		return err
	}
	return checkVersion(ctx, s.read)
}

// mayBeFrozen reports whether the file has no journal and its folder takes none.
func (s *Store) mayBeFrozen(path string) bool {
	if _, err := os.Stat(path + "-wal"); err == nil {
		return false
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".epochwatch-*")
	if err != nil {
		return true
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) != nil
}

func (s *Store) openReaders(path, more string) (err error) {
	if s.read, err = sql.Open("sqlite", dsn(path, "query_only(ON)")+more); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	return nil
}

// dsn returns the address of the file with pragmas, the waiting for locks first: the
// others may need one.
func dsn(path string, pragmas ...string) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") { // C:/…
		slashed = "/" + slashed
	}
	var b strings.Builder
	fmt.Fprintf(&b, "file://%s?_pragma=busy_timeout(%d)", (&url.URL{Path: slashed}).EscapedPath(), busyTimeout.Milliseconds())
	for _, p := range pragmas {
		b.WriteString("&_pragma=" + url.QueryEscape(p))
	}
	return b.String()
}

func (s *Store) prepare(ctx context.Context) error {
	s.statements = map[query]*sql.Stmt{}
	for _, q := range []query{
		qInsertRun, qRunByKey, qUpdateRun, qAttempts, qUpsertAttempt, qInsertEpoch, qInsertMetric, qInsertBatches,
		qHold, qRelease, qUpsertFinding, qUpsertCommand, qInsertMessage, qInsertMessageFinding, qDeliver, qInsertDelivery,
		qJoinGroup, qJoinFinding, qNudgeGroup, qUpsertGroup, qUpsertGrouped, qUngroup, qAddNews, qAcknowledge, qNoteSeen, qQuarantine,
	} {
		p, err := s.write.PrepareContext(ctx, string(q)) //nolint:sqlclosecheck // Close of the store does
		if err != nil {
			return fmt.Errorf("prepare a statement: %w", err)
		}
		s.statements[q] = p
	}
	return nil
}

// Ping is store.Store's. It takes the write lock for a moment.
func (s *Store) Ping(ctx context.Context) error {
	if s.write == nil {
		return plain(checkVersion(ctx, s.read))
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("take the write lock: %w", plain(err))
	}
	return plain(tx.Rollback())
}

// Engine is store.Store's.
func (s *Store) Engine() string { return "sqlite" }

// Close is store.Store's. The workers have been stopped before.
func (s *Store) Close() error {
	var errs []error
	for _, p := range s.statements {
		errs = append(errs, p.Close())
	}
	// The writer goes last: the last connection folds the journal into the file.
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return plain(errors.Join(errs...))
}
