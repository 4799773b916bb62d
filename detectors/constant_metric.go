package detectors

import (
	"fmt"
	"math"
)

var constantMetricDetector = &detector{
	spec: Spec{
		Kind:     KindConstantMetric,
		Title:    "A metric stands still",
		Meaning:  "A score, or the validation loss, is the same number epoch after epoch though nothing perfect was reached: one class is predicted whatever comes in, or units are dead.",
		Severity: SeverityWarning, MinEpochs: 6,
		HiddenBy: []Kind{KindLossNaN, KindMetricMismatch, KindHeadLossMismatch},
		Params: []Param{
			{
				Name: "epochs", Doc: "epochs in a row with the same number to six digits (or as it is printed)", Unit: unitEpochs, Default: 6, Min: 3, Max: recent,
				Source: "one more than not_learning asks of a loss: a score is a count, and small validation sets repeat theirs",
			},
			{
				Name: "fall", Doc: "fall of the training loss since the metric stands, as a share, from which it does learn something: nothing is said then", Unit: unitShare, Default: 0.01, Min: 0, Max: 1,
				Source: "development corpus: without it 1 of 181 healthy curves",
			},
		},
		Reasons: []Reason{
			{"at_chance", "an accuracy stands at that of guessing, always or after it and the loss were better, and the training loss does not fall"},
			{"stuck", "an accuracy that is not perfect has never moved for twice as many epochs, and the training loss does not fall"},
			{"validation_stands", "the validation loss is has been the same number since the first epoch, while the training loss falls"},
		},
		Advice: []string{
			"Count the predictions by class (np.unique(model.predict(x).argmax(-1), return_counts=True)): one class alone means that the inputs do not reach the head.",
			"Look at the balance of the classes: a share of the commonest that equals the score is a model that always names it. Use class_weight, or a score that sees it (balanced accuracy, AUC).",
			"Dead units: start at a tenth of the rate, try LeakyReLU or another initialiser, scale the inputs.",
			"Check the head and the labels: one softmax unit always answers 1.",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves; kept apart: 1 of 85, before and after two changes that it led to; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(constantMetric{epochs: int16(p.get("epochs")), fall: p.get("fall")})
	},
	tell: tellConstant,
}

func tellConstant(d *decision, r *run, usual []string) (string, []string) {
	s := fmt.Sprintf("%s is %.4g in every epoch since %d", d.metric, d.get("value"), d.onset)
	switch d.reason {
	case "at_chance":
		return s + fmt.Sprintf(", the score of guessing one of %.0f classes: most likely one class is predicted whatever comes in.", d.get("classes")), usual
	case "validation_stands":
		return s + fmt.Sprintf(", while %s falls: what is validated is not what is trained, or its outputs are saturated.", r.name(trainLoss)), []string{
			"Evaluate by hand: model.predict on a few validation samples, before and after an epoch. The same answers mean saturated outputs or frozen layers.",
			"Look at BatchNormalization (momentum, trainable) and at whether the validation data is scaled as the training data is.",
		}
	}
	return s + fmt.Sprintf(", and %s does not fall: most likely one class is predicted whatever comes in.", r.name(trainLoss)), usual
}

type constantMetric struct {
	fall   float64
	epochs int16
}

func (c *constantMetric) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	for _, i := range [...]int{trainScore, valScore, valLoss} {
		s := &r.s[i]
		if !s.fresh {
			continue
		}
		d.holds = false // but for what is found below
		if still := s.still(); still >= int(c.epochs) {
			if found := c.judge(r, i, still); found.severity != "" {
				d = found
				break
			}
		}
	}
	out.put(0, &d)
}

func (c *constantMetric) judge(r *run, i, still int) decision {
	s, loss := &r.s[i], &r.s[trainLoss]
	v, onset := s.last(), int(s.tail[s.t-still].epoch)
	always := alike(s.all(), v, 1e-6)
	if always {
		onset = r.first
	}
	d := decision{severity: SeverityWarning, metric: r.name(i), onset: onset, confidence: 0.8}
	d.with("value", v)
	then, now, known := since(loss, onset)
	if always && loss.n > 0 {
		then = loss.points[0].y
	}
	falls := known && then-now > c.fall*math.Abs(then)
	if i == valLoss {
		d.reason = "validation_stands"
		if !falls || !always || v == 0 {
			return decision{}
		}
		return d
	}
	if !known || falls || v <= 0 || v == 1 || v == 100 || !isAccuracy(r.name(i)) || !c.other(r, i, still) {
		return decision{}
	}
	d.reason = "stuck"
	if k := guessed(v, r.now.facts); k > 0 {
		d.reason, d.confidence = "at_chance", 0.9
		d.with("classes", k)
	}
	switch {
	case !always && (d.reason == "stuck" || !fell(s, v) || !worse(loss)):
		return decision{}
	case d.reason == "stuck" && s.count < 2*int(c.epochs): // many runs begin with the commonest class
		return decision{}
	}
	return d
}

// other reports whether the score beside i, of training or validation, hardly moves
// either: where only one stands, it is a matter of few samples.
func (c *constantMetric) other(r *run, i, still int) bool {
	s := &r.s[trainScore+valScore-i]
	if !s.fresh {
		return true
	}
	p := s.lasts()
	return alike(p[max(0, len(p)-still):], s.last(), 0.02)
}

// alike reports whether points are all a value but for a share of it.
func alike(p []point, y, share float64) bool {
	for _, q := range p {
		if math.Abs(q.y-y) > share*math.Abs(y) {
			return false
		}
	}
	return true
}

// fell reports whether a score is well below what it had reached.
func fell(s *series, v float64) bool {
	for _, p := range s.all() {
		if v < 0.9*p.y {
			return true
		}
	}
	return false
}

// worse reports whether a loss is above the best it was.
func worse(s *series) bool {
	for _, p := range s.all() {
		if s.last() > p.y+0.05*math.Abs(p.y) {
			return true
		}
	}
	return false
}

// isAccuracy reports whether a metric counts right answers: others may stand for good
// reasons.
func isAccuracy(name string) bool {
	i := importance(name) / 2
	return i == 1 || i == 2
}

// since returns what a series was at an epoch, or at the first of its tail when that is
// later, and what it is now.
func since(s *series, epoch int) (then, now float64, ok bool) {
	for _, p := range s.lasts() {
		if int(p.epoch) >= epoch {
			return p.y, s.last(), s.fresh
		}
	}
	return 0, 0, false
}

// guessed returns of how many classes v is the score of guessing, 0 when of none.
func guessed(v float64, f *facts) float64 {
	near := func(k float64) bool {
		return math.Abs(v*k-1) < 0.01 || math.Abs(v*k-100) < 1
	}
	if f != nil && f.classes > 1 {
		if k := float64(f.classes); near(k) {
			return k
		}
		return 0
	}
	for _, k := range [...]float64{2, 3, 4, 5, 10, 20, 50, 100, 1000} {
		if near(k) {
			return k
		}
	}
	return 0
}
