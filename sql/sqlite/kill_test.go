package sqlite_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestAJobOfAKilledWorkerIsWorkedAgainAtOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path, sqlite.Options{})
	m := storetest.KillAWorker(t, s, path)
	began := time.Now()
	storetest.RequireWorkedAgain(t, s, m)
	require.Less(t, time.Since(began), 10*time.Second)
	t.Logf("worked again after %v", time.Since(began).Round(time.Millisecond))
}
