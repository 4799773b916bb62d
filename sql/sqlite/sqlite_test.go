package sqlite_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestMain(m *testing.M) {
	storetest.WorkUntilKilled(func(ctx context.Context, path string) (store.Store, error) {
		return sqlite.Open(ctx, path, sqlite.Options{})
	})
	goleak.VerifyTestMain(m)
}

// filed is a store with the file it stands on.
type filed struct {
	store.Store
	path string
}

func open(t testing.TB, path string, o sqlite.Options) store.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return filed{s, path}
}

func openNew(t *testing.T) store.Store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "a b#?%41.db"), sqlite.Options{})
}

// text runs SQL over a connection of its own.
func text(t *testing.T, path, query string) [][]string {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	columns, err := rows.Columns()
	require.NoError(t, err)
	var out [][]string
	for rows.Next() {
		values, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range values {
			dest[i] = &values[i]
		}
		require.NoError(t, rows.Scan(dest...))
		row := make([]string, len(columns))
		for i, v := range values {
			row[i] = "NULL"
			if v != nil {
				row[i] = fmt.Sprint(v)
			}
		}
		out = append(out, row)
	}
	require.NoError(t, rows.Err())
	return out
}

func TestStore(t *testing.T) {
	t.Parallel()
	storetest.RunEngine(t, storetest.Engine{
		Open:  openNew,
		Again: func(t *testing.T, s store.Store) store.Store { return open(t, s.(filed).path, sqlite.Options{}) },
		Text: func(t *testing.T, s store.Store, q string) [][]string {
			return text(t, "file:"+escape(s.(filed).path), q)
		},
	})
}
