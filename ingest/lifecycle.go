package ingest

import (
	"context"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// attempt returns an attempt by id, adding it when it is not known. The pointer is good
// until the next one is added.
func (v *visit) attempt(id string) *store.Attempt {
	i, ok := slices.BinarySearchFunc(v.attempts, id, func(a store.Attempt, id string) int { return strings.Compare(a.ID, id) })
	if !ok {
		v.attempts = slices.Insert(v.attempts, i, store.Attempt{RunPK: v.run.PK, ID: id, NextSeq: 1, State: store.StateRunning})
		if i == len(v.attempts)-1 {
			v.run.EndReason = "" // it spoke of the one before
		}
	}
	return &v.attempts[i]
}

// latest returns the attempt that the run's state follows.
func (v *visit) latest() *store.Attempt { return &v.attempts[len(v.attempts)-1] }

// heardOf notes a sign of life of an attempt.
func (v *visit) heardOf(a *store.Attempt, e contract.Event) {
	v.sign, v.runChanged = true, true
	v.run.LastSignAt = v.now
	if a.Started == nil && (a.StartedAt.IsZero() || e.Time.Before(a.StartedAt)) {
		a.StartedAt = e.Time // the best guess until run_started comes
	}
	if a.State == store.StateLost && a.ID == v.latest().ID {
		a.State, a.EndedAt = store.StateRunning, nil
	}
}

// supersede marks earlier attempts that never said how they ended as lost: another one
// has taken their place.
func (v *visit) supersede() {
	for i := range max(len(v.attempts)-1, 0) {
		if a := &v.attempts[i]; a.State == store.StateRunning {
			a.State = store.StateLost
			v.attemptsChanged[a.ID] = true
		}
	}
}

// derive brings the run in line with its attempts.
func (v *visit) derive() {
	if len(v.attempts) == 0 {
		return
	}
	r, latest := &v.run, v.latest()
	r.Attempts = len(v.attempts)
	r.State, r.EndedAt, r.Started = latest.State, latest.EndedAt, latest.Started
	r.StartedAt = v.attempts[0].StartedAt
	for _, a := range v.attempts {
		if a.Started != nil {
			r.Name, r.Tags = a.Started.Name, a.Started.Tags
		}
	}
}

// record takes an event to the rows of its run.
func (v *visit) record(e contract.Event) {
	a := v.attempt(e.Attempt)
	switch {
	case e.RunStarted != nil:
		a.Started, a.StartedAt = e.RunStarted, e.Time
	case e.EpochEnded != nil:
		v.epochs = append(v.epochs, epochRow(v.run.PK, e))
	case e.Batches != nil:
		v.batches = append(v.batches, store.Batches{RunPK: v.run.PK, Attempt: e.Attempt, Seq: e.Seq, Body: *e.Batches})
	case e.CommandResult != nil:
		v.answer(e)
	case e.RunEnded != nil:
		ended := e.Time
		a.State, a.EndedAt = stateOf(e.RunEnded.State), &ended
		v.giveUpOn(a.ID)
		if a.ID == v.latest().ID {
			v.run.EndReason = e.RunEnded.Reason
		}
	default:
		return // a heartbeat, or a type that a newer callback knows
	}
	v.attemptsChanged[a.ID], v.runChanged = true, true
	v.derive()
}

func stateOf(s contract.EndState) store.State {
	switch s {
	case contract.EndCompleted:
		return store.StateCompleted
	case contract.EndStopped:
		return store.StateStopped
	case contract.EndInterrupted:
		return store.StateInterrupted
	case contract.EndFailed:
	}
	return store.StateFailed
}

// lose marks the run lost. A later sign makes it running again.
func (v *visit) lose(ctx context.Context) error {
	if len(v.attempts) == 0 {
		return nil
	}
	if err := v.remember(ctx); err != nil {
		return err
	}
	last := v.run.LastSignAt
	a := v.latest()
	a.State, a.EndedAt = store.StateLost, &last
	v.attemptsChanged[a.ID], v.runChanged, v.folded = true, true, true
	v.derive()
	v.change(v.mem.monitor.End())
	return nil
}

// tick hands the monitor a reading of the clock.
func (v *visit) tick(ctx context.Context, c detectors.Clock) error {
	if err := v.remember(ctx); err != nil {
		return err
	}
	c.LastSign = v.run.LastSignAt
	v.change(v.mem.monitor.Tick(c))
	return nil
}
