package sqlite_test

import (
	"database/sql"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestEveryQueryFitsTheSchema(t *testing.T) {
	t.Parallel()
	s := openNew(t).(filed)
	db, err := sql.Open("sqlite", "file:"+escape(s.path))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	for name, query := range storetest.Queries(t, ".") {
		require.NoError(t, compile(t, db, query), name)
	}
	require.ErrorContains(t, compile(t, db, "SELECT nothing FROM run"), "nothing", "the check sees a wrong column")
}

func compile(t *testing.T, db *sql.DB, query string) error {
	t.Helper()
	// EXPLAIN compiles the statement and runs nothing.
	p, err := db.PrepareContext(t.Context(), "EXPLAIN "+query)
	if err == nil {
		defer func() { require.NoError(t, p.Close()) }()
	}
	return err
}
