package bus_test

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
)

func TestDialPublishesAsATrainer(t *testing.T) {
	t.Parallel()
	b := embed(t)
	p, err := bus.Dial(within(t, 5*time.Second), []string{"nats://127.0.0.1:1", b.URL()}, token, "")
	require.NoError(t, err)
	defer p.Close()
	for range 2 {
		require.NoError(t, p.Publish(t.Context(), event, "run.a.1", []byte("x")))
	}
	require.NoError(t, b.Publish(t.Context(), event, "run.a.1", []byte("x")))
	holds(t, b, 1)
	require.Error(t, p.Publish(within(t, 300*time.Millisecond), "epochwatch.v1.proj.run.command", "x", nil))
}

func TestDialErrors(t *testing.T) {
	t.Parallel()
	b := embed(t)
	_, err := bus.Dial(within(t, 5*time.Second), []string{b.URL()}, "wr0ng", "")
	require.ErrorIs(t, err, nats.ErrAuthorization)
	require.ErrorContains(t, err, b.URL())
	require.NotContains(t, err.Error(), "wr0ng")

	_, err = bus.Dial(within(t, 5*time.Second), []string{"nats://127.0.0.1:1"}, token, "")
	require.ErrorContains(t, err, "nats://127.0.0.1:1")
	require.NotContains(t, err.Error(), token)

	_, err = bus.Dial(within(t, 5*time.Second), []string{b.URL()}, "", "/no/such/file")
	require.ErrorContains(t, err, "/no/such/file")
}

// Something that accepts and never speaks must not hold a command longer than its time.
func TestDialOfASilentServer(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	begun := time.Now()
	_, err = bus.Dial(within(t, 300*time.Millisecond), []string{"nats://" + l.Addr().String()}, token, "")
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.Less(t, time.Since(begun), 3*time.Second)

	gone := errors.New("gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	_, err = bus.Dial(ctx, []string{"nats://" + l.Addr().String()}, token, "")
	require.ErrorIs(t, err, gone)
}

// An acknowledgement of another stream that takes the same subject means nothing.
func TestPublishWantsOurStream(t *testing.T) {
	t.Parallel()
	s := outside(t, func(o *server.Options) { o.Authorization = token })
	js, err := jetstream.New(connect(t, s.ClientURL(), token))
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"epochwatch.>"}})
	require.NoError(t, err)
	p, err := bus.Dial(t.Context(), []string{s.ClientURL()}, token, "")
	require.NoError(t, err)
	defer p.Close()
	require.ErrorContains(t, p.Publish(t.Context(), event, "run.a.1", nil), "run.a.1")

	_, err = bus.Start(t.Context(), bus.Options{URLs: []string{s.ClientURL()}, OutsideToken: token})
	require.ErrorContains(t, err, "subjects overlap")
}
