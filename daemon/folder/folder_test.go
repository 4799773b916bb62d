package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
)

func open(t *testing.T, dir string) *folder.Folder {
	t.Helper()
	f, err := folder.Open(dir)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	i, err := os.Stat(path)
	require.NoError(t, err)
	return i.Mode().Perm()
}

func TestOpenMakesThePrivateFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "b")
	f := open(t, dir)

	require.Equal(t, dir, f.Dir())
	require.Equal(t, filepath.Join(dir, "spool"), f.SpoolDir())
	require.Equal(t, folder.SpoolDir(dir), f.SpoolDir())
	require.DirExists(t, f.SpoolDir())
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o700), mode(t, dir))
		require.Equal(t, fs.FileMode(0o700), mode(t, f.SpoolDir()))
	}
}

func TestSecondOpenerIsRefusedWithThePID(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := folder.Open(dir)
	require.NoError(t, err)

	_, err = folder.Open(dir)
	require.ErrorIs(t, err, folder.ErrInUse)
	var inUse *folder.InUseError
	require.ErrorAs(t, err, &inUse)
	require.Equal(t, os.Getpid(), inUse.PID)
	require.Equal(t, dir, inUse.Dir)
	require.Contains(t, err.Error(), "--data")

	require.NoError(t, f.Close())
	open(t, dir) // given back
}

func TestOneOfManyOpenersWins(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	var won, refused atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := folder.Open(dir)
			if err != nil {
				refused.Add(1)
				return
			}
			won.Add(1)
			t.Cleanup(func() { require.NoError(t, f.Close()) })
		})
	}
	wg.Wait()
	require.EqualValues(t, 1, won.Load())
	require.EqualValues(t, 7, refused.Load())
}

// Asking whether a daemon lives must not keep one from starting.
func TestOpenWhileOthersAsk(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, open(t, dir).Close())
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					_, _, _ = folder.ReadEndpoint(dir)
				}
			}
		})
	}
	defer wg.Wait()
	defer close(stop)
	for range 20 {
		f, err := folder.Open(dir)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
}

func TestTokenIsMadeOnceAndKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir)
	token, err := f.Token()
	require.NoError(t, err)
	require.Regexp(t, `^[A-Za-z0-9_-]{43}$`, token)
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), mode(t, filepath.Join(dir, "token")))
	}
	again, err := f.Token()
	require.NoError(t, err)
	require.Equal(t, token, again)

	require.NoError(t, f.Close())
	again, err = open(t, dir).Token()
	require.NoError(t, err)
	require.Equal(t, token, again)

	other, err := open(t, t.TempDir()).Token()
	require.NoError(t, err)
	require.NotEqual(t, token, other)
}

func TestSpoiltTokenIsRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "two words", "two\nlines"} {
		dir := t.TempDir()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "token"), []byte(text), 0o600))
		_, err := open(t, dir).Token()
		require.ErrorContains(t, err, filepath.Join(dir, "token"))
		if text != "" && text != "\n" {
			require.NotContains(t, err.Error(), text)
		}
	}
}

func TestOpenSaysWhatStandsInTheWay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := folder.Open(file)
	require.ErrorContains(t, err, "cannot be written to")
	require.ErrorContains(t, err, file)
	require.ErrorContains(t, err, "--data")
}
