package detectors

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

var lossAccuracyConflictDetector = &detector{
	spec: Spec{
		Kind:     KindLossAccuracyConflict,
		Title:    "Loss and accuracy contradict each other",
		Meaning:  "The training loss rises while the training accuracy (or another score) rises too. What is minimised is not what is scored: a penalty in the loss grows, the model grows too sure of its mistakes, or head, loss and metric do not fit together.",
		Severity: SeverityWarning, MinEpochs: 6,
		HiddenBy: []Kind{KindLossNaN, KindDivergence},
		Params: []Param{
			climbNoise(2),
			climbEpochs(),
			climbShare(),
			climbLevel(0.01),
			{
				Name: "score", Doc: "least gain of the score since then, in standard deviations of its noise", Unit: unitNoise, Default: 2, Min: 0, Max: 100,
				Source: "two standard deviations, as for the loss; the gain has to be there beside a loss that already rises for sure",
			},
		},
		Reasons: []Reason{{"both_rise", "loss and score are both above what they were by more than their noise"}},
		Advice: []string{
			"Lower the learning rate: it is the most likely cause. Try a third to a tenth, or ReduceLROnPlateau(monitor=\"loss\", factor=0.3, patience=3).",
			"Look at the penalty terms: with L1 or L2 on many layers, loss is not the data loss. Log the cross-entropy as a metric beside it (it also explains a start above that of guessing); if the penalty is what grows, weaken it, or use AdamW's weight decay.",
			"With two classes, use one sigmoid unit with binary_crossentropy instead of a softmax of two, and check that the labels have the shape the loss expects.",
			"Accuracy counts right answers, the loss how sure the wrong ones are: look at the most confident mistakes (wrong labels, an odd batch); label smoothing and gradient clipping (clipnorm=1.0) tame them.",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves; kept apart: 0 of 85; 0 of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(lossAccuracyConflict{
			loss:  risingLoss{over: p.get("noise"), epochs: int(p.get("epochs")), share: p.get("share"), level: p.get("level")},
			score: p.get("score"),
		})
	},
	tell: tellConflict,
}

func tellConflict(d *decision, r *run, usual []string) (string, []string) {
	what := r.name(trainScore)
	s := fmt.Sprintf("%s rises since epoch %d (%.4g to %.4g) although %s rises too (%.4g to %.4g): what is minimised is not what is scored. Most often the learning rate is too high, or a penalty term in the loss grows.",
		d.metric, d.onset, d.get("best"), d.get("now"), what, d.get("score_then"), d.get("score_now"))
	if f := r.now.facts; f != nil && f.loss != "" && (f.classes > 2 || strings.HasPrefix(f.loss, "binary")) {
		// It is known not to be a softmax of two.
		usual = slices.Delete(slices.Clone(usual), 2, 3)
	}
	return s, usual
}

type lossAccuracyConflict struct {
	loss  risingLoss
	score float64
}

func (l *lossAccuracyConflict) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if s := &r.s[trainLoss]; s.whole {
		d = l.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (l *lossAccuracyConflict) judge(r *run, s *series, open bool) decision {
	rising := l.loss.judge(r, s, open)
	if rising.severity == "" {
		return rising
	}
	score := &r.s[trainScore]
	then, now, ok := around(score, rising.onset)
	if !ok {
		return decision{holds: open}
	}
	sigma := max(noise(score.all()), 1e-9*math.Abs(then))
	if now-then <= l.score*sigma {
		return decision{holds: open && now > then}
	}
	d := rising
	d.n = 0
	d.reason = "both_rise"
	d.confidence = math.Min(rising.confidence, sureness((now-then)/(l.score*sigma+math.SmallestNonzeroFloat64)))
	d.with("best", rising.get("best"))
	d.with("now", rising.get("now"))
	d.with("rise_in_noise", rising.get("rise_in_noise"))
	d.with("score_then", then)
	d.with("score_now", now)
	d.with("score_noise", sigma)
	return d
}
