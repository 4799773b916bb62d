package detectors

import (
	"fmt"
	"math"
)

var generalizationGapDetector = &detector{
	spec: Spec{
		Kind:     KindGeneralizationGap,
		Title:    "The gap to validation widens",
		Meaning:  "The training loss falls on while the validation loss stands: the gap between them has grown far beyond what this run has shown before. What is learned now does not carry over; it is the way into overfitting.",
		Severity: SeverityInfo, MinEpochs: 15,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindRisingLoss, KindOverfitting, KindNoisyValidation, KindLRTooHigh},
		Params: []Param{
			{
				Name: "epochs", Doc: "least epochs of the run", Unit: unitEpochs, Default: 15, Min: 9, Max: 100000,
				Source: "a third of them is what the gap is held against; between 9 and 15 the development corpus shows no difference",
			},
			{
				Name: "noise", Doc: "least growth of the gap since the middle third of the run, in standard deviations of the noise of both curves, up to 12 epochs; 1 more with each factor e of epochs", Unit: unitNoise, Default: 6, Min: 0.5, Max: 100,
				Source: "three times what overfitting asks for: nothing gets worse yet",
			},
			{
				Name: "gap", Doc: "least gap as a share of the validation loss", Unit: unitShare, Default: 0.6, Min: 0, Max: 10,
				Source: "a judgement; at 0.5, 3 healthy curves of 85 kept apart, and of the development corpus 4 that overfit, 2 without a label and no healthy one",
			},
			{
				Name: "carried", Doc: "most that the validation loss may have fallen, as a share of the fall of the training loss; its own noise is allowed for", Unit: unitShare, Default: 0.05, Min: 0, Max: 1,
				Source: "a judgement; not measured: a healthy run carries over most of what it learns",
			},
		},
		Reasons: []Reason{{"widens", "the gap has grown by more than the noise since the middle third, and the validation loss has no part in the fall"}},
		Advice: []string{
			"Keep the weights of the best epoch (EarlyStopping(restore_best_weights=True)), and think about when to stop: more epochs at this rate will hardly help validation.",
			"More data or augmentation, dropout, weight decay, a smaller model.",
			"Look at the score of validation: while it improves, the run is worth its time.",
		},
		FalseAlarms: "development corpus: information on 0 of 181 healthy curves; kept apart: 2 of 85 (3 at the first look); none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(generalizationGap{epochs: int32(p.get("epochs")), over: p.get("noise"), gap: p.get("gap"), carried: p.get("carried")})
	},
	tell: func(d *decision, r *run, usual []string) (string, []string) {
		return fmt.Sprintf("The gap between %s and %s has grown from %.3g to %.3g since about epoch %d: %s fell by %.3g, %s stands at %.4g.",
			r.name(trainLoss), d.metric, d.get("gap_then"), d.get("gap"), d.onset, r.name(trainLoss), d.get("train_fall"), d.metric, d.get("now")), usual
	},
}

type generalizationGap struct {
	over, gap, carried float64
	epochs             int32
}

func (g *generalizationGap) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[valLoss]; s.whole && r.s[trainLoss].fresh {
		d = g.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (g *generalizationGap) judge(r *run, s *series, open bool) decision {
	val, loss := s.all(), &r.s[trainLoss]
	n := len(val)
	if s.count < int(g.epochs) || n < 9 {
		return decision{}
	}
	k := n / 3
	now := max(3, n/8)
	valThen, valNow := mean(val[k:n-k]), mean(val[n-now:])
	trainThen, ok := meanBetween(loss, val[k].first, val[n-k-1].epoch)
	trainNow, ok2 := meanBetween(loss, val[n-now].first, val[n-1].epoch)
	if !ok || !ok2 {
		return decision{holds: open}
	}
	gap, then := valNow-trainNow, valThen-trainThen
	grown, fall := gap-then, trainThen-trainNow
	d := decision{holds: open && gap > g.gap/2*math.Abs(valNow) && valThen-valNow < 3*g.carried*fall}
	if fall <= 0 || grown <= 0 || gap <= g.gap*math.Abs(valNow) || grown < 0.25*gap || valThen-valNow > 4*g.carried*fall {
		return d
	}
	own := noise(val)
	sigma := math.Hypot(own, noise(loss.all()))
	if grown <= (g.over+bar(s.count))*sigma || valThen-valNow > g.carried*fall+own {
		return d
	}
	d.severity, d.metric, d.reason, d.confidence = SeverityInfo, r.name(valLoss), "widens", 0.7
	d.onset = int(val[n/2].first)
	d.with("gap_then", then)
	d.with("gap", gap)
	d.with("train_fall", fall)
	d.with("now", s.last())
	d.with("noise", sigma)
	return d
}

// meanBetween returns the mean of the points of a series that lie between two epochs.
func meanBetween(s *series, from, to int32) (y float64, ok bool) {
	p := s.all()
	i := 0
	for i < len(p) && p[i].first < from {
		i++
	}
	j := i
	for j < len(p) && p[j].epoch <= to {
		j++
	}
	return mean(p[i:j]), j > i
}
