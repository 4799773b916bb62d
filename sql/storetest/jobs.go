package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// handler returns handlers with one for messages.
func handler(fn func(store.Job) error) map[string]store.JobFunc {
	return map[string]store.JobFunc{store.JobSendMessage: func(_ context.Context, j store.Job) error { return fn(j) }}
}

// work starts workers that stop with the test.
func work(t *testing.T, s store.Store, handlers map[string]store.JobFunc, periodic ...store.Periodic) {
	t.Helper()
	stop, err := s.Work(t.Context(), handlers, periodic)
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, stop(ctx))
	})
}

func testJobOnce(t *testing.T, s store.Store) {
	before := queueMessage(t, s)
	jobs := make(chan store.Job, 10)
	work(t, s, handler(func(j store.Job) error { jobs <- j; return nil }))
	first := receive(t, jobs, "a job queued before there were workers")
	require.Equal(t, before.ID, first.MessageID)
	require.Equal(t, 1, first.Attempt)
	require.Greater(t, first.MaxAttempts, 5)
	require.Equal(t, store.JobSendMessage, first.Kind)
	began := time.Now()
	after := queueMessage(t, s)
	require.Equal(t, after.ID, receive(t, jobs, "a job queued later").MessageID)
	t.Logf("%s: from commit to work in %v", s.Engine(), time.Since(began).Round(time.Millisecond))
	last := queueMessage(t, s)
	require.Equal(t, last.ID, receive(t, jobs, "the last job").MessageID)
	require.Empty(t, jobs)
}

func testJobRetry(t *testing.T, s store.Store) {
	jobs := make(chan store.Job, 10)
	var times [4]time.Time
	work(t, s, handler(func(j store.Job) error {
		times[j.Attempt] = time.Now()
		jobs <- j
		switch j.Attempt {
		case 1:
			return &store.RetryAfterError{After: 1500 * time.Millisecond, Err: errors.New("slow down")}
		case 2:
			return errors.New("try again")
		}
		return nil
	}))
	m := queueMessage(t, s)
	for attempt := 1; attempt <= 3; attempt++ {
		j := receive(t, jobs, "the job")
		require.Equal(t, m.ID, j.MessageID)
		require.Equal(t, attempt, j.Attempt)
	}
	require.GreaterOrEqual(t, times[2].Sub(times[1]), 1400*time.Millisecond, "not before the time the service named")
	require.GreaterOrEqual(t, times[3].Sub(times[2]), 10*time.Second, "back-off")
}

func testJobNotYet(t *testing.T, s store.Store) {
	const waits = 2
	jobs := make(chan store.Job, 10)
	var times [waits + 1]time.Time
	n := 0
	work(t, s, handler(func(j store.Job) error {
		times[n] = time.Now()
		n++
		defer func() { jobs <- j }()
		if n <= waits {
			return &store.NotYetError{After: 300 * time.Millisecond, Why: "night"}
		}
		return nil
	}))
	m := queueMessage(t, s)
	for range times {
		j := receive(t, jobs, "the job")
		require.Equal(t, m.ID, j.MessageID)
		require.Equal(t, 1, j.Attempt, "to wait is no attempt")
	}
	for i := range waits {
		require.GreaterOrEqual(t, times[i+1].Sub(times[i]), 290*time.Millisecond, "not before the time it named")
	}
}

func testJobDead(t *testing.T, s store.Store) {
	jobs := make(chan store.Job, 10)
	first := queueMessage(t, s)
	work(t, s, handler(func(j store.Job) error {
		jobs <- j
		if j.MessageID == first.ID {
			return &store.PermanentError{Err: errors.New("no such channel")}
		}
		return nil
	}))
	require.Equal(t, first.ID, receive(t, jobs, "the job").MessageID)
	second := queueMessage(t, s)
	require.Equal(t, second.ID, receive(t, jobs, "the next job").MessageID)
	// The handler died before it could say so in the message: upkeep does.
	require.Eventually(t, func() bool {
		require.NoError(t, s.Upkeep(t.Context(), start))
		d, err := s.FindMessage(t.Context(), first.ID)
		require.NoError(t, err)
		return d.Message.State == store.MessageDead
	}, patience, 50*time.Millisecond)
	d, err := s.FindMessage(t.Context(), second.ID)
	require.NoError(t, err)
	require.Equal(t, store.MessageQueued, d.Message.State)
	require.Empty(t, jobs)
}

func testJobPanic(t *testing.T, s store.Store) {
	jobs := make(chan store.Job, 10)
	work(t, s, handler(func(j store.Job) error {
		jobs <- j
		if j.Attempt == 1 {
			panic("a bug in a handler")
		}
		return nil
	}))
	queueMessage(t, s)
	require.Equal(t, 1, receive(t, jobs, "the job").Attempt)
	require.Equal(t, 2, receive(t, jobs, "the job again").Attempt)
}

