package bus

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Publisher publishes events as a training process does. It is for commands that have no
// Bus of their own. It may be used by several goroutines.
type Publisher struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// Dial connects to the first of the addresses (nats://host:port, without secrets) that
// answers, with a token, a credentials file, both or neither. errors.Is(err,
// nats.ErrAuthorization) tells that they were refused.
func Dial(ctx context.Context, urls []string, token, creds string) (*Publisher, error) {
	nc, err := connect(ctx, urls, "epochwatch", slog.New(slog.DiscardHandler), login(token, creds))
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(nc)
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("connecting to NATS: %w", err)
	}
	return &Publisher{nc: nc, js: js}, nil
}

// Publish publishes one event and waits until the stream has it on disk. An event whose
// msgID the stream has seen a short while ago counts as published. Without a deadline in
// ctx it waits 5 seconds.
func (p *Publisher) Publish(ctx context.Context, subject, msgID string, data []byte) error {
	return publish(ctx, p.js, subject, msgID, data)
}

// Close ends the connection. What is published and not acknowledged may be lost.
func (p *Publisher) Close() { p.nc.Close() }

func publish(ctx context.Context, js jetstream.JetStream, subject, msgID string, data []byte) error {
	msg := nats.NewMsg(subject)
	msg.Data = data
	// That another stream takes the subject would be an acknowledgement that means nothing.
	_, err := js.PublishMsg(ctx, msg, jetstream.WithMsgID(msgID), jetstream.WithExpectStream(Stream))
	if err != nil {
		return fmt.Errorf("publishing %s: %w", msgID, err)
	}
	return nil
}
