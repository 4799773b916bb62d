package detectors

import (
	"fmt"
	"math"
)

var divergenceDetector = &detector{
	spec: Spec{
		Kind:     KindDivergence,
		Title:    "The training loss runs away",
		Meaning:  "The training loss has grown far beyond where it began, or has thrown away most of what it had learned, and does not come back.",
		Severity: SeverityCritical, MinEpochs: 2,
		Params: []Param{
			{
				Name: "factor", Doc: "how many times its start the loss must reach, two epochs in a row", Unit: unitFactor, Default: 2, Min: 1.1, Max: 1000,
				Source: "an untrained model is the worst that guessing can be; twice that is confident nonsense (epokio takes 2 times the minimum, which alarms healthy runs)",
			},
			{
				Name: "lost", Doc: "share of what was learned that must be lost again", Unit: unitShare, Default: 0.75, Min: 0.1, Max: 1,
				Source: "development corpus: no healthy run lost three quarters for three epochs",
			},
			{
				Name: "noise", Doc: "with lost: least rise, in standard deviations of this run's noise, up to 12 epochs; 1 more with each factor e of epochs", Unit: unitNoise, Default: 6, Min: 0.5, Max: 20,
				Source: "three times that of rising_loss: an alarm of the highest severity is to be beyond doubt",
			},
		},
		Reasons: []Reason{
			{"beyond_start", "the loss is beyond factor times its start, two epochs in a row, and not on its way down"},
			{"lost_progress", "the last three epochs are all above the share lost of what was learned, far beyond the noise"},
			{"score_collapsed", "no training loss is logged, and for two epochs the score has been below half of its best, far beyond the noise"},
		},
		Advice: []string{
			"Lower the learning rate: a tenth.",
			"Go back to the weights from before (ModelCheckpoint with save_best_only=True); what is there now will hardly recover.",
			"Clip the gradients (clipnorm=1.0), and warm the rate up over the first epochs.",
			"If it came out of the blue, look at the batches of that epoch: an outlier or a broken file is enough.",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves; kept apart: 1 of 85 (a curve that swings between 0.6 and 42); 0 on the settled and falling runs of 10,000 epochs in the tests",
	},
	make: func(p params) rule {
		return ruleOf(divergence{factor: p.get("factor"), lost: p.get("lost"), over: p.get("noise")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		if d.reason == "score_collapsed" {
			return fmt.Sprintf("%s has collapsed since epoch %d: from %.4g to %.4g.", d.metric, d.onset, d.get("best"), d.get("now")), usual
		}
		if d.reason == "beyond_start" {
			return fmt.Sprintf("%s runs away since epoch %d: it is at %.4g, and began at %.4g.", d.metric, d.onset, d.get("now"), d.get("start")), usual
		}
		return fmt.Sprintf("%s has lost most of what it had learned since epoch %d: from %.4g back to %.4g, where it began at %.4g.",
			d.metric, d.onset, d.get("best"), d.get("now"), d.get("start")), usual
	},
}

type divergence struct {
	factor, lost, over float64
	first, best        float64
	bestEpoch          int
}

func (v *divergence) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.fresh {
		d = v.judge(r, s, out.open(0))
	} else if score := &r.s[trainScore]; s.count == 0 && score.fresh {
		d = v.collapse(r, score, out.open(0))
	}
	out.put(0, &d)
}

// collapse judges a run by its score, where no training loss is logged.
func (v *divergence) collapse(r *run, s *series, open bool) decision {
	now := s.last()
	if s.count == 1 || now >= v.best {
		v.best, v.bestEpoch = now, r.epoch
	}
	d := decision{severity: SeverityCritical, metric: r.name(trainScore), onset: v.bestEpoch, reason: "score_collapsed", confidence: 0.85}
	tail, half := s.lasts(), v.best/2
	if n := len(tail); n < 5 || now >= half || tail[n-2].y >= half || v.best-now <= v.over*noise(s.all()) {
		return decision{holds: open && now < half}
	}
	d.with("now", now)
	d.with("best", v.best)
	return d
}

func (v *divergence) judge(r *run, s *series, open bool) decision {
	now := s.last()
	if s.count == 1 {
		v.first, v.best, v.bestEpoch = now, now, r.epoch
	}
	if now < v.best {
		v.best, v.bestEpoch = now, r.epoch
	}
	start := v.first
	if isFinite(r.untrained) && s.lasts()[0].y > 0 {
		// The first batch alone says more than a first epoch that ran away already.
		start = min(start, r.untrained)
	}
	beyond := start + (v.factor-1)*math.Abs(start)
	d := decision{severity: SeverityCritical, metric: r.name(trainLoss), onset: v.bestEpoch}
	d.with("now", now)
	d.with("start", start)
	d.with("best", v.best)
	tail := s.lasts()
	if len(tail) >= 2 && now > beyond && tail[len(tail)-2].y > beyond && now >= 0.9*tail[len(tail)-2].y {
		d.reason, d.confidence = "beyond_start", 0.95
		d.with("limit", beyond)
		return d
	}
	learned := v.first - v.best
	mark := v.best + v.lost*learned
	if len(tail) < 5 || learned < 0.2*math.Abs(v.first) {
		return decision{holds: open && now > start+(beyond-start)/4} // back near its start it is over
	}
	for _, p := range tail[len(tail)-3:] {
		if p.y <= mark {
			return decision{holds: open && now > v.best+learned/2}
		}
	}
	c := r.climb(trainLoss)
	if !open && c.z() <= v.over+c.limit {
		return decision{}
	}
	d.reason, d.confidence = "lost_progress", 0.9
	d.with("limit", mark)
	return d
}
