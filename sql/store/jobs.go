package store

import (
	"context"
	"time"
)

// JobSendMessage is the job that delivers one Message; its argument is the id.
const JobSendMessage = "send_message"

// JobUpkeep is the periodic job that calls Store.Upkeep.
const JobUpkeep = "upkeep"

// Job is one unit of work from the queue.
type Job struct {
	Kind        string
	MessageID   string
	Attempt     int // 1 for the first
	MaxAttempts int
}

// JobFunc works one job. A plain error has it tried again with back-off, a *RetryAfterError
// too, but not before the time it names, a *PermanentError never. A *NotYetError is no
// attempt: the job is worked again at the time it names, however often.
type JobFunc func(ctx context.Context, j Job) error

// PermanentError says that trying again cannot help.
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *PermanentError) Unwrap() error { return e.Err }

// RetryAfterError says before when not to try again, as a service told us.
type RetryAfterError struct {
	After time.Duration
	Err   error
}

func (e *RetryAfterError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// NotYetError says that the time for a job has not come.
type NotYetError struct {
	After time.Duration
	Why   string
}

func (e *NotYetError) Error() string { return "not yet: " + e.Why }

// Periodic is a job that the queue inserts at times of its own.
type Periodic struct {
	Kind string
	// Next returns the first time after t at which the job is due (a cron schedule's Next).
	Next func(t time.Time) time.Time
}
