package daemon_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

// buffer is a log that may be read while it is written.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// bundle is a daemon that runs in the test.
type bundle struct {
	dir      string
	log      *buffer
	status   daemon.Status
	endpoint folder.Endpoint
	stop     func() error // stops it and returns what Run returned
}

// setup runs a daemon on dir; change may alter its config, which names free ports.
func setup(t *testing.T, dir string, change func(*config.Config)) *bundle {
	t.Helper()
	cfg := &config.Config{Data: dir, HTTP: "127.0.0.1:0", NATS: config.NATS{Listen: "127.0.0.1:0"}}
	if change != nil {
		change(cfg)
	}
	b := &bundle{dir: dir, log: &buffer{}}
	ready := make(chan daemon.Status, 1)
	d, err := daemon.New(cfg, daemon.Options{
		Log:     slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Version: "test", Ready: func(s daemon.Status) { ready <- s },
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return fmt.Errorf("the daemon did not stop within %s", patience)
		}
	})
	t.Cleanup(func() { require.NoError(t, b.stop(), b.log.String()) })
	select {
	case b.status = <-ready:
	case err := <-ended:
		ended <- err
		require.FailNow(t, "the daemon ended", "%v\n%s", err, b.log)
	case <-time.After(patience):
		require.FailNow(t, "the daemon is not ready", b.log.String())
	}
	var live bool
	b.endpoint, live, err = folder.ReadEndpoint(dir)
	require.NoError(t, err)
	require.True(t, live)
	return b
}

// fails runs a daemon that must not start, and returns its one line.
func fails(t *testing.T, cfg *config.Config) string {
	t.Helper()
	d, err := daemon.New(cfg, daemon.Options{Ready: func(daemon.Status) { t.Error("it is ready") }})
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		err = d.Run(ctx)
	}
	require.Error(t, err)
	require.NotContains(t, err.Error(), "\n")
	return err.Error()
}

// trainer connects as a callback does.
func (b *bundle) trainer(t *testing.T, token string) (*nats.Conn, error) {
	t.Helper()
	nc, err := nats.Connect(b.endpoint.NATS, nats.Token(token), nats.CustomInboxPrefix("_INBOX"))
	if err == nil {
		t.Cleanup(nc.Close)
	}
	return nc, err
}

// publish sends an event to the stream and waits for its acknowledgement.
func publish(t *testing.T, nc *nats.Conn, project, run, id string, data []byte) {
	t.Helper()
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	_, err = js.Publish(ctx, contract.EventSubject(project, run), data, jetstream.WithMsgID(id))
	require.NoError(t, err)
}

// get asks the API with the token of the endpoint.
func (b *bundle) get(t *testing.T, path string, into any) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.endpoint.HTTP+path, http.NoBody)
	require.NoError(t, err)
	r.Header.Set("Authorization", "Bearer "+b.endpoint.Token)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	a, err := client.Do(r)
	require.NoError(t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	require.NoError(t, err)
	if into != nil && a.StatusCode == http.StatusOK {
		require.NoError(t, json.Unmarshal(text, into), string(text))
	}
	return a.StatusCode
}

// document is what of `runs show --json` the tests look at.
type document struct {
	Run struct {
		ID, Project, State string
		Attempts           int
	}
	Epochs []struct {
		Epoch   int
		Attempt int
		Metrics map[string]any
	}
}

func golden(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "ingest", "contract", "v1", name))
	require.NoError(t, err)
	return b
}

// eventually waits until ask says true.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	require.Eventually(t, ask, patience, 20*time.Millisecond, what)
}

func TestWhatATrainerPublishesIsSeen(t *testing.T) {
	t.Parallel()
	b := setup(t, t.TempDir(), nil)
	nc, err := b.trainer(t, b.endpoint.Token)
	require.NoError(t, err)
	const attempt = "01970000-0000-7000-8000-000000000001"
	for seq, name := range []string{"event_run_started_minimal.json", "event_epoch_ended.json"} {
		publish(t, nc, "default", "r1", contract.MessageID("r1", attempt, int64(seq+1)), golden(t, "good/"+name))
	}
	var d document
	eventually(t, "the epoch is stored", func() bool {
		return b.get(t, "/api/v1/runs/r1", &d) == http.StatusOK && len(d.Epochs) == 1
	})
	require.Equal(t, "running", d.Run.State)
	require.Equal(t, 1, d.Run.Attempts)
	require.InDelta(t, 0.7401, d.Epochs[0].Metrics["loss"], 0)

	var list struct{ Runs []struct{ ID string } }
	require.Equal(t, http.StatusOK, b.get(t, "/api/v1/runs?limit=1", &list))
	require.Equal(t, "r1", list.Runs[0].ID)
	require.Equal(t, http.StatusNotFound, b.get(t, "/api/v1/runs/other", nil))

	// What cannot be read is where people see it, and stops nothing.
	publish(t, nc, "default", "r1", "bad", golden(t, "bad/event_malformed_truncated.json"))
	var refused struct {
		Refused []struct{ Subject, Reason string }
	}
	eventually(t, "the message is refused", func() bool {
		return b.get(t, "/api/v1/quarantine", &refused) == http.StatusOK && len(refused.Refused) == 1
	})
	require.Equal(t, "malformed", refused.Refused[0].Reason)

	require.Contains(t, b.log.String(), `msg="run started" run=r1`)
	require.NotContains(t, b.log.String(), b.endpoint.Token, "the token is never logged")
	require.NoError(t, b.stop())
	require.NoFileExists(t, filepath.Join(b.dir, "endpoint.json"), "removed at a clean end")

	// The data is there again after a restart.
	b = setup(t, b.dir, nil)
	require.Equal(t, http.StatusOK, b.get(t, "/api/v1/runs/r1", &d))
	require.Len(t, d.Epochs, 1)
}

