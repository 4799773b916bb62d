package detectors

import (
	"slices"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// rule is one detector at work on one run: a small state and a decision. Its state is a
// plain value, so that a run can be put back to an earlier epoch.
type rule interface {
	// decide looks at the epoch that the run has just taken in.
	decide(r *run, say *say)
	// clone and restore copy the state; restore is given a rule of the same type.
	clone() rule
	restore(from rule)
}

// state is a rule's own memory. P is the pointer to it, which decides.
type state[S any, P interface {
	*S
	decide(r *run, say *say)
}] struct{ s S }

func (b *state[S, P]) decide(r *run, say *say) { P(&b.s).decide(r, say) }
func (b *state[S, P]) clone() rule             { c := *b; return &c }
func (b *state[S, P]) restore(from rule) {
	if f, ok := from.(*state[S, P]); ok {
		b.s = f.s
	}
}

// ruleOf makes a rule of its first state.
func ruleOf[S any, P interface {
	*S
	decide(r *run, say *say)
}](s S) rule {
	return &state[S, P]{s: s}
}

// maxEvidence is how many numbers a finding may carry.
const maxEvidence = 8

type fact struct {
	name  string
	value float64
}

// decision is what a rule says of one epoch on one metric. The zero decision says that
// all is well.
type decision struct {
	severity   Severity // empty: nothing to raise
	holds      bool     // what was raised before still holds, though nothing new would be
	metric     string
	onset      int
	reason     string
	confidence float64
	evidence   [maxEvidence]fact
	n          int
}

// with adds a number to the evidence.
func (d *decision) with(name string, v float64) {
	if d.n < maxEvidence {
		d.evidence[d.n] = fact{name, v}
		d.n++
	}
}

// get returns a number of the evidence, 0 when it is not there.
func (d *decision) get(name string) float64 {
	for _, f := range d.evidence[:d.n] {
		if f.name == name {
			return f.value
		}
	}
	return 0
}

func (d *decision) evidenceMap() map[string]contract.Number {
	m := make(map[string]contract.Number, d.n)
	for _, f := range d.evidence[:d.n] {
		m[f.name] = contract.Number(f.value)
	}
	return m
}

// slots is how many findings one rule may have open at once.
const slots = 2

// slot is the place of a rule's finding while it is open: an index into the ledger plus
// one, 0 when none is.
type slot struct{ open int }

// say takes a rule's decisions to the ledger.
type say struct {
	ledger *ledger
	d      *detector
	slots  *[slots]slot
	run    *run
	state  *snapshot
	table  []*detector
	// standing is what the facts alone say.
	standing *standing
	// said is the decision on its way to the ledger: here, so that those of rules that
	// have nothing to say never leave the stack.
	said  decision
	quiet bool // epochs are folded again: the ledger knows them
}

// open reports whether the rule has a finding open.
func (s *say) open(i int) bool { return s.slots[i].open > 0 }

// hidden reports whether a finding that holds explains what this rule would raise.
func (s *say) hidden() bool {
	if slices.ContainsFunc(s.d.spec.HiddenBy, s.standing.stands) {
		return true
	}
	for i, d := range s.table {
		if s.state.slots[i][0].open > 0 && slices.Contains(s.d.spec.HiddenBy, d.spec.Kind) {
			return true
		}
	}
	return false
}

// put says what the rule thinks now; each slot it watches wants one a fold.
func (s *say) put(i int, d *decision) {
	sl := &s.slots[i]
	switch {
	case sl.open == 0 && d.severity != "" && s.hidden():
	case sl.open == 0 && d.severity != "":
		s.said = *d
		sl.open = s.ledger.opened(s, &s.said)
	case sl.open > 0 && d.severity == "" && !d.holds:
		s.ledger.resolved(s, sl.open-1)
		sl.open = 0
	case sl.open > 0 && d.severity.Rank() > s.ledger.findings[sl.open-1].Severity.Rank():
		s.said = *d
		s.ledger.escalated(s, sl.open-1, &s.said)
	}
}
