package filelock_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/filelock"
)

func open(t *testing.T, path string) *os.File {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	return f
}

func TestOneExclusiveOwner(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)

	require.NoError(t, filelock.TryExclusive(a))
	require.ErrorIs(t, filelock.TryExclusive(b), filelock.ErrLocked)
	require.ErrorIs(t, filelock.TryShared(b), filelock.ErrLocked)

	require.NoError(t, filelock.Unlock(a))
	require.NoError(t, filelock.TryExclusive(b))
}

func TestSharedLocksGoTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	a, b, c := open(t, path), open(t, path), open(t, path)

	require.NoError(t, filelock.TryShared(a))
	require.NoError(t, filelock.TryShared(b))
	require.ErrorIs(t, filelock.TryExclusive(c), filelock.ErrLocked)
}

func TestClosingEndsTheLock(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	a, b := open(t, path), open(t, path)

	require.NoError(t, filelock.TryExclusive(a))
	require.NoError(t, a.Close())
	require.NoError(t, filelock.TryExclusive(b))
}
