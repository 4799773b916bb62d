package detectors

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
)

// Settings are what a config says of one detector, or a rule of a person's own.
type Settings struct {
	Enabled *bool              // nil: as by default, which is on
	Params  map[string]float64 // those that differ from their defaults
	Custom  *CustomRule        // nil for the kinds of the design's table
}

// Config holds settings by kind. A nil Config is all defaults.
type Config map[Kind]Settings

// Validate returns an error that names every kind or parameter which is unknown or out
// of its range, each as "kind.parameter: …", or nil. A kind of the design's table that
// is not built yet may be named with Enabled only.
func (c Config) Validate() error {
	var errs []error
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		s := c[kind]
		d := byKind(kind)
		if s.Custom != nil && BuiltIn(kind) {
			errs = append(errs, fmt.Errorf("%s: a rule cannot have the name of a detector", kind))
			continue
		}
		if d == nil {
			switch {
			case s.Custom != nil:
			case !slices.Contains(planned, kind):
				errs = append(errs, fmt.Errorf("%s: no such detector", kind))
			case len(s.Params) > 0:
				name := slices.Min(slices.Collect(maps.Keys(s.Params)))
				errs = append(errs, fmt.Errorf("%s.%s: this detector is not built yet; only enabled can be set", kind, name))
			}
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(s.Params)) {
			if err := checkParam(&d.spec, name, s.Params[name]); err != nil {
				errs = append(errs, fmt.Errorf("%s.%s: %w", kind, name, err))
			}
		}
	}
	return errors.Join(errs...)
}

var errUnknownParam = errors.New("no such parameter")

func checkParam(s *Spec, name string, v float64) error {
	p, ok := s.param(name)
	if !ok {
		return errUnknownParam
	}
	if math.IsNaN(v) || v < p.Min || v > p.Max {
		return fmt.Errorf("%v is not within %v to %v", v, p.Min, p.Max)
	}
	if p.Unit == unitEpochs && v != math.Trunc(v) {
		return fmt.Errorf("%v is not a whole number of epochs", v)
	}
	return nil
}

// enabled reports whether the config leaves the detector on.
func (c Config) enabled(k Kind) bool {
	e := c[k].Enabled
	return e == nil || *e
}

// params gives a detector the values of its parameters.
type params struct {
	spec *Spec
	set  map[string]float64
}

func (c Config) params(s *Spec) params { return params{spec: s, set: c[s.Kind].Params} }

// get returns the value of a parameter of the spec.
func (p params) get(name string) float64 {
	if v, ok := p.set[name]; ok {
		return v
	}
	d, ok := p.spec.param(name)
	if !ok {
		panic("detectors: " + string(p.spec.Kind) + " has no parameter " + name)
	}
	return d.Default
}

func byKind(k Kind) *detector {
	for _, d := range table() {
		if d.spec.Kind == k {
			return d
		}
	}
	return nil
}

// The units of parameters.
const (
	unitEpochs  = "epochs"
	unitSeconds = "seconds"
	unitShare   = "share"
	unitNoise   = "x noise"
	unitFactor  = "factor"
)
