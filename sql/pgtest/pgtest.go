// Package pgtest gives tests a Postgres of their own: one server a test binary, started
// when the first test asks and gone when the binary is, however it ends.
package pgtest

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

const (
	// EnvServer names a server to use instead: the address of one of its databases, by a
	// user who may create more.
	EnvServer = "EPOCHWATCH_TEST_POSTGRES"
	// EnvRequire makes a test fail, not skip, where there is no Postgres.
	EnvRequire = "EPOCHWATCH_REQUIRE_POSTGRES"
)

// patience bounds every conversation with the server.
const patience = time.Minute

var server = sync.OnceValues(func() (string, error) {
	if given := os.Getenv(EnvServer); given != "" {
		return given, nil
	}
	return start()
})

var databases atomic.Int64

// New returns the address of a new, empty database, dropped when the test ends. Without
// a Postgres on this machine the test is skipped, or fails when EPOCHWATCH_REQUIRE_POSTGRES
// is 1.
func New(t testing.TB) string {
	t.Helper()
	admin, err := server()
	if err != nil {
		missing(t, err)
	}
	name := fmt.Sprintf("epochwatch_test_%d_%d", os.Getpid(), databases.Add(1))
	ask(t, admin, "CREATE DATABASE "+name+" TEMPLATE template0")
	t.Cleanup(func() { ask(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	u, err := url.Parse(admin)
	require.NoError(t, err)
	u.Path = "/" + name
	return u.String()
}

// missing skips the test, or fails it where a Postgres is required.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv(EnvRequire) == "1" {
		require.NoError(t, err, "Postgres is required here")
	}
	t.Skipf("SKIPPED, NOT TESTED: no Postgres: %v", err)
}

func ask(t testing.TB, address, sql string) {
	t.Helper()
	// Not the test's context: it is over when cleanups run.
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	c, err := pgx.Connect(ctx, address)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(ctx)) }()
	_, err = c.Exec(ctx, sql)
	require.NoError(t, err)
}
