package detectors

import "slices"

// Param is one number that a person may set for a detector.
type Param struct {
	Name    string  // as the config names it
	Doc     string  // what it means, one sentence
	Unit    string  // "epochs", "seconds", "x noise", "share", …
	Default float64 // used when the config says nothing
	Min     float64 // least value the config may give
	Max     float64 // greatest value the config may give
	Source  string  // where the default comes from
}

// Reason is one branch of a detector's decision.
type Reason struct {
	Word string // stands in Finding.Reason
	Doc  string // when it is given
}

// Spec says what a detector is: it makes the documentation, validates the config and
// sets the detector up.
type Spec struct {
	Kind     Kind
	Title    string   // a few words, for headings and messages
	Meaning  string   // what a finding of this kind says
	Severity Severity // the highest it gives
	// MinEpochs is how many epochs it needs before it can say anything.
	MinEpochs int
	// HiddenBy are the kinds that explain this one: while a finding of theirs holds, none
	// of this kind is opened.
	HiddenBy []Kind
	Params   []Param
	Reasons  []Reason
	// Advice is what to try, in order, where nothing more is known.
	Advice []string
	// FalseAlarms is the measured rate of false alarms with the defaults, and on what.
	FalseAlarms string
}

// param returns the parameter of that name.
func (s *Spec) param(name string) (*Param, bool) {
	i := slices.IndexFunc(s.Params, func(p Param) bool { return p.Name == name })
	if i < 0 {
		return nil, false
	}
	return &s.Params[i], true
}

// detector is an entry of the table below: a spec and how a rule is made from its
// parameters. make is nil for a kind that is born of the clock or of
// the facts alone.
type detector struct {
	spec Spec
	make func(p params) rule
	// weigh judges the facts of an attempt before any epoch; nil for most kinds.
	weigh func(f *facts) opinion
	// tell puts a decision in words. usual is the spec's advice, to be read only.
	tell func(d *decision, r *run, usual []string) (summary string, advice []string)
}

// table returns the built detectors in the order of the design's table, which is also
// the order in which an epoch goes through them.
func table() []*detector { return built }

// Specs returns what the built detectors are, in the order of the design's table. The
// slices are shared: they are to be read only.
func Specs() []Spec {
	out := make([]Spec, 0, len(table()))
	for _, d := range table() {
		out = append(out, d.spec)
	}
	return out
}

// planned are the kinds of the design's table that have no detector yet: a config may
// name them, to switch them on or off, ahead of the release that brings them.
var planned []Kind
