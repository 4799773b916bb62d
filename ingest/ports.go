package ingest

import (
	"context"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// RecentEpochs is how many of a run's last epochs a Situation carries.
const RecentEpochs = 64

// Situation is what is known of a run after an event was folded. It is made of
// stored facts only, so that the same events give the same decisions.
type Situation struct {
	Run     store.Run
	Attempt store.Attempt
	// Seq is the sequence number of the event just folded, of Attempt.
	Seq int64
	// Recent holds the run's last epochs in order of training, RecentEpochs at most;
	// epochs that a later attempt replaced are left out.
	Recent []detectors.Epoch
	// Untrained is the loss of the run's first batch, before any update; nil where it is
	// not known.
	Untrained *float64
	Findings  []store.Finding
	// Changes are what the event just folded did to the findings.
	Changes  []detectors.Change
	Commands []store.Command // of the whole run, oldest first
	Now      time.Time
	// Replaying is true when the situation is rebuilt for an epoch that is no longer
	// the run's last: commands decided now would come too late.
	Replaying bool
}

// Policy decides what is done to a run. daemon/control implements it. Decide is asked
// after each run_started, epoch_ended, command_result and run_ended. It returns new
// commands, and commands of s.Commands with a changed state or effect; of new ones with
// the same attempt, cause and kind the first counts. It has no side effects: it may be
// called again for the same situation after a failed commit.
type Policy interface {
	Decide(s Situation) []store.Command
}

// Announcer says who is told of a change. notify implements it. Announce has no side
// effects; its messages are queued, and the groups joined, in the transaction that stores
// the finding. Ended gives the messages about a run that has just ended, or was lost; they
// are queued in the transaction that says so. Stored is called when groups were joined, or
// have news, in one that is committed.
type Announcer interface {
	Announce(run store.Run, event store.MessageEvent, f store.Finding, now time.Time) ([]store.Message, []store.Join)
	Ended(run store.Run, now time.Time) []store.Message
	// News says who is to hear what was done to a run: new commands, and what became of one.
	News(commands []store.Command, now time.Time) []store.News
	Stored()
}

// Sender hands a command to a live run at once. It need not arrive: a command that
// is not answered is sent again with the run's next sign of life.
type Sender interface {
	SendCommand(ctx context.Context, c contract.Command) error
}
