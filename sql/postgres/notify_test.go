package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Of jobs that are queued right after others the workers of every daemon are told as well:
// the poll would find them a second later.
func TestEveryTransactionWithJobsIsAnnounced(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	address := pgtest.New(t)
	var daemons [2]store.Store
	for i := range daemons {
		s, err := postgres.Open(ctx, address, postgres.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, s.Close()) })
		daemons[i] = s
	}
	worker, err := pgx.Connect(ctx, address)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, worker.Close(context.WithoutCancel(ctx))) })
	_, err = worker.Exec(ctx, `LISTEN "public.river_insert"`)
	require.NoError(t, err)
	for i := range 6 {
		m := store.Message{
			ID: fmt.Sprint("m", i), Receiver: "team", Channel: "webhook", Event: store.MessageDigest, State: store.MessageQueued, CreatedAt: time.Now(),
		}
		require.NoError(t, daemons[i%2].Ingest(ctx, func(tx store.Tx) error { return tx.Write(ctx, store.Changes{Messages: []store.Message{m}}) }))
		n, err := worker.WaitForNotification(ctx)
		require.NoError(t, err, "message %d", i)
		require.JSONEq(t, `{"queue": "default"}`, n.Payload)
	}
}
