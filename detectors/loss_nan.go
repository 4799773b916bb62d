package detectors

import (
	"fmt"
	"math/bits"
)

var lossNaNDetector = &detector{
	spec: Spec{
		Kind:     KindLossNaN,
		Title:    "Not a number",
		Meaning:  "A loss or another metric is NaN or infinite. A training loss that is NaN means weights that are NaN: nothing after it is worth computing.",
		Severity: SeverityCritical, MinEpochs: 1,
		Reasons: []Reason{
			{"training_loss", "the training loss is not finite"},
			{"other_metric", "the training loss is finite, another metric is not"},
		},
		Advice: []string{
			"Stop, and go back to the last weights that were finite.",
			"Lower the learning rate (a tenth is a good first try) and clip the gradients: clipnorm=1.0 in the optimizer.",
			"Look at the data: missing values, divisions by zero, labels outside of what the loss can take.",
			"Look at the loss: a logarithm or a root of 0; use from_logits=True instead of a softmax of one's own; with mixed precision, scale the loss.",
		},
		FalseAlarms: "none possible: the number is in the log",
	},
	make: func(params) rule { return ruleOf(lossNaN{}) },
	tell: func(d *decision, r *run, usual []string) (string, []string) {
		what := "NaN or infinite"
		if d.reason == "other_metric" {
			return fmt.Sprintf("%s is %s since epoch %d, while the training loss is finite.", d.metric, what, d.onset), []string{
				"Look at the data this metric is computed on: missing values, an empty class or batch, a division by zero.",
				"If it is a validation loss, a single sample that the model is infinitely wrong about is enough: look at the largest losses one by one.",
			}
		}
		if r.n == 1 {
			return fmt.Sprintf("%s is %s from the first epoch on: the data or the loss cannot be computed, or the learning rate is far too high.", d.metric, what), lossNaNFirst
		}
		return fmt.Sprintf("%s is %s since epoch %d.", d.metric, what, d.onset), usual
	},
}

var lossNaNFirst = []string{
	"Look at the data first: np.isnan(x).any(), values far from 1, labels outside of what the loss can take.",
	"Lower the learning rate (a hundredth as a test) and clip the gradients: clipnorm=1.0 in the optimizer.",
	"Look at the loss: a logarithm or a root of 0; use from_logits=True instead of a softmax of one's own.",
}

// lossNaN watches every metric: slot 0 the training loss, slot 1 the others.
type lossNaN struct {
	onset [2]int // epoch since which it has not been finite without a break
	bad   [2]bool
}

func (l *lossNaN) decide(r *run, out *say) {
	loss := -1
	for i, name := range r.names.all {
		if name == r.name(trainLoss) {
			loss = i
		}
	}
	mask := r.now.bad
	lossBad := loss >= 0 && mask&(1<<loss) != 0
	if loss >= 0 {
		mask &^= 1 << loss
	}
	l.put(r, out, 0, lossBad, r.name(trainLoss), "training_loss", SeverityCritical, 1)
	// What is not finite beside a loss that is not follows from it.
	other := ""
	if mask != 0 {
		other = r.names.all[bits.TrailingZeros64(mask)]
	}
	l.put(r, out, 1, mask != 0 && !lossBad, other, "other_metric", SeverityWarning, bits.OnesCount64(mask))
}

func (l *lossNaN) put(r *run, out *say, i int, bad bool, metric, reason string, s Severity, count int) {
	if bad && !l.bad[i] {
		l.onset[i] = r.epoch
	}
	l.bad[i] = bad
	var d decision
	if bad {
		d = decision{severity: s, metric: metric, onset: l.onset[i], reason: reason, confidence: 1}
		d.with("metrics_not_finite", float64(count))
		if h := &r.s[trainLoss]; h.count > 0 {
			d.with("last_finite_loss", h.last())
			d.with("last_finite_epoch", float64(h.lastEpoch()))
		}
	}
	out.put(i, &d)
}
