package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

const (
	// suspectAfter is how long a transaction may fail for a reason that says nothing of
	// itself, while the database answers, before its events are suspected.
	suspectAfter = 2 * time.Minute
	// detailStore begins the detail of an event that the store refused.
	detailStore = "cannot be stored: "
)

// settle stores a batch and acknowledges it, whatever it takes: it returns nil when every
// message is stored or in quarantine, an error when ctx ended before.
func (w *worker) settle(ctx context.Context, batch []*arrival) error {
	if len(batch) == 0 {
		return nil
	}
	begun := w.now()
	stop := w.keep(batch)
	defer stop()
	if err := w.storeAll(ctx, batch); err != nil {
		return err
	}
	w.metrics.batch.Observe(w.now().Sub(begun).Seconds())
	return nil
}

// storeAll stores a batch, halving it until an event that cannot be stored is alone and
// goes to the quarantine.
func (w *worker) storeAll(ctx context.Context, batch []*arrival) error {
	poison := w.store1(ctx, batch)
	if ctx.Err() != nil || poison == nil {
		return ctx.Err()
	}
	if half := len(batch) / 2; half > 0 {
		return errors.Join(w.storeAll(ctx, batch[:half]), w.storeAll(ctx, batch[half:]))
	}
	a := batch[0]
	if a.refused == nil {
		// Once more, alone: it may only have collided with another transaction.
		if poison = w.store1(ctx, batch); ctx.Err() != nil || poison == nil {
			return ctx.Err()
		}
		w.logPoison(ctx, a, poison)
		a.refused = &contract.RefusedError{Reason: contract.ReasonInvalid, Detail: detailStore + poison.Error()}
		return w.storeAll(ctx, batch)
	}
	// Not even the quarantine takes it. Nothing more can be done than to say so: it must
	// not stop those behind it.
	w.log.ErrorContext(ctx, "message dropped: the quarantine refuses it too",
		"subject", a.subject, "stream_seq", a.streamSeq, "error", poison)
	w.acknowledge(ctx, batch)
	return nil
}

func (w *worker) logPoison(ctx context.Context, a *arrival, err error) {
	attrs := []any{"project", a.event.Project, "run", a.event.Run, "attempt", a.event.Attempt, "seq", a.event.Seq, "error", err}
	if p, ok := errors.AsType[*panicError](err); ok {
		attrs = append(attrs, "stack", string(p.stack))
	}
	w.log.ErrorContext(ctx, "event put into quarantine", attrs...)
}

// store1 stores a batch in one transaction and acknowledges it. While the database is
// away it tries again; it returns an error when ctx ended or the batch is at fault.
func (w *worker) store1(ctx context.Context, batch []*arrival) error {
	errands, refused := errandsOf(batch, w.now())
	pause := newBackOff()
	begun, others := w.now(), w.commits.Load()
	w.planted(ctx, batch)
	for {
		visits, err := w.transact(ctx, errands, refused)
		if err == nil {
			w.trouble.over(ctx, w.now())
			w.acknowledge(ctx, batch)
			w.send(ctx, visits)
			w.count(visits, batch)
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch faultOf(err) {
		case faultEvent:
			return err
		case faultUnknown:
			// Others were stored meanwhile and the database answers: it is not the
			// database.
			if w.now().Sub(begun) > suspectAfter && w.commits.Load() > others && w.store.Ping(ctx) == nil {
				return err
			}
		case faultStore:
		}
		w.listening.deaf(w.part)
		w.metrics.failures.Inc()
		w.trouble.failed(ctx, err, w.now())
		if !sleep(ctx, pause.NextBackOff()) {
			return ctx.Err()
		}
	}
}

// acknowledge tells the broker that a batch is stored. An acknowledgement that is lost
// has the message come again, which changes nothing.
func (w *worker) acknowledge(ctx context.Context, batch []*arrival) {
	for _, a := range batch {
		if err := a.msg.Ack(); err != nil {
			w.log.DebugContext(ctx, "not acknowledged", "stream_seq", a.streamSeq, "error", err)
		}
	}
}

// keep tells the broker every so often that a batch is being worked on, so that it is not
// delivered again meanwhile, until the returned function is called.
func (w *worker) keep(batch []*arrival) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		t := time.NewTicker(w.progress)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
			}
			for _, a := range batch {
				// One that is acknowledged already answers with an error.
				_ = a.msg.InProgress()
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}
