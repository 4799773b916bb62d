package detectors

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

var metricMismatchDetector = &detector{
	spec: Spec{
		Kind:     KindMetricMismatch,
		Title:    "A metric that cannot mean what it says",
		Meaning:  "A metric does not fit what is learnt (an accuracy of numbers), or its values are impossible: an accuracy above 1, a cross-entropy below 0.",
		Severity: SeverityWarning, MinEpochs: 0,
		Reasons: []Reason{
			{reasonAccuracyOfNumbers, "an accuracy as the metric of numbers: information, where the loss is one of numbers too"},
			{reasonWrongAccuracy, "an accuracy for another kind of targets: single units of a softmax counted, classes of one unit, class numbers against one-hot rows"},
			{reasonTopOfSeveral, "accuracy of several labels at once looks at the largest only: information"},
			{reasonAboveOne, "a share, such as accuracy, above 1 that is no percentage, or above 100"},
			{reasonBelowZero, "a metric below 0 that cannot be: a share, a distance, the cross-entropy of targets that are probabilities"},
		},
		Advice: []string{
			"Numbers: MeanAbsoluteError or RootMeanSquaredError, in the unit of the target.",
			"Classes: \"accuracy\", by that name, has Keras choose the right one.",
			"A cross-entropy below 0 means targets outside 0 to 1: look at their range.",
		},
		FalseAlarms: "bench/programs: 0 of 59 sound programs; development corpus: 0 of 181 healthy curves",
	},
	make:  func(params) rule { return ruleOf(metricMismatch{}) },
	weigh: weighMetrics,
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		if d.reason == reasonBelowZero {
			return fmt.Sprintf("%s is %.4g, below 0, which it cannot be: the targets are outside of what it takes, or something is subtracted.", d.metric, d.get("value")), []string{
				usual[2], "A custom loss or metric: look for a sign, and for a mean that is taken of the wrong axis.",
			}
		}
		return fmt.Sprintf("%s is %.4g, which no share can be.", d.metric, d.get("value")), []string{
			"Look at how it is computed: counts that are not divided by all samples, or a mean over the wrong axis.", usual[1],
		}
	},
}

const (
	reasonAccuracyOfNumbers = "accuracy_of_numbers"
	reasonWrongAccuracy     = "wrong_accuracy"
	reasonTopOfSeveral      = "largest_of_several"
	reasonAboveOne          = "above_one"
	reasonBelowZero         = "below_zero"
)

const adviseError = "Watch mean_absolute_error (in the unit of the target) or root_mean_squared_error instead."

func weighMetrics(f *facts) opinion {
	for _, name := range f.metrics {
		if o := weighMetric(f, name); o.severity != "" {
			o.with("output_units", float64(f.units))
			if f.y.known {
				o.with("targets_distinct", float64(f.y.distinct))
			}
			return o
		}
	}
	return opinion{}
}

// weighMetric leaves the metric of the finding empty: its curve need not be there.
func weighMetric(f *facts, name string) opinion {
	softmax := f.last() == "softmax"
	switch name {
	case "accuracy", "acc", "binary_accuracy", "categorical_accuracy", "sparse_categorical_accuracy":
		if o := accuracyOfNumbers(f, name); o.severity != "" {
			return o
		}
	default:
		return opinion{}
	}
	wrong := func(why string) opinion {
		return warn(reasonWrongAccuracy, 0.85, name+" "+why, "Write metrics=[\"accuracy\"]: Keras chooses the one that fits the head and the targets.")
	}
	switch {
	case name == "binary_accuracy" && softmax && f.units > 2 && f.task != contract.TaskMultilabel && !f.y.several():
		return wrong(fmt.Sprintf("counts each of the %d softmax units by itself: %.0f %% are right when nothing is learnt.", f.units, 100*float64(f.units-1)/float64(f.units)))
	case strings.HasSuffix(name, "categorical_accuracy") && f.units == 1:
		return wrong("looks for the largest of one unit, which is always the same one.")
	case name == "categorical_accuracy" && f.units > 1 && f.y.numbersOfClasses() && f.y.axes <= 2:
		return wrong("takes one-hot rows, but the targets are class numbers.")
	case name == "sparse_categorical_accuracy" && f.y.oneHot() && f.y.width == int64(f.units):
		return wrong("takes class numbers, but the targets are one-hot rows.")
	case (name == "accuracy" || name == "acc") && f.units > 1 && f.task == contract.TaskMultilabel:
		return aside(reasonTopOfSeveral, 0.7, name+" compares the largest answer with the largest label; with several labels a row use binary_accuracy.",
			"Use metrics=[\"binary_accuracy\"], or AUC(multi_label=True).")
	}
	return opinion{}
}

// fewNumbers is how many different whole numbers look like the numbers of classes.
const fewNumbers = 20

