package detectors

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// CustomRule is a rule of a person's own: the kind it stands under in a Config is its
// name and the kind of its findings. The monitor asks it once an epoch and keeps the row
// of epochs, the findings and the way back, as it does for its own detectors.
type CustomRule struct {
	Severity Severity
	Metric   string   // what its findings are about; may be empty
	Advice   []string // what to try
	For      int      // epochs in a row in which it must hold; 0 is 1
	Metrics  []string // those whose history it asks for: the monitor keeps no other for it
	// Judge says whether the rule holds at the epoch of the view. It must be a function of
	// the view alone and safe for concurrent use. An error ends the rule for the run.
	Judge func(v View) (bool, error)
	// Tell puts a finding that is about to open in words and numbers.
	Tell func(v View) (summary string, numbers []Reading)
}

// Reading is a number with its name.
type Reading struct {
	Name  string
	Value float64
}

// View is what a custom rule sees of a run: the epoch at hand and what came before. It is
// valid during one call.
type View struct {
	run       *run
	histories []History
}

// Epoch is the number of the epoch at hand, as the source numbers it.
func (v View) Epoch() int { return v.run.epoch }

// Epochs is how many epochs were folded, the one at hand included.
func (v View) Epochs() int { return v.run.n }

// Attempt counts the attempts of the run, from 1.
func (v View) Attempt() int { return int(v.run.now.attempt) }

// LearningRate is that of the epoch at hand; NaN when not known.
func (v View) LearningRate() float64 { return v.run.now.rate }

// Seconds is how long the epoch at hand took; NaN when not known.
func (v View) Seconds() float64 { return float64(v.run.now.seconds) }

// History returns that of a metric of CustomRule.Metrics; an empty one for any other.
func (v View) History(metric string) *History {
	if i, ok := slices.BinarySearchFunc(v.histories, metric, byName); ok {
		return &v.histories[i]
	}
	h := newHistory(metric)
	return &h
}

// Recent is how many values of a History can be asked for one by one.
const Recent = recent

// History is one metric of a run for custom rules.
type History struct {
	name     string
	s        series  // finite values
	first    float64 // the first of them; NaN while there is none
	last     float64 // the newest value, finite or not; NaN while there is none
	here     bool    // the epoch at hand has a value
	min, max float64 // NaN while there is none
	// minAt and maxAt are the epochs, counted, at which these came; now is the present one.
	minAt, maxAt, now int32
}

func newHistory(name string) History {
	nan := math.NaN()
	return History{name: name, first: nan, last: nan, min: nan, max: nan}
}

func byName(h History, name string) int { return strings.Compare(h.name, name) }

// take brings in the value of the n-th epoch.
func (h *History) take(n, epoch int, at value) {
	h.now, h.here = int32(n), at.there
	if !at.there {
		h.s.skip()
		return
	}
	h.last = at.y
	if !isFinite(at.y) {
		h.s.skip()
		return
	}
	if h.s.count == 0 {
		h.first = at.y
	}
	h.s.add(epoch, at.y)
	if !(at.y >= h.min) {
		h.min, h.minAt = at.y, h.now
	}
	if !(at.y <= h.max) {
		h.max, h.maxAt = at.y, h.now
	}
}

// Here reports whether the epoch at hand has a value.
func (h *History) Here() bool { return h.here }

// Last returns the newest value, NaN and infinite ones included; NaN of nothing.
func (h *History) Last() float64 { return h.last }

// First returns the first finite value; NaN of nothing.
func (h *History) First() float64 { return h.first }

// Min returns the least finite value of the run; NaN of nothing.
func (h *History) Min() float64 { return h.min }

// Max returns the greatest finite value of the run; NaN of nothing.
func (h *History) Max() float64 { return h.max }

// Best returns the best finite value and how many epochs ago it came, by the direction
// that the metric's name tells; NaN of nothing, and where the name tells none.
func (h *History) Best() (value, epochs float64) {
	best, at := h.min, h.minAt
	switch Way(h.name) {
	case 0:
		return math.NaN(), math.NaN()
	case 1:
		best, at = h.max, h.maxAt
	}
	if h.s.count == 0 {
		return math.NaN(), math.NaN()
	}
	return best, float64(h.now - at)
}

// Values copies the last len(into) finite values, oldest first, and reports whether there
// are that many: Recent at most.
func (h *History) Values(into []float64) bool {
	tail := h.s.lasts()
	if len(into) > len(tail) {
		return false
	}
	for i := range into {
		into[i] = tail[len(tail)-len(into)+i].y
	}
	return true
}

// Noise returns the standard deviation of the run's own noise, as the detectors estimate
// it; NaN for fewer than 4 values.
func (h *History) Noise() float64 {
	if h.s.n < 4 {
		return math.NaN()
	}
	return noise(h.s.all())
}

// Way says what the name of a metric tells of its direction: 1 up, -1 down, 0 nothing.
func Way(metric string) int {
	switch roleOf(metric).way {
	case up:
		return 1
	case down:
		return -1
	case unknownWay:
	}
	return 0
}

