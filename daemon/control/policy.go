package control

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Policy is the daemon's own limit on what is done to runs. It narrows what a run's owner
// allows and never widens it; a zero field does not narrow.
type Policy struct {
	Mode           contract.Mode `yaml:"mode"`
	MinLR          float64       `yaml:"min_lr"`          // floor of the learning rate, > 0
	Factor         float64       `yaml:"factor"`          // gentlest step, 0 < factor < 1
	HardestFactor  float64       `yaml:"hardest_factor"`  // hardest step at once, 0 < hardest_factor <= factor
	CooldownEpochs int           `yaml:"cooldown_epochs"` // epochs that must end between two cuts
	MaxCuts        int           `yaml:"max_cuts"`        // cuts a run may get, all attempts together
}

// modes in order of what they permit.
var modes = []contract.Mode{contract.ModeOff, contract.ModeShadow, contract.ModeAsk, contract.ModeAuto}

// Validate returns every field that is out of its range, by its name in the config.
func (p Policy) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if p.Mode != "" && !slices.Contains(modes, p.Mode) {
		bad("control.mode: %q is none of off, shadow, ask, auto", string(p.Mode))
	}
	if p.MinLR < 0 || math.IsNaN(p.MinLR) || math.IsInf(p.MinLR, 0) {
		bad("control.min_lr: %g is not a positive rate", p.MinLR)
	}
	for name, f := range map[string]float64{"factor": p.Factor, "hardest_factor": p.HardestFactor} {
		if f != 0 && !(f > 0 && f < 1) {
			bad("control.%s: %g is not between 0 and 1", name, f)
		}
	}
	if p.Factor != 0 && p.HardestFactor > p.Factor {
		bad("control.hardest_factor: %g is gentler than control.factor %g", p.HardestFactor, p.Factor)
	}
	if p.CooldownEpochs < 0 {
		bad("control.cooldown_epochs: %d is below 0", p.CooldownEpochs)
	}
	if p.MaxCuts < 0 {
		bad("control.max_cuts: %d is below 0", p.MaxCuts)
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(errs...)
}

// narrow returns the owner's bounds within the policy. A run whose owner said nothing,
// whose bounds make no sense, or leave no step that both allow, is off.
func (p Policy) narrow(owner contract.Control) contract.Control {
	b := owner
	if rank := slices.Index(modes, p.Mode); rank >= 0 && rank < slices.Index(modes, b.Mode) {
		b.Mode = p.Mode
	}
	b.MinLR = max(b.MinLR, contract.Number(p.MinLR))
	b.HardestFactor = max(b.HardestFactor, contract.Number(p.HardestFactor))
	if p.Factor > 0 {
		b.Factor = min(b.Factor, contract.Number(p.Factor))
	}
	b.CooldownEpochs = max(b.CooldownEpochs, p.CooldownEpochs)
	if p.MaxCuts > 0 {
		b.MaxCuts = min(b.MaxCuts, p.MaxCuts)
	}
	if !slices.Contains(modes, b.Mode) || !(0 < b.HardestFactor && b.HardestFactor <= b.Factor && b.Factor < 1 && b.MinLR >= 0) {
		b.Mode = contract.ModeOff
	}
	return b
}
