package queue

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

// next returns how long a job waits that failed before and fails now.
func next(t *testing.T, fails error, before int) time.Duration {
	t.Helper()
	w := &worker{fn: func(context.Context, store.Job) error { return fails }}
	job := &river.Job[args]{JobRow: &rivertype.JobRow{ID: 7, Attempt: before + 1, MaxAttempts: MaxAttempts, Errors: make([]rivertype.AttemptError, before)}}
	began := time.Now()
	require.Error(t, w.Work(t.Context(), job))
	at := w.NextRetry(job)
	require.True(t, w.NextRetry(job).IsZero(), "a time holds for one attempt")
	if at.IsZero() {
		return 0
	}
	return at.Sub(began)
}

func after(d time.Duration) error {
	return &store.RetryAfterError{After: d, Err: errors.New("503")}
}

func TestAServiceThatNamesATimeGetsTheLaterOfItAndTheBackOff(t *testing.T) {
	t.Parallel()
	require.Zero(t, next(t, errors.New("503"), 0), "the back-off is River's business")
	require.GreaterOrEqual(t, next(t, after(time.Hour), 0), time.Hour, "not before the time that was named")
	require.GreaterOrEqual(t, next(t, after(24*time.Hour), MaxAttempts-2), 24*time.Hour)

	var all time.Duration
	for before := range MaxAttempts - 1 {
		all += next(t, after(time.Second), before)
	}
	require.Greater(t, all, 9*time.Hour, "a short time uses up no attempts: they are spread as without it")
	require.Greater(t, next(t, after(-time.Hour), 5), 20*time.Minute, "nor does one that is over")
}

func TestMessagesThatAreToldOneTimeComeAtDifferentOnes(t *testing.T) {
	t.Parallel()
	seen := make(map[time.Duration]bool)
	for range 20 {
		d := spread(time.Hour)
		require.GreaterOrEqual(t, d, time.Hour)
		require.LessOrEqual(t, d, 66*time.Minute)
		seen[d] = true
	}
	require.Greater(t, len(seen), 10)
	require.Zero(t, spread(0))
}
