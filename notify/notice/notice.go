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
	// Told is what the service called the first message of the same problem (or the same
	// run, or the same digest); empty for that one itself. A channel that can edit brings
	// that message up to date and says what is new beside it; others hang this one under it.
	Told string
	// Repeat is true when nothing is new: the problem goes on, and was told long ago.
	Repeat bool
	// Run is the run that heads the message, and Finding its most likely cause by the
	// run's verdict. Both are zero in a digest; Finding is zero in a message about a run
	// that ended.
	Run      store.Run
	Finding  store.Finding
	Commands []store.Command // of Run
	Epochs   []store.Epoch   // the curve of Run, in order of training
	// Symptoms are the other findings of Run that this message is about, those that fire
	// first, then by what they say about the cause.
	Symptoms []store.Finding
	// Acknowledged are those who have seen the problem; Silenced says who keeps back what is
	// to come of it, and until when, if anybody does.
	Acknowledged []store.Acknowledgement
	Silenced     string
	// News are what progress tells: ids of Commands, and store.NewsAcknowledged.
	News []string
	// Others are the other runs of the group, each under the finding that heads it; no run
	// is there twice.
	Others []Member
	// Digest is what a digest tells; nil for every other event.
	Digest *Digest
	// Link leads to the run; empty when there is nothing to link to.
	Link string
	// Zone is what times are to be written in; nil: UTC. A digest has its own.
	Zone *time.Location
}

// at writes a time, its zone behind it.
func (n Notice) at(t time.Time) string { return In(n.Zone, t) }

// In writes a time in a zone, nil for UTC, to the minute.
func In(zone *time.Location, t time.Time) string {
	if zone == nil {
		zone = time.UTC
	}
	return t.In(zone).Format("2 Jan 15:04 MST")
}

// Member is one more run that a message is about.
type Member struct {
	Run      store.Run
	Finding  store.Finding   // its most likely cause
	Symptoms []store.Finding // its other findings of the group
}

// Digest is what happened between two times, told together.
type Digest struct {
	Name     string // of the digest in the config
	From, To time.Time
	Zone     *time.Location // what times are to be written in; nil: UTC
	Together bool           // it tells of ends that came at once, and of nothing else
	// Ended are the runs that ended in that time, newest first; Running those that train.
	Ended, Running []DigestRun
}

// DigestRun is one run in a digest.
type DigestRun struct {
	Run      store.Run
	Findings []store.Finding // of warning or above; none: it was healthy
	Commands []store.Command // what was done to it, with the effect
	Epochs   int             // how many epochs count
}

// Channel is one way to reach people. Send hands a notice over and returns what the
// service calls it. Its error is a *store.PermanentError when trying again cannot help, a
// *store.RetryAfterError when the service named a time, else worth another try. No error
// contains a secret. Send is safe for concurrent use and ends when ctx does.
type Channel interface {
	Send(ctx context.Context, n Notice) (reference string, err error)
}
