package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/epochwatch/epochwatch/daemon/folder"
)

// Root may write everywhere; so that the test means something for root too, its thread
// takes the file system identity of nobody. The thread ends with the goroutine.
func TestReadOnlyFolderIsRefused(t *testing.T) {
	t.Parallel()
	parent := t.TempDir()
	dir := filepath.Join(parent, "data")
	require.NoError(t, os.Mkdir(dir, 0o555))
	for _, d := range []string{parent, filepath.Dir(parent)} {
		require.NoError(t, os.Chmod(d, 0o755))
	}
	for _, path := range []string{dir, filepath.Join(dir, "new")} {
		opened := make(chan error, 1)
		go func() {
			runtime.LockOSThread() // never unlocked
			if os.Geteuid() == 0 {
				const nobody = 65534
				if err := unix.Setfsuid(nobody); err != nil {
					opened <- err
					return
				}
			}
			_, err := folder.Open(path)
			opened <- err
		}()
		err := <-opened
		require.ErrorIs(t, err, fs.ErrPermission)
		require.ErrorContains(t, err, "data folder "+path+" cannot be written to")
		require.ErrorContains(t, err, "--data")
		require.NotContains(t, err.Error(), "\n")
	}
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}
