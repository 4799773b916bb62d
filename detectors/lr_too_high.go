package detectors

import (
	"fmt"
	"math"
)

var lrTooHighDetector = &detector{
	spec: Spec{
		Kind:     KindLRTooHigh,
		Title:    "The learning rate is too high",
		Meaning:  "The training loss swings by a large part of its level instead of falling, or stays above that of the untrained model: each step jumps over what it should settle in.",
		Severity: SeverityCritical, MinEpochs: 1,
		Params: []Param{
			{
				Name: "epochs", Doc: "steps from epoch to epoch that are looked at, all at the same rate", Unit: unitEpochs, Default: 4, Min: 3, Max: 15,
				Source: "small trainings over six decades of rates: fewer mistake one bad epoch for swings, more only wait",
			},
			{
				Name: "swing", Doc: "least mean of the upward steps (a downward one counts 0), as a share of the level", Unit: unitShare, Default: 0.08, Min: 0.01, Max: 10,
				Source: "small trainings over six decades of rates: the least that names five of six seeds of the digits at a rate of 0.5 by the ninth epoch",
			},
			{
				Name: "start", Doc: "the same as a share of the loss before training; of the first epoch's, where that is not known, 2.5 times as much", Unit: unitShare, Default: 0.02, Min: 0.001, Max: 10,
				Source: "small trainings: what a run that has learned nearly all does near a loss of 0 is no swing",
			},
			{
				Name: "progress", Doc: "a fall of the mean from the epochs before to the present ones by more than this share is progress, swings or not", Unit: unitShare, Default: 0.4, Min: 0, Max: 1,
				Source: "development corpus: healthy runs that swing while they fall fast settle by themselves",
			},
			{
				Name: "untrained", Doc: "three epochs in a row above so many times the loss of the first batch", Unit: unitFactor, Default: 1.5, Min: 1, Max: 1000,
				Source: "one batch of a regression is off by up to half; no sound rate of the small trainings stays there",
			},
			{
				Name: "thrown", Doc: "an epoch above so many times that; twice as many at once, this many where the loss then stays at that of the untrained model", Unit: unitFactor, Default: 1.15, Min: 1, Max: 1000,
				Source: "first epochs of eight small tasks at sound rates: at most 1.12 times the untrained loss in classification; where that loss is known from one batch alone, untrained takes its place",
			},
		},
		Reasons: []Reason{
			{"swings", "the loss goes up and down by much of its level and gets nowhere"},
			{"above_untrained", "the loss has been above that of the untrained model for three epochs"},
			{"thrown", "an epoch threw the loss far above that of the untrained model, or above it and it has not come back below since: the weights are worse than none"},
		},
		Advice: []string{
			"Lower the learning rate: a tenth, then halve or double from there. Usual starts: 1e-3 for Adam, 1e-2 for SGD with momentum.",
			"A warm-up over the first epochs and clipnorm=1.0 allow a higher rate than without.",
			"Scale the inputs (and the targets of a regression) to about mean 0 and deviation 1; unscaled ones need a far lower rate.",
			"A larger batch makes the steps calmer.",
		},
		FalseAlarms: "development corpus: 1 of 181 healthy curves; kept apart: 2 of 85; own trainings at sound rates: 0 of 49 on the digits, wine and moons, 5 of 14 on diabetes (a regression of 11 batches an epoch; 4 at the highest rate that still learns); tasks kept apart: 1 of 56",
	},
	make: func(p params) rule {
		return ruleOf(lrTooHigh{
			steps: int(p.get("epochs")), swing: p.get("swing"), start: p.get("start"),
			progress: p.get("progress"), untrained: p.get("untrained"), thrown: p.get("thrown"),
		})
	},
	tell: tellLRTooHigh,
}

func tellLRTooHigh(d *decision, r *run, usual []string) (string, []string) {
	at := ""
	if rate := d.get("learning_rate"); rate > 0 {
		at = fmt.Sprintf(" at a learning rate of %.3g", rate)
		usual = append([]string{fmt.Sprintf("Lower the learning rate to about %.1g and go on from the best weights.", rate/10)}, usual...)
	}
	switch d.reason {
	case "thrown":
		return fmt.Sprintf("Training%s threw %s to %.4g, above the %.4g of the untrained model, and it is %.4g now: the steps are far too long.",
			at, d.metric, d.get("highest"), d.get("untrained"), d.get("now")), usual
	case "above_untrained":
		return fmt.Sprintf("%s is %.4g%s, above the %.4g of the untrained model: the steps are far too long.",
			d.metric, d.get("now"), at, d.get("untrained")), usual
	}
	return fmt.Sprintf("%s swings between %.4g and %.4g since epoch %d%s and gets nowhere: the steps are too long.",
		d.metric, d.get("lowest"), d.get("highest"), d.onset, at), usual
}

