package detectors

import (
	"fmt"
	"math"
)

var plateauDetector = &detector{
	spec: Spec{
		Kind:     KindPlateau,
		Title:    "No more progress",
		Meaning:  "The training loss has learned something and then stopped falling: over the last 40 % of the run nothing was gained that the noise does not explain.",
		Severity: SeverityInfo, MinEpochs: 25,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindNotLearning},
		Params: []Param{
			{
				Name: "patience", Doc: "epochs (of long runs: points of the history, of which there are 64 at most) in a row that must say so", Unit: unitEpochs, Default: 8, Min: 1, Max: 64,
				Source: "corpus: at 6, 11 of 266 healthy curves and 20 of 35 plateaus; at 8, 7 and 16; at 10, 3 and 14, and planted ones in noise are missed",
			},
			{
				Name: "epochs", Doc: "least epochs of the run", Unit: unitEpochs, Default: 25, Min: 12, Max: 100000,
				Source: "as in the hindsight labels of the development corpus",
			},
			{
				Name: "window", Doc: "share of the run that is looked at", Unit: unitShare, Default: 0.4, Min: 0.1, Max: 0.9,
				Source: "as in the hindsight labels of the development corpus",
			},
			{
				Name: "noise", Doc: "most that the halves of the window may differ by, in standard deviations of this run's noise", Unit: unitNoise, Default: 0.5, Min: 0.05, Max: 10,
				Source: "as in the hindsight labels of the development corpus",
			},
			{
				Name: "level", Doc: "the same as a share of the loss, whichever is more", Unit: unitShare, Default: 0.002, Min: 0, Max: 1,
				Source: "as in the hindsight labels of the development corpus",
			},
			{
				Name: "learned", Doc: "least fall of the loss from its first epoch, as a share: below it is not_learning", Unit: unitShare, Default: 0.1, Min: 0, Max: 1,
				Source: "as in the hindsight labels of the development corpus",
			},
		},
		Reasons: []Reason{{"flat", "the two halves of the window differ by no more than the noise, for patience epochs"}},
		Advice: []string{
			"If the score is good enough, stop here: EarlyStopping(monitor=\"loss\", patience=5) saves the rest.",
			"Lower the learning rate now (ReduceLROnPlateau, or a decay): noise at a constant rate often hides what is left to learn.",
			"If the loss is still poor, the model is too small, too strongly regularised, or the inputs do not hold the answer.",
		},
		FalseAlarms: "corpus: information on 7 of 266 healthy curves, 5 of them of one repository that is nearly flat; 16 of 35 plateaus named",
	},
	make: func(p params) rule {
		return ruleOf(plateau{
			patience: int(p.get("patience")), epochs: int(p.get("epochs")), window: p.get("window"),
			noise: p.get("noise"), level: p.get("level"), learned: p.get("learned"),
		})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s has stopped falling since about epoch %d: %.4g then, %.4g now, within its noise.",
			d.metric, d.onset, d.get("before"), d.get("now")), usual
	},
}

type plateau struct {
	window, noise, level, learned float64
	patience, epochs              int
	flat                          int // points in a row at which the curve was flat
	since                         int // onset when the first of them came
}

func (p *plateau) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.whole {
		d = p.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (p *plateau) judge(r *run, s *series, open bool) decision {
	all := s.all()
	n := max(8, int(p.window*float64(len(all))))
	if s.count < p.epochs || len(all) < n {
		p.flat = 0
		return decision{}
	}
	w := all[len(all)-n:]
	h := n / 2
	before, now := mean(w[:h]), mean(w[n-h:])
	first, lowest := all[0].y, all[0].y
	for _, q := range all {
		lowest = min(lowest, q.y)
	}
	margin := max(p.noise*noise(all[len(all)-max(n, min(12, len(all))):]), p.level*math.Abs(before))
	learned := first-lowest >= p.learned*math.Abs(first)
	if !learned || math.Abs(before-now) > margin || math.Abs(line(w)) > 2*margin {
		p.flat = 0
		return decision{holds: open && learned && before-now <= 2*margin && before-now >= -4*margin}
	}
	if p.flat == 0 {
		p.since = int(w[0].first)
	}
	p.flat++
	if p.flat < p.patience {
		return decision{holds: open}
	}
	d := decision{severity: SeverityInfo, metric: r.name(trainLoss), onset: p.since, reason: "flat", confidence: 0.7}
	d.with("before", before)
	d.with("now", now)
	d.with("margin", margin)
	d.with("first", first)
	return d
}

// line returns what a straight line through the points gains from the first to the last.
func line(p []point) float64 {
	mid := float64(len(p)-1) / 2
	sxy, sxx := 0.0, 0.0
	for i, q := range p {
		x := float64(i) - mid
		sxy += x * q.y
		sxx += x * x
	}
	return sxy / sxx * float64(len(p)-1)
}
