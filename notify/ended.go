package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// endedStates are the ends of a run that can be told.
var endedStates = []string{
	string(store.StateCompleted), string(store.StateStopped), string(store.StateFailed),
	string(store.StateInterrupted), string(store.StateLost),
}

// kindEnded is the kind of a run's end, where routes and silences match it.
const kindEnded = detectors.Kind(store.MessageRunEnded)

// endOf returns the end of a run as routes and silences see it.
func endOf(run store.Run, state store.State) subject {
	s := subject{run: run, kind: kindEnded, severity: detectors.SeverityInfo}
	if state == store.StateFailed || state == store.StateLost {
		s.severity = detectors.SeverityWarning
	}
	return s
}

// endBody is what the message about an end holds: the run may have begun again, or ended
// otherwise, when it is sent.
type endBody struct {
	Project  string      `json:"project"`
	Run      string      `json:"run"`
	Name     string      `json:"name,omitempty"`
	Tags     []string    `json:"tags,omitempty"`
	State    store.State `json:"state"`
	Reason   string      `json:"reason,omitempty"`
	EndedAt  *time.Time  `json:"ended_at,omitempty"`
	Attempts int         `json:"attempts"`
}

// Ended returns the messages about a run that has just ended, or was lost: to each receiver
// that the routes lead to and that asks for such ends. The same end of the same attempt
// gives the same ids, so a run that is lost twice in one attempt is told of once. It has no
// side effects.
func (n *Notifier) Ended(run store.Run, now time.Time) []store.Message {
	body, _ := json.Marshal(endBody{ // of such a type it cannot fail
		run.Project, run.ID, run.Name, run.Tags, run.State, run.EndReason, run.EndedAt, run.Attempts,
	})
	var out []store.Message
	var told []string
	for _, r := range n.routesOf(endOf(run, run.State)) {
		if slices.Contains(told, r.receiver) || !n.asks(r.receiver, run.State) {
			continue
		}
		told = append(told, r.receiver)
		for _, channel := range n.channelsOf(r.receiver) {
			id := idOf(string(store.MessageRunEnded), run.Project, run.ID, strconv.Itoa(run.Attempts), string(run.State), r.receiver, channel)
			out = append(out, store.Message{
				ID: id, RunPK: run.PK, Receiver: r.receiver, Channel: channel,
				Event: store.MessageRunEnded, State: store.MessageQueued, CreatedAt: now, Body: string(body),
			})
		}
	}
	return out
}

// asks reports whether a receiver is told of ends of a kind.
func (n *Notifier) asks(receiver string, state store.State) bool {
	return slices.Contains(n.ends[receiver], string(state))
}

// ended has the message speak of the run as it ended, and says what keeps it from being told
// now: a *store.NotYetError, on record with the message. It returns true when there is no
// more to do: the end is told together with others.
func (t *try) ended(ctx context.Context) (done bool, err error) {
	m := t.d.Message
	if m.Event != store.MessageRunEnded {
		return false, nil
	}
	if m.Body != "" {
		var end endBody
		if err := json.Unmarshal([]byte(m.Body), &end); err != nil {
			return true, t.failed(ctx, &store.PermanentError{Err: fmt.Errorf("what end message %s is about cannot be read: %w", m.ID, err)})
		}
		if end.State == store.StateLost && t.d.Run.State != store.StateLost {
			return true, t.failed(ctx, &store.PermanentError{Err: errors.New("not told: the run was heard of again")})
		}
		t.d.Run.State, t.d.Run.EndReason, t.d.Run.EndedAt, t.d.Run.Attempts = end.State, end.Reason, end.EndedAt, end.Attempts
	}
	if m.State != store.MessageQueued {
		return false, nil // it may be there already, and is seen through
	}
	now := t.n.o.Now()
	silences, err := t.st.ListSilences(ctx, now)
	if err != nil {
		return false, fmt.Errorf("read the silences: %w", err)
	}
	h := &holder{n: t.n, now: now, silences: silences}
	if held := h.ofEnd(m.Receiver, endOf(t.d.Run, t.d.Run.State)); held.why != "" {
		return false, t.waits(ctx, held.until.Sub(now), held.why)
	}
	return t.together(ctx, h)
}

// waits has the queue call again, with the reason on record.
func (t *try) waits(ctx context.Context, after time.Duration, why string) error {
	if t.d.Message.LastError != why {
		if err := t.record(ctx, store.Delivery{State: store.MessageQueued, Error: why}); err != nil {
			return err
		}
	}
	return &store.NotYetError{After: after, Why: why}
}

// ofEnd returns what keeps the end of a run from being told to a receiver.
func (h *holder) ofEnd(receiver string, s subject) hold {
	out := h.byTime(receiver, s)
	if out.why == "" {
		out = h.bySilence(s)
	}
	return out.soon(h.now)
}
