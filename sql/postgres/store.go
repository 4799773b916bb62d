package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/epochwatch/epochwatch/sql/internal/queue"
	"github.com/epochwatch/epochwatch/sql/store"
)

// connections is the size of the pool where the address does not say pool_max_conns: four
// partitions, eight job workers, the listener, and questions beside them rarely all at once.
const connections = 12

// connectTimeout bounds one attempt to connect, where the address does not ask for less: the
// driver's two minutes would hold up a worker for as long as a host is silent.
const connectTimeout = 10 * time.Second

// poll is how often jobs are looked for that were not announced: those whose time to be
// tried again has come, and those that came while the listener had no connection.
const poll = time.Second

// sessionDefaults hold where the address says nothing else. A transaction that a daemon
// left open, asleep or cut off, must not keep a run from the others.
var sessionDefaults = map[string]string{
	"application_name":                    "epochwatch",
	"statement_timeout":                   "30s",
	"idle_in_transaction_session_timeout": "60s",
}

// Options of Open.
type Options struct {
	// ReadOnly is for questions only: nothing is migrated, and the server refuses whatever
	// would write.
	ReadOnly bool
	// Log takes what the job queue has to say; nil for nowhere.
	Log *slog.Logger
}

// Store is store.Store on Postgres.
type Store struct {
	pool *pgxpool.Pool
	jobs *river.Client[pgx.Tx] // inserts only
	log  *slog.Logger
}

var _ store.Store = (*Store)(nil)

// Open connects to the database of a postgres:// address and brings its schema up to
// date; several daemons may do so at once. It returns store.ErrNewerSchema, with nothing
// written, when a newer program has been there.
func Open(ctx context.Context, url string, o Options) (store.Store, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("open the database: the address is not one of Postgres (want postgres://user@host/database)") // err repeats it, password and all
	}
	where := fmt.Sprintf("%s at %s", c.ConnConfig.Database, c.ConnConfig.Host)
	for name, value := range sessionDefaults {
		if _, ok := c.ConnConfig.RuntimeParams[name]; !ok {
			c.ConnConfig.RuntimeParams[name] = value
		}
	}
	if !strings.Contains(url, "pool_max_conns") {
		c.MaxConns = connections
	}
	c.ConnConfig.ConnectTimeout = min(c.ConnConfig.ConnectTimeout, connectTimeout)
	prepare := migrate
	if o.ReadOnly {
		c.ConnConfig.RuntimeParams["default_transaction_read_only"] = "on"
		prepare = checkVersion
	}
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the database %s: %w", where, plain(err))
	}
	s := &Store{pool: pool, log: o.Log}
	if err := prepare(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database %s: %w", where, err)
	}
	if s.jobs, err = river.NewClient(riverpgxv5.New(pool), queue.Inserter(s.log)); err != nil {
		pool.Close()
		return nil, fmt.Errorf("open the database %s: %w", where, err)
	}
	return s, nil
}

// Work is store.Store's. A job whose daemon was killed is taken up by another one, or by
// the next, when it has run for longer than a job may.
func (s *Store) Work(ctx context.Context, handlers map[string]store.JobFunc, periodic []store.Periodic) (func(context.Context) error, error) {
	c, err := queue.Worker(handlers, periodic, poll, s.log)
	if err != nil {
		return nil, err
	}
	client, err := river.NewClient(riverpgxv5.New(s.pool), c)
	if err != nil {
		return nil, fmt.Errorf("set up the job workers: %w", plain(err))
	}
	return queue.Start(ctx, client)
}

// RecordDelivery is store.Store's.
func (s *Store) RecordDelivery(ctx context.Context, d store.Delivery) error {
	tag, err := s.pool.Exec(ctx, string(qDeliver), deliveryOf(d)...)
	switch {
	case err != nil:
		err = plain(err)
	case tag.RowsAffected() == 0:
		err = store.ErrNotFound
	default:
		return nil
	}
	return fmt.Errorf("record a delivery of message %s: %w", d.MessageID, err)
}

// deliveryOf are the arguments of qDeliver.
func deliveryOf(d store.Delivery) []any {
	return []any{d.MessageID, d.State, clean(d.Error), clean(d.Reference), d.At}
}

// Upkeep is store.Store's. Postgres tidies up by itself.
func (s *Store) Upkeep(ctx context.Context, before time.Time) error {
	if _, err := s.pool.Exec(ctx, string(qForget), before); err != nil {
		return fmt.Errorf("remove old refused messages: %w", plain(err))
	}
	if _, err := s.pool.Exec(ctx, string(qBuryMessages)); err != nil {
		return fmt.Errorf("tidy messages: %w", plain(err))
	}
	return nil
}

var errReadOnly = errors.New("the database is read-only (a standby?)")

// Ping is store.Store's.
func (s *Store) Ping(ctx context.Context) error {
	writable, err := find(ctx, s.pool, qWritable, pgx.RowTo[bool])
	if err == nil && !writable {
		err = errReadOnly
	}
	return err
}

// Engine is store.Store's.
func (s *Store) Engine() string { return "postgres" }

// Close is store.Store's. The workers have been stopped before.
func (s *Store) Close() error {
	s.pool.Close()
	return nil
}
