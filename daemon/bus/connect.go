package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// connectTimeout bounds how long one address may take to answer.
	connectTimeout = 5 * time.Second
	// reconnectWait is the pause between attempts to get back to a server that was lost.
	reconnectWait = 250 * time.Millisecond
	// pingInterval and two pings without an answer find out about a server that went silent.
	pingInterval = 10 * time.Second
)

// login is what is shown to a server.
func login(token, creds string) []nats.Option {
	var opts []nats.Option
	if token != "" {
		opts = append(opts, nats.Token(token))
	}
	if creds != "" {
		opts = append(opts, nats.UserCredentials(creds))
	}
	return opts
}

// connect connects to the first of the addresses that answers. ctx bounds the attempt, not
// the connection. When the connection is lost it is tried anew for ever, and log tells.
func connect(ctx context.Context, urls []string, name string, log *slog.Logger, login []nats.Option) (*nats.Conn, error) {
	dialer := &contextDialer{ctx: ctx}
	opts := []nats.Option{
		nats.Name(name),
		nats.SetCustomDialer(dialer),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.PingInterval(pingInterval),
		nats.NoCallbacksAfterClientClose(),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			log.Warn("connection to nats lost", "error", err)
		}),
		nats.ReconnectHandler(func(c *nats.Conn) {
			log.Info("connection to nats restored", "url", c.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("nats complains", "error", err)
		}),
	}
	nc, err := nats.Connect(strings.Join(urls, ","), append(opts, login...)...)
	dialer.release()
	if err == nil {
		return nc, nil
	}
	where := strings.Join(urls, ",")
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("connecting to NATS at %s: %w", where, context.Cause(ctx))
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired):
		return nil, fmt.Errorf("connecting to NATS at %s: the token or the credentials are refused: %w", where, err)
	default:
		return nil, fmt.Errorf("connecting to NATS at %s: %w", where, err)
	}
}

// contextDialer lets a context end the first connecting, also while a server that accepted
// says nothing; reconnecting goes on without the context.
type contextDialer struct {
	ctx       context.Context
	connected atomic.Bool

	mu    sync.Mutex
	stops []func() bool
}

// Dial implements nats.CustomDialer.
func (d *contextDialer) Dial(network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: connectTimeout}
	if d.connected.Load() {
		return dialer.Dial(network, address) // it outlives the context of connect
	}
	conn, err := dialer.DialContext(d.ctx, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stops = append(d.stops, context.AfterFunc(d.ctx, func() {
		_ = conn.Close() // the read that is under way tells
	}))
	return conn, nil
}

// release frees the connection from the context.
func (d *contextDialer) release() {
	d.connected.Store(true)
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, stop := range d.stops {
		stop()
	}
	d.stops = nil
}
