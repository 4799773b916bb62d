package folder_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
)

const token = "t0ps3cret-t0ps3cret"

var endpoint = folder.Endpoint{NATS: "nats://127.0.0.1:4222", HTTP: "http://127.0.0.1:8765", Token: token, PID: 123}

func TestEndpointIsWrittenAndRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir)

	got, live, err := folder.ReadEndpoint(dir)
	require.NoError(t, err)
	require.True(t, live, "the lock is held")
	require.Equal(t, folder.Endpoint{}, got, "not ready yet")

	require.NoError(t, f.WriteEndpoint(endpoint))
	got, live, err = folder.ReadEndpoint(dir)
	require.NoError(t, err)
	require.True(t, live)
	require.Equal(t, endpoint, got)

	path := filepath.Join(dir, "endpoint.json")
	if runtime.GOOS != "windows" {
		require.Equal(t, fs.FileMode(0o600), mode(t, path))
	}
	// The fixed form, which the callback reads.
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var keys map[string]any
	require.NoError(t, json.Unmarshal(b, &keys))
	require.Equal(t, map[string]any{"nats": endpoint.NATS, "http": endpoint.HTTP, "token": token, "pid": 123.0}, keys)

	require.NoError(t, f.RemoveEndpoint())
	require.NoFileExists(t, path)
	require.NoError(t, f.RemoveEndpoint(), "twice is no error")
}

func TestNothingIsLeftBesideAnEndpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir)
	require.NoError(t, f.WriteEndpoint(endpoint))
	require.NoError(t, f.WriteEndpoint(endpoint))
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	require.Equal(t, []string{"endpoint.json", "lock", "spool"}, names)
}

func TestCloseRemovesTheEndpoint(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := folder.Open(dir)
	require.NoError(t, err)
	require.NoError(t, f.WriteEndpoint(endpoint))
	require.NoError(t, f.Close())
	require.NoFileExists(t, filepath.Join(dir, "endpoint.json"))
	require.NoError(t, f.Close(), "twice is no error")
}

func TestEndpointOfAKilledDaemonIsStale(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := open(t, dir)
	require.NoError(t, f.WriteEndpoint(endpoint))
	left, err := os.ReadFile(filepath.Join(dir, "endpoint.json"))
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "endpoint.json"), left, 0o600))

	got, live, err := folder.ReadEndpoint(dir)
	require.NoError(t, err)
	require.False(t, live)
	require.Equal(t, endpoint, got)

	target, err := folder.Find("", dir, none)
	require.NoError(t, err)
	require.Empty(t, target.URLs)
	require.Empty(t, target.Token)
	require.Equal(t, dir, target.Dir)
}

func TestReadEndpointOfNoFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "missing")
	got, live, err := folder.ReadEndpoint(dir)
	require.NoError(t, err)
	require.False(t, live)
	require.Equal(t, folder.Endpoint{}, got)
	require.NoDirExists(t, dir, "asking makes nothing")
}

func TestSpoiltEndpointIsReportedWithoutItsText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null", "[]", `{"token":"` + token + `"`, `{"nats":7,"token":"` + token + `"}`} {
		dir := t.TempDir()
		path := filepath.Join(dir, "endpoint.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, _, err := folder.ReadEndpoint(dir)
		require.ErrorContains(t, err, path)
		require.NotContains(t, err.Error(), token)
	}
}

func TestTokenIsNeverShown(t *testing.T) {
	t.Parallel()
	target := folder.Target{URLs: []string{"nats://127.0.0.1:4222"}, Token: token, Dir: "/data"}
	for _, v := range []any{endpoint, &endpoint, target, &target, struct{ E folder.Endpoint }{endpoint}, []folder.Target{target}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
			shown := fmt.Sprintf(verb, v)
			require.NotContains(t, shown, token)
			require.Contains(t, shown, "127.0.0.1:4222")
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("found", "it", v)
		require.NotContains(t, log.String(), token)
	}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("found", "endpoint", endpoint, "target", target)
	require.NotContains(t, log.String(), token)
	require.Contains(t, log.String(), "127.0.0.1:4222")
}
