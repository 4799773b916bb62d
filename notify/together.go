package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// A receiver that would be told of more than stormLimit ends within stormWindow is told of
// those that wait in one message, at most one a window. It is a digest of them, made by
// whichever job comes first; the others find themselves in it.
const (
	// endsLimit bounds the ends in one message, endsAsked those that are looked at to see
	// whether there are so many.
	endsLimit = 1000
	endsAsked = 200
	whyMany   = "waits to be told together with other ends"
)

// togetherID returns the id of the message about many ends of a window.
func togetherID(receiver, channel string, window time.Time) string {
	return idOf("ends", receiver, channel, window.UTC().Format(time.RFC3339))
}

// together reports whether the end is told in a message about many. One that is to be, but
// must wait for the others, is a *store.NotYetError. What two workers decide at the same moment
// may be told by itself and with the others: worst case it is told twice.
func (t *try) together(ctx context.Context, h *holder) (done bool, err error) {
	m := t.d.Message
	window := h.now.Truncate(stormWindow)
	id := togetherID(m.Receiver, m.Channel, window)
	made, told, err := t.toldIn(ctx, id)
	if told || err != nil {
		return told, err
	}
	list, err := t.st.ListEnds(ctx, m.Receiver, m.Channel, h.now.Add(-stormWindow), endsAsked)
	if err != nil {
		return false, err
	}
	many := slices.DeleteFunc(slices.Clone(list), func(o store.Message) bool { return o.State == store.MessageQueued && !h.free(o) })
	if len(many) <= stormLimit {
		return false, nil
	}
	if m.LastError == "" || m.LastError == whyMany {
		if wait := m.CreatedAt.Add(stormWait).Sub(h.now); wait > 0 {
			return false, t.waits(ctx, wait, whyMany)
		}
	}
	if !made {
		if told, err = t.gather(ctx, h, id); told || err != nil {
			return told, err
		}
	}
	return false, t.waits(ctx, max(window.Add(stormWindow).Sub(h.now), time.Second), whyMany)
}

// toldIn reports whether the message of an id is there, and whether it tells of this end,
// which is then on record.
func (t *try) toldIn(ctx context.Context, id string) (made, told bool, err error) {
	d, err := t.st.FindMessage(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return false, false, nil
	}
	if err != nil {
		return false, false, err
	}
	body, err := readDigest(d.Message)
	if err != nil {
		return true, false, err
	}
	run := t.d.Run
	if !(digestRun{Project: run.Project, ID: run.ID, Attempts: run.Attempts}).in(body.Ended) {
		return true, false, nil
	}
	return true, true, t.record(ctx, toldTogether(id))
}

func toldTogether(id string) store.Delivery {
	return store.Delivery{State: store.MessageSent, Error: "told together with other ends, as message " + id}
}

// free reports whether nothing keeps a queued end from being told.
func (h *holder) free(m store.Message) bool {
	end, ok := endIn(m)
	return ok && h.ofEnd(m.Receiver, endOf(end.run(), end.State)).why == ""
}

// endIn returns the end that a message is about, and whether it says which.
func endIn(m store.Message) (endBody, bool) {
	var end endBody
	err := json.Unmarshal([]byte(m.Body), &end)
	return end, err == nil && end.Run != ""
}

func (e *endBody) run() store.Run {
	return store.Run{Project: e.Project, ID: e.Run, Name: e.Name, Tags: e.Tags, State: e.State}
}

// gather queues the message about the ends that wait and that nothing keeps back, has those
// on record as told in it, and reports whether this end is among them. Those that have just
// come are left to the next one: they may be about to be told by themselves.
func (t *try) gather(ctx context.Context, h *holder, id string) (told bool, err error) {
	m := t.d.Message
	var recorded []store.Delivery
	list, err := t.st.ListEnds(ctx, m.Receiver, m.Channel, h.now, endsLimit)
	if err != nil {
		return false, err
	}
	b := digestBody{
		Name: "ends of runs", From: m.CreatedAt, To: h.now.UTC().Truncate(time.Microsecond), Zone: t.n.zone.String(),
		Ended: []digestRun{}, Running: []digestRun{}, Together: true,
	}
	for _, o := range slices.Backward(list) {
		waited := o.LastError != "" && o.LastError != whyMany || !o.CreatedAt.Add(stormWait).After(h.now)
		if o.State != store.MessageQueued || !waited || !h.free(o) {
			continue
		}
		end, _ := endIn(o)
		run, err := t.st.FindRun(ctx, end.Project, end.Run)
		if errors.Is(err, store.ErrNotFound) {
			continue // removed since
		}
		if err != nil {
			return false, err
		}
		if end.State == store.StateLost && run.State != store.StateLost {
			continue // it says so itself
		}
		epochs, err := t.st.ListEpochs(ctx, run.PK)
		if err != nil {
			return false, err
		}
		if o.CreatedAt.Before(b.From) {
			b.From = o.CreatedAt
		}
		b.Ended = append(b.Ended, digestRun{
			Project: end.Project, ID: end.Run, Attempts: end.Attempts, State: end.State, Epochs: len(store.Curve(epochs)),
		})
		d := toldTogether(id)
		d.MessageID, d.At = o.ID, h.now
		recorded, told = append(recorded, d), told || o.ID == m.ID
	}
	text, err := json.Marshal(b)
	if err != nil {
		return false, err
	}
	message := store.Message{
		ID: id, Receiver: m.Receiver, Channel: m.Channel, Event: store.MessageDigest, State: store.MessageQueued, CreatedAt: h.now, Body: string(text),
	}
	err = t.st.Ingest(ctx, func(tx store.Tx) error {
		// One at a time, in all daemons: what another one gathers meanwhile is not the same.
		if _, err := tx.LockGroups(ctx, h.now, 0); err != nil {
			return err
		}
		if made, err := tx.HasMessage(ctx, id); made || err != nil {
			told = false
			return err
		}
		return tx.Write(ctx, store.Changes{Messages: []store.Message{message}, Deliveries: recorded})
	})
	if err != nil {
		return false, fmt.Errorf("queue the message about %d ends: %w", len(b.Ended), err)
	}
	return told, nil
}
