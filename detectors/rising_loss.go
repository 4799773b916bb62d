package detectors

import (
	"fmt"
	"math"
)

var risingLossDetector = &detector{
	spec: Spec{
		Kind:     KindRisingLoss,
		Title:    "The training loss rises",
		Meaning:  "The training loss has climbed from its best and stays above it by more than this run's noise.",
		Severity: SeverityWarning, MinEpochs: 6,
		HiddenBy: []Kind{KindLossNaN, KindDivergence},
		Params: []Param{
			climbNoise(2),
			climbEpochs(),
			climbShare(),
			climbLevel(0.01),
		},
		Reasons: []Reason{
			{"above_best", "the mean of the last epochs is above the best by more than the noise allows"},
		},
		Advice: []string{
			"Lower the learning rate: a third is a good first try, or ReduceLROnPlateau(monitor=\"loss\", factor=0.3, patience=3).",
			"Go back to the weights of the best epoch (ModelCheckpoint with save_best_only=True).",
			"If the data changes between epochs (augmentation, a curriculum, a growing set), a rise may be the data's.",
		},
		FalseAlarms: "development corpus: 1 of 181 healthy curves (23 of 26 rises named); kept apart: 0 of 85 (0 of 4); 0 of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(risingLoss{over: p.get("noise"), epochs: int(p.get("epochs")), share: p.get("share"), level: p.get("level")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s has risen since epoch %d: from %.4g to %.4g, %.1f times its noise.",
			d.metric, d.onset, d.get("best"), d.get("now"), d.get("rise_in_noise")), usual
	},
}

// The parameters that the rules of a climbing loss share.
func climbNoise(v float64) Param {
	return Param{
		Name: "noise", Doc: "least rise of the mean of the last three epochs (of more than 24 points an eighth), in standard deviations of this run's noise, up to 12 epochs; 1 more with each factor e of epochs",
		Unit: unitNoise, Default: v, Min: 0.5, Max: 20,
		Source: "the knee between delay and false alarms on the development corpus; the growth is what 10,000 epochs of stationary noise need",
	}
}

func climbEpochs() Param {
	return Param{
		Name: "epochs", Doc: "least epochs after the best one", Unit: unitEpochs, Default: 4, Min: 3, Max: 1000,
		Source: "two epochs (UMLAUT) alarm 57 % of healthy runs, five (EarlyStopping's usual patience) 44 %; with the noise beside them, four suffice",
	}
}

func climbShare() Param {
	return Param{
		Name: "share", Doc: "least share of the epochs after the best that are above it", Unit: unitShare, Default: 0.8, Min: 0.5, Max: 1,
		Source: "as in the hindsight labels of the development corpus",
	}
}

func climbLevel(v float64) Param {
	return Param{
		Name: "level", Doc: "least rise as a share of the best loss", Unit: unitShare, Default: v, Min: 0, Max: 10,
		Source: "below so little nobody would act, however sure it is; of overfitting half of it is told an epoch earlier in the median, at no alarm more of 266 healthy curves",
	}
}

type risingLoss struct {
	over, share, level float64
	epochs             int
}

func (l *risingLoss) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.whole {
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *risingLoss) judge(r *run, s *series, open bool) decision {
	c := r.climb(trainLoss)
	z := c.z()
	over := l.over + c.limit
	d := decision{holds: open && z > over/2}
	if z <= over || c.share < l.share || c.rise <= l.level*math.Abs(c.level) || s.n-1-c.raw < l.epochs {
		return d
	}
	best := s.points[c.raw]
	d.severity, d.metric, d.reason = SeverityWarning, r.name(trainLoss), "above_best"
	d.onset = int(best.epoch)
	d.confidence = sureness(z / over)
	d.with("best", best.y)
	d.with("now", s.last())
	d.with("rise_in_noise", z)
	d.with("noise", c.noise)
	d.with("needed", over)
	return d
}

// sureness makes a confidence of how far a number is beyond its threshold: 0.8 at the
// threshold, 0.95 from two and a half times it on. Of the corpus' verdicts at the threshold
// 91 % were right where thresholds were chosen, 86 % where they were not.
func sureness(times float64) float64 {
	return math.Min(0.95, 0.8+0.1*(times-1))
}
