package bus_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/daemon/bus"
)

// Bus and servers must leave nothing behind.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	token = "t0ps3cret-t0ps3cret"
	event = "epochwatch.v1.proj.run.event"
)

// buffer is a log that several goroutines write to.
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

func (b *buffer) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(b, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func within(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func closeBus(t testing.TB, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	require.NoError(t, b.Close(ctx))
}

// embed starts a bus with an embedded server on a free port.
func embed(t testing.TB) *bus.Bus {
	t.Helper()
	return start(t, bus.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token})
}

func start(t testing.TB, o bus.Options) *bus.Bus {
	t.Helper()
	b, err := bus.Start(within(t, 20*time.Second), o)
	require.NoError(t, err)
	t.Cleanup(func() { closeBus(t, b) })
	return b
}

// outside starts a NATS server that is not the bus's own.
func outside(t testing.TB, change func(*server.Options)) *server.Server {
	t.Helper()
	o := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}
	if change != nil {
		change(o)
	}
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))
	return s
}

// connect connects as a client with the token.
func connect(t testing.TB, url, token string, opts ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(url, append(opts, nats.Token(token))...)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// restartable starts an outside server on a folder and a port, 0 for any.
func restartable(dir string, port int) (*server.Server, error) {
	if port == 0 {
		port = server.RANDOM_PORT
	}
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: dir, NoSigs: true, NoLog: true})
	if err != nil {
		return nil, err
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		return nil, errors.New("the server did not start")
	}
	return s, nil
}
