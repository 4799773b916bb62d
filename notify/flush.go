package notify

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// lookEvery is how often groups are looked for that nobody here announced: those of a
	// daemon that died.
	lookEvery = 5 * time.Second
	// lookAgain is when a look that failed is made again.
	lookAgain = time.Second
	// lookAt is how many groups one transaction looks at.
	lookAt = 200

	// In stormWindow a receiver is told the first message of stormLimit groups. What comes
	// beyond that is one group, which collects for stormWait before its first message.
	stormWindow = time.Minute
	stormLimit  = 10
	stormWait   = 10 * time.Second
)

// Groups is what is needed of a store.Store to look at groups.
type Groups interface {
	Ingest(ctx context.Context, fn func(store.Tx) error) error
	NextGroup(ctx context.Context) (time.Time, error)
	ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error)
}

// Stored says that groups were joined in a transaction that is committed.
func (n *Notifier) Stored() {
	select {
	case n.stored <- struct{}{}:
	default: // somebody has said so already
	}
}

// Watch looks at groups when they are due, until ctx ends. What it decides is decided in a
// transaction, so that several daemons may watch the same store.
func (n *Notifier) Watch(ctx context.Context, st Groups) error {
	wait := time.Duration(0)
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-n.stored:
			timer.Stop()
		case <-timer.C:
		}
		next, err := n.Look(ctx, st)
		switch {
		case err != nil && ctx.Err() == nil:
			n.o.Log.WarnContext(ctx, "messages are late: the groups could not be looked at", slog.Any("error", err))
			wait = lookAgain
		case next.IsZero():
			wait = lookEvery
		default:
			wait = min(max(next.Sub(n.o.Now()), time.Millisecond), lookEvery)
		}
	}
}

// Look looks at the groups that are due and queues what they have to tell. It returns when
// the next one is due; zero: none waits.
func (n *Notifier) Look(ctx context.Context, st Groups) (time.Time, error) {
	for {
		next, err := st.NextGroup(ctx)
		if err != nil || next.IsZero() || next.After(n.o.Now()) {
			return next, err
		}
		silences, err := st.ListSilences(ctx, n.o.Now())
		if err != nil {
			return next, err
		}
		looked := 0
		err = st.Ingest(ctx, func(tx store.Tx) error {
			now := n.o.Now().Truncate(time.Microsecond) // as it is kept
			states, err := tx.LockGroups(ctx, now, lookAt)
			if err != nil {
				return err
			}
			looked = len(states)
			w := &watch{
				n: n, tx: tx, now: now, first: map[string]int{}, storms: map[string]*store.GroupState{},
				holder: holder{n: n, now: now, silences: silences, asked: tx},
			}
			if err := w.all(ctx, states); err != nil {
				return err
			}
			return tx.Write(ctx, w.changes)
		})
		if err != nil {
			return next, err
		}
		if looked == 0 { // a run is joining it right now
			return n.o.Now().Add(lookAgain / 10), nil
		}
	}
}

// watch is one transaction that looks at groups.
type watch struct {
	n       *Notifier
	tx      store.Tx
	now     time.Time
	first   map[string]int // how many groups of a receiver told their first message lately
	storms  map[string]*store.GroupState
	holder  holder
	changes store.Changes
}

// look looks at one group.
func (w *watch) look(ctx context.Context, s store.GroupState) (plan, error) {
	var failed error
	s.Group.Asks, failed = w.asks(ctx, s)
	p := look(s, w.now, func(m store.GroupMember) hold {
		h, err := w.holder.of(ctx, s.Group.Receiver, m.RunFinding)
		failed = errors.Join(failed, err)
		return h
	})
	return p, failed
}

func (w *watch) all(ctx context.Context, states []store.GroupState) error {
	for _, s := range states {
		if s.Group.ID == stormID(s.Group.Receiver) {
			// Last, with what joins it now.
			w.storms[s.Group.Receiver] = &s
			continue
		}
		if len(w.n.receivers[s.Group.Receiver]) == 0 {
			w.announceAnew(s)
			continue
		}
		p, err := w.look(ctx, s)
		if err != nil {
			return err
		}
		if p.event == store.MessageFiring {
			full, err := w.full(ctx, s.Group.Receiver)
			if err != nil {
				return err
			}
			if full {
				if err := w.toStorm(ctx, s, p); err != nil {
					return err
				}
				continue
			}
			w.first[s.Group.Receiver]++
		}
		w.take(p)
	}
	for _, s := range w.storms {
		p, err := w.look(ctx, *s)
		if err != nil {
			return err
		}
		w.take(p)
	}
	return nil
}