func testPeriodic(t *testing.T, s store.Store) {
	ran := make(chan store.Job, 10)
	handlers := map[string]store.JobFunc{store.JobUpkeep: func(_ context.Context, j store.Job) error {
		select {
		case ran <- j:
		default:
		}
		return nil
	}}
	work(t, s, handlers, store.Periodic{Kind: store.JobUpkeep, Next: func(t time.Time) time.Time { return t.Add(time.Second) }})
	for range 2 {
		j := receive(t, ran, "a periodic job")
		require.Equal(t, store.JobUpkeep, j.Kind)
		require.Empty(t, j.MessageID)
	}
	_, err := s.Work(t.Context(), nil, []store.Periodic{{Kind: "unheard_of", Next: func(t time.Time) time.Time { return t }}})
	require.ErrorContains(t, err, "unheard_of")
}

func testStop(t *testing.T, s store.Store) {
	began, release := make(chan struct{}), make(chan struct{})
	var finished, cancelled atomic.Bool
	stop, err := s.Work(t.Context(), map[string]store.JobFunc{store.JobSendMessage: func(ctx context.Context, j store.Job) error {
		close(began)
		select {
		case <-release:
			finished.Store(true)
		case <-ctx.Done():
			cancelled.Store(true)
		}
		return nil
	}}, nil)
	require.NoError(t, err)
	queueMessage(t, s)
	receive(t, began, "the job")
	go close(release)
	require.NoError(t, stop(t.Context()))
	require.True(t, finished.Load())

	// One that does not end by itself is cancelled when the time is over.
	began, release = make(chan struct{}), make(chan struct{})
	second, err := s.Work(t.Context(), map[string]store.JobFunc{store.JobSendMessage: func(ctx context.Context, j store.Job) error {
		close(began)
		<-ctx.Done()
		cancelled.Store(true)
		return ctx.Err()
	}}, nil)
	require.NoError(t, err)
	queueMessage(t, s)
	receive(t, began, "the job")
	over, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	require.NoError(t, second(over))
	require.True(t, cancelled.Load())
}

func testDeliveries(t *testing.T, s store.Store) {
	ctx := t.Context()
	m := queueMessage(t, s)
	get := func() store.Message {
		d, err := s.FindMessage(ctx, m.ID)
		require.NoError(t, err)
		return d.Message
	}
	record := func(state store.MessageState, text, reference string, n int) {
		require.NoError(t, s.RecordDelivery(ctx, store.Delivery{
			MessageID: m.ID, At: at(time.Duration(n) * time.Minute), State: state, Error: text, Reference: reference,
		}))
	}
	record(store.MessageQueued, "muted by nights", "", 0)
	require.Zero(t, get().Attempts, "what is kept back is not tried")
	require.Equal(t, store.MessageQueued, get().State)
	require.Equal(t, "muted by nights", get().LastError)
	record(store.MessageSending, "", "", 1)
	require.Equal(t, 1, get().Attempts)
	require.Equal(t, store.MessageSending, get().State)
	record(store.MessageFailed, "429: slow down", "", 2)
	require.Equal(t, 1, get().Attempts, "sending and its end are one attempt")
	require.Equal(t, "429: slow down", get().LastError)
	record(store.MessageSending, "", "", 3)
	require.Equal(t, "429: slow down", get().LastError)
	record(store.MessageSending, "", "", 4) // killed, and tried again
	record(store.MessageSent, "", "1718.0001", 5)
	m.State, m.Attempts, m.SentAt, m.Reference = store.MessageSent, 3, new(at(5*time.Minute)), "1718.0001"
	requireSame(t, m, get())
	other := queueMessage(t, s)
	require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: other.ID, At: start, State: store.MessageDead, Error: "gone"}))
	d, err := s.FindMessage(ctx, other.ID)
	require.NoError(t, err)
	require.Equal(t, 1, d.Message.Attempts)
	require.Nil(t, d.Message.SentAt)
}

func testFindMessage(t *testing.T, s store.Store) {
	ctx := t.Context()
	var c store.Changes
	var resolved store.Message
	write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		c = everything(r)
		other := aFinding(r.Run.PK, detectors.KindDivergence, 0)
		resolved = aMessage(c.Findings[0], "team", store.MessageResolved)
		c.Findings = append([]store.Finding{other}, c.Findings...)
		c.Messages = append(c.Messages, aMessage(other, "team", store.MessageFiring), resolved)
		return c
	})
	d, err := s.FindMessage(ctx, resolved.ID)
	require.NoError(t, err)
	requireSame(t, resolved, d.Message)
	requireSame(t, c.Findings[1], d.Finding)
	requireSame(t, c.Commands, d.Commands)
	require.Equal(t, "r", d.Run.ID)
	requireSame(t, facts(), d.Run.Started)
	requireSame(t, []store.Epoch{c.Epochs[1], c.Epochs[0]}, d.Epochs) // epoch 1 of the first attempt was replaced
}
