package ingest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// What stands as the answer of a command that expired without one.
const (
	unanswered = "no answer before it expired"
	undecided  = "nobody decided before it expired"
)

// ErrSameCause is returned by Act when a command of the same kind was decided at the very
// same event of the run: the next event of the run makes room for another.
var ErrSameCause = errors.New("a command of this kind was decided at this moment of the run already")

// Act has decide say what a person's wish does to a run, and hands what it says to the run
// at once. decide sees the run as it stands, alone: of two wishes at once, by whichever
// daemons, the second sees what the first one did. It may be called more than once, must
// have no side effects, and returns new commands, or those of the situation changed; its
// error undoes everything and is returned. Otherwise Act returns store.ErrNotFound,
// store.ErrAmbiguous, ErrSameCause or what the store says.
func (s *Service) Act(ctx context.Context, project, run string, decide func(Situation) ([]store.Command, error)) error {
	r, err := s.store.FindRun(ctx, project, run)
	if err != nil {
		return err
	}
	visits, err := s.transact(ctx, []errand{{key: store.RunKey{Project: r.Project, ID: r.ID}, act: decide}}, nil)
	if err != nil {
		return err
	}
	s.send(ctx, visits)
	s.count(visits, nil)
	return nil
}

// decide asks the policy what is to be done after an event.
func (v *visit) decide(e contract.Event, changes []detectors.Change, replaying bool) {
	if v.svc.policy == nil {
		return
	}
	for _, c := range v.svc.policy.Decide(v.situation(*v.attempt(e.Attempt), e.Seq, changes, replaying)) {
		v.keepCommand(c)
	}
}

// situation is what is known after the event seq of an attempt.
func (v *visit) situation(a store.Attempt, seq int64, changes []detectors.Change, replaying bool) Situation {
	return Situation{
		Run: v.run, Attempt: a, Seq: seq,
		Recent:    slices.Clone(v.mem.recent[max(len(v.mem.recent)-RecentEpochs, 0):]),
		Untrained: v.mem.untrained,
		Findings:  slices.Clone(v.mem.findings), Changes: changes,
		Commands: slices.Clone(v.mem.commands), Now: v.now, Replaying: replaying,
	}
}

// act has a person's wish decided on.
func (v *visit) act(ctx context.Context, decide func(Situation) ([]store.Command, error)) error {
	if len(v.attempts) == 0 {
		return store.ErrNotFound // its row was only just made
	}
	if err := v.remember(ctx); err != nil {
		return err
	}
	latest := v.latest()
	commands, err := decide(v.situation(*latest, latest.NextSeq-1, nil, false))
	if err != nil {
		return err
	}
	for _, c := range commands {
		if !v.keepCommand(c) {
			return ErrSameCause
		}
	}
	return nil
}

// keepCommand stores a new command, or what became of one. A second command of the same
// kind for the same cause is dropped: then it returns false.
func (v *visit) keepCommand(c store.Command) bool {
	c.RunPK = v.run.PK
	i := v.commandAt(c.ID)
	switch {
	case i >= 0:
		was := v.mem.commands[i]
		v.newsOfCommand(&was, c)
		v.mem.commands[i] = c
		if was.State == store.CommandProposed && c.State == store.CommandSent {
			v.fresh[c.ID] = true
		}
	case slices.ContainsFunc(v.mem.commands, func(o store.Command) bool {
		return o.Attempt == c.Attempt && o.CausedBy == c.CausedBy && o.Kind == c.Kind
	}):
		return false
	default:
		v.newsOfCommand(nil, c)
		v.mem.commands = append(v.mem.commands, c)
		v.fresh[c.ID] = true
	}
	v.commandsChanged[c.ID], v.folded = true, true
	return true
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
		c.State, c.AppliedEpoch = store.CommandApplied, r.Epoch
		if c.Kind != contract.KindStop { // nothing is trained after it
			c.Effect = store.EffectPending
		}
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
	if i := v.commandAt(id); id != "" && i >= 0 && v.mem.commands[i].State == store.CommandApplied {
		c := v.mem.commands[i]
		c.State = store.CommandReverted
		v.keepCommand(c)
	}
}

// expire marks the commands that were not answered in time, one that is answered after
// all is brought up to date then, and the proposals that nobody decided on.
func (v *visit) expire() {
	for _, c := range v.mem.commands {
		if !open(&c) || !v.now.After(c.ExpiresAt) {
			continue
		}
		answer := unanswered
		if c.State == store.CommandProposed {
			answer = undecided
		}
		c.State, c.Answer = store.CommandExpired, answer
		v.keepCommand(c)
	}
}

// open reports whether a command waits for the run or for a person.
func open(c *store.Command) bool { return c.State == store.CommandSent || c.AwaitsPerson() }

// giveUpOn marks the commands of an attempt that has ended: its answers would have come
// before its end.
func (v *visit) giveUpOn(attempt string) {
	for _, c := range v.mem.commands {
		if !open(&c) || c.Attempt != attempt {
			continue
		}
		answer := "the run ended before it answered"
		if c.State == store.CommandProposed {
			answer = "the run ended before anybody decided"
		}
		c.State, c.Answer = store.CommandExpired, answer
		v.keepCommand(c)
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
		if open(&c) && (first.IsZero() || c.ExpiresAt.Before(first)) {
			first = c.ExpiresAt
		}
	}
	return first
}
