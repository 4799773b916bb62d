package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// A full disk, as SQLite itself says it: the transaction fails whole, and the same one goes
// in when there is room again.
func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	opened, err := Open(ctx, filepath.Join(t.TempDir(), "store.db"), Options{})
	require.NoError(t, err)
	s := opened.(*Store) //nolint:forcetypeassert // the test is of this package for it
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	limit := func(pages string) {
		_, err := s.write.ExecContext(ctx, "PRAGMA max_page_count = "+pages)
		require.NoError(t, err)
	}
	limit("1") // SQLite takes no fewer than there are: it is full now
	add := func() error {
		return s.Ingest(ctx, func(tx store.Tx) error {
			if _, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r"}}); err != nil {
				return err
			}
			return tx.Write(ctx, store.Changes{Quarantined: []store.Quarantined{{
				ReceivedAt: time.Now(), StreamSeq: 1, Reason: contract.ReasonMalformed, Size: 1 << 17, Payload: make([]byte, 1<<17),
			}}})
		})
	}
	require.ErrorContains(t, add(), "full")
	_, err = s.FindRun(ctx, "p", "r")
	require.ErrorIs(t, err, store.ErrNotFound, "nothing is half-written")
	limit("100000")
	require.NoError(t, add())
	_, err = s.FindRun(ctx, "p", "r")
	require.NoError(t, err)
}
