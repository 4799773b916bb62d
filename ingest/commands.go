package ingest

import (
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// unanswered is what stands as the answer of a command that expired without one.
const unanswered = "no answer before it expired"

// decide asks the policy what is to be done after an event.
func (v *visit) decide(e contract.Event, changes []detectors.Change, replaying bool) {
	if v.svc.policy == nil {
		return
	}
	for _, c := range v.svc.policy.Decide(Situation{
		Run: v.run, Attempt: *v.attempt(e.Attempt), Seq: e.Seq,
		Recent:   slices.Clone(v.mem.recent[max(len(v.mem.recent)-RecentEpochs, 0):]),
		Findings: slices.Clone(v.mem.findings), Changes: changes,
		Commands: slices.Clone(v.mem.commands), Now: v.now, Replaying: replaying,
	}) {
		v.keepCommand(c)
	}
}

// keepCommand stores a new command, or what became of one. A second command of the same
// kind for the same cause is dropped.
func (v *visit) keepCommand(c store.Command) {
	c.RunPK = v.run.PK
	i := v.commandAt(c.ID)
	switch {
	case i >= 0:
		was := v.mem.commands[i]
		v.newsOfCommand(&was, c)
		v.mem.commands[i] = c
	case slices.ContainsFunc(v.mem.commands, func(o store.Command) bool {
		return o.Attempt == c.Attempt && o.CausedBy == c.CausedBy && o.Kind == c.Kind
	}):
		return
	default:
		v.newsOfCommand(nil, c)
		v.mem.commands = append(v.mem.commands, c)
		v.fresh[c.ID] = true
	}
	v.commandsChanged[c.ID], v.folded = true, true
}

func (v *visit) commandAt(id string) int {
	return slices.IndexFunc(v.mem.commands, func(c store.Command) bool { return c.ID == id })
}

// answer takes a run's answer to the command it is for. The first one counts; one for a
// command that is not known changes nothing.
func (v *visit) answer(e contract.Event) {
	r := e.CommandResult
	i := v.commandAt(r.ID)
	if i < 0 || v.mem.commands[i].AnsweredAt != nil {
		return
	}
	c := v.mem.commands[i]
	at := e.Time
	c.AnsweredAt, c.Answer, c.Before, c.After = &at, r.Reason, float(r.Before), float(r.After)
	switch r.Outcome {
	case contract.OutcomeApplied:
		c.State, c.AppliedEpoch, c.Effect = store.CommandApplied, r.Epoch, store.EffectPending
		v.revert(c.Reverts)
	case contract.OutcomeRefused:
		c.State = store.CommandRefused
	case contract.OutcomeExpired:
		c.State = store.CommandExpired
	}
	v.keepCommand(c)
}

// revert marks a command that was taken back.
func (v *visit) revert(id string) {
	if i := v.commandAt(id); id != "" && i >= 0 {
		c := v.mem.commands[i]
		c.State = store.CommandReverted
		v.keepCommand(c)
	}
}

// expire marks the commands that were not answered in time. One that is answered after
// all is brought up to date then.
func (v *visit) expire() {
	for _, c := range v.mem.commands {
		if c.State == store.CommandSent && v.now.After(c.ExpiresAt) {
			c.State, c.Answer = store.CommandExpired, unanswered
			v.keepCommand(c)
		}
	}
}

// giveUpOn marks the commands of an attempt that has ended: its answers would have come
// before its end.
func (v *visit) giveUpOn(attempt string) {
	for _, c := range v.mem.commands {
		if c.State == store.CommandSent && c.Attempt == attempt {
			c.State, c.Answer = store.CommandExpired, "the run ended before it answered"
			v.keepCommand(c)
		}
	}
}

// toSend returns the commands to hand to the run: those just decided, and with a sign of
// life also those that wait for an answer.
func (v *visit) toSend() []store.Command {
	var out []store.Command
	for _, c := range v.mem.commands {
		if c.State == store.CommandSent && (v.sign || v.fresh[c.ID]) && v.run.State == store.StateRunning {
			out = append(out, c)
		}
	}
	return out
}

// nextExpiry is when the first open command expires; zero when none is open.
func (v *visit) nextExpiry() time.Time {
	var first time.Time
	for _, c := range v.mem.commands {
		if c.State == store.CommandSent && (first.IsZero() || c.ExpiresAt.Before(first)) {
			first = c.ExpiresAt
		}
	}
	return first
}
