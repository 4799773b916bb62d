package detectors

import (
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

const (
	// depth is how many epochs at least can be taken back exactly; see Monitor.
	depth = 32
	// batch is how many epochs base falls behind further before it catches up.
	batch = 8
	// maxAttempts bounds the attempts whose facts are remembered.
	maxAttempts = 8
)

// Monitor holds one run: it folds its epochs in the order of training through every
// enabled detector and keeps the findings.
//
// An epoch whose number is not above that of the one before takes the place of all from
// that number on, as a restarted fit does. To be able to go back, a monitor keeps its
// state twice: as of the last epoch and as of an epoch at least 32 earlier, with the
// epochs between. A run that goes back further than that, but not to its beginning, is
// judged afresh from there. Memory does not grow with the run.
//
// A Monitor is not safe for concurrent use.
type Monitor struct {
	live, base snapshot
	log        []entry // the epochs of live that base has not seen
	table      []*detector
	names      *names
	ledger     ledger
	facts      []attemptFacts // oldest first
	first      []rule         // as they were before any epoch
	say        say            // of the rule at work: here, so that it is not made anew
	lastName   string         // the attempt of the last epoch
	attempt    int16          // its number, from 1; going back in one fit counts too
	epochs     int            // folded, replaced ones left out
	clock      clockState
	custom     *customs // nil without rules of a person's own
	standing   standing
}

type attemptFacts struct {
	attempt string
	f       *facts
}

// snapshot is a run with the state of its rules.
type snapshot struct {
	run   run
	rules []rule
	slots [][slots]slot
}

func (s *snapshot) copyFrom(o *snapshot) {
	s.run = o.run
	for i := range s.rules {
		s.rules[i].restore(o.rules[i])
	}
	copy(s.slots, o.slots)
}

// NewMonitor returns a monitor of a run that has not begun. It returns the error of
// Config.Validate.
func NewMonitor(c Config) (*Monitor, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	m := &Monitor{}
	for _, d := range table() {
		if !c.enabled(d.spec.Kind) {
			continue
		}
		if d.weigh != nil {
			m.standing.judges = append(m.standing.judges, d)
			m.standing.open = append(m.standing.open, 0)
		}
		if d.make == nil {
			if d.weigh == nil {
				m.clock.set(d, c.params(&d.spec))
			}
			continue
		}
		m.table = append(m.table, d)
		m.live.rules = append(m.live.rules, d.make(c.params(&d.spec)))
	}
	m.addCustom(c)
	for _, r := range m.live.rules {
		m.base.rules = append(m.base.rules, r.clone())
		m.first = append(m.first, r.clone())
	}
	m.log = make([]entry, 0, depth+batch)
	m.live.slots = make([][slots]slot, len(m.table))
	m.base.slots = make([][slots]slot, len(m.table))
	m.reset()
	return m, nil
}

// reset forgets every epoch; findings stay.
func (m *Monitor) reset() {
	m.names = &names{}
	m.log = m.log[:0]
	m.live.run = run{names: m.names}
	m.base.run = m.live.run
	m.custom.forget()
}

// Start tells the monitor the facts of an attempt: those of its run_started, or under
// the attempt "" those of a --context file, which hold for every attempt that has none.
// It returns what the facts alone change, which needs no epoch; under the attempt "", whose
// epochs have numbers of their own, the first Fold returns it.
func (m *Monitor) Start(attempt string, f contract.Facts) []Change {
	m.facts = slices.DeleteFunc(m.facts, func(a attemptFacts) bool { return a.attempt == attempt })
	if len(m.facts) == maxAttempts {
		m.facts = slices.Delete(m.facts, 0, 1)
	}
	known := factsOf(f)
	m.facts = append(m.facts, attemptFacts{attempt, known})
	if attempt != "" {
		m.standing.judge(&m.ledger, known, known.initial)
	}
	return m.ledger.take()
}

// factsFor returns the facts of an attempt; nil when there are none.
func (m *Monitor) factsFor(attempt string) *facts {
	var common *facts
	for _, a := range m.facts {
		if a.attempt == attempt {
			return a.f
		}
		if a.attempt == "" {
			common = a.f
		}
	}
	return common
}

// Fold takes the next epoch in the order of training and returns what changed. An epoch
// numbered no higher than the last one replaces from its number on.
func (m *Monitor) Fold(e Epoch) []Change {
	if n := m.live.run.n; n > 0 && e.Epoch <= m.live.run.epoch {
		m.goBack(e.Epoch)
	}
	m.clock.epoch(m, &e)
	in := m.read(&e)
	m.standing.judge(&m.ledger, in.facts, e.Epoch)
	m.fold(&m.live, &in, false)
	m.epochs++
	m.log = append(m.log, in)
	if len(m.log) == depth+batch {
		for i := range m.log[:batch] {
			m.fold(&m.base, &m.log[i], true)
		}
		m.log = m.log[:copy(m.log, m.log[batch:])]
	}
	return m.ledger.take()
}

// goBack puts the run back to where it was before the epoch numbered at.
func (m *Monitor) goBack(at int) {
	m.attempt++
	kept := 0
	for kept < len(m.log) && m.log[kept].epoch < at {
		kept++
	}
	if m.base.run.n > 0 && m.base.run.epoch >= at {
		m.epochs = max(0, min(m.epochs, at-m.base.run.first))
		m.fresh()
	} else {
		m.epochs -= len(m.log) - kept
		m.log = m.log[:kept]
		m.live.copyFrom(&m.base)
		m.custom.goBack()
		for i := range m.log {
			m.fold(&m.live, &m.log[i], true)
		}
	}
	m.ledger.settle(m.isOpen, at)
}

// fresh puts both states back to that of a run that has not begun.
func (m *Monitor) fresh() {
	m.reset()
	for i := range m.table {
		m.live.slots[i] = [slots]slot{}
		m.base.slots[i] = [slots]slot{}
		m.live.rules[i].restore(m.first[i])
		m.base.rules[i].restore(m.first[i])
	}
}

// isOpen reports whether the finding at index i is open in the state at hand.
func (m *Monitor) isOpen(i int) bool {
	for _, s := range m.live.slots {
		for _, sl := range s {
			if sl.open == i+1 {
				return true
			}
		}
	}
	return m.standing.isOpen(i)
}

// read makes an entry of an epoch.
func (m *Monitor) read(e *Epoch) entry {
	m.names.learn(e.Metrics)
	in := entry{
		epoch: e.Epoch, attempt: m.numberOf(e.Attempt), live: e.Attempt != "" || e.Seq > 0,
		facts: m.factsFor(e.Attempt), rate: e.LearningRate, firstLoss: e.FirstBatchLoss, seconds: float32(e.Seconds),
	}
	if in.rate <= 0 { // a rate that was not set is not a rate
		in.rate = math.NaN()
	}
	for i, name := range m.names.tracked {
		in.y[i] = math.NaN()
		if y, ok := e.Metrics[name]; ok && name != "" {
			in.y[i] = y
		}
	}
	for i, name := range m.names.all {
		if y, ok := e.Metrics[name]; ok && !isFinite(y) {
			in.bad |= 1 << i
		}
	}
	m.custom.read(e)
	return in
}

// numberOf counts the attempts as they come.
func (m *Monitor) numberOf(attempt string) int16 {
	if m.attempt == 0 || m.lastName != attempt {
		m.lastName = attempt
		m.attempt++
	}
	return m.attempt
}

func (m *Monitor) fold(s *snapshot, in *entry, quiet bool) {
	s.run.take(in)
	m.custom.take(s == &m.live, s.run.n, in.epoch)
	m.say.ledger, m.say.run, m.say.state, m.say.table, m.say.quiet = &m.ledger, &s.run, s, m.table, quiet
	m.say.standing = &m.standing
	for i, r := range s.rules {
		m.say.d, m.say.slots = m.table[i], &s.slots[i]
		r.decide(&s.run, &m.say)
	}
}

// Findings returns all findings of the run in order of opening, those that no longer
// hold included.
func (m *Monitor) Findings() []Finding {
	return m.clock.merge(slices.Clone(m.ledger.findings))
}

// Epochs returns how many epochs were folded, those that were replaced left out.
func (m *Monitor) Epochs() int { return m.epochs }

// Tick takes a reading of the clock and returns what changed: only findings that time
// alone can give.
func (m *Monitor) Tick(c Clock) []Change { return m.clock.tick(m, c) }

// End says that the attempt ended: what the clock gave is over.
func (m *Monitor) End() []Change { return m.clock.end(m) }

// Adopt takes the stored findings of a run that was folded again: those that the clock
// gave, which the epochs cannot give again. Others are ignored.
func (m *Monitor) Adopt(stored []Finding) { m.clock.adopt(stored) }
