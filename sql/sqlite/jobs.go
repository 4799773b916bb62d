package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/riverqueue/river"

	"github.com/epochwatch/epochwatch/sql/internal/queue"
	"github.com/epochwatch/epochwatch/sql/store"
)

// poll is how often jobs are looked for whose time to be tried again has come. New ones
// are announced, each of them, so that an idle daemon can sleep.
const poll = 5 * time.Second

// Work is store.Store's.
func (s *Store) Work(ctx context.Context, handlers map[string]store.JobFunc, periodic []store.Periodic) (func(context.Context) error, error) {
	if s.write == nil {
		return nil, errReadOnly
	}
	c, err := queue.Worker(handlers, periodic, poll, s.log)
	if err != nil {
		return nil, err
	}
	for _, q := range []query{qRescueJobs, qBuryJobs, qDepose, qBuryMessages} {
		if _, err := s.write.ExecContext(ctx, string(q)); err != nil {
			return nil, fmt.Errorf("take over the jobs of a daemon that died: %w", plain(err))
		}
	}
	client, err := river.NewClient(newDriver(s.write, s.bell), c)
	if err != nil {
		return nil, fmt.Errorf("set up the job workers: %w", plain(err))
	}
	return queue.Start(ctx, client)
}

// RecordDelivery is store.Store's.
func (s *Store) RecordDelivery(ctx context.Context, d store.Delivery) error {
	err := s.Ingest(ctx, func(inner store.Tx) error { return inner.(*tx).deliver(ctx, &d) })
	if err != nil {
		return fmt.Errorf("record a delivery of message %s: %w", d.MessageID, err)
	}
	return nil
}

func (t *tx) deliver(ctx context.Context, d *store.Delivery) error {
	at := timeText(d.At)
	r, err := t.exec(ctx, qDeliver, d.MessageID, d.State, d.Error, d.Reference, at)
	if err != nil {
		return err
	}
	n, err := r.RowsAffected()
	if err != nil {
		return err
	}
	if n == 0 {
		return store.ErrNotFound
	}
	_, err = t.exec(ctx, qInsertDelivery, d.MessageID, at, d.State, d.Error, d.Reference)
	return err
}

// Upkeep is store.Store's.
func (s *Store) Upkeep(ctx context.Context, before time.Time) error {
	if s.write == nil {
		return errReadOnly
	}
	if _, err := s.write.ExecContext(ctx, string(qForget), timeText(before)); err != nil {
		return fmt.Errorf("remove old refused messages: %w", plain(err))
	}
	for _, q := range []query{qBuryMessages, qOptimize} {
		if _, err := s.write.ExecContext(ctx, string(q)); err != nil {
			return fmt.Errorf("tidy the database: %w", plain(err))
		}
	}
	return nil
}
