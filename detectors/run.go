package detectors

import (
	"math"
	"slices"
	"strings"
)

// The metrics that have a history: the others are only looked at as they come.
const (
	trainLoss = iota
	valLoss
	trainScore // accuracy, or what else goes up
	valScore
	tracked
)

// maxNames bounds the metrics that are watched for numbers that are not finite.
const maxNames = 64

// entry is an epoch as the run keeps it: what the rules can ask for.
type entry struct {
	y         [tracked]float64 // NaN when absent
	rate      float64          // NaN when not known
	firstLoss float64          // NaN when not known
	bad       uint64           // bit i: the metric of names[i] is not finite
	facts     *facts
	epoch     int
	seconds   float32 // NaN when not known
	attempt   int16   // counted from 1 in order of coming
	live      bool    // of a message, not of a file
}

// run is what the rules see of a run: the histories and the epoch at hand. It is a
// plain value.
type run struct {
	n     int // epochs folded
	first int // number of the first
	prev  int // number of the one before; meaningless for the first
	epoch int // number of the one at hand
	// before is the attempt of the one before.
	before int16
	now    entry
	s      [tracked]series
	// names are those of the tracked metrics, of this run; all those of every metric.
	names *names
	// untrained is the loss of the model before any update, NaN when not known.
	untrained float64
	// rateSince is the index (n) of the first epoch at the present learning rate;
	// rate is that rate, NaN when not known.
	rate      float64
	rateSince int
	// Worked out when first asked for, once an epoch.
	climbs [2]climb
	known  [2]bool
}

// take brings the epoch into the histories.
func (r *run) take(e *entry) {
	r.prev, r.before = r.epoch, r.now.attempt
	if r.n == 0 {
		r.first, r.untrained, r.rate = e.epoch, e.firstLoss, math.NaN()
	}
	r.epoch, r.now = e.epoch, *e
	if changed(r.rate, e.rate) {
		r.rate, r.rateSince = e.rate, r.n
	}
	r.n++
	r.known = [2]bool{}
	for i := range r.s {
		if y := e.y[i]; isFinite(y) {
			r.s[i].whole = false
			r.s[i].add(e.epoch, y)
		} else {
			r.s[i].skip()
		}
	}
}

// climb returns whether trainLoss or valLoss has left its best.
func (r *run) climb(i int) *climb {
	if !r.known[i] {
		r.climbs[i], r.known[i] = climbOf(&r.s[i]), true
	}
	return &r.climbs[i]
}

// changed reports whether a learning rate moved by more than rounding and the slow slide
// of a schedule between two epochs.
func changed(from, to float64) bool {
	if !isFinite(to) || to <= 0 {
		return false
	}
	return !isFinite(from) || to < 0.9*from || to > 1.1*from
}

// name returns the name of a tracked metric.
func (r *run) name(i int) string { return r.names.tracked[i] }

// names maps the metrics of a run to places.
type names struct {
	tracked [tracked]string
	all     []string // by importance at first sight, maxNames at most
	more    bool     // there are others beyond
}

// learn takes the metrics of an epoch in: which has a history, and which are new.
func (n *names) learn(m map[string]float64) {
	known := 0
	for _, name := range n.all {
		if _, ok := m[name]; ok {
			known++
		}
	}
	if known == len(m) || n.more && len(n.all) == maxNames {
		return
	}
	var fresh []string
	for name := range m {
		if !slices.Contains(n.all, name) {
			fresh = append(fresh, name)
		}
	}
	slices.SortFunc(fresh, func(a, b string) int {
		if d := importance(a) - importance(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	for _, name := range fresh {
		if len(n.all) == maxNames {
			n.more = true
			break
		}
		n.all = append(n.all, name)
	}
	for i := range n.tracked {
		if n.tracked[i] != "" {
			continue // for good: another metric would not go on where this one ended
		}
		if name, ok := n.pick(i, m); ok {
			n.tracked[i] = name
		}
	}
}

// pick returns the most important metric of an epoch that can stand for the tracked i.
func (n *names) pick(i int, m map[string]float64) (string, bool) {
	best, found := "", false
	for _, name := range n.all {
		if _, ok := m[name]; !ok {
			continue
		}
		if place(roleOf(name)) == i && (!found || importance(name) < importance(best)) {
			best, found = name, true
		}
	}
	return best, found
}

// place returns which tracked metric a role can stand for, or -1.
func place(r role) int {
	switch {
	case r.loss && r.val:
		return valLoss
	case r.loss:
		return trainLoss
	case r.way == up && r.val:
		return valScore
	case r.way == up:
		return trainScore
	}
	return -1
}

// importance orders metrics: the whole loss, then that of validation, then scores (plain
// accuracy first), then losses of single outputs, then the rest.
func importance(name string) int {
	r := roleOf(name)
	rank := 6
	switch {
	case r.loss && r.base == "loss":
		rank = 0
	case r.way == up && strings.HasSuffix(r.base, "acc"), r.way == up && strings.HasSuffix(r.base, "accuracy"):
		rank = 1
		if r.base != "acc" && r.base != "accuracy" {
			rank = 2
		}
	case r.way == up:
		rank = 3
	case r.loss:
		rank = 4
	case r.way == down:
		rank = 5
	}
	rank *= 2
	if r.val {
		rank++
	}
	return rank
}

func isFinite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