// BuiltIn reports whether a kind is one of the design's table, or that of a verdict.
func BuiltIn(k Kind) bool {
	return byKind(k) != nil || slices.Contains(planned, k) || k == KindHealthy
}

// customs is what a monitor keeps for custom rules: the histories as of the last epoch
// and as of the earlier one that it can go back to, with the values between. It stands
// apart, so that a monitor without such rules is no larger.
type customs struct {
	live, base []History // by name
	now        []History // of these two, the one at work
	log        []values
	text       string // the words of the finding that is about to open
}

// values are those of the metrics at one epoch.
type values struct {
	epoch int
	at    []value
}

type value struct {
	y     float64
	there bool
}

// addCustom takes the custom rules of a config in, in order of their names.
func (m *Monitor) addCustom(c Config) {
	metrics := map[string]bool{}
	for _, kind := range slices.Sorted(maps.Keys(c)) {
		def := c[kind].Custom
		if def == nil || !c.enabled(kind) {
			continue
		}
		if m.custom == nil {
			m.custom = &customs{}
		}
		all := m.custom
		for _, name := range def.Metrics {
			metrics[name] = true
		}
		m.table = append(m.table, &detector{
			spec: Spec{Kind: kind, Severity: def.Severity, Advice: def.Advice},
			tell: func(d *decision, _ *run, usual []string) (string, []string) {
				if d.reason == reasonError {
					usual = nil
				}
				return all.text, usual
			},
		})
		m.live.rules = append(m.live.rules, ruleOf(custom{def: def, all: all}))
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		m.custom.live = append(m.custom.live, newHistory(name))
	}
	if m.custom != nil {
		m.custom.base = slices.Clone(m.custom.live)
	}
}

// read keeps the values of the next epoch, which takes the place of all from its number on.
func (c *customs) read(e *Epoch) {
	if c == nil {
		return
	}
	v := values{e.Epoch, make([]value, len(c.live))}
	for i := range c.live {
		v.at[i].y, v.at[i].there = e.Metrics[c.live[i].name]
	}
	for n := len(c.log); n > 0 && c.log[n-1].epoch >= e.Epoch; n-- {
		c.log = c.log[:n-1]
	}
	if len(c.log) == depth+batch {
		c.log = c.log[:copy(c.log, c.log[1:])]
	}
	c.log = append(c.log, v)
}

// take brings the values of the n-th epoch into the histories of one of the two states.
func (c *customs) take(live bool, n, epoch int) {
	if c == nil {
		return
	}
	c.now = c.base
	if live {
		c.now = c.live
	}
	i, ok := slices.BinarySearchFunc(c.log, epoch, func(v values, epoch int) int { return v.epoch - epoch })
	if !ok {
		return // not to be: the log holds what the monitor's own does
	}
	for j := range c.now {
		c.now[j].take(n, epoch, c.log[i].at[j])
	}
}

func (c *customs) goBack() {
	if c != nil {
		copy(c.live, c.base)
	}
}

// forget empties the histories.
func (c *customs) forget() {
	if c == nil {
		return
	}
	for i := range c.live {
		c.live[i] = newHistory(c.live[i].name)
		c.base[i] = c.live[i]
	}
	c.log = c.log[:0]
}

// The reasons of a custom rule's findings.
const (
	reasonHolds = "holds" // the rule holds, for as many epochs in a row as it says
	reasonError = "error" // the rule could not be asked and rests for the run
)

// custom is a custom rule at work.
type custom struct {
	def   *CustomRule
	all   *customs
	row   int // epochs in a row in which it held
	since int // the first of them
	rests bool
}

// The slots of a custom rule.
const (
	slotHolds = iota
	slotError
)

func (c *custom) decide(r *run, out *say) {
	if c.rests {
		return // and what was said of that holds
	}
	v := View{r, c.all.now}
	holds, err := c.def.Judge(v)
	if err != nil {
		c.rests = true
		c.all.text = "The rule " + string(out.d.spec.Kind) + " rests for the rest of this run: " + err.Error() + "."
		out.put(slotHolds, &decision{})
		out.put(slotError, &decision{severity: SeverityInfo, metric: c.def.Metric, onset: r.epoch, reason: reasonError, confidence: 1})
		return
	}
	if !holds {
		c.row = 0
		out.put(slotHolds, &decision{})
		return
	}
	if c.row == 0 {
		c.since = r.epoch
	}
	c.row++
	if out.open(slotHolds) || c.row < c.def.For {
		out.put(slotHolds, &decision{holds: true})
		return
	}
	d := decision{severity: c.def.Severity, metric: c.def.Metric, onset: c.since, reason: reasonHolds, confidence: 1}
	var numbers []Reading
	c.all.text, numbers = c.def.Tell(v)
	for _, n := range numbers {
		d.with(n.Name, n.Value)
	}
	out.put(slotHolds, &d)
}
