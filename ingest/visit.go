package ingest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// visit is one run within one transaction, while its row is locked.
type visit struct {
	svc      *Service
	tx       store.Tx
	now      time.Time
	run      store.Run
	attempts []store.Attempt // in order
	mem      *memory
	// blank: the run has just been created, nothing of it is stored.
	blank bool

	// What is to be stored.
	epochs   []store.Epoch
	batches  []store.Batches
	hold     []store.Held
	release  []store.Held
	messages []store.Message
	joins    []store.Join
	attemptsChanged,
	commandsChanged map[string]bool // by ID
	findingsChanged map[detectors.Key]bool
	runChanged      bool
	folded          bool // what is remembered has changed: the revision rises

	// What came of it.
	sign      bool            // the run was heard of
	fresh     map[string]bool // commands decided here, by ID
	heldSince time.Time       // since when the longest waiting event waits; zero: none
	heldNow   int             // events newly held
	givenUp   int             // gaps recorded
	rebuilds  int
	counts    map[string]int // events folded or held, by type
	was       store.Run      // the run before
	news      []News         // of findings and commands, in order
	sends     []store.Command
}

func (s *Service) newVisit(tx store.Tx, state store.RunState, now time.Time) *visit {
	v := &visit{
		svc: s, tx: tx, now: now, run: state.Run, was: state.Run, attempts: slices.Clone(state.Attempts), blank: len(state.Attempts) == 0,
		attemptsChanged: map[string]bool{}, commandsChanged: map[string]bool{}, findingsChanged: map[detectors.Key]bool{},
		fresh: map[string]bool{}, counts: map[string]int{},
	}
	// Stores may order text by their own rules; attempts go by their bytes.
	slices.SortFunc(v.attempts, func(a, b store.Attempt) int { return strings.Compare(a.ID, b.ID) })
	return v
}

func (v *visit) key() store.RunKey { return store.RunKey{Project: v.run.Project, ID: v.run.ID} }

// do runs one errand.
func (v *visit) do(ctx context.Context, e errand) error {
	if err := v.recall(ctx); err != nil {
		return err
	}
	if v.mem == e.saidBy && v.mem.revision == e.saidAt {
		v.change(e.said)
	}
	held, err := v.held(ctx)
	if err != nil {
		return err
	}
	if err := v.admit(ctx, append(held, e.events...), e.giveUp); err != nil {
		return err
	}
	if e.clock != nil && v.run.State == store.StateRunning {
		if err := v.tick(ctx, *e.clock); err != nil {
			return err
		}
	}
	if !e.lost.IsZero() && v.run.State == store.StateRunning && v.run.LastSignAt.Before(e.lost) {
		if err := v.lose(ctx); err != nil {
			return err
		}
	}
	v.expire()
	if e.act != nil {
		return v.act(ctx, e.act)
	}
	return nil
}

// recall takes what is remembered of the run, or reads the part that every visit needs.
func (v *visit) recall(ctx context.Context) error {
	if v.mem = v.svc.cache.take(v.key(), v.run.Revision); v.mem != nil {
		return nil
	}
	v.mem = &memory{held: !v.blank}
	if v.blank {
		return nil
	}
	var err error
	if v.mem.commands, err = v.tx.ListCommands(ctx, v.run.PK); err != nil {
		return fmt.Errorf("read the commands of run %s: %w", v.run.ID, err)
	}
	return nil
}

// held returns the stored events that wait for missing ones.
func (v *visit) held(ctx context.Context) ([]pending, error) {
	if !v.mem.held {
		return nil, nil
	}
	rows, err := v.tx.ListHeld(ctx, v.run.PK)
	if err != nil {
		return nil, fmt.Errorf("read the held events of run %s: %w", v.run.ID, err)
	}
	out := make([]pending, 0, len(rows))
	for _, h := range rows {
		e, err := contract.DecodeEvent(h.Event)
		if err != nil {
			// Another version of the program held it. It keeps its place in the
			// sequence, like an event of an unknown type.
			v.svc.log.WarnContext(ctx, "held event not understood", "run", v.run.ID, "seq", h.Seq, "error", err)
			e = contract.Event{Attempt: h.Attempt, Seq: h.Seq}
		}
		out = append(out, pending{event: e, raw: h.Event, receivedAt: h.ReceivedAt, held: true})
	}
	return out, nil
}

