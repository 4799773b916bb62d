// Package queue is what both stores share of the job queue: River's jobs, workers and
// settings, behind the types of sql/store.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// MaxAttempts at one job. River's back-off (attempt to the fourth power, in seconds,
	// give or take a tenth) spreads twelve over eleven hours.
	MaxAttempts = 12
	// jobTimeout bounds one attempt. A job that runs for longer than rescueAfter has lost
	// its worker: the two differ by what a worker needs to hear that its time is over.
	jobTimeout  = 30 * time.Second
	rescueAfter = 40 * time.Second
	// workers bounds the jobs in progress at once: they wait for other people's servers.
	workers = 8
	// stopGrace is how long cancelled jobs have to return.
	stopGrace = 5 * time.Second
)

// args are a job's arguments in the database.
type args struct {
	kind      string
	MessageID string `json:"message_id,omitempty"`
}

// Kind is river.JobArgs'.
func (a args) Kind() string { return a.kind }

// Messages returns what to insert for messages that are new.
func Messages(ids []string) []river.InsertManyParams {
	out := make([]river.InsertManyParams, len(ids))
	for i, id := range ids {
		out[i].Args = args{kind: store.JobSendMessage, MessageID: id}
	}
	return out
}

// Inserter returns the settings of a client that only inserts. Of a client that inserts, the
// cooldown bounds how often it tells the workers that there are new jobs: with River's 100 ms
// those inserted right after others were found by the poll, a second later. The workers have
// a cooldown of their own, so that many jobs at once are still one fetch.
func Inserter(log *slog.Logger) *river.Config {
	return &river.Config{MaxAttempts: MaxAttempts, Logger: quiet(log), FetchCooldown: river.FetchCooldownMin}
}

// Worker returns the settings of a client that works. poll is how often it looks for jobs
// that nothing announced to it.
func Worker(handlers map[string]store.JobFunc, periodic []store.Periodic, poll time.Duration, log *slog.Logger) (*river.Config, error) {
	known := river.NewWorkers()
	for kind, fn := range handlers {
		river.AddWorkerArgs(known, args{kind: kind}, &worker{fn: fn})
	}
	c := &river.Config{
		MaxAttempts:          MaxAttempts,
		Logger:               quiet(log),
		Workers:              known,
		Queues:               map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: workers}},
		JobTimeout:           jobTimeout,
		RescueStuckJobsAfter: rescueAfter,
		FetchPollInterval:    poll,
	}
	for _, p := range periodic {
		if handlers[p.Kind] == nil {
			return nil, fmt.Errorf("the periodic job %q has no handler", p.Kind)
		}
		c.PeriodicJobs = append(c.PeriodicJobs, river.NewPeriodicJob(schedule(p.Next),
			func() (river.JobArgs, *river.InsertOpts) { return args{kind: p.Kind}, nil },
			&river.PeriodicJobOpts{ID: p.Kind}))
	}
	return c, nil
}

// schedule is a function as a river.PeriodicSchedule.
type schedule func(time.Time) time.Time

// Next is river.PeriodicSchedule's.
func (s schedule) Next(t time.Time) time.Time { return s(t) }

// worker works the jobs of one kind.
type worker struct {
	river.WorkerDefaults[args]
	fn store.JobFunc
	// retryAt holds, by job, before when a *store.RetryAfterError asked not to be tried
	// again, from the end of Work to River's asking for it.
	retryAt sync.Map
	backOff river.DefaultClientRetryPolicy
}

// Work is river.Worker's.
func (w *worker) Work(ctx context.Context, job *river.Job[args]) error {
	err := w.fn(ctx, store.Job{Kind: job.Kind, MessageID: job.Args.MessageID, Attempt: job.Attempt, MaxAttempts: job.MaxAttempts})
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*store.PermanentError](err); ok {
		return river.JobCancel(err)
	}
	if wait, ok := errors.AsType[*store.NotYetError](err); ok {
		return river.JobSnooze(max(wait.After, 0))
	}
	if later, ok := errors.AsType[*store.RetryAfterError](err); ok {
		w.retryAt.Store(job.ID, time.Now().Add(spread(max(later.After, 0))))
	}
	return err
}

// spread adds up to a tenth: a service that names one time to many must not meet them all then.
func spread(d time.Duration) time.Duration {
	return d + rand.N(d/10+1)
}

// NextRetry is river.Worker's: the zero time leaves it to the back-off. A service that asks for
// less than the back-off gets the back-off, or one that says "in a second" for a minute would
// use up all attempts.
func (w *worker) NextRetry(job *river.Job[args]) time.Time {
	at, ok := w.retryAt.LoadAndDelete(job.ID)
	if !ok {
		return time.Time{}
	}
	if usual := w.backOff.NextRetry(job.JobRow); usual.After(at.(time.Time)) {
		return usual
	}
	return at.(time.Time)
}

// Start starts a working client and returns the function that stops it: it waits for jobs
// in progress until its context ends, then cancels them.
func Start[T any](ctx context.Context, c *river.Client[T]) (func(context.Context) error, error) {
	// The workers live until they are stopped, not until the caller's start-up is over.
	if err := c.Start(context.WithoutCancel(ctx)); err != nil {
		return nil, fmt.Errorf("start the job workers: %w", err)
	}
	return func(ctx context.Context) error {
		err := c.Stop(ctx)
		if err == nil {
			return nil
		}
		hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
		defer cancel()
		if err := c.StopAndCancel(hard); err != nil {
			return fmt.Errorf("stop the job workers: %w", err)
		}
		return nil
	}, nil
}

// quiet lets River's warnings and errors through. A job that failed is recorded by its
// handler; River's own word on it would say it twice.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(warnings{log.Handler()})
}

type warnings struct{ slog.Handler }

// Enabled is slog.Handler's.
func (w warnings) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && w.Handler.Enabled(ctx, l)
}

// WithAttrs is slog.Handler's.
func (w warnings) WithAttrs(a []slog.Attr) slog.Handler { return warnings{w.Handler.WithAttrs(a)} }

// WithGroup is slog.Handler's.
func (w warnings) WithGroup(n string) slog.Handler { return warnings{w.Handler.WithGroup(n)} }
