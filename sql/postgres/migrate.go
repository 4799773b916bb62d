package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/epochwatch/epochwatch/sql/schema"
	"github.com/epochwatch/epochwatch/sql/store"
)

// lockPeriod and lockTries are how often, in seconds, a daemon looks whether another one
// has finished migrating, and how many times.
const (
	lockPeriod = 1
	lockTries  = 300
)

// versions are the numbers of the newest migrations: ours and the job queue's.
type versions struct{ schema, jobs int64 }

func inDatabase(ctx context.Context, db querier) (v versions, err error) {
	for _, part := range []struct {
		table string
		q     query
		to    *int64
	}{{"goose_db_version", qSchemaVersion, &v.schema}, {"river_migration", qJobVersion, &v.jobs}} {
		there, err := find(ctx, db, qHasTable, pgx.RowTo[bool], part.table)
		if err != nil {
			return v, fmt.Errorf("read the schema's version: %w", err)
		}
		if !there {
			continue
		}
		if *part.to, err = find(ctx, db, part.q, pgx.RowTo[int64]); err != nil {
			return v, fmt.Errorf("read the schema's version: %w", err)
		}
	}
	return v, nil
}

// compare returns store.ErrNewerSchema when the database is ahead of the program.
func compare(have, want versions) error {
	if have.schema > want.schema {
		return fmt.Errorf("%w (schema %d, known %d)", store.ErrNewerSchema, have.schema, want.schema)
	}
	if have.jobs > want.jobs {
		return fmt.Errorf("%w (job queue %d, known %d)", store.ErrNewerSchema, have.jobs, want.jobs)
	}
	return nil
}

var errOlderSchema = errors.New("the database has an older schema, or none: the daemon brings it up to date when it starts (epochwatch up)")

// checkVersion is for those who may only read. They use no jobs.
func checkVersion(ctx context.Context, pool *pgxpool.Pool) error {
	have, err := inDatabase(ctx, pool)
	if err != nil {
		return err
	}
	want := versions{schema: schema.Latest(), jobs: have.jobs}
	if have.schema < want.schema {
		return errOlderSchema
	}
	return compare(have, want)
}

// migrate brings the schema up to date, or changes nothing.
func migrate(ctx context.Context, pool *pgxpool.Pool) error {
	m, err := rivermigrate.New(riverpgxv5.New(pool), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	all := m.AllVersions()
	want := versions{schema: schema.Latest(), jobs: int64(all[len(all)-1].Version)}
	have, err := inDatabase(ctx, pool)
	if err != nil {
		return err
	}
	if err := compare(have, want); err != nil || have == want {
		return err
	}
	return locked(ctx, pool, func(db *sql.DB) error {
		p, err := goose.NewProvider(goose.DialectPostgres, db, schema.Postgres(), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate the schema: %w", plain(err))
		}
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate the job queue: %w", plain(err))
		}
		return nil
	})
}

// locked runs fn while no other daemon migrates this database. The lock is goose's, asked
// for again and again rather than waited for: a waiting statement would hold up
// CREATE INDEX CONCURRENTLY for ever.
func locked(ctx context.Context, pool *pgxpool.Pool, fn func(*sql.DB) error) (err error) {
	// Connections of its own, on which a migration may take its time.
	c := pool.Config().ConnConfig
	c.RuntimeParams["statement_timeout"] = "0"
	db := stdlib.OpenDB(*c)
	defer func() { err = errors.Join(err, plain(db.Close())) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", plain(err))
	}
	defer func() { err = errors.Join(err, plain(conn.Close())) }()
	l, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(lockPeriod, lockTries))
	if err != nil {
		return err
	}
	if err := l.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("wait for another daemon to migrate: %w", plain(err))
	}
	defer func() { err = errors.Join(err, plain(l.SessionUnlock(context.WithoutCancel(ctx), conn))) }()
	return fn(db)
}
