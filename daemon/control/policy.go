package control

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Policy is the daemon's own limit on what is done to runs. It narrows what a run's owner
// allows and never widens it.
type Policy struct {
	Limits `yaml:",inline"` // for every run
	// Runs are limits for some runs, beside those for all; a run may be under several.
	Runs []RunLimits `yaml:"runs"`
}

// RunLimits are limits for the runs of a project, or with a tag, or both.
type RunLimits struct {
	Project string `yaml:"project"`
	Tag     string `yaml:"tag"` // one of the run's
	Limits  `yaml:",inline"`
}

// Limits narrow what is allowed; a zero field does not.
type Limits struct {
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
	errs := p.problems("control")
	for i, r := range p.Runs {
		at := fmt.Sprintf("control.runs[%d]", i)
		switch {
		case r.Project == "" && r.Tag == "":
			errs = append(errs, fmt.Errorf("%s: names neither project nor tag; limits for every run stand under control itself", at))
		case r.Project != "" && !contract.ValidName(r.Project):
			errs = append(errs, fmt.Errorf("%s.project: %.80q is not a project: names have 1 to 64 letters, digits, - and _", at, r.Project))
		}
		errs = append(errs, r.problems(at)...)
	}
	return errors.Join(errs...)
}

func (l Limits) problems(at string) []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(at+"."+format, args...)) }
	if l.Mode != "" && !slices.Contains(modes, l.Mode) {
		bad("mode: %q is none of off, shadow, ask, auto", string(l.Mode))
	}
	if l.MinLR < 0 || math.IsNaN(l.MinLR) || math.IsInf(l.MinLR, 0) {
		bad("min_lr: %g is not a positive rate", l.MinLR)
	}
	for name, f := range map[string]float64{"factor": l.Factor, "hardest_factor": l.HardestFactor} {
		if f != 0 && !(f > 0 && f < 1) {
			bad("%s: %g is not between 0 and 1", name, f)
		}
	}
	if l.Factor != 0 && l.HardestFactor > l.Factor {
		bad("hardest_factor: %g is gentler than %s.factor %g", l.HardestFactor, at, l.Factor)
	}
	if l.CooldownEpochs < 0 {
		bad("cooldown_epochs: %d is below 0", l.CooldownEpochs)
	}
	if l.MaxCuts < 0 {
		bad("max_cuts: %d is below 0", l.MaxCuts)
	}
	slices.SortFunc(errs, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errs
}

// narrow returns the owner's bounds of a run within the policy. A run whose owner said nothing,
// whose bounds make no sense, or leave no step that all allow, is off.
func (p Policy) narrow(r store.Run, owner contract.Control) contract.Control {
	b := p.Limits.narrow(owner)
	for _, l := range p.Runs {
		if (l.Project == "" || l.Project == r.Project) && (l.Tag == "" || slices.Contains(r.Tags, l.Tag)) {
			b = l.narrow(b)
		}
	}
	if !slices.Contains(modes, b.Mode) || !(0 < b.HardestFactor && b.HardestFactor <= b.Factor && b.Factor < 1 && b.MinLR >= 0) {
		b.Mode = contract.ModeOff
	}
	return b
}

// narrow returns bounds within the limits, in any order of several.
func (l Limits) narrow(b contract.Control) contract.Control {
	if rank := slices.Index(modes, l.Mode); rank >= 0 && rank < slices.Index(modes, b.Mode) {
		b.Mode = l.Mode
	}
	b.MinLR = max(b.MinLR, contract.Number(l.MinLR))
	b.HardestFactor = max(b.HardestFactor, contract.Number(l.HardestFactor))
	if l.Factor > 0 {
		b.Factor = min(b.Factor, contract.Number(l.Factor))
	}
	b.CooldownEpochs = max(b.CooldownEpochs, l.CooldownEpochs)
	if l.MaxCuts > 0 {
		b.MaxCuts = min(b.MaxCuts, l.MaxCuts)
	}
	return b
}
