package notify_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// memory holds messages as a store does, without a database.
type memory struct {
	notify.Messages // what a digest needs is not there

	mu         sync.Mutex
	details    map[string]store.MessageDetail
	deliveries []store.Delivery
	order      func(id string) store.Order // nil: nothing else is about the same problem
	// refuse, when set, says which deliveries cannot be recorded.
	refuse func(store.Delivery) bool
}

var errAway = errors.New("the database is away")

// add queues messages about a specimen and returns their ids.
func (m *memory) add(specimen string, messages ...store.Message) {
	n := notifytest.Specimens()[specimen]
	for _, msg := range messages {
		// Without the epochs: drawing the curve under the race detector takes as long as a service may.
		m.details[msg.ID] = store.MessageDetail{Message: msg, Run: n.Run, Finding: n.Finding, Commands: n.Commands}
	}
}

func newMemory() *memory { return &memory{details: map[string]store.MessageDetail{}} }

func (m *memory) FindMessage(_ context.Context, id string) (store.MessageDetail, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d, ok := m.details[id]
	if !ok {
		return d, store.ErrNotFound
	}
	return d, nil
}

func (m *memory) FindOrder(_ context.Context, id string) (store.Order, error) {
	if m.order == nil {
		return store.Order{}, nil
	}
	return m.order(id), nil
}

func (m *memory) ListSilences(context.Context, time.Time) ([]store.Silence, error) { return nil, nil }

func (m *memory) ListMessages(context.Context, int64) ([]store.Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.Message
	for _, d := range m.details {
		out = append(out, d.Message)
	}
	return out, nil
}

func (m *memory) RecordDelivery(ctx context.Context, d store.Delivery) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refuse != nil && m.refuse(d) {
		return errAway
	}
	m.deliveries = append(m.deliveries, d)
	detail := m.details[d.MessageID]
	msg := &detail.Message
	if d.State == store.MessageSending {
		msg.Attempts++
	}
	msg.State, msg.LastError = d.State, d.Error
	if d.Reference != "" {
		msg.Reference = d.Reference
	}
	m.details[d.MessageID] = detail
	return nil
}

func (m *memory) states(id string) []store.MessageState {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []store.MessageState
	for _, d := range m.deliveries {
		if d.MessageID == id {
			out = append(out, d.State)
		}
	}
	return out
}

func (m *memory) message(id string) store.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.details[id].Message
}

// clock is a time that the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: notifytest.SpecimenTime} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

var _ notify.Messages = store.Store(nil)
