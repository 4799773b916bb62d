package schema_test

import (
	"io/fs"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/schema"
)

func names(t *testing.T, f fs.FS) []string {
	t.Helper()
	entries, err := fs.ReadDir(f, ".")
	require.NoError(t, err)
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestBothEnginesHaveTheSameMigrations(t *testing.T) {
	t.Parallel()
	postgres, sqlite := names(t, schema.Postgres()), names(t, schema.SQLite())
	require.NotEmpty(t, sqlite)
	require.Equal(t, sqlite, postgres)
	form := regexp.MustCompile(`^(\d{4})_[a-z0-9_]+\.sql$`)
	for i, name := range sqlite {
		m := form.FindStringSubmatch(name)
		require.NotNil(t, m, "%s: want NNNN_what.sql", name)
		require.Equal(t, i+1, atoi(m[1]), "%s: numbers follow one another", name)
	}
	require.EqualValues(t, len(sqlite), schema.Latest())
}

func atoi(s string) int {
	n := 0
	for _, r := range s {
		n = n*10 + int(r-'0')
	}
	return n
}
