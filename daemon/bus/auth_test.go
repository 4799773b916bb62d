package bus_test

import (
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
)

func TestLoginsThatAreRefused(t *testing.T) {
	t.Parallel()
	var log buffer
	b := start(t, bus.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token, Log: log.logger()})
	const wrong = "wr0ng-t0ken"
	for name, opts := range map[string][]nats.Option{
		"no token":                 nil,
		"wrong token":              {nats.Token(wrong)},
		"a beginning of the token": {nats.Token(token[:5])},
		"token and more":           {nats.Token(token + "x")},
		"token as password":        {nats.UserInfo("epochwatch-daemon", token)},
		"the daemon's name":        {nats.UserInfo("epochwatch-daemon", "")},
		"a user":                   {nats.UserInfo("trainer", "")},
	} {
		_, err := nats.Connect(b.URL(), opts...)
		require.ErrorIs(t, err, nats.ErrAuthorization, name)
	}
	require.Contains(t, log.String(), "authentication error")
	require.LessOrEqual(t, strings.Count(log.String(), "level=WARN"), 4, "the like is said once: %s", log.String())
	require.NotContains(t, log.String(), token)
	require.NotContains(t, log.String(), wrong)
}

// trainer is a client with the token, and what the server held against it.
type trainer struct {
	*nats.Conn
	violations chan string
}

func newTrainer(t *testing.T, url string) trainer {
	t.Helper()
	v := make(chan string, 16)
	nc := connect(t, url, token, nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { v <- err.Error() }))
	return trainer{nc, v}
}

// refused waits until the server has answered all so far, with one violation.
func (tr trainer) refused(t *testing.T, what string) {
	t.Helper()
	require.NoError(t, tr.Flush())
	select {
	case v := <-tr.violations:
		require.Contains(t, strings.ToLower(v), "permissions violation", what)
	case <-time.After(5 * time.Second):
		require.Fail(t, "allowed: "+what)
	}
}

func TestTrainerMayNotPublish(t *testing.T) {
	t.Parallel()
	b := embed(t)
	hears := newTrainer(t, b.URL())
	heard, err := hears.SubscribeSync("epochwatch.v1.*.*.command")
	require.NoError(t, err)
	require.NoError(t, hears.Flush())

	tr := newTrainer(t, b.URL())
	for _, subject := range []string{
		"epochwatch.v1.proj.run.command", "epochwatch.v1.p.0.proj.run.event", "epochwatch.v2.proj.run.event",
		"epochwatch.v1.proj.event", "$JS.API.STREAM.INFO.EPOCHWATCH", "$JS.API.STREAM.DELETE.EPOCHWATCH",
		"$JS.API.CONSUMER.MSG.NEXT.EPOCHWATCH.ingest-0", "$JS.ACK.EPOCHWATCH.ingest-0.1.1.1.1.1",
		"$SYS.REQ.SERVER.PING", "_INBOX.other.1", "anything",
	} {
		require.NoError(t, tr.Publish(subject, []byte("{}")))
		tr.refused(t, subject)
	}
	n, _, err := heard.Pending()
	require.NoError(t, err)
	require.Zero(t, n, "no command arrived")
	require.NoError(t, b.Ready(t.Context()), "the stream is there")
	require.Zero(t, messages(t, b))
}

func TestTrainerMayNotSubscribe(t *testing.T) {
	t.Parallel()
	b := embed(t)
	tr := newTrainer(t, b.URL())
	for _, subject := range []string{
		">", "*", "epochwatch.>", "epochwatch.v1.>", "epochwatch.v1.proj.run.event", "epochwatch.v1.*.*.event",
		"epochwatch.v1.p.>", "epochwatch.v1.*.*.*", "$JS.>", "$JS.EVENT.>", "$SYS.>", "_INBOX2.>",
	} {
		sub, err := tr.SubscribeSync(subject)
		require.NoError(t, err)
		tr.refused(t, subject)
		require.NoError(t, b.Publish(t.Context(), event, subject, []byte("x")))
		n, _, _ := sub.Pending() // an error says that the subscription is closed
		require.Zero(t, n, subject)
	}
}

func TestTrainerMayDoItsWork(t *testing.T) {
	t.Parallel()
	b := embed(t)
	tr := newTrainer(t, b.URL())
	sub, err := tr.SubscribeSync("epochwatch.v1.proj.run.command")
	require.NoError(t, err)
	js, err := jetstream.New(tr.Conn)
	require.NoError(t, err)
	ack, err := js.Publish(t.Context(), event, []byte("x"), jetstream.WithMsgID("run.a.1"))
	require.NoError(t, err)
	require.Equal(t, bus.Stream, ack.Stream)
	ack, err = js.Publish(t.Context(), event, []byte("x"), jetstream.WithMsgID("run.a.1"))
	require.NoError(t, err)
	require.True(t, ack.Duplicate)
	require.True(t, sub.IsValid())
	require.NoError(t, tr.Flush())
	require.Empty(t, tr.violations)
	holds(t, b, 1)
}

// The server itself sends the acknowledgement to the reply subject that a trainer chose,
// with more rights than the trainer has. It must do no harm there.
func TestReplySubjectDoesNoHarm(t *testing.T) {
	t.Parallel()
	b := embed(t)
	tr := newTrainer(t, b.URL())
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("kept")))
	replies := 0
	for _, reply := range []string{
		"$JS.API.STREAM.PURGE.EPOCHWATCH", "$JS.API.STREAM.DELETE.EPOCHWATCH", "$JS.API.CONSUMER.DELETE.EPOCHWATCH.ingest-0",
		"$JS.API.STREAM.MSG.DELETE.EPOCHWATCH", "$JS.API.CONSUMER.DELETE.EPOCHWATCH.ingest-1",
		"$JS.API.CONSUMER.DELETE.EPOCHWATCH.ingest-2", "$JS.API.CONSUMER.DELETE.EPOCHWATCH.ingest-3",
		"$JS.API.CONSUMER.MSG.NEXT.EPOCHWATCH.ingest-0", "epochwatch.v1.proj.run.command",
	} {
		require.NoError(t, tr.PublishRequest(event, reply, []byte("with a reply")))
		replies++
	}
	require.NoError(t, tr.Flush())
	// One more event, acknowledged, comes after all replies were sent.
	require.NoError(t, b.Publish(t.Context(), event, "run.a.2", []byte("last")))
	require.NoError(t, b.Ready(t.Context()))
	for _, c := range b.Consumers() {
		_, err := c.Info(t.Context())
		require.NoError(t, err)
	}
	var got []string
	for _, m := range fetch(t, b, replies+2) {
		got = append(got, string(m.Data()))
	}
	require.Len(t, got, replies+2)
	require.Equal(t, "kept", got[0])
	require.Equal(t, "last", got[replies+1])
}