func TestTheTokenIsKeptAndWanted(t *testing.T) {
	t.Parallel()
	b := setup(t, t.TempDir(), nil)
	_, err := b.trainer(t, "wrong")
	require.ErrorIs(t, err, nats.ErrAuthorization)
	first := b.endpoint.Token
	require.NoError(t, b.stop())
	b = setup(t, b.dir, nil)
	require.Equal(t, first, b.endpoint.Token)

	b.endpoint.Token = "wrong"
	require.Equal(t, http.StatusUnauthorized, b.get(t, "/api/v1/runs", nil))
}

func TestReadyMeansEverythingIsUp(t *testing.T) {
	t.Parallel()
	b := setup(t, t.TempDir(), nil)
	var state struct {
		Status string
		Checks map[string]string
	}
	require.Equal(t, http.StatusOK, b.get(t, "/readyz", &state))
	require.Equal(t, "ready", state.Status)
	require.Equal(t, map[string]string{"store": "ok", "broker": "ok"}, state.Checks)
	require.Equal(t, http.StatusOK, b.get(t, "/healthz", nil))
	require.Equal(t, http.StatusOK, b.get(t, "/metrics", nil))
	require.Equal(t, b.status.HTTP, b.endpoint.HTTP)
	require.Equal(t, os.Getpid(), b.endpoint.PID)
	require.Less(t, b.status.Took, 5*time.Second)
}

func TestDefaultHTTPPortMoves(t *testing.T) {
	t.Parallel()
	// Whoever has the port, this test or another program: the daemon takes another one.
	var lc net.ListenConfig
	if l, err := lc.Listen(t.Context(), "tcp", config.DefaultHTTP); err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	b := setup(t, t.TempDir(), func(c *config.Config) { c.HTTP = "" })
	require.NotEqual(t, "http://"+config.DefaultHTTP, b.status.HTTP)
	require.Equal(t, []string{"http"}, b.status.Moved)
}

func TestBadDaysAreOneLine(t *testing.T) {
	t.Parallel()
	free := func(dir string) *config.Config {
		return &config.Config{Data: dir, HTTP: "127.0.0.1:0", NATS: config.NATS{Listen: "127.0.0.1:0"}}
	}
	var lc net.ListenConfig
	taken, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = taken.Close() })

	t.Run("named http port taken", func(t *testing.T) {
		t.Parallel()
		c := free(t.TempDir())
		c.HTTP = taken.Addr().String()
		require.Contains(t, fails(t, c), "http: "+c.HTTP+" is in use by another program")
		require.NoFileExists(t, filepath.Join(c.Data, "store.db"), "nothing half-written")
		require.NoFileExists(t, filepath.Join(c.Data, "endpoint.json"))
	})
	t.Run("named nats port taken", func(t *testing.T) {
		t.Parallel()
		c := free(t.TempDir())
		c.NATS.Listen = taken.Addr().String()
		require.Contains(t, fails(t, c), taken.Addr().String())
		require.NoFileExists(t, filepath.Join(c.Data, "endpoint.json"))
	})
	t.Run("data folder is a file", func(t *testing.T) {
		t.Parallel()
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		require.Contains(t, fails(t, free(file)), "data folder "+file)
	})
	t.Run("data folder cannot be made", func(t *testing.T) {
		t.Parallel()
		require.Contains(t, fails(t, free("/proc/epochwatch")), "data folder /proc/epochwatch")
	})
	t.Run("second daemon", func(t *testing.T) {
		t.Parallel()
		b := setup(t, t.TempDir(), nil)
		require.Contains(t, fails(t, free(b.dir)), "in use by another epochwatch daemon")
		require.FileExists(t, filepath.Join(b.dir, "endpoint.json"), "the first one's is left alone")
	})
	t.Run("no database there", func(t *testing.T) {
		t.Parallel()
		c := free(t.TempDir())
		c.Store = "postgres://epochwatch:hunter2@127.0.0.1:1/db?connect_timeout=2"
		line := fails(t, c)
		require.Contains(t, line, "store: open the database db at 127.0.0.1: ")
		require.NotContains(t, line, "hunter2")
	})
	t.Run("store is not a database", func(t *testing.T) {
		t.Parallel()
		c := free(t.TempDir())
		require.NoError(t, os.WriteFile(filepath.Join(c.Data, "store.db"), bytes.Repeat([]byte("not a database\n"), 1000), 0o600))
		require.Contains(t, fails(t, c), "store.db")
	})
	t.Run("database of a newer schema", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		require.NoError(t, setup(t, dir, nil).stop())
		file := filepath.Join(dir, "store.db")
		db, err := sql.Open("sqlite", file)
		require.NoError(t, err)
		_, err = db.ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, true)")
		require.NoError(t, err)
		require.NoError(t, db.Close())
		before, err := os.ReadFile(file)
		require.NoError(t, err)
		line := fails(t, free(dir))
		require.Contains(t, line, "newer schema")
		require.Contains(t, line, "run the newer epochwatch")
		after, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, before, after, "nothing is written")
	})
	t.Run("outside broker away", func(t *testing.T) {
		t.Parallel()
		c := free(t.TempDir())
		c.NATS = config.NATS{URLs: []string{"nats://127.0.0.1:1"}}
		require.Contains(t, fails(t, c), "broker: ")
	})
}

func TestADaemonToldToStopWhileStartingStops(t *testing.T) {
	t.Parallel()
	d, err := daemon.New(&config.Config{Data: t.TempDir(), HTTP: "127.0.0.1:0", NATS: config.NATS{Listen: "127.0.0.1:0"}}, daemon.Options{})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, d.Run(ctx))
}
