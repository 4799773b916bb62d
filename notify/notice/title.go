package notice

import (
	"fmt"
	"math"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// headline tells a finding in half a line: what, since which epoch, on which numbers.
func headline(n Notice) string {
	f := n.Finding
	metric := clean(f.Metric, maxName)
	if metric == "" {
		metric = "loss"
	}
	since := fmt.Sprintf(" since epoch %d", f.OnsetEpoch)
	switch f.Kind {
	case detectors.KindLossNaN:
		return metric + " is " + notFinite(n) + since
	case detectors.KindDivergence:
		return metric + " runs away" + since + change(n)
	case detectors.KindRisingLoss:
		return metric + " rising" + since + change(n)
	case detectors.KindOverfitting:
		return "overfitting" + since + ", " + metric + change(n)
	case detectors.KindPlateau:
		return metric + " stuck" + standing(n) + since
	case detectors.KindNotLearning:
		return "not learning, " + metric + standing(n) + " after " + epochsSeen(n)
	case detectors.KindLossAccuracyConflict:
		return "loss and accuracy rise together" + since + change(n)
	case detectors.KindLRTooHigh:
		return "learning rate too high" + since + rateNow(n)
	case detectors.KindEpochGap:
		return gap(f.Finding)
	case detectors.KindStalled:
		return fmt.Sprintf("no epoch ended after epoch %d", f.OnsetEpoch)
	}
	text := strings.ReplaceAll(clean(string(f.Kind), maxName), "_", " ")
	if f.Metric != "" {
		text += " of " + metric
	}
	return text + since
}

// evidence returns the first of the named numbers that the finding has.
func evidence(f detectors.Finding, names ...string) (float64, bool) {
	for _, name := range names {
		if v, ok := f.Evidence[name]; ok {
			return float64(v), true
		}
	}
	return math.NaN(), false
}

// change writes from where to where the metric went, from the finding's own evidence, else
// from the curve.
func change(n Notice) string {
	s := metricSeries(n.Epochs, metricName(n))
	from, ok := evidence(n.Finding.Finding, "best", "start", "before", "from", "first")
	if !ok {
		from, ok = s.at(n.Finding.OnsetEpoch - 1)
	}
	to, ok2 := evidence(n.Finding.Finding, "now", "last", "current", "value", "to")
	if !ok2 {
		to, ok2 = s.at(n.Finding.FiredEpoch)
	}
	if !ok || !ok2 {
		return ""
	}
	a, b := Pair(from, to)
	return " (" + a + " → " + b + ")"
}

// standing writes where the metric stands.
func standing(n Notice) string {
	v, ok := evidence(n.Finding.Finding, "now", "last", "current", "value", "best")
	if !ok {
		v, ok = metricSeries(n.Epochs, metricName(n)).at(n.Finding.FiredEpoch)
	}
	if !ok {
		return ""
	}
	return " at " + Number(v)
}

// notFinite names the value that is not a number, as the curve has it.
func notFinite(n Notice) string {
	for _, e := range n.Epochs {
		if v, ok := e.Metrics[metricName(n)]; ok && e.Epoch >= n.Finding.OnsetEpoch {
			switch {
			case math.IsNaN(v):
				return "NaN"
			case math.IsInf(v, 0):
				return "infinite"
			}
		}
	}
	return "not finite"
}

// gap names the epochs that are missing.
func gap(f detectors.Finding) string {
	from, ok1 := evidence(f, "from")
	to, ok2 := evidence(f, "to")
	switch {
	case !ok1 || !ok2:
		return fmt.Sprintf("epochs missing at epoch %d", f.OnsetEpoch)
	case from == to:
		return "epoch " + Number(from) + " is missing"
	}
	return "epochs " + Number(from) + " to " + Number(to) + " are missing"
}

func rateNow(n Notice) string {
	v, ok := evidence(n.Finding.Finding, "learning_rate", "lr", "rate")
	if !ok {
		v, ok = rateSeries(n.Epochs).at(n.Finding.FiredEpoch)
	}
	if !ok || math.IsNaN(v) {
		return ""
	}
	return " (" + Rate(v) + ")"
}

func epochsSeen(n Notice) string {
	if count := n.Finding.FiredEpoch - n.Finding.OnsetEpoch + 1; count > 1 {
		return fmt.Sprintf("%d epochs", count)
	}
	return fmt.Sprintf("epoch %d", n.Finding.FiredEpoch)
}

// metricName is the metric as the epochs name it.
func metricName(n Notice) string {
	if n.Finding.Metric == "" {
		return "loss"
	}
	return n.Finding.Metric
}
