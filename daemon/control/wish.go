package control

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Action names what a person can ask for.
type Action string

// The actions.
const (
	ActApprove Action = "approve" // a proposal is sent to the run
	ActDecline Action = "decline" // a proposal is not, for as long as its finding lasts
	ActSet     Action = "set"     // the learning rate is lowered to Rate
	ActRevert  Action = "revert"  // a change is taken back
	ActStop    Action = "stop"    // the run ends after its epoch
)

// Actions are all of them.
func Actions() []Action { return []Action{ActApprove, ActDecline, ActSet, ActRevert, ActStop} }

// Wish is what a person asks to be done to a run.
type Wish struct {
	Action Action `json:"action"`
	// By is who asks, as it stands on the record: 1 to 64 characters, not "policy".
	By string `json:"by"`
	// Command is the id of the proposal to approve or decline, or of the change to take back;
	// empty: the only open proposal, the last change.
	Command string `json:"command,omitempty"`
	// Rate is the learning rate to set, above 0 and below the one in force.
	Rate float64 `json:"rate,omitempty"`
	// Optimizer names one of several; empty means all, by the same factor.
	Optimizer string `json:"optimizer,omitempty"`
	// KeepWeights has a stop leave the weights as they are.
	KeepWeights bool   `json:"keep_weights,omitempty"`
	Reason      string `json:"reason,omitempty"` // at most 500 characters
}

const (
	maxBy     = 64
	maxReason = 500
)

// Validate returns what is wrong with a wish before any run is looked at.
func (w Wish) Validate() error {
	switch {
	case !slices.Contains(Actions(), w.Action):
		return fmt.Errorf("action: %.40q is none of approve, decline, set, revert, stop", string(w.Action))
	case strings.TrimSpace(w.By) == "" || utf8.RuneCountInString(w.By) > maxBy || strings.ContainsFunc(w.By, unicode.IsControl):
		return fmt.Errorf("by: want the name of who asks, 1 to %d characters", maxBy)
	case strings.EqualFold(strings.TrimSpace(w.By), contract.ByPolicy):
		return fmt.Errorf("by: %q is what the daemon decides by itself; give a person's name", w.By)
	case w.Action == ActSet && !(w.Rate > 0 && !math.IsInf(w.Rate, 0)):
		return fmt.Errorf("rate: %g is not a learning rate", w.Rate)
	case w.Action != ActSet && w.Rate != 0:
		return errors.New("rate: only set takes one")
	case utf8.RuneCountInString(w.Reason) > maxReason || !utf8.ValidString(w.Reason):
		return fmt.Errorf("reason: at most %d characters", maxReason)
	}
	return nil
}

// RefusedError says why a run stays as it is, and what to do.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

func refuse(format string, args ...any) error {
	return &RefusedError{Reason: fmt.Sprintf(format, args...)}
}

// Wish returns what a valid wish does to a run, for ingest.Service.Act; it returns one
// command, or a *RefusedError. What the run itself will check again is checked here as far as
// it is known, so that the answer comes at once.
func (c *Controller) Wish(w Wish) func(ingest.Situation) ([]store.Command, error) {
	return func(s ingest.Situation) ([]store.Command, error) {
		b, err := c.leave(s)
		if err != nil {
			return nil, err
		}
		var out store.Command
		switch w.Action {
		case ActApprove:
			out, err = approve(s, w, b)
		case ActDecline:
			out, err = decline(s, w)
		case ActSet:
			out, err = setRate(s, w, b)
		case ActRevert:
			out, err = revert(s, w, b)
		case ActStop:
			out, err = stop(s, w, b)
		default:
			err = w.Validate()
		}
		if err != nil {
			return nil, err
		}
		return []store.Command{out}, nil
	}
}

