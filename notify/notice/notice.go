// Package notice holds what a message to people says, before any channel gives it its
// form: a [Notice] is what is known, [Tell] makes the [Story] out of it, and [Story.Text]
// is the plain form that mail, log and webhook share. It also holds what the channels have
// in common: which answers of a service are worth another try ([Classify]), the posting of
// JSON ([Post]) and the keeping of secrets out of errors ([Scrub]).
package notice

import (
	"context"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// Notice is one message to one channel of one receiver, with all it speaks of. Names of
// runs and metrics in it are text of strangers: [Tell] cleans them, the channels escape.
type Notice struct {
	ID        string // of the message: the same for each try
	Event     store.MessageEvent
	Receiver  string
	CreatedAt time.Time
	// Again is true when an earlier try may have reached the service without our having
	// its answer on record.
	Again bool
	// Told is what the service called the message about the same finding firing; empty
	// for that one itself.
	Told     string
	Run      store.Run
	Finding  store.Finding
	Commands []store.Command
	Epochs   []store.Epoch // the curve, in order of training
	// Link leads to the run; empty when there is nothing to link to.
	Link string
}

// Channel is one way to reach people. Send hands a notice over and returns what the
// service calls it. Its error is a *store.PermanentError when trying again cannot help, a
// *store.RetryAfterError when the service named a time, else worth another try. No error
// contains a secret. Send is safe for concurrent use and ends when ctx does.
type Channel interface {
	Send(ctx context.Context, n Notice) (reference string, err error)
}
