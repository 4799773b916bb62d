package bus_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// fetch takes n messages from whichever consumers have them.
func fetch(t *testing.T, b *bus.Bus, n int) []jetstream.Msg {
	t.Helper()
	var out []jetstream.Msg
	for range 10 {
		for _, c := range b.Consumers() {
			batch, err := c.Fetch(n, jetstream.FetchPriorityGroup(bus.Group), jetstream.FetchMaxWait(200*time.Millisecond))
			require.NoError(t, err)
			for m := range batch.Messages() {
				require.NoError(t, m.DoubleAck(t.Context()))
				out = append(out, m)
			}
			require.NoError(t, batch.Error())
		}
		if len(out) >= n {
			return out
		}
	}
	require.Failf(t, "too few messages", "%d of %d", len(out), n)
	return nil
}

func TestPublishedEventReachesAConsumer(t *testing.T) {
	t.Parallel()
	b := embed(t)
	require.Len(t, b.Consumers(), 4)
	require.NoError(t, b.Ready(t.Context()))
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("one")))

	m := fetch(t, b, 1)[0]
	require.Equal(t, "one", string(m.Data()))
	require.Equal(t, "run.a.1", m.Headers().Get(jetstream.MsgIDHeader))
	parts := strings.Split(m.Subject(), ".")
	require.Equal(t, []string{"proj", "run", "event"}, parts[4:], "the stored subject names project and run: %s", m.Subject())
	require.Equal(t, []string{"epochwatch", "v1", "p"}, parts[:3])
}

func TestSameMessageIDIsStoredOnce(t *testing.T) {
	t.Parallel()
	b := embed(t)
	for range 2 {
		require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("x")))
	}
	require.NoError(t, b.Publish(t.Context(), event, "run.a.2", []byte("x")))
	holds(t, b, 2)
}

// holds waits until so many messages await the consumers: the server's figure follows the
// acknowledgement by a moment.
func holds(t *testing.T, b *bus.Bus, want uint64) {
	t.Helper()
	require.Eventually(t, func() bool { return messages(t, b) == want }, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, want, messages(t, b))
}

func messages(t *testing.T, b *bus.Bus) (n uint64) {
	t.Helper()
	for _, c := range b.Consumers() {
		info, err := c.Info(t.Context())
		require.NoError(t, err)
		n += info.NumPending
	}
	return n
}

// All events of a run are in one partition, and the runs are spread over all of them.
func TestRunsAreSpreadAndStayTogether(t *testing.T) {
	t.Parallel()
	b := embed(t)
	const runs, each = 40, 3
	for seq := range each {
		for run := range runs {
			id := fmt.Sprintf("run%d.a.%d", run, seq)
			require.NoError(t, b.Publish(t.Context(), contract.EventSubject("p", fmt.Sprintf("run%d", run)), id, []byte(id)))
		}
	}
	partition, used := map[string]string{}, map[string]bool{}
	for _, m := range fetch(t, b, runs*each) {
		parts := strings.Split(m.Subject(), ".")
		used[parts[3]] = true
		if p, ok := partition[parts[5]]; ok {
			require.Equal(t, p, parts[3], parts[5])
		}
		partition[parts[5]] = parts[3]
	}
	require.Len(t, partition, runs)
	require.Len(t, used, 4)
}

func TestEventsOutliveTheBus(t *testing.T) {
	t.Parallel()
	o := bus.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token}
	b, err := bus.Start(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("kept")))
	closeBus(t, b)

	b = start(t, o)
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("kept")), "the window outlives it too")
	require.Equal(t, "kept", string(fetch(t, b, 1)[0].Data()))
	require.Zero(t, messages(t, b))
}

func TestOversizedMessageReachesTheConsumer(t *testing.T) {
	t.Parallel()
	b := embed(t)
	big := make([]byte, contract.MaxMessageBytes+1)
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", big))
	require.Len(t, fetch(t, b, 1)[0].Data(), len(big))
}

func TestCommandReachesItsRun(t *testing.T) {
	t.Parallel()
	b := embed(t)
	nc := connect(t, b.URL(), token)
	mine, err := nc.SubscribeSync(contract.CommandSubject("p", "r"))
	require.NoError(t, err)
	other, err := nc.SubscribeSync(contract.CommandSubject("p", "other"))
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	c := contract.Command{
		Version: 1, Type: "command", ID: "c1", Kind: contract.KindStop, Project: "p", Run: "r", Attempt: "a",
		IssuedAt: time.Now().UTC(), ExpiresAt: time.Now().UTC().Add(time.Minute),
	}
	require.NoError(t, b.SendCommand(t.Context(), c))
	m, err := mine.NextMsgWithContext(within(t, 5*time.Second))
	require.NoError(t, err)
	got, err := contract.DecodeCommand(m.Data)
	require.NoError(t, err)
	require.Equal(t, "c1", got.ID)
	n, _, err := other.Pending()
	require.NoError(t, err)
	require.Zero(t, n)

	c.Kind = "nonsense"
	require.ErrorContains(t, b.SendCommand(t.Context(), c), "c1")
}

func TestDefaultPortMovesAndSaysSo(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	var log buffer
	b := start(t, bus.Options{Listen: l.Addr().String(), MayMove: true, Dir: t.TempDir(), Token: token, Log: log.logger()})
	require.NotContains(t, b.URL(), l.Addr().String())
	require.True(t, connect(t, b.URL(), token).IsConnected())
	require.Contains(t, log.String(), "taken="+l.Addr().String())
	require.Contains(t, log.String(), "level=WARN")
}

