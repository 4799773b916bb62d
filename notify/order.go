package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/epochwatch/epochwatch/sql/store"
)

// late reports whether the message has no more to say once a later one is told.
func (t *try) late() bool {
	return t.d.Message.Event == store.MessageUpdate || t.d.Message.Event == store.MessageProgress
}

// outOfOrder says why another message about the same problem goes first: what is told last
// must be what holds. A first message is a message of its own, and the others wait for it.
func (t *try) outOfOrder(o store.Order) string {
	switch {
	case t.d.Message.Event == store.MessageFiring:
	case o.NewerWaits && t.late():
		return "a later message of the same problem goes first"
	case o.OlderSending:
		return "an earlier message of the same problem is still on its way"
	}
	return ""
}

// standBack has another message go first. One that is with its service on record, and for
// which others would wait, is not any more.
func (t *try) standBack(ctx context.Context, why string, sending bool) error {
	m := t.d.Message
	state := m.State
	if state == store.MessageSending { // since a daemon was killed: it may be there
		state = store.MessageFailed
	}
	if sending || state == store.MessageQueued && m.LastError != why {
		if err := t.record(ctx, store.Delivery{State: state, Error: why}); err != nil {
			return err
		}
	}
	return t.notYet(afterFiring, why)
}

// before returns what the service calls the message that this one goes on from.
func (t *try) before(ctx context.Context) (string, error) {
	m := t.d.Message
	id := m.Thread
	if id == "" && m.Event == store.MessageResolved {
		id = MessageID(m.FindingID, m.Receiver, m.Channel, store.MessageFiring)
	}
	if id == "" {
		return "", nil
	}
	d, err := t.st.FindMessage(ctx, id)
	resolves := m.Event == store.MessageResolved || m.Event == store.MessageProgress
	switch {
	case errors.Is(err, store.ErrNotFound) && resolves:
		return "", &store.PermanentError{Err: errors.New("not told: this receiver was not told of the finding itself")}
	case errors.Is(err, store.ErrNotFound):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("read the message before: %w", err)
	}
	switch d.Message.State {
	case store.MessageSent:
		return d.Message.Reference, nil
	case store.MessageDead:
		reference, told, err := t.toldInstead(ctx, id)
		if resolves && !told && err == nil {
			err = &store.PermanentError{Err: errors.New("not told: the message about the finding itself was given up")}
		}
		return reference, err // what is new is told by itself
	}
	return "", t.notYet(afterFiring, "the message about the finding itself is still on its way")
}

// toldInstead returns what the service calls the first message that was told although the one
// that it goes on from, first, was given up: the service was mended since.
func (t *try) toldInstead(ctx context.Context, first string) (reference string, told bool, err error) {
	m := t.d.Message
	all, err := t.st.ListMessages(ctx, m.RunPK)
	if err != nil {
		return "", false, fmt.Errorf("read the messages before: %w", err)
	}
	for _, o := range all {
		if o.Thread == first && o.Receiver == m.Receiver && o.Channel == m.Channel && o.State == store.MessageSent && o.LastError == "" {
			return o.Reference, true, nil
		}
	}
	return "", false, nil
}
