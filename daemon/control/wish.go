package control

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

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