// leave returns the bounds of a run that a person may change.
func (c *Controller) leave(s ingest.Situation) (contract.Control, error) {
	if s.Run.State != store.StateRunning || s.Attempt.Started == nil {
		return contract.Control{}, refuse("the run is not running (%s)", s.Run.State)
	}
	owner := s.Attempt.Started.Control
	b := c.policy.narrow(s.Run, owner)
	switch {
	case b.Mode == contract.ModeAsk || b.Mode == contract.ModeAuto:
		return b, nil
	case owner.Mode == contract.ModeAsk || owner.Mode == contract.ModeAuto:
		return b, refuse("the daemon's own policy has this run's mode at %s: see control in its config", b.Mode)
	}
	return b, refuse("the owner's mode is %s: nobody changes this run. Its script decides: EpochWatch(auto_lr=True), or control=Control(mode=\"ask\")", modeName(owner.Mode))
}

func modeName(m contract.Mode) contract.Mode {
	if m == "" {
		return contract.ModeOff
	}
	return m
}

func approve(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	c, err := proposal(s, w.Command)
	if err != nil {
		return c, err
	}
	if err := allowed(c.Kind, b); err != nil {
		return c, err
	}
	last := lastEpoch(s)
	c.State, c.IssuedBy, c.IssuedAt = store.CommandSent, w.By, s.Now.UTC()
	c.ExpiresAt, c.ExpiresEpoch = validity(s.Now, last)
	return c, nil
}

// decline leaves IssuedBy as it was, by which a declined proposal is known.
func decline(s ingest.Situation, w Wish) (store.Command, error) {
	c, err := proposal(s, w.Command)
	if err != nil {
		return c, err
	}
	at := s.Now.UTC()
	c.State, c.AnsweredAt, c.Answer = store.CommandRefused, &at, "declined by "+w.By
	if w.Reason != "" {
		c.Answer += ": " + w.Reason
	}
	return c, nil
}