// announceAnew takes what fires and is untold to where the routes lead now: the config that a
// group was made by had a receiver that this one has not.
func (w *watch) announceAnew(s store.GroupState) {
	for _, m := range s.Members {
		if m.Told != "" || !m.Finding.Firing() {
			continue
		}
		messages, joins := w.n.Announce(m.Run, store.MessageFiring, m.Finding, w.now)
		w.changes.Messages = append(w.changes.Messages, messages...)
		w.changes.Joins = append(w.changes.Joins, joins...)
		w.changes.Ungroup = append(w.changes.Ungroup, m.Grouped)
	}
	s.Group.DueAt = nil
	w.changes.Groups = append(w.changes.Groups, s.Group)
}

// full reports whether a receiver was told the first message of as many groups as it is to
// be told of one by one.
func (w *watch) full(ctx context.Context, receiver string) (bool, error) {
	if _, ok := w.first[receiver]; !ok {
		n, err := w.tx.CountFirstTold(ctx, receiver, w.now.Add(-stormWindow))
		if err != nil {
			return false, err
		}
		w.first[receiver] = n
	}
	return w.first[receiver] >= stormLimit, nil
}

func stormID(receiver string) string { return groupID(receiver, stormPath, nil) }

// toStorm has the findings that a group was about to tell join what is told together.
func (w *watch) toStorm(ctx context.Context, s store.GroupState, p plan) error {
	receiver := s.Group.Receiver
	storm := w.storms[receiver]
	if storm == nil {
		found, err := w.tx.LockGroup(ctx, stormID(receiver))
		if err != nil {
			return err
		}
		if storm = &found; storm.Group.ID == "" {
			storm.Group = store.Group{ID: stormID(receiver), Receiver: receiver, Labels: map[string]string{}, OpenedAt: w.now}
		}
		w.storms[receiver] = storm
	}
	g := &storm.Group
	g.Wait, g.Every, g.Repeat = stormWait, max(s.Group.Every, stormWindow), s.Group.Repeat
	for _, m := range p.about {
		w.changes.Ungroup = append(w.changes.Ungroup, m.Grouped)
		m.GroupID, m.JoinedAt = g.ID, w.now
		storm.Members = append(storm.Members, m)
		w.changes.Grouped = append(w.changes.Grouped, m.Grouped)
	}
	left := s.Group
	if left.DueAt = nil; len(s.Members) > len(p.about) { // what is kept back stays
		at := w.now.Add(stormWindow)
		left.DueAt = &at
	}
	w.changes.Groups = append(w.changes.Groups, left)
	return nil
}

// take stores what a look came to, with a message for each channel of the receiver.
func (w *watch) take(p plan) {
	w.changes.Groups = append(w.changes.Groups, p.group)
	w.changes.Grouped = append(w.changes.Grouped, p.grouped...)
	if p.event == "" {
		return
	}
	head := p.about[0]
	ids := make([]string, len(p.about))
	for i, m := range p.about {
		ids[i] = m.FindingID
	}
	for _, l := range w.n.receivers[p.group.Receiver] {
		channel := l.channel
		if p.event == store.MessageResolved && !l.resolved || p.event == store.MessageProgress && !l.edits {
			continue
		}
		m := store.Message{
			RunPK: head.RunPK, FindingID: head.FindingID, Receiver: p.group.Receiver, Channel: channel, Event: p.event,
			State: store.MessageQueued, CreatedAt: w.now, GroupID: p.group.ID, Repeated: p.repeated, Findings: ids, Body: bodyOf(p.news),
		}
		switch p.event {
		case store.MessageFiring:
			m.ID = MessageID(m.FindingID, m.Receiver, channel, p.event)
		case store.MessageResolved:
			m.ID = MessageID(p.opened, m.Receiver, channel, p.event)
		default:
			m.ID = MessageID(p.group.ID, m.Receiver, channel, p.event+store.MessageEvent(":"+strconv.Itoa(p.group.Messages)))
		}
		if p.event != store.MessageFiring {
			m.Thread = MessageID(p.opened, m.Receiver, channel, store.MessageFiring)
		}
		w.changes.Messages = append(w.changes.Messages, m)
	}
}
