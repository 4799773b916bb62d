package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Bus is a connection to NATS with the stream and the consumers in place, and the embedded
// server where there is one. It may be used by several goroutines.
type Bus struct {
	url       string
	log       *slog.Logger
	server    *embedded // nil with an outside server
	nc        *nats.Conn
	js        jetstream.JetStream
	consumers []jetstream.Consumer

	closing sync.Once
	closed  chan struct{}
}

// Start starts the embedded server, or connects to the outside one, and puts the stream
// and the consumers in place. ctx bounds the start, not the bus. Errors say what, where
// and what to do: a port that is taken, an address that does not answer, a login that is
// refused, a server that is too old or without JetStream, and a *SettingsError for a stream
// that is there with other settings. On an error nothing is left running.
func Start(ctx context.Context, o Options) (*Bus, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("starting NATS: %w", err)
	}
	b := &Bus{log: o.Log, closed: make(chan struct{})}
	if err := b.start(ctx, o); err != nil {
		b.shut()
		return nil, err
	}
	return b, nil
}

func (b *Bus) start(ctx context.Context, o Options) error {
	urls, by := o.URLs, login(o.OutsideToken, o.Creds)
	if len(urls) == 0 {
		e, err := embed(o)
		if err != nil {
			return err
		}
		b.server = e
		urls, by = []string{e.url()}, e.connection()
	}
	b.url = strings.Join(urls, ",")
	var err error
	if b.nc, err = connect(ctx, urls, "epochwatch daemon", o.Log, by); err != nil {
		return err
	}
	if err := newEnough(b.nc); err != nil {
		return err
	}
	if b.js, err = jetstream.New(b.nc); err != nil {
		return fmt.Errorf("connecting to NATS at %s: %w", b.url, err)
	}
	b.consumers, err = apply(ctx, b.js, o.Partitions, o.Replicas)
	switch {
	case errors.Is(err, jetstream.ErrJetStreamNotEnabled), errors.Is(err, jetstream.ErrJetStreamNotEnabledForAccount),
		errors.Is(err, nats.ErrNoResponders):
		return fmt.Errorf("NATS at %s has no JetStream, which is needed: start it with -js: %w", b.url, err)
	case err != nil:
		return fmt.Errorf("NATS at %s: %w", b.url, err)
	}
	return nil
}

// newEnough refuses a server that does not know pinned consumers.
func newEnough(nc *nats.Conn) error {
	var major, minor int
	version := nc.ConnectedServerVersion()
	if _, err := fmt.Sscanf(version, "%d.%d.", &major, &minor); err != nil {
		return fmt.Errorf("NATS server at %s is of version %q, want 2.11 or newer", nc.ConnectedUrlRedacted(), version)
	}
	if major < 2 || major == 2 && minor < 11 {
		return fmt.Errorf("NATS server at %s is of version %s, want 2.11 or newer", nc.ConnectedUrlRedacted(), version)
	}
	return nil
}

// URL is where clients find NATS, without a token; several addresses are joined by commas.
func (b *Bus) URL() string { return b.url }

// Consumers are the consumers of the partitions, one each: durable, shared by all daemons,
// each pinned to one of them at a time. Pull under Group; see the package's documentation.
func (b *Bus) Consumers() []jetstream.Consumer { return b.consumers }

// SendCommand publishes a command to its run. It implements ingest.Sender: the command
// need not arrive, and the error tells only that it did not leave.
func (b *Bus) SendCommand(_ context.Context, c contract.Command) error {
	data, err := contract.EncodeCommand(c)
	if err != nil {
		return fmt.Errorf("sending command %s: %w", c.ID, err)
	}
	// A command that waited for a connection would come late; it is sent again anyway.
	if !b.nc.IsConnected() {
		return fmt.Errorf("sending command %s: %w", c.ID, nats.ErrDisconnected)
	}
	if err := b.nc.Publish(contract.CommandSubject(c.Project, c.Run), data); err != nil {
		return fmt.Errorf("sending command %s: %w", c.ID, err)
	}
	return nil
}

// Publish publishes one event and waits until the stream has it on disk. An event whose
// msgID the stream has seen a short while ago counts as published. Without a deadline in
// ctx it waits 5 seconds.
func (b *Bus) Publish(ctx context.Context, subject, msgID string, data []byte) error {
	return publish(ctx, b.js, subject, msgID, data)
}

// Ready asks the stream whether it is there. Without a deadline in ctx it waits 5 seconds.
func (b *Bus) Ready(ctx context.Context) error {
	if !b.nc.IsConnected() {
		return fmt.Errorf("NATS at %s: %w", b.url, nats.ErrDisconnected)
	}
	if _, err := b.js.Stream(ctx, Stream); err != nil {
		return fmt.Errorf("NATS at %s: stream %s: %w", b.url, Stream, err)
	}
	return nil
}

// Close ends the connection and then the embedded server, and waits for both until ctx
// ends. Clients of the embedded server lose their connection; what was acknowledged is on
// disk. Closing twice is no error.
func (b *Bus) Close(ctx context.Context) error {
	go b.shut()
	select {
	case <-b.closed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("closing NATS: %w", context.Cause(ctx))
	}
}

func (b *Bus) shut() {
	b.closing.Do(func() {
		defer close(b.closed)
		if b.nc != nil {
			b.nc.Close() // flushes what was published
		}
		if b.server != nil {
			stop(b.server.srv)
		}
	})
}
