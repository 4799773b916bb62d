package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	// batchMax is how many messages one transaction takes.
	batchMax = 256
	// batchBytes bounds what the broker sends ahead; it is above the largest message.
	batchBytes = 8 << 20
	// linger is how long a batch waits for one more message that the broker has, and
	// glance for one that may be here already.
	linger = time.Millisecond
	glance = 50 * time.Microsecond
	// idle is how long to wait for a message before a look at the world.
	idle = 5 * time.Second
	// priorityGroup is the group of the pinned consumers.
	priorityGroup = "ingest"
	// defaultAckWait is the broker's own default.
	defaultAckWait = 30 * time.Second
)

// worker takes the messages of one partition.
type worker struct {
	*Service
	part     int           // what the partition is called in listening
	progress time.Duration // how often a batch in the making is reported to the broker
	trouble  trouble
}

// Work takes the messages of one partition to the store until ctx ends; then it returns
// nil. What is not acknowledged by then is delivered again, to whoever works the
// partition next. It returns an error when the consumer or the connection is gone for
// good.
func (s *Service) Work(ctx context.Context, c jetstream.Consumer) error {
	w := s.newWorker(c.CachedInfo())
	defer s.listening.leave(w.part)
	pause := newBackOff()
	broker := trouble{log: s.log, what: "read the stream"}
	for {
		begun := s.now()
		err := w.read(ctx, c)
		s.listening.deaf(w.part)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, jetstream.ErrConsumerDeleted), errors.Is(err, jetstream.ErrConnectionClosed):
			return fmt.Errorf("read the stream: %w", err)
		case s.now().Sub(begun) > time.Minute:
			pause.Reset()
			broker.over(ctx, s.now())
		}
		broker.failed(ctx, err, s.now())
		if !sleep(ctx, pause.NextBackOff()) {
			return nil
		}
	}
}

func (s *Service) newWorker(info *jetstream.ConsumerInfo) *worker {
	wait := defaultAckWait
	if info != nil && info.Config.AckWait > 0 {
		wait = info.Config.AckWait
	}
	return &worker{
		Service: s, part: s.listening.join(), progress: wait / 3,
		trouble: trouble{log: s.log, what: "store events"},
	}
}

// read works off one subscription until it fails or ctx ends.
func (w *worker) read(ctx context.Context, c jetstream.Consumer) error {
	it, err := c.Messages(pullOptions(c.CachedInfo())...)
	if err != nil {
		return err
	}
	// What the broker sent ahead is delivered again after the acknowledgement wait.
	defer it.Stop()
	for {
		batch, err := w.next(ctx, it)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			w.listening.deaf(w.part)
			continue
		case err != nil:
			return err
		}
		if err := w.settle(ctx, batch); err != nil {
			return err
		}
		if n := len(batch); n > 0 && batch[n-1].stale {
			w.listening.deaf(w.part) // what runs say now is not yet read
		} else {
			w.listening.heard(w.part, w.now())
		}
	}
}

// pullOptions ask in time to keep the pin, and name the group only where there is one.
func pullOptions(info *jetstream.ConsumerInfo) []jetstream.PullMessagesOpt {
	expiry := idle
	var opts []jetstream.PullMessagesOpt
	if info != nil && len(info.Config.PriorityGroups) > 0 {
		opts = append(opts, jetstream.PullPriorityGroup(priorityGroup))
		if ttl := info.Config.PinnedTTL; ttl > 0 {
			expiry = min(expiry, max(ttl/2, time.Second))
		}
	}
	return append(opts, jetstream.PullMaxMessagesWithBytesLimit(batchMax, batchBytes), jetstream.PullExpiry(expiry))
}

// next waits for a message and takes what comes with it. An empty batch says that
// nothing came for a while though the broker is there.
func (w *worker) next(ctx context.Context, it jetstream.MessagesContext) ([]*arrival, error) {
	wait, cancel := context.WithTimeout(ctx, idle)
	defer cancel()
	msg, err := it.Next(jetstream.NextContext(wait))
	if errors.Is(err, context.DeadlineExceeded) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	now := w.now()
	batch := []*arrival{read(msg, now)}
	for len(batch) < batchMax {
		wait := glance
		if batch[len(batch)-1].more {
			wait = linger
		}
		// An error here comes again with the next batch.
		if msg, err = it.Next(jetstream.NextMaxWait(wait)); err != nil {
			break
		}
		batch = append(batch, read(msg, now))
	}
	return batch, nil
}

func newBackOff() *backoff.ExponentialBackOff {
	b := backoff.NewExponentialBackOff()
	b.InitialInterval, b.MaxInterval = 100*time.Millisecond, 5*time.Second
	b.Reset()
	return b
}

// sleep waits and reports whether ctx still stands.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