func TestNamedPortThatIsTakenIsAnError(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	dir := filepath.Join(t.TempDir(), "nats")
	_, err = bus.Start(t.Context(), bus.Options{Listen: l.Addr().String(), Dir: dir, Token: token})
	require.ErrorContains(t, err, "NATS cannot listen on "+l.Addr().String()+": the port is taken")
	require.NotContains(t, err.Error(), "\n")
	entries, err := os.ReadDir(dir)
	if !errors.Is(err, fs.ErrNotExist) {
		require.NoError(t, err)
		require.Empty(t, entries, "nothing half-written")
	}
}

func TestBadOptionsAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for want, o := range map[string]bus.Options{
		"no token":                 {Dir: dir},
		"no folder":                {Token: token},
		"replicas is 3":            {Dir: dir, Token: token, Replicas: 3},
		"replicas is 6":            {URLs: []string{"nats://127.0.0.1:1"}, Replicas: 6},
		"partitions is -1":         {Dir: dir, Token: token, Partitions: -1},
		"partitions is 257":        {Dir: dir, Token: token, Partitions: 257},
		"want host:port":           {Dir: dir, Token: token, Listen: "nowhere"},
		"not within 0 to 65535":    {Dir: dir, Token: token, Listen: "127.0.0.1:70000"},
		"cannot listen on":         {Dir: dir, Token: token, Listen: "192.0.2.1:0"}, // of no machine
		"holds a secret":           {URLs: []string{"nats://" + token + "@127.0.0.1:1"}},
		"127.0.0.1:1: nats: no se": {URLs: []string{"nats://127.0.0.1:1"}}, // nobody listens
	} {
		_, err := bus.Start(within(t, 10*time.Second), o)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), token)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestStreamsFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := bus.Start(t.Context(), bus.Options{Listen: "127.0.0.1:0", Dir: filepath.Join(file, "nats"), Token: token})
	require.ErrorContains(t, err, file)
	_, err = bus.Start(t.Context(), bus.Options{Listen: "127.0.0.1:0", Dir: file, Token: token})
	require.ErrorContains(t, err, file)
}

func TestCloseIsCleanAndTwice(t *testing.T) {
	t.Parallel()
	b, err := bus.Start(t.Context(), bus.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token})
	require.NoError(t, err)
	nc := connect(t, b.URL(), token, nats.NoReconnect())
	closed := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(closed) })
	closeBus(t, b)
	closeBus(t, b)
	<-closed

	require.ErrorIs(t, b.Ready(t.Context()), nats.ErrDisconnected)
	require.Error(t, b.Publish(within(t, 5*time.Second), event, "x", nil))
	require.Error(t, b.SendCommand(t.Context(), contract.Command{}))
	_, err = new(net.Dialer).DialContext(t.Context(), "tcp", strings.TrimPrefix(b.URL(), "nats://"))
	require.Error(t, err, "the port is free")
}

func TestCloseKeepsToItsContext(t *testing.T) {
	t.Parallel()
	b := embed(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	gone := errors.New("out of patience")
	cancel(gone)
	if err := b.Close(ctx); err != nil { // it may be that quick
		require.ErrorIs(t, err, gone)
	}
}

func TestOptionsHideTheTokens(t *testing.T) {
	t.Parallel()
	o := bus.Options{Listen: "127.0.0.1:4222", Token: token, OutsideToken: token}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		require.NotContains(t, fmt.Sprintf(verb, o), token)
		require.Contains(t, fmt.Sprintf(verb, o), "127.0.0.1:4222")
	}
	var log buffer
	log.logger().Info("starting", "nats", o)
	require.NotContains(t, log.String(), token)
}

func TestReadyTellsOfAStreamThatIsGone(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	b := start(t, bus.Options{URLs: []string{s.ClientURL()}})
	require.NoError(t, b.Ready(t.Context()))
	js, err := jetstream.New(connect(t, s.ClientURL(), ""))
	require.NoError(t, err)
	require.NoError(t, js.DeleteStream(t.Context(), bus.Stream))
	require.ErrorIs(t, b.Ready(t.Context()), jetstream.ErrStreamNotFound)

	s.Shutdown()
	require.Error(t, b.Ready(within(t, 300*time.Millisecond)))
}

func TestOutsideServerWithoutJetStream(t *testing.T) {
	t.Parallel()
	s := outside(t, func(o *server.Options) { o.JetStream = false })
	_, err := bus.Start(within(t, 10*time.Second), bus.Options{URLs: []string{s.ClientURL()}})
	require.ErrorContains(t, err, "has no JetStream")
	require.ErrorContains(t, err, s.ClientURL())
}

func TestOutsideServerWithAToken(t *testing.T) {
	t.Parallel()
	s := outside(t, func(o *server.Options) { o.Authorization = token })
	for _, wrong := range []string{"", "wr0ng"} {
		_, err := bus.Start(within(t, 10*time.Second), bus.Options{URLs: []string{s.ClientURL()}, OutsideToken: wrong})
		require.ErrorIs(t, err, nats.ErrAuthorization)
		require.ErrorContains(t, err, s.ClientURL())
		require.NotContains(t, err.Error(), "wr0ng")
	}
	b := start(t, bus.Options{URLs: []string{s.ClientURL()}, OutsideToken: token})
	require.Equal(t, s.ClientURL(), b.URL())
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("x")))
	require.Len(t, fetch(t, b, 1), 1)
}
