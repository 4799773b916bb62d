package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/sql/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachTestHasADatabaseOfItsOwn(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	one, two := pgtest.New(t), pgtest.New(t)
	require.NotEqual(t, one, two)
	for _, address := range []string{one, two} {
		c, err := pgx.Connect(ctx, address)
		require.NoError(t, err)
		_, err = c.Exec(ctx, "CREATE TABLE here (x int)") // would fail where it exists
		require.NoError(t, err)
		require.NoError(t, c.Close(ctx))
	}
}

func TestDatabasesAreDropped(t *testing.T) {
	t.Parallel()
	var address string
	t.Run("inner", func(t *testing.T) { address = pgtest.New(t) })
	_, err := pgx.Connect(t.Context(), address)
	require.ErrorContains(t, err, "does not exist")
}