type lrTooHigh struct {
	steps                                     int
	swing, start, progress, untrained, thrown float64
	first                                     float64 // loss of the first epoch
	level                                     float64 // mean loss when swings were found
	calm                                      int     // epochs since, without swings
}

func (l *lrTooHigh) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.fresh {
		if s.count == 1 {
			l.first = s.last()
		}
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *lrTooHigh) judge(r *run, s *series, open bool) decision {
	tail := s.lasts()
	d := decision{metric: r.name(trainLoss), confidence: 0.85}
	now := s.last()
	rate := r.rate
	if !isFinite(rate) && r.now.facts != nil {
		rate = r.now.facts.rate
	}
	if isFinite(rate) {
		d.with("learning_rate", rate)
	}
	d.with("now", now)
	since := r.n - r.rateSince // epochs at this rate
	if l.aboveUntrained(r, tail[max(0, len(tail)-since):], &d) {
		return d
	}
	if len(tail) <= l.steps {
		return d
	}
	w := tail[len(tail)-l.steps-1:]
	m := l.measure(r, w)
	d.holds = open && l.goesOn(&m, mean(w))
	if since <= l.steps || m.ups < 2 || m.up < l.swing || m.ofStart < l.start || m.up < 0.4*m.path ||
		l.advances(tail, since) || len(tail) >= 2*l.steps && l.oneEpochAlone(r, w) {
		return d
	}
	d.severity, d.reason, d.onset = SeverityWarning, "swings", int(w[0].epoch)
	if isFinite(r.untrained) && mean(w) > r.untrained {
		d.severity = SeverityCritical
	}
	if !open {
		l.level, l.calm = mean(w), 0
	}
	d.with("lowest", m.lowest)
	d.with("highest", m.highest)
	d.with("swing", m.up)
	d.with("swing_of_start", m.ofStart)
	return d
}

// swings measures how a loss moves from epoch to epoch.
type swings struct {
	ups             int     // upward steps
	up              float64 // their sum over all steps, as a share of the level
	path            float64 // the same of steps either way
	ofStart         float64 // up as a share of the loss before training
	lowest, highest float64
}

func (l *lrTooHigh) measure(r *run, w []point) swings {
	m := swings{lowest: w[0].y, highest: w[0].y}
	var b numbers
	b.add(w[0].y)
	up, path := 0.0, 0.0
	for i := 1; i < len(w); i++ {
		step := w[i].y - w[i-1].y
		if step > 0 {
			m.ups++
			up += step
		}
		path += math.Abs(step)
		m.lowest, m.highest = min(m.lowest, w[i].y), max(m.highest, w[i].y)
		b.add(w[i].y)
	}
	n := float64(len(w) - 1)
	level := max(math.Abs(b.median()), math.SmallestNonzeroFloat64)
	start := r.untrained
	if !isFinite(start) {
		start = 2.5 * l.first
	}
	start = max(math.Abs(start), math.SmallestNonzeroFloat64)
	m.up, m.path, m.ofStart = up/n/level, path/n/level, up/n/start
	return m
}

// goesOn reports whether swings that were found still stand: until the loss has calmed
// down and fallen, or has been calm for twice the epochs looked at.
func (l *lrTooHigh) goesOn(m *swings, now float64) bool {
	if m.up > l.swing/2 && m.ofStart > l.start/2 {
		l.calm = 0
		return true
	}
	l.calm++
	return l.level-now < l.progress*math.Abs(l.level) && l.calm < 2*l.steps
}

// oneEpochAlone reports whether the swings are the work of a single epoch, which is a
// spike: without it not a fifth of them is left. It is only asked once there is a record
// of epochs that the one can stand out from.
func (l *lrTooHigh) oneEpochAlone(r *run, w []point) bool {
	var v [recent]point
	n := copy(v[:], w)
	for i := range n {
		v[i].y = l.without(w, i)
		if m := l.measure(r, v[:n]); m.up < l.swing/5 || m.ofStart < l.start/5 {
			return true
		}
		v[i].y = w[i].y
	}
	return false
}

// without returns what its neighbours say of a point.
func (l *lrTooHigh) without(w []point, i int) float64 {
	switch i {
	case 0:
		return w[1].y
	case len(w) - 1:
		return w[i-1].y
	}
	return w[i-1].y/2 + w[i+1].y/2
}

// advances reports whether the loss, swings or not, is well below what it was before.
func (l *lrTooHigh) advances(tail []point, since int) bool {
	n := len(tail)
	if n < 2*l.steps || since < 2*l.steps {
		return false
	}
	before, now := mean(tail[n-2*l.steps:n-l.steps]), mean(tail[n-l.steps:])
	return before-now > l.progress*math.Abs(before)
}
