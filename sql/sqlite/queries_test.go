package sqlite_test

import (
	"database/sql"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestEveryQueryFitsTheSchema(t *testing.T) {
	t.Parallel()
	db := reopened(t)
	for name, query := range storetest.Queries(t, ".") {
		require.NoError(t, compile(t, db, query), name)
	}
	require.ErrorContains(t, compile(t, db, "SELECT nothing FROM run"), "nothing", "the check sees a wrong column")
}

// reopened is a new store's database, without the store.
func reopened(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+escape(openNew(t).(filed).path))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	return db
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

// reading are the questions that may read a whole table: they are asked by a person, or once
// in a long while.
var reading = map[string]bool{"qRecent": true, "qBuryMessages": true, "qForget": true, "qQuarantined": true}

// What is asked at each look, try or transaction finds its few rows by an index, however many
// there have been.
func TestNoQuestionReadsAWholeTableThatGrows(t *testing.T) {
	t.Parallel()
	db := reopened(t)
	for name, query := range storetest.Queries(t, ".") {
		for _, step := range plan(t, db, query) {
			if whole.MatchString(step) && !reading[name] {
				t.Errorf("%s: %s", name, step)
			}
		}
	}
	require.True(t, whole.MatchString(plan(t, db, "SELECT 1 FROM message WHERE body = ?")[0]), "the check sees a scan")
}

var (
	whole       = regexp.MustCompile(`^SCAN (message|m|o|f|finding|grouped_finding|epoch|delivery|command|acknowledgement|quarantine)$`)
	placeholder = regexp.MustCompile(`\?\d*`)
)

func plan(t *testing.T, db *sql.DB, query string) (steps []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+placeholder.ReplaceAllString(query, "1"))
	require.NoError(t, err, query)
	defer func() { require.NoError(t, rows.Close()) }()
	for rows.Next() {
		var id, parent, unused int
		var step string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &step))
		steps = append(steps, step)
	}
	require.NoError(t, rows.Err())
	return steps
}
