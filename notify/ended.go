package notify

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/sql/store"
)

// endedStates are the ends of a run that can be told.
var endedStates = []string{
	string(store.StateCompleted), string(store.StateStopped), string(store.StateFailed),
	string(store.StateInterrupted), string(store.StateLost),
}

// endings are the ends of runs that a receiver is told of.
type endings struct {
	receiver string
	states   []string
}

// Ended returns the messages about a run that has just ended, or was lost: to each receiver
// that asks for such ends. The same end of the same attempt gives the same ids, so a run
// that is lost twice in one attempt is told of once. It has no side effects.
func (n *Notifier) Ended(run store.Run, now time.Time) []store.Message {
	var out []store.Message
	for _, e := range n.ends {
		if !slices.Contains(e.states, string(run.State)) {
			continue
		}
		for _, channel := range n.channelsOf(e.receiver) {
			id := strings.Join([]string{
				string(store.MessageRunEnded), run.Project, run.ID, strconv.Itoa(run.Attempts), string(run.State), e.receiver, channel,
			}, "\x00")
			out = append(out, store.Message{
				ID: uuid.NewSHA1(namespace, []byte(id)).String(), RunPK: run.PK, Receiver: e.receiver, Channel: channel,
				Event: store.MessageRunEnded, State: store.MessageQueued, CreatedAt: now,
			})
		}
	}
	return out
}