// admit takes events, in any order and with repeats, as far as their turn has come.
func (v *visit) admit(ctx context.Context, events []pending, giveUp time.Time) error {
	frontier := v.frontier()
	byAttempt := map[string][]pending{}
	for _, p := range events {
		byAttempt[p.event.Attempt] = append(byAttempt[p.event.Attempt], p)
	}
	ids := make([]string, 0, len(byAttempt))
	for id := range byAttempt {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	var inserted, live []pending
	v.mem.held = false
	for _, id := range ids {
		a := v.attempt(id)
		p := arrange(a.NextSeq, a.Gaps, byAttempt[id], giveUp)
		v.enter(a, byAttempt[id], p)
		inserted = append(inserted, p.fill...)
		if id < frontier {
			inserted = append(inserted, p.fold...)
		} else {
			live = append(live, p.fold...)
		}
	}
	v.supersede()
	v.derive()
	if err := v.insert(ctx, inserted); err != nil {
		return err
	}
	return v.follow(ctx, live)
}

// frontier is the latest attempt that was folded into: events of earlier ones come too
// late for the monitor as it stands.
func (v *visit) frontier() string {
	for _, a := range slices.Backward(v.attempts) {
		if a.NextSeq > 1 {
			return a.ID
		}
	}
	return ""
}

// enter notes what becomes of all the events of one attempt that are at hand.
func (v *visit) enter(a *store.Attempt, all []pending, p plan) {
	v.letGo(a, all, p)
	taken := slices.Concat(p.fill, p.fold, p.hold)
	if len(p.wait) > 0 {
		v.mem.held = true
		for _, w := range p.wait {
			if v.heldSince.IsZero() || w.receivedAt.Before(v.heldSince) {
				v.heldSince = w.receivedAt
			}
		}
	}
	if len(taken) == 0 {
		return
	}
	v.givenUp += max(len(p.gaps)-len(a.Gaps), 0)
	a.NextSeq, a.Gaps = p.next, p.gaps
	v.attemptsChanged[a.ID] = true
	for _, t := range taken {
		if !t.held {
			v.counts[eventLabel(t.event.Type)]++
			v.heardOf(a, t.event)
		}
	}
	for _, h := range p.hold {
		v.hold = append(v.hold, store.Held{RunPK: v.run.PK, Attempt: a.ID, Seq: h.event.Seq, ReceivedAt: h.receivedAt, Event: h.raw})
		v.heldNow++
		v.folded = true
	}
}

// letGo releases the held events that wait no longer.
func (v *visit) letGo(a *store.Attempt, all []pending, p plan) {
	for _, h := range all {
		waits := slices.ContainsFunc(p.wait, func(w pending) bool { return w.event.Seq == h.event.Seq })
		if h.held && !waits {
			v.release = append(v.release, store.Held{RunPK: v.run.PK, Attempt: a.ID, Seq: h.event.Seq, ReceivedAt: h.receivedAt, Event: h.raw})
			v.folded = true
		}
	}
}

// insert stores events that come too late for the monitor as it stands, which is rebuilt.
func (v *visit) insert(ctx context.Context, events []pending) error {
	again := false
	for _, p := range events {
		again = again || telling(p.event.Type)
		if !closing(p.event.Type) {
			v.record(p.event)
		}
	}
	if !again {
		return nil
	}
	if err := v.rebuild(ctx); err != nil {
		return err
	}
	for _, p := range events {
		// In their order: an answer stands only when its command does.
		if closing(p.event.Type) {
			v.record(p.event)
		}
		if telling(p.event.Type) {
			v.decide(p.event, nil, true)
		}
	}
	return nil
}

// follow folds events that are next in order of training.
func (v *visit) follow(ctx context.Context, events []pending) error {
	for i, p := range events {
		if !telling(p.event.Type) {
			v.record(p.event)
			continue
		}
		if v.mem.monitor == nil {
			if err := v.rebuild(ctx); err != nil {
				return err
			}
		}
		v.record(p.event)
		changes, err := v.step(ctx, p.event)
		if err != nil {
			return err
		}
		v.folded = true
		v.change(changes)
		past := p.stale || p.event.Attempt != v.latest().ID || v.mem.held || slices.ContainsFunc(events[i+1:], isEpoch)
		v.decide(p.event, changes, past)
	}
	return nil
}

// telling reports whether an event of the type says something that findings or commands
// may depend on.
func telling(t contract.EventType) bool {
	switch t {
	case contract.TypeRunStarted, contract.TypeEpochEnded, contract.TypeCommandResult, contract.TypeRunEnded:
		return true
	case contract.TypeBatches, contract.TypeHeartbeat:
	}
	return false
}

// closing reports whether an event of the type ends what earlier ones began: a command
// or the attempt. Monitors know nothing of it when they are rebuilt.
func closing(t contract.EventType) bool {
	return t == contract.TypeCommandResult || t == contract.TypeRunEnded
}

func isEpoch(p pending) bool { return p.event.Type == contract.TypeEpochEnded }

// step takes one event to the monitor.
func (v *visit) step(ctx context.Context, e contract.Event) ([]detectors.Change, error) {
	switch {
	case e.RunStarted != nil:
		return v.mem.monitor.Start(e.Attempt, e.RunStarted.Facts), nil
	case e.EpochEnded != nil:
		epoch := Epoch(v.epochs[len(v.epochs)-1])
		if err := v.push(ctx, epoch); err != nil {
			return nil, err
		}
		return v.mem.monitor.Fold(epoch), nil
	case e.RunEnded != nil && e.Attempt == v.latest().ID:
		return v.mem.monitor.End(), nil
	}
	return nil, nil
}

// collect adds what is to be stored.
func (v *visit) collect(c *store.Changes) {
	if v.folded {
		v.run.Revision++
		v.runChanged = true
	}
	if v.runChanged || len(v.attemptsChanged) > 0 {
		c.Runs = append(c.Runs, v.run)
	}
	for _, a := range v.attempts {
		if v.attemptsChanged[a.ID] {
			c.Attempts = append(c.Attempts, a)
		}
	}
	c.Epochs = append(c.Epochs, v.epochs...)
	c.Batches = append(c.Batches, v.batches...)
	c.Hold = append(c.Hold, v.hold...)
	c.Release = append(c.Release, v.release...)
	for _, f := range v.mem.findings {
		if v.findingsChanged[f.Key()] {
			c.Findings = append(c.Findings, f)
		}
	}
	var changed []store.Command
	for _, cmd := range v.mem.commands {
		if v.commandsChanged[cmd.ID] {
			changed = append(changed, cmd)
		}
	}
	c.Commands = append(c.Commands, changed...)
	if v.svc.announcer != nil {
		c.News = append(c.News, v.svc.announcer.News(changed, v.now)...)
	}
	c.Messages = append(c.Messages, v.messages...)
	if v.svc.announcer != nil && v.run.State != v.was.State && v.run.State != store.StateRunning {
		ended := v.run
		ended.Attempts = len(v.attempts)
		c.Messages = append(c.Messages, v.svc.announcer.Ended(ended, v.now)...)
	}
	c.Joins = append(c.Joins, v.joins...)
}
