package detectors

import (
	"fmt"
	"math"
)

var slowProgressDetector = &detector{
	spec: Spec{
		Kind:     KindSlowProgress,
		Title:    "Slow progress",
		Meaning:  "The training loss goes on falling, but so slowly that it has lost no more than a few per cent of its first value in all this time.",
		Severity: SeverityInfo, MinEpochs: 25,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh, KindNotLearning, KindLRTooLow, KindPlateau, KindRisingLoss},
		Params: []Param{
			{
				Name: "epochs", Doc: "least epochs of the run", Unit: unitEpochs, Default: 25, Min: 9, Max: 100000,
				Source: "a judgement; between 20 and 25 the development corpus shows no difference",
			},
			{
				Name: "fall", Doc: "greatest fall of the loss since the first epoch, as a share", Unit: unitShare, Default: 0.03, Min: 0.01, Max: 1,
				Source: "development corpus: at 0.1, 7 of 181 healthy curves",
			},
			{
				Name: "noise", Doc: "least fall, in standard deviations of this run's noise", Unit: unitNoise, Default: 4, Min: 0, Max: 100,
				Source: "what does not stand out from the noise is for not_learning to judge",
			},
			{
				Name: "pace", Doc: "least fall in the last third of the run as a share of that in the middle third", Unit: unitShare, Default: 0.5, Min: 0, Max: 1,
				Source: "a fall that dies away is for plateau to judge",
			},
		},
		Reasons: []Reason{{"steady", "the fall is small, beyond the noise, and goes on"}},
		Advice: []string{
			"Raise the learning rate by three to ten: a curve that falls this evenly has room.",
			"Scale inputs and targets, and look whether most layers are frozen.",
			"If the part of the loss that can fall at all is small (a penalty, an entropy of the labels), look at the score instead.",
		},
		FalseAlarms: "development corpus: information on 1 of 181 healthy curves; kept apart: 0 of 85; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(slowProgress{epochs: int32(p.get("epochs")), fall: p.get("fall"), noise: p.get("noise"), pace: p.get("pace")})
	},
	tell: func(d *decision, r *run, usual []string) (string, []string) {
		s := fmt.Sprintf("%s falls, but only from %.4g to %.4g in %.0f epochs (%.2g %%).", d.metric, d.get("first"), d.get("now"), d.get("epochs"), 100*d.get("fall"))
		if f := r.now.facts; f != nil && float64(f.planned) > d.get("epochs") {
			s += fmt.Sprintf(" At this pace it will be at about %.3g at the end of the %d planned.", d.get("now")-d.get("an_epoch")*(float64(f.planned)-d.get("epochs")), f.planned)
		}
		return s, usual
	},
}

type slowProgress struct {
	fall, noise, pace float64
	epochs            int32
}

func (l *slowProgress) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.whole {
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *slowProgress) judge(r *run, s *series, open bool) decision {
	p := s.all()
	n := len(p)
	if s.count < int(l.epochs) || n < 9 {
		return decision{}
	}
	third := n / 3
	first, mid, now := mean(p[:third]), mean(p[third:n-third]), mean(p[n-third:])
	fall := p[0].y - mean(p[n-3:])
	share := fall / max(math.Abs(p[0].y), math.SmallestNonzeroFloat64)
	goesOn := mid > now && mid-now >= l.pace*(first-mid)
	d := decision{holds: open && goesOn && share <= 1.5*l.fall}
	if share <= 0 || share > l.fall || !goesOn || first <= mid || fall <= l.noise*noise(p) {
		return d
	}
	d.severity, d.metric, d.onset, d.reason, d.confidence = SeverityInfo, r.name(trainLoss), r.first, "steady", 0.7
	d.with("first", p[0].y)
	d.with("now", s.last())
	d.with("fall", share)
	d.with("epochs", float64(s.count))
	d.with("an_epoch", (mid-now)/float64(third*s.stride))
	return d
}
