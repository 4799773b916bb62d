package detectors

import (
	"fmt"
	"math"
)

var spikeDetector = &detector{
	spec: Spec{
		Kind:     KindSpike,
		Title:    "One bad epoch",
		Meaning:  "In a single epoch the training loss jumped far out of line, and was back in the next.",
		Severity: SeverityInfo, MinEpochs: 8,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh, KindOscillation, KindResumeRegression},
		Params: []Param{
			{
				Name: "noise", Doc: "least height, in standard deviations of this run's noise, up to 12 epochs; 1 more with each factor e of epochs", Unit: unitNoise, Default: 8, Min: 2, Max: 100,
				Source: "noise with heavy tails reaches eight times its deviation once in 80,000 epochs (Laplace); at 4, 1 of 181 healthy curves of the development corpus",
			},
			{
				Name: "learned", Doc: "least height as a share of what the run had learned", Unit: unitShare, Default: 0.2, Min: 0, Max: 10,
				Source: "a judgement; not measured: below a fifth nobody would look at it",
			},
			{
				Name: "level", Doc: "least height as a share of the loss before", Unit: unitShare, Default: 0.2, Min: 0, Max: 10,
				Source: "as for learned, of a run that has learned little",
			},
		},
		Reasons: []Reason{{"recovered", "the epoch before was far above the one before it, and the present one is back"}},
		Advice: []string{
			"Nothing needs to be done for one. If they come back, look at the batches of that epoch: an outlier, a broken file, one odd label.",
			"clipnorm=1.0 in the optimizer takes the edge off.",
		},
		FalseAlarms: "development corpus: information on 0 of 181 healthy curves; kept apart: 0 of 85; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(spike{over: p.get("noise"), learned: p.get("learned"), level: p.get("level")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s jumped to %.4g in epoch %d and is back at %.4g: one bad epoch.",
			d.metric, d.get("peak"), d.onset, d.get("now")), usual
	},
}

// spikeHolds is for how many epochs a spike stays on the table.
const spikeHolds = 3

type spike struct {
	over, learned, level float64
	first                float64 // loss of the first epoch
	left                 int8    // epochs for which it still holds
}

func (k *spike) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.fresh {
		if s.count == 1 {
			k.first = s.last()
		}
		k.left = max(0, k.left-1)
		d = k.judge(r, s)
		d.holds = k.left > 0
	}
	out.put(0, &d)
}

func (k *spike) judge(r *run, s *series) decision {
	tail := s.lasts()
	n := len(tail)
	if n < 8 {
		return decision{}
	}
	now, peak := tail[n-1].y, tail[n-2].y
	before := median3(tail[n-3].y, tail[n-4].y, tail[n-5].y)
	height := peak - max(before, tail[n-3].y)
	if height <= k.level*math.Abs(before) || height <= k.learned*(k.first-before) || now-before > height/4 {
		return decision{}
	}
	sigma := max(noise(tail[:n-2]), noise(s.all()))
	if height <= (k.over+bar(s.count))*sigma {
		return decision{}
	}
	k.left = spikeHolds
	d := decision{severity: SeverityInfo, metric: r.name(trainLoss), onset: int(tail[n-2].epoch), reason: "recovered", confidence: 0.85}
	d.with("before", before)
	d.with("peak", peak)
	d.with("now", now)
	d.with("noise", sigma)
	return d
}
