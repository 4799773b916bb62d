package postgres_test

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/store"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestMain(m *testing.M) {
	storetest.WorkUntilKilled(func(ctx context.Context, url string) (store.Store, error) {
		return postgres.Open(ctx, url, postgres.Options{})
	})
	goleak.VerifyTestMain(m)
}

// addressed is a store with the address of its database.
type addressed struct {
	store.Store
	url string
}

func open(t testing.TB, url string) store.Store {
	t.Helper()
	s, err := postgres.Open(t.Context(), url, postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return addressed{s, url}
}

func text(t testing.TB, url, query string) [][]string {
	t.Helper()
	ctx := t.Context()
	c, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(ctx)) }()
	rows, err := c.Query(ctx, query, pgx.QueryExecModeSimpleProtocol)
	require.NoError(t, err)
	var out [][]string
	for rows.Next() {
		var row []string
		for _, raw := range rows.RawValues() { // text, in the simple protocol
			if raw == nil {
				row = append(row, "NULL")
			} else {
				row = append(row, string(raw))
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
		Open:  func(t *testing.T) store.Store { return open(t, pgtest.New(t)) },
		Again: func(t *testing.T, s store.Store) store.Store { return open(t, s.(addressed).url) },
		Text:  func(t *testing.T, s store.Store, q string) [][]string { return text(t, s.(addressed).url, q) },
	})
}