// accuracyOfNumbers speaks where numbers are learnt: it is told so, or the targets have
// fractions. Whole numbers on one linear unit may be classes.
func accuracyOfNumbers(f *facts, name string) opinion {
	classes := f.task == contract.TaskBinary || f.task == contract.TaskMulticlass || f.task == contract.TaskMultilabel
	if yes(f.y.rowsToOne) || f.last() == "softmax" || f.ofClasses() && f.units > 1 {
		return opinion{}
	}
	numbers := f.y.known && f.y.fractions() || f.distance() && f.y.known && yes(f.y.integer) && f.y.width == 1 && f.y.distinct > 2 ||
		f.task == contract.TaskRegression && !f.y.known && f.last() != "sigmoid"
	if !numbers {
		return opinion{}
	}
	likeClasses := classes || f.y.known && yes(f.y.integer) && f.y.distinct <= fewNumbers
	advice := []string{adviseError}
	summary := name + " counts answers that hit a class; of numbers it says nothing, and stays near 0."
	if likeClasses && f.y.known {
		summary = fmt.Sprintf("%s of one unit against %d class numbers counts only answers near 0 and 1.", name, f.y.distinct)
		advice = []string{adviseMany, adviseError}
	}
	reconstructs := f.y.known && f.y.width >= 8 && f.last() == "sigmoid"
	if reconstructs || f.distance() && !likeClasses {
		// Head and loss may well be sound, and nothing is learnt worse for it.
		return aside(reasonAccuracyOfNumbers, 0.85, summary, advice...)
	}
	return warn(reasonAccuracyOfNumbers, 0.85, summary, advice...)
}

// metricMismatch watches values that cannot be, of the metrics that have a history.
type metricMismatch struct {
	of int8 // the metric that the open finding is about
}

func (c *metricMismatch) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	for i := range r.s {
		s := &r.s[i]
		if !s.fresh || out.standing.stands(KindMetricMismatch) {
			continue
		}
		reason := cannotBe(r, i, s.last())
		if out.open(0) && int(c.of) == i {
			d.holds = reason != ""
		}
		if reason != "" && !out.open(0) && d.severity == "" {
			c.of = int8(i)
			d = decision{severity: SeverityWarning, metric: r.name(i), onset: r.epoch, reason: reason, confidence: 0.9}
			d.with("value", s.last())
		}
	}
	out.put(0, &d)
}

// cannotBe returns why a value cannot be, or nothing. A hair beyond is rounding.
func cannotBe(r *run, i int, v float64) string {
	switch {
	case v >= -1e-6 && v <= 1.001: // names are read only where it matters
	case i == trainLoss || i == valLoss:
		if v < -1e-6 && neverBelowZero(r.name(i), r.now.facts) {
			return reasonBelowZero
		}
	case !isShare(r.name(i)):
	case v < -1e-6:
		return reasonBelowZero
	case v > 100.01:
		return reasonAboveOne
	case r.s[i].count >= 5 && highest(&r.s[i]) < 2 && percentTooFew(r.now.facts):
		// A percentage that has not reached 2 in five epochs would be chance of 50 classes.
		return reasonAboveOne
	}
	return ""
}

// highest returns the highest point of a history.
func highest(s *series) float64 {
	most := s.last()
	for _, p := range s.all() {
		most = max(most, p.y)
	}
	return most
}

// percentTooFew reports whether less than 2 per cent right cannot be, or hardly.
func percentTooFew(f *facts) bool { return f == nil || f.classes < 50 }

// isShare reports whether a metric is a share of all, by its name.
func isShare(name string) bool {
	base := roleOf(name).base
	for _, end := range []string{"accuracy", "acc", "precision", "recall", "auc"} {
		if base == end || strings.HasSuffix(base, "_"+end) {
			return true
		}
	}
	return false
}

// neverBelowZero reports whether the loss cannot be negative: by its own name, or by the
// facts for the loss of the whole model.
func neverBelowZero(name string, f *facts) bool {
	kind := lossName(roleOf(name).base)
	if kind == "loss" && f != nil {
		kind = f.loss
	}
	return slices.Contains([]string{
		lossBCE, lossCCE, lossSparse, lossMSE, lossMAE, lossMAPE, lossMSLE, "root_mean_squared_error", "huber", "log_cosh",
		"hinge", "squared_hinge", "categorical_hinge",
	}, kind)
}

// guessLoss returns the loss of the best single answer, for losses of distances, from the
// spread of the targets; NaN when it is not known.
func (f *facts) guessLoss() float64 {
	if f == nil || !f.y.known {
		return math.NaN()
	}
	square := f.y.std*f.y.std + f.y.mean*f.y.mean // that of answering 0
	switch f.loss {
	case lossMSE:
		return square
	case lossMAE, "root_mean_squared_error", "huber", "log_cosh":
		return math.Sqrt(square)
	}
	return math.NaN()
}
