package detectors

import (
	"fmt"
	"math"
	"slices"
)

var overfittingDetector = &detector{
	spec: Spec{
		Kind:     KindOverfitting,
		Title:    "Overfitting",
		Meaning:  "The validation loss has climbed from its best by more than its noise, while the training loss went on falling: the model learns the training data by heart.",
		Severity: SeverityWarning, MinEpochs: 6,
		HiddenBy: []Kind{KindLossNaN, KindDivergence},
		Params: []Param{
			climbNoise(1.9),
			{
				Name: "alone", Doc: "the same where the training loss has fallen by less than drop since then: the rise has to stand alone", Unit: unitNoise, Default: 3, Min: 0.5, Max: 20,
				Source: "development corpus: what healthy runs show for a while seldom comes with a training loss in free fall",
			},
			{
				Name: "drop", Doc: "fall of the training loss since the best validation loss, as a share, that makes the case", Unit: unitShare, Default: 0.1, Min: 0, Max: 1,
				Source: "development corpus: 43 % in the median where runs overfit, 5 % where a rise was taken back",
			},
			climbShare(),
			climbLevel(0.005),
		},
		Reasons: []Reason{
			{"loss_falls_on", "the training loss has fallen by more than drop since the best validation loss"},
			{"val_loss_climbs", "the validation loss climbs so clearly that a small fall of the training loss is enough"},
		},
		Advice: []string{
			"Keep the weights of the best epoch: EarlyStopping(restore_best_weights=True) or ModelCheckpoint(save_best_only=True).",
			"More data or augmentation helps most; then dropout, weight decay, a smaller model.",
			"A lower learning rate alone only delays it.",
		},
		FalseAlarms: "corpus: 5 of 266 healthy curves, 99 of 103 named, 2 of these before the onset, median delay 5 epochs; 0 of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(overfitting{over: p.get("noise"), alone: p.get("alone"), drop: p.get("drop"), share: p.get("share"), level: p.get("level")})
	},
	tell: tellOverfitting,
}

func tellOverfitting(d *decision, r *run, usual []string) (string, []string) {
	s := fmt.Sprintf("Overfitting since epoch %d: %s rose from %.4g to %.4g (%.1f times its noise) while %s fell by %.0f %%.",
		d.onset, d.metric, d.get("best"), d.get("now"), d.get("rise_in_noise"), r.name(trainLoss), 100*d.get("train_drop"))
	if d.get("score_change") > 0 {
		return s + fmt.Sprintf(" %s still improves: the model grows too sure of its mistakes rather than making more of them.", r.name(valScore)),
			append(slices.Clone(usual), "If only the score counts, choose the weights by it (monitor=\""+r.name(valScore)+"\"); label smoothing keeps the loss honest.")
	}
	return s, usual
}

type overfitting struct {
	over, alone, drop, share, level float64
}

func (o *overfitting) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[valLoss]; s.whole {
		d = o.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (o *overfitting) judge(r *run, s *series, open bool) decision {
	c := r.climb(valLoss)
	z := c.z()
	if z == 0 {
		return decision{}
	}
	best := s.points[c.best]
	then, now, ok := around(&r.s[trainLoss], int(best.epoch))
	if !ok || now >= then {
		return decision{holds: open && z > o.over/2}
	}
	drop := (then - now) / max(math.Abs(then), math.SmallestNonzeroFloat64)
	over, reason := o.alone, "val_loss_climbs"
	if drop > o.drop {
		over, reason = o.over, "loss_falls_on"
	}
	over += c.limit
	d := decision{holds: open && z > over/2}
	if z <= over || c.share < o.share || c.rise <= o.level*math.Abs(c.level) {
		return d
	}
	d.severity, d.metric, d.reason, d.onset = SeverityWarning, r.name(valLoss), reason, int(best.epoch)
	d.confidence = sureness(z / over)
	d.with("best", c.level)
	d.with("now", s.last())
	d.with("rise_in_noise", z)
	d.with("noise", c.noise)
	d.with("needed", over)
	d.with("train_drop", drop)
	if a, b, ok := around(&r.s[valScore], int(best.epoch)); ok {
		d.with("score_change", b-a)
	}
	return d
}

// around returns what a series was at an epoch and what it is now, the latter as the
// mean of the last three points, those after that epoch only.
func around(s *series, epoch int) (then, now float64, ok bool) {
	p := s.all()
	k := len(p) - 1
	for k >= 0 && int(p[k].first) > epoch {
		k--
	}
	if k < 0 || k == len(p)-1 {
		return 0, 0, false
	}
	return p[k].y, mean(p[max(k+1, len(p)-3):]), true
}
