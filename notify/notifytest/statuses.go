package notifytest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

// Outcome is what the queue is to do after an answer.
type Outcome string

// The outcomes.
const (
	Done  Outcome = "done"
	Again Outcome = "again" // with back-off
	After Outcome = "after" // at the time the service named
	Never Outcome = "never"
)

// StatusCase is one HTTP answer and what is to be made of it.
type StatusCase struct {
	Status     int
	RetryAfter string
	Want       Outcome
	After      time.Duration
}

// Statuses is the table that every channel over HTTP keeps to.
func Statuses() []StatusCase {
	return []StatusCase{
		{Status: 200, Want: Done},
		{Status: 202, Want: Done},
		{Status: 204, Want: Done},
		{Status: 301, Want: Never},
		{Status: 307, Want: Never},
		{Status: 400, Want: Never},
		{Status: 401, Want: Never},
		{Status: 403, Want: Never},
		{Status: 404, Want: Never},
		{Status: 408, Want: Again},
		{Status: 410, Want: Never},
		{Status: 413, Want: Never},
		{Status: 425, Want: Again},
		{Status: 429, RetryAfter: "7", Want: After, After: 7 * time.Second},
		{Status: 429, RetryAfter: "", Want: After, After: 30 * time.Second},
		{Status: 429, RetryAfter: "0", Want: After, After: time.Second},
		{Status: 429, RetryAfter: "-5", Want: After, After: 30 * time.Second},
		{Status: 429, RetryAfter: "nonsense", Want: After, After: 30 * time.Second},
		{Status: 429, RetryAfter: "99999999999", Want: After, After: 15 * time.Minute},
		{Status: 429, RetryAfter: "NaN", Want: After, After: 30 * time.Second},
		{Status: 429, RetryAfter: "Sat, 14 Mar 2026 15:10:26 GMT", Want: After, After: time.Minute},
		{Status: 429, RetryAfter: "Sat, 14 Mar 2020 15:10:26 GMT", Want: After, After: time.Second},
		{Status: 500, Want: Again},
		{Status: 501, Want: Never},
		{Status: 502, Want: Again},
		{Status: 503, Want: Again},
		{Status: 503, RetryAfter: "3", Want: After, After: 3 * time.Second},
		{Status: 504, Want: Again},
	}
}

// Require checks an error against the case.
func (c StatusCase) Require(tb testing.TB, err error) {
	tb.Helper()
	RequireOutcome(tb, err, c.Want, "status %d, Retry-After %q", c.Status, c.RetryAfter)
	if c.Want == After {
		var later *store.RetryAfterError
		require.ErrorAs(tb, err, &later)
		require.Equal(tb, c.After, later.After, "Retry-After %q", c.RetryAfter)
	}
}

// RequireOutcome checks what an error asks of the queue.
func RequireOutcome(tb testing.TB, err error, want Outcome, args ...any) {
	tb.Helper()
	var permanent *store.PermanentError
	var later *store.RetryAfterError
	switch want {
	case Done:
		require.NoError(tb, err, args...)
	case Never:
		require.ErrorAs(tb, err, &permanent, args...)
	case After:
		require.ErrorAs(tb, err, &later, args...)
	case Again:
		require.Error(tb, err, args...)
		require.NotErrorAs(tb, err, &permanent, args...)
		require.NotErrorAs(tb, err, &later, args...)
	}
}
