package detectors

import (
	"fmt"
	"math"
)

var notLearningDetector = &detector{
	spec: Spec{
		Kind:     KindNotLearning,
		Title:    "It does not learn",
		Meaning:  "The training loss has never left where it started, or sits at that of guessing: no gradient arrives, the data says nothing, or the weights are dead.",
		Severity: SeverityWarning, MinEpochs: 3,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh},
		Params: []Param{
			{
				Name: "epochs", Doc: "least epochs of the run", Unit: unitEpochs, Default: 8, Min: 2, Max: 100000,
				Source: "development corpus: 8 instead of the labels' 15 named the same runs and alarmed one healthy run more",
			},
			{
				Name: "span", Doc: "most that the loss may have moved, from highest to lowest, as a share of its median", Unit: unitShare, Default: 0.01, Min: 0, Max: 0.5,
				Source: "as in the hindsight labels of the development corpus",
			},
			{
				Name: "still", Doc: "epochs after which a loss that stands still to a tenth of span is enough", Unit: unitEpochs, Default: 5, Min: 2, Max: 100000,
				Source: "dead units and saturated heads give the same loss to four digits; five epochs exclude the luck of printing",
			},
		},
		Reasons: []Reason{
			{"flat_from_start", "the loss has moved by less than span since the first epoch"},
			{"creeps", "as before, but it has fallen in nearly every epoch, for 30 of them: information, not alarm"},
			{"stands_still", "the loss is the same number epoch after epoch, above what it had reached or never below its start; three epochs are enough where it is the same to the last digit, the score too, and nothing was ever learned"},
			{"at_start", "for 8 epochs the loss has been no better than that of the untrained model (its first batch, or guessing), and has not fallen"},
			{"at_chance", "the loss is that of guessing every class alike"},
		},
		Advice: []string{
			"Try to learn one batch by heart: if that fails, it is the code, not the data.",
			"Check the head against the loss (one softmax unit answers 1 always; sigmoid with binary_crossentropy, softmax with one unit a class) and the labels against the inputs (shuffled apart?).",
			"Scale the inputs to about mean 0 and deviation 1; look whether they are all alike.",
			"Change the learning rate by factors of ten both ways: too high kills relu units in the first steps, too low does not move.",
			"Dead units: try LeakyReLU or another initialiser, or a start at a tenth of the rate.",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves, 9 of 9 named; kept apart: 0 of 85",
	},
	make: func(p params) rule {
		return ruleOf(notLearning{epochs: int(p.get("epochs")), still: int(p.get("still")), span: p.get("span")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		s := fmt.Sprintf("%s has stood at %.4g since epoch %d", d.metric, d.get("now"), d.onset)
		switch d.reason {
		case "at_chance":
			s += fmt.Sprintf(", which is the loss of guessing (%.4g)", d.get("chance"))
		case "at_start":
			s = fmt.Sprintf("%s is %.4g and has been no better than the %.4g of the untrained model since epoch %d", d.metric, d.get("now"), d.get("untrained"), d.onset)
		case "creeps":
			return fmt.Sprintf("%s falls, but has moved by only %.2g %% since epoch %d: far too slowly.", d.metric, 100*d.get("span"), d.onset), usual
		case "flat_from_start":
			s += fmt.Sprintf(" and has moved by no more than %.2g %%", 100*d.get("span"))
		}
		return s + ": it does not learn.", usual
	},
}

type notLearning struct {
	span          float64
	epochs, still int
}

func (l *notLearning) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.fresh && (s.whole || out.open(0)) {
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *notLearning) judge(r *run, s *series, open bool) decision {
	all := s.all()
	lo, hi := all[0].y, all[0].y
	var b numbers
	for _, p := range all {
		lo, hi = min(lo, p.y), max(hi, p.y)
		b.add(p.y)
	}
	level := math.Abs(b.median())
	d := decision{metric: r.name(trainLoss), onset: r.first, confidence: 0.85}
	span := (hi - lo) / max(level, math.SmallestNonzeroFloat64)
	switch tail := s.lasts(); {
	case level == 0:
		return decision{}
	case s.count >= 30 && span <= l.span && creeps(all):
		d.reason, d.severity, d.confidence = "creeps", SeverityInfo, 0.6
	case s.count >= l.epochs && span <= l.span && !creeps(all):
		d.reason = "flat_from_start"
	case frozen(r, tail) && all[0].y-lo <= 2*l.span*math.Abs(all[0].y):
		d.reason, d.onset = "stands_still", int(tail[len(tail)-frozenEpochs].epoch)
	case s.count >= l.still && len(tail) >= l.still && same(tail[len(tail)-l.still:], l.span/10):
		if reached := all[0].y - lo; reached > 2*l.span*math.Abs(all[0].y) && s.last() <= lo+0.02*reached {
			return decision{} // it learned, and stands at its best
		}
		d.reason = "stands_still"
		d.onset = int(tail[len(tail)-l.still].epoch)
	case l.atStart(r, tail):
		d.reason, d.confidence = "at_start", 0.8
		d.onset = int(tail[len(tail)-8].epoch)
		d.with("untrained", untrained(r))
	default:
		return decision{holds: open && (span <= 1.5*l.span || untrained(r)*0.9 < s.last() || same(tail[max(0, len(tail)-l.still):], l.span/5))}
	}
	if d.severity == "" {
		d.severity = SeverityWarning
	}
	if c := r.now.facts.chanceLoss(); math.Abs(s.last()-c) < 0.02*c {
		d.reason, d.confidence = "at_chance", 0.95
		d.with("chance", c)
	}
	d.with("now", s.last())
	d.with("span", span)
	d.with("lowest", lo)
	d.with("highest", hi)
	return d
}

// frozenEpochs are enough where nothing moves at all: gradients that arrive change the sixth
// digit in every epoch.
const frozenEpochs = 3

// frozen reports whether the loss, and the score where there is one, have been the same to
// the last digit.
func frozen(r *run, loss []point) bool {
	const exact = 1e-6
	if len(loss) < frozenEpochs || !same(loss[len(loss)-frozenEpochs:], exact) {
		return false
	}
	score := r.s[trainScore].lasts()
	if len(score) == 0 {
		return true
	}
	last := score[max(0, len(score)-frozenEpochs):]
	lo, hi := last[0].y, last[0].y
	for _, p := range last {
		lo, hi = min(lo, p.y), max(hi, p.y)
	}
	return hi-lo <= exact*math.Abs(hi)
}

// atStart reports whether the last eight epochs are no better than no training at all,
// and do not get better.
func (l *notLearning) atStart(r *run, tail []point) bool {
	u := untrained(r)
	if len(tail) < 8 || !isFinite(u) || u <= 0 {
		return false
	}
	tail = tail[len(tail)-8:]
	if creeps(tail) {
		return false
	}
	for _, p := range tail {
		if p.y < 0.95*u {
			return false
		}
	}
	return mean(tail[4:]) >= 0.98*mean(tail[:4])
}

// untrained returns the loss of the model before training as far as it is known: that of
// the first batch, else that of guessing; NaN otherwise.
func untrained(r *run) float64 {
	if isFinite(r.untrained) {
		return r.untrained
	}
	return r.now.facts.chanceLoss()
}

// same reports whether points are the same number but for a share.
func same(p []point, share float64) bool {
	lo, hi := p[0].y, p[0].y
	for _, q := range p {
		lo, hi = min(lo, q.y), max(hi, q.y)
	}
	return hi-lo <= share*math.Abs(hi) && hi != 0
}

// creeps reports whether a loss that has hardly moved has fallen in nearly every epoch:
// slow, but learning.
func creeps(p []point) bool {
	falls := 0
	for i := 1; i < len(p); i++ {
		if p[i].y < p[i-1].y {
			falls++
		}
	}
	return 10*falls >= 9*(len(p)-1)
}
