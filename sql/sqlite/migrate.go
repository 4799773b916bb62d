package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"

	"github.com/epochwatch/epochwatch/sql/schema"
	"github.com/epochwatch/epochwatch/sql/store"
)

// versions are the numbers of the newest migrations: ours and the job queue's.
type versions struct{ schema, jobs int64 }

func known(m *rivermigrate.Migrator[*sql.Tx]) versions {
	all := m.AllVersions()
	return versions{schema: schema.Latest(), jobs: int64(all[len(all)-1].Version)}
}

func migrator(db *sql.DB) (*rivermigrate.Migrator[*sql.Tx], error) {
	return rivermigrate.New(riversqlite.New(db), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
}

func inDatabase(ctx context.Context, db querier) (v versions, err error) {
	for _, part := range []struct {
		table string
		q     query
		to    *int64
	}{{"goose_db_version", qSchemaVersion, &v.schema}, {"river_migration", qJobVersion, &v.jobs}} {
		var n int
		if err := db.QueryRowContext(ctx, string(qHasTable), part.table).Scan(&n); err != nil {
			return v, fmt.Errorf("read the schema's version: %w", plain(err))
		}
		if n == 0 {
			continue
		}
		if err := db.QueryRowContext(ctx, string(part.q)).Scan(part.to); err != nil {
			return v, fmt.Errorf("read the schema's version: %w", plain(err))
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

// migrate brings the schema up to date, or changes nothing.
func migrate(ctx context.Context, db *sql.DB) error {
	m, err := migrator(db)
	if err != nil {
		return err
	}
	want := known(m)
	have, err := inDatabase(ctx, db)
	if err != nil {
		return err
	}
	if err := compare(have, want); err != nil {
		return err
	}
	if have.schema < want.schema {
		p, err := goose.NewProvider(goose.DialectSQLite3, db, schema.SQLite(), goose.WithDisableGlobalRegistry(true))
		if err != nil {
			return fmt.Errorf("read the migrations: %w", err)
		}
		if _, err := p.Up(ctx); err != nil {
			return fmt.Errorf("migrate the schema: %w", plain(err))
		}
	}
	if have.jobs < want.jobs {
		if _, err := m.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
			return fmt.Errorf("migrate the job queue: %w", plain(err))
		}
	}
	return nil
}

var errOlderSchema = errors.New("the database has an older schema: start the daemon on it once, which brings it up to date")

// checkVersion is for those who may only read.
func checkVersion(ctx context.Context, db *sql.DB) error {
	have, err := inDatabase(ctx, db)
	if err != nil {
		return err
	}
	want := versions{schema: schema.Latest(), jobs: have.jobs}
	if have.schema < want.schema {
		return errOlderSchema
	}
	return compare(have, want)
}
