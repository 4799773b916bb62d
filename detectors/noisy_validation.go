package detectors

import (
	"fmt"
	"math"
)

var noisyValidationDetector = &detector{
	spec: Spec{
		Kind:     KindNoisyValidation,
		Title:    "Validation is too noisy to tell",
		Meaning:  "The validation loss jumps from epoch to epoch by so much that whether it gets better or worse cannot be seen, while the training loss is calm.",
		Severity: SeverityInfo, MinEpochs: 16,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh, KindOverfitting, KindNotLearning},
		Params: []Param{
			{
				Name: "level", Doc: "least noise of the validation loss as a share of its median", Unit: unitShare, Default: 0.5, Min: 0, Max: 10,
				Source: "development corpus: at 0.15, 8 of 181 healthy curves are that noisy for a while, at 0.25 4, at 0.4 2",
			},
			{
				Name: "train", Doc: "how many times the noise of the training loss it must be", Unit: unitFactor, Default: 5, Min: 1, Max: 1000,
				Source: "validation sets are mostly a fifth of the data or less: a factor of two comes of their size alone",
			},
			{
				Name: "drift", Doc: "most that its mean may have moved between the halves of the last half of the run, in standard deviations of its noise", Unit: unitNoise, Default: 1, Min: 0, Max: 10,
				Source: "a move that can be seen through the noise is no case of too noisy to tell",
			},
		},
		Reasons: []Reason{{"noise", "the noise is large beside the level, beside that of training, and beside what the curve has moved"}},
		Advice: []string{
			"Validate on more samples: the noise falls with the root of their number. Several folds tell more than one small set.",
			"Do not choose weights by the best single epoch: it is luck. Use the mean of the last epochs, or a patience that outlasts the swings.",
			"With BatchNormalization and small batches, a higher momentum (or larger batches) calms validation; so does a lower learning rate.",
		},
		FalseAlarms: "development corpus: information on 1 of 181 healthy curves; kept apart: 1 of 85; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(noisyValidation{level: p.get("level"), train: p.get("train"), drift: p.get("drift")})
	},
	tell: func(d *decision, r *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s swings by %.2g around %.4g from epoch to epoch (%s: %.2g): whether it gets better cannot be told.",
			d.metric, d.get("noise"), d.get("level"), r.name(trainLoss), d.get("train_noise")), usual
	},
}

type noisyValidation struct {
	level, train, drift float64
}

func (v *noisyValidation) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[valLoss]; s.whole {
		d = v.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (v *noisyValidation) judge(r *run, s *series, open bool) decision {
	p := s.all()
	n := len(p)
	if n < 16 {
		return decision{}
	}
	w := p[n-max(8, n/2):]
	var b numbers
	steps := 0.0
	for i, q := range w {
		b.add(math.Abs(q.y))
		if i > 0 {
			steps += math.Abs(q.y - w[i-1].y)
		}
	}
	level := b.median()
	// The mean step of white noise is 1.13 deviations.
	if steps/float64(len(w)-1) < v.level*level {
		return decision{holds: open && steps/float64(len(w)-1) > v.level/2*level}
	}
	own, train := noise(w), noise(r.s[trainLoss].all())
	h := len(w) / 2
	moved := math.Abs(mean(w[:h]) - mean(w[h:]))
	d := decision{holds: open && own > v.level/2*level && own > v.train/2*train}
	if own <= v.level*level || own <= v.train*train || moved > v.drift*own || r.s[trainLoss].n < 8 {
		return d
	}
	d.severity, d.metric, d.onset, d.reason, d.confidence = SeverityInfo, r.name(valLoss), int(w[0].first), "noise", 0.75
	d.with("noise", own)
	d.with("level", level)
	d.with("train_noise", train)
	d.with("moved", moved)
	return d
}
