package postgres_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/storetest"
)

func TestEveryQueryFitsTheSchema(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	url := pgtest.New(t)
	open(t, url)
	c, err := pgx.Connect(ctx, url)
	require.NoError(t, err)
	defer func() { require.NoError(t, c.Close(ctx)) }()
	for name, query := range storetest.Queries(t, ".") {
		_, err := c.Prepare(ctx, "", query)
		require.NoError(t, err, name)
	}
	_, err = c.Prepare(ctx, "", "SELECT nothing FROM run")
	require.ErrorContains(t, err, "nothing", "the check sees a wrong column")
}
