package postgres_test

import (
	"testing"
	"time"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestAJobOfAKilledWorkerIsWorkedAgain(t *testing.T) {
	t.Parallel()
	url := pgtest.New(t)
	s := open(t, url)
	m := storetest.KillAWorker(t, s, url)
	// As if the killed daemon had begun a while ago: a job is anybody's when it has run for
	// longer than one may, and the test has no need to wait for that.
	text(t, url, `UPDATE river_job SET attempted_at = now() - interval '1 minute' WHERE state = 'running'`)
	began := time.Now()
	storetest.RequireWorkedAgain(t, s, m)
	t.Logf("worked again after %v", time.Since(began).Round(time.Millisecond))
}
