package detectors

import "fmt"

var initialLossDetector = &detector{
	spec: Spec{
		Kind:     KindInitialLoss,
		Title:    "The first loss is far above guessing",
		Meaning:  "The loss begins many times above what guessing gives for this loss and this many classes, or for the spread of the targets: answers are saturated, inputs are unscaled, or the first steps were far too large. Penalty terms lift a loss too.",
		Severity: SeverityWarning, MinEpochs: 1,
		HiddenBy: []Kind{KindLossNaN, KindHeadLossMismatch},
		Params: []Param{
			{
				Name: "factor", Doc: "how many times the loss of guessing the mean of the first epoch is; the first batch takes three times that", Unit: unitFactor, Default: 6, Min: 1.5, Max: 1e6,
				Source: "bench/programs: digits of 0 to 16 with relu begin at 1 to 2 times, with a penalty of 0.05 at up to 5 times; inputs in the thousands at 50 and more",
			},
			{
				Name: "numbers", Doc: "the same for losses of distances, against the answer 0", Unit: unitFactor, Default: 20, Min: 1.5, Max: 1e9,
				Source: "a first epoch of a sound regression is at most about that of answering 0; unscaled inputs give the square of their size",
			},
		},
		Reasons: []Reason{
			{"classes", "a cross-entropy far above that of guessing every class alike, while an accuracy, where there is one, is not above half; an alarm where the third epoch is still above half of factor"},
			{"numbers", "the same of a loss of distances, against that of answering 0"},
		},
		Advice: []string{
			"Scale the inputs to about mean 0 and deviation 1 (a Normalization layer, StandardScaler), or images to 0 to 1.",
			"Look at the initialiser and the size of the model's first answers: model.predict(x[:8]) before training.",
			"Start at a tenth of the learning rate.",
			"If a penalty (L2, activity) is in the loss, compare without it: it is not part of guessing.",
		},
		FalseAlarms: "bench/programs: 0 of 59 sound programs",
	},
	make: func(p params) rule {
		return ruleOf(initialLoss{factor: float32(p.get("factor")), numbers: float32(p.get("numbers"))})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		s := fmt.Sprintf("%s begins at %.4g, %.3g times the %.4g that guessing gives", d.metric, d.get("first"), d.get("first")/d.get("chance"), d.get("chance"))
		if d.severity == SeverityWarning {
			s += fmt.Sprintf(", and is still at %.4g in its third epoch", d.get("now"))
		}
		return s + ".", usual
	},
}

// initialLoss speaks at the first epoch, or not at all, until the loss is back near chance.
// It alarms in the third: many a run begins far off, and is back in the second.
type initialLoss struct{ factor, numbers float32 }

const (
	initialAlarm = 3 // epochs
	// initialBack is how many times chance a loss may be that is back.
	initialBack = 1.5
)

func (l *initialLoss) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	s := &r.s[trainLoss]
	switch chance, _ := guessing(r.now.facts); {
	case !s.fresh:
	case r.n == 1:
		d = l.judge(r, s.last())
	case out.open(0) && r.n == initialAlarm && s.count == initialAlarm:
		if d = l.judge(r, s.all()[0].y); d.severity != "" && s.last() > 0.5*d.get("factor")*chance {
			d.severity, d.confidence = SeverityWarning, 0.75
			d.with("now", s.last())
		}
		d.holds = s.last() > initialBack*chance
	case out.open(0):
		d.holds = s.last() > initialBack*chance
	}
	out.put(0, &d)
}

// guessing returns the loss of guessing, and how it was found; NaN when it is not known.
func guessing(f *facts) (chance float64, reason string) {
	if chance = f.chanceLoss(); isFinite(chance) {
		return chance, "classes"
	}
	return f.guessLoss(), "numbers"
}

func (l *initialLoss) judge(r *run, first float64) decision {
	f := r.now.facts
	chance, reason := guessing(f)
	factor := float64(l.factor)
	if reason == "numbers" {
		factor = float64(l.numbers)
	} else if s := &r.s[trainScore]; s.fresh && isAccuracy(r.name(trainScore)) && s.last() > 0.5 && s.last() > 1.5/float64(max(2, f.classes)) {
		return decision{} // it names classes well: what lifts the loss is a penalty
	}
	far := first > factor*chance || r.untrained > 3*factor*chance && first > factor*chance/2
	if !(chance > 0) || !far {
		return decision{}
	}
	d := decision{severity: SeverityInfo, reason: reason, metric: r.name(trainLoss), onset: r.first, confidence: 0.5}
	d.with("first", first)
	d.with("chance", chance)
	d.with("factor", factor)
	if isFinite(r.untrained) {
		d.with("first_batch", r.untrained)
	}
	return d
}
