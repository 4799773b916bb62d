package detectors

import (
	"fmt"
	"math"
)

var lrTooLowDetector = &detector{
	spec: Spec{
		Kind:     KindLRTooLow,
		Title:    "The learning rate is too low",
		Meaning:  "The training loss falls in an almost straight line, steadily, by tiny steps and with next to no noise: each step is far shorter than the slope allows.",
		Severity: SeverityWarning, MinEpochs: 12,
		HiddenBy: []Kind{KindLossNaN, KindNotLearning},
		Params: []Param{
			{
				Name: "epochs", Doc: "least epochs of the run", Unit: unitEpochs, Default: 12, Min: 6, Max: 100000,
				Source: "development corpus: at 8, 2 of 181 healthy curves",
			},
			{
				Name: "fall", Doc: "greatest fall of the loss since the first epoch, as a share, where the rate is not known to be low", Unit: unitShare, Default: 0.05, Min: 0, Max: 1,
				Source: "development corpus: of 10 %, two healthy runs (plain SGD at 0.01) look like this",
			},
			{
				Name: "known", Doc: "the same where the rate is known to be below usual/ten of the optimizer's usual", Unit: unitShare, Default: 0.3, Min: 0, Max: 1,
				Source: "with the rate beside it, the shape of the curve is only the second witness; own trainings: 6 of 6 at a hundredth of the usual rate named, none of 21 sound ones",
			},
			{
				Name: "bend", Doc: "least fall in the second half of the run as a share of that in the first; half as much beside a rate known to be low", Unit: unitShare, Default: 0.8, Min: 0, Max: 1,
				Source: "a straight line but for the noise; between 0.5 and 0.8 the development corpus shows no difference",
			},
			{
				Name: "ten", Doc: "how many times below the optimizer's usual rate a rate is low", Unit: unitFactor, Default: 10, Min: 1.5, Max: 1e6,
				Source: "usual starts differ by three from task to task, and ten is beyond that; own trainings: sound at a third of the usual",
			},
		},
		Reasons: []Reason{
			{"low_rate", "the curve is nearly straight, and the rate is known to be well below the usual of the optimizer"},
			{"straight", "the rate is not known, and the curve is unmistakable: straight, steady, tiny"},
		},
		Advice: []string{
			"Raise the learning rate by ten, then by three, as long as the loss keeps falling. Usual starts: 1e-3 for Adam and RMSprop, 1e-2 for SGD with momentum, 1 for Adadelta.",
			"Check that no schedule, warm-up or ReduceLROnPlateau has lowered it too soon.",
			"If the rate is as it should be: scale the inputs and the targets, and check that layers are not frozen (trainable = False).",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves; kept apart: 0 of 85; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(lrTooLow{
			epochs: int32(p.get("epochs")), fall: p.get("fall"), known: p.get("known"), bend: p.get("bend"), ten: p.get("ten"),
		})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		s := fmt.Sprintf("%s falls in a straight line, by only %.2g %% in %.0f epochs (from %.4g to %.4g)",
			d.metric, 100*d.get("fall"), d.get("epochs"), d.get("first"), d.get("now"))
		if d.reason == "low_rate" {
			rate := d.get("learning_rate")
			return s + fmt.Sprintf(" at a learning rate of %.3g, where %.3g is usual: the rate is too low.", rate, d.get("usual_rate")),
				append([]string{fmt.Sprintf("Raise the learning rate to about %.1g.", math.Min(10*rate, d.get("usual_rate")))}, usual...)
		}
		return s + ": most likely the learning rate is too low.", usual
	},
}

type lrTooLow struct {
	fall, known, bend, ten float64
	epochs                 int32
}

func (l *lrTooLow) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.whole {
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *lrTooLow) judge(r *run, s *series, open bool) decision {
	p := s.all()
	n := len(p)
	if s.count < int(l.epochs) || n < 6 {
		return decision{}
	}
	if !open && !creeps(p) { // as most, and cheaply asked
		return decision{}
	}
	fall, bend, bow := line2(p)
	share := fall / max(math.Abs(p[0].y), math.SmallestNonzeroFloat64)
	rate := knownRate(r)
	usual := usualRate(r.now.facts)
	low := rate*l.ten <= usual && 2*(r.n-r.rateSince) >= r.n // a warm-up is low only to begin with
	atMost, least, crook := l.fall, l.bend, 0.03
	if low {
		atMost, least, crook = l.known, l.bend/2, 0.1
	}
	d := decision{holds: open && share <= 1.5*atMost && bend > least/2}
	if fall <= 0 || share > atMost || bend < least || bow > crook || !creeps(p) || isFinite(rate) && !low {
		return d
	}
	d.severity, d.metric, d.onset, d.reason, d.confidence = SeverityWarning, r.name(trainLoss), r.first, "straight", 0.7
	if low {
		d.reason, d.confidence = "low_rate", 0.85
		d.with("learning_rate", rate)
		d.with("usual_rate", usual)
	}
	d.with("fall", share)
	d.with("epochs", float64(s.count))
	d.with("first", p[0].y)
	d.with("now", s.last())
	return d
}

// line2 measures how straight a curve falls: by how much, the fall of its second half as
// a share of that of the first, and how far a point is off the straight line through it
// all, on average and as a share of the fall.
func line2(p []point) (fall, bend, bow float64) {
	n := len(p)
	fall = -line(p)
	mid := mean(p[n/2-1 : n/2+2])
	bend = (mid - p[n-1].y) / (p[0].y - mid)
	level := mean(p)
	for i, q := range p {
		at := level + fall*(0.5-float64(i)/float64(n-1))
		bow += math.Abs(q.y-at) / float64(n)
	}
	return fall, bend, bow / fall
}

// knownRate returns the learning rate, NaN when neither the epochs nor the facts tell.
func knownRate(r *run) float64 {
	if !isFinite(r.rate) && r.now.facts != nil {
		return r.now.facts.rate
	}
	return r.rate
}

// usualRate returns the rate at which one usually begins with the optimizer; the lowest
// of all of them when it is not known.
func usualRate(f *facts) float64 {
	if f == nil {
		return 1e-3
	}
	switch f.optimizer {
	case "sgd", "adagrad":
		return 1e-2
	case "adadelta":
		return 1
	}
	return 1e-3
}