// proposal finds the one that is meant.
func proposal(s ingest.Situation, id string) (store.Command, error) {
	var open []store.Command
	for _, c := range s.Commands {
		if id != "" && c.ID == id && !c.AwaitsPerson() {
			return c, refuse("it is %s by now, decided by %s: nothing is left to decide", c.State, who(c))
		}
		if c.AwaitsPerson() && s.Now.Before(c.ExpiresAt) && (id == "" || c.ID == id) {
			open = append(open, c)
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return store.Command{}, refuse("%d proposals are open: name one of them by its id", len(open))
	case id != "":
		return store.Command{}, refuse("the run has no open proposal %s", id)
	}
	return store.Command{}, refuse("nothing is proposed to this run now")
}

func who(c store.Command) string {
	switch {
	case declined(c):
		return strings.TrimPrefix(c.Answer, "declined by ")
	case c.IssuedBy == contract.ByPolicy || c.IssuedBy == "":
		return "nobody"
	}
	return c.IssuedBy
}

func setRate(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	kind := contract.KindSetLR
	last := lastEpoch(s)
	now := last.LearningRate
	if w.Optimizer == "" && now > 0 {
		switch low := max(float64(b.MinLR), now*float64(b.HardestFactor)); {
		case w.Rate >= now*(1-sameRate):
			return store.Command{}, refuse("%.4g is not below the rate in force, %.4g: a rate is only lowered (a change is taken back with revert)", w.Rate, now)
		case w.Rate < low*(1-sameRate):
			return store.Command{}, refuse("%.4g is lower than the owner allows at once: %.4g (min_lr %.4g, hardest_factor %.4g)", w.Rate, low, float64(b.MinLR), float64(b.HardestFactor))
		case slices.Contains(b.Allow, kind) || !slices.Contains(b.Allow, contract.KindReduceLR):
		case w.Rate <= now*float64(b.Factor)*(1+sameRate):
			kind = contract.KindReduceLR // it is a cut as any other
		default:
			return store.Command{}, refuse("the owner allows cuts alone, to %.4g of the rate at most: %.4g or lower (any lower rate with set_lr in Control's allow)", float64(b.Factor), now*float64(b.Factor))
		}
	}
	if err := allowed(kind, b); err != nil {
		return store.Command{}, err
	}
	c := asked(s, w, b, kind)
	c.Optimizer = w.Optimizer
	want := contract.Number(w.Rate)
	c.Wanted = &want
	if w.Optimizer == "" && now > 0 {
		expected := contract.Number(now)
		c.Expected = &expected
	}
	if len(s.Recent) > 0 {
		c.Forecast = forecastFrom(s.Recent, "loss").encode()
	}
	return c, nil
}

func revert(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	var found *store.Command
	for i := range s.Commands {
		c := &s.Commands[i]
		switch {
		case w.Command == "" && c.State == store.CommandApplied && changesRate(c.Kind), w.Command != "" && c.ID == w.Command:
			found = c
		case c.Kind == contract.KindRevert && c.State == store.CommandSent:
			return *c, refuse("a change is being taken back already")
		}
	}
	switch {
	case found == nil && w.Command == "":
		return store.Command{}, refuse("no change of the learning rate is in force that could be taken back")
	case found == nil:
		return store.Command{}, refuse("the run has no command %s", w.Command)
	case found.State == store.CommandReverted:
		return *found, refuse("it was taken back before")
	case found.State != store.CommandApplied || !changesRate(found.Kind):
		return *found, refuse("a %s that is %s cannot be taken back: only a change of the learning rate that was applied can", found.Kind, found.State)
	}
	c := newRevert(s, lastEpoch(s), b, *found)
	c.IssuedBy, c.Reason = w.By, reasonOf(w)
	return c, nil
}

func stop(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	if err := allowed(contract.KindStop, b); err != nil {
		return store.Command{}, err
	}
	for _, c := range s.Commands {
		if c.Kind == contract.KindStop && c.State == store.CommandSent {
			return c, refuse("%s has asked it to stop already; it does at the end of its epoch", c.IssuedBy)
		}
	}
	c := asked(s, w, b, contract.KindStop)
	c.KeepWeights = w.KeepWeights
	return c, nil
}

// allowed refuses a kind that the owner does not allow.
func allowed(kind contract.CommandKind, b contract.Control) error {
	if slices.Contains(b.Allow, kind) || kind == contract.KindRevert {
		return nil
	}
	return refuse("the owner does not allow %s; the run's script says what is: EpochWatch(control=Control(allow={…, %q}))", kind, kind)
}

// asked makes a command of a person's.
func asked(s ingest.Situation, w Wish, b contract.Control, kind contract.CommandKind) store.Command {
	last := lastEpoch(s)
	expires, epoch := validity(s.Now, last)
	return store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command", ID: commandID(s, kind), Kind: kind,
			Project: s.Run.Project, Run: s.Run.ID, Attempt: s.Attempt.ID, CausedBy: s.Seq,
			Bounds: b, Reason: reasonOf(w), IssuedBy: w.By, IssuedAt: s.Now.UTC(), ExpiresAt: expires, ExpiresEpoch: epoch,
		},
		RunPK: s.Run.PK, State: store.CommandSent, DecidedEpoch: last.Epoch,
	}
}

func reasonOf(w Wish) string {
	if w.Reason != "" {
		return w.Reason
	}
	return "asked for by " + w.By
}

// lastEpoch returns the last epoch of the attempt; before its first one has ended what is
// known of it.
func lastEpoch(s ingest.Situation) detectors.Epoch {
	if n := len(s.Recent); n > 0 && s.Recent[n-1].Attempt == s.Attempt.ID {
		return s.Recent[n-1]
	}
	e := detectors.Epoch{Epoch: s.Attempt.Started.InitialEpoch - 1, Attempt: s.Attempt.ID, LearningRate: math.NaN()}
	if r := s.Attempt.Started.LearningRate; r != nil {
		e.LearningRate = float64(*r)
	}
	// Nothing tells how long its epochs are.
	e.Seconds = (10 * time.Minute).Seconds()
	return e
}
