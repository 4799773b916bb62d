package detectors

import (
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// facts is what is used of contract.Facts, each name in one spelling.
type facts struct {
	task      contract.Task
	loss      string // Keras' long name, in snake case; a custom one as it is
	logits    *bool
	units     int
	head      []string // activations of the output, the last one last; none for a linear head
	headKnown bool
	metrics   []string
	layers    []string
	x, y      sample
	optimizer string
	classes   int
	rate      float64 // NaN when not known
	planned   int     // 0 when not known
	initial   int     // number of the attempt's first epoch
	samples   int64
}

// sample is what is used of contract.Sample. Numbers that are not known are NaN.
type sample struct {
	known              bool
	rows, last         int64 // rows, and size of the last of several axes; 0 when not known
	axes               int
	lo, hi, mean, std  float64
	nonFinite          int64
	integer, rowsToOne *bool
	distinct, width    int64
	commonest          float64
}

func factsOf(f contract.Facts) *facts {
	out := &facts{
		task: f.Task, loss: lossName(f.Loss), logits: f.FromLogits, units: f.OutputUnits,
		layers: f.Layers, x: sampleOf(f.X), y: sampleOf(f.Y), optimizer: strings.ToLower(f.Optimizer), classes: f.Classes,
		rate: number(f.LearningRate), planned: f.PlannedEpochs, initial: f.InitialEpoch, samples: f.Samples,
	}
	for _, name := range f.MetricNames {
		out.metrics = append(out.metrics, snake(name))
	}
	for name := range strings.SplitSeq(f.OutputActivation, "+") {
		name = snake(strings.TrimSpace(name))
		out.headKnown = out.headKnown || name != ""
		if name != "" && name != "linear" && name != "none" {
			out.head = append(out.head, name)
		}
	}
	if out.classes == 0 && f.OutputUnits > 1 {
		out.classes = f.OutputUnits
	}
	return out
}

func sampleOf(s *contract.Sample) sample {
	if s == nil {
		nan := math.NaN()
		return sample{lo: nan, hi: nan, mean: nan, std: nan, commonest: nan}
	}
	out := sample{
		known: true, axes: len(s.Shape), lo: number(s.Min), hi: number(s.Max), mean: number(s.Mean), std: number(s.Std),
		nonFinite: s.NonFinite, integer: s.Integer, rowsToOne: s.RowsSumToOne, distinct: s.Distinct, width: s.Width,
		commonest: number(s.CommonestShare),
	}
	if out.axes > 0 {
		out.rows = s.Shape[0]
		width := int64(1)
		for _, n := range s.Shape[1:] {
			width *= n
		}
		if out.width == 0 {
			out.width = width
		}
	}
	if out.axes > 1 {
		out.last = s.Shape[out.axes-1]
	}
	return out
}

func number(n *contract.Number) float64 {
	if n == nil {
		return math.NaN()
	}
	return float64(*n)
}

// yes and no report what a fact says that may be missing.
func yes(b *bool) bool { return b != nil && *b }
func no(b *bool) bool  { return b != nil && !*b }

// The losses that rules know, as Keras names them at length.
const (
	lossBCE    = "binary_crossentropy"
	lossCCE    = "categorical_crossentropy"
	lossSparse = "sparse_categorical_crossentropy"
	lossMSE    = "mean_squared_error"
	lossMAE    = "mean_absolute_error"
	lossMAPE   = "mean_absolute_percentage_error"
	lossMSLE   = "mean_squared_logarithmic_error"
	lossKLD    = "kl_divergence"
)

var lossAliases = map[string]string{
	"mse": lossMSE, "mae": lossMAE, "mape": lossMAPE, "msle": lossMSLE, "l2": lossMSE, "l1": lossMAE, "bce": lossBCE, "cce": lossCCE,
	"rmse": "root_mean_squared_error", "logcosh": "log_cosh", "huber_loss": "huber", "kld": lossKLD,
	"kullback_leibler_divergence": lossKLD, "cosine_proximity": "cosine_similarity",
	"binary_focal_crossentropy": lossBCE, "categorical_focal_crossentropy": lossCCE, "sparse_crossentropy": lossSparse,
}

// lossName gives a loss the one name that rules ask for.
func lossName(name string) string {
	name = snake(name)
	if i := strings.LastIndexByte(name, '_'); i >= 0 && name[i:] == "_loss" && lossAliases[name] == "" {
		if short := name[:i]; lossAliases[short] != "" || strings.HasSuffix(short, "crossentropy") || strings.HasSuffix(short, "_error") {
			name = short
		}
	}
	if long, ok := lossAliases[name]; ok {
		return long
	}
	return name
}

// distance reports whether the loss measures how far numbers are apart, as a regression does.
func (f *facts) distance() bool {
	switch f.loss {
	case lossMSE, lossMAE, lossMAPE, lossMSLE, "root_mean_squared_error", "huber", "log_cosh":
		return true
	}
	return false
}

// ofClasses reports whether the loss is the cross-entropy of one class out of several.
func (f *facts) ofClasses() bool { return f.loss == lossCCE || f.loss == lossSparse }

// crossentropy reports whether the loss takes probabilities.
func (f *facts) crossentropy() bool { return f.loss == lossBCE || f.ofClasses() }

// last returns the last activation of the head; "linear" without one, empty when not known.
func (f *facts) last() string {
	switch {
	case !f.headKnown:
		return ""
	case len(f.head) == 0:
		return "linear"
	}
	return f.head[len(f.head)-1]
}

// reach is what activations can answer; one that is not here may answer anything.
var reach = map[string][2]float64{
	"sigmoid": {0, 1}, "hard_sigmoid": {0, 1}, "softmax": {0, 1}, "sparsemax": {0, 1}, "tanh": {-1, 1}, "hard_tanh": {-1, 1},
	"softsign": {-1, 1}, "relu": {0, inf}, "relu6": {0, 6}, "softplus": {0, inf}, "exponential": {0, inf}, "elu": {-1, inf},
	"selu": {-1.7581, inf}, "gelu": {-0.17, inf}, "silu": {-0.2785, inf}, "swish": {-0.2785, inf}, "mish": {-0.3089, inf},
	"log_softmax": {-inf, 0}, "log_sigmoid": {-inf, 0}, "squareplus": {0, inf},
}

var inf = math.Inf(1)

// span returns what the head can answer; ok is false when it is not known.
func (f *facts) span() (lo, hi float64, ok bool) {
	last := f.last()
	switch r, known := reach[last]; {
	case known:
		return r[0], r[1], true
	case last == "linear" || last == "leaky_relu" || last == "prelu" || last == "p_relu":
		return -inf, inf, true
	}
	return 0, 0, false
}

// probabilities reports whether the head answers with probabilities.
func (f *facts) probabilities() bool {
	switch f.last() {
	case "sigmoid", "softmax", "hard_sigmoid", "sparsemax":
		return true
	}
	return false
}

// has reports whether the head has the activation anywhere.
func (f *facts) has(activation string) bool { return slices.Contains(f.head, activation) }

// oneHot reports whether each row of the targets is one class of several: 0, 0, 1, 0.
func (s *sample) oneHot() bool {
	return yes(s.rowsToOne) && s.width > 1 && s.distinct <= 2 && !no(s.integer) && s.lo >= 0 && s.hi <= 1
}

// several reports whether each row may have several labels at once: 0, 1, 1, 0.
func (s *sample) several() bool {
	return no(s.rowsToOne) && s.width > 1 && s.distinct == 2 && yes(s.integer) && s.lo == 0 && s.hi == 1
}

// numbersOfClasses reports whether the targets are class numbers, one a row or a step.
func (s *sample) numbersOfClasses() bool {
	return s.known && yes(s.integer) && !yes(s.rowsToOne) && s.width == 1 && s.distinct > 1
}

// fractions reports whether the targets are not whole numbers.
func (s *sample) fractions() bool { return no(s.integer) }

// chanceLoss returns the cross-entropy of guessing every class alike; NaN when loss or
// classes are not known.
func (f *facts) chanceLoss() float64 {
	switch {
	case f == nil:
	case f.loss == lossBCE:
		return math.Ln2
	case f.ofClasses() && f.classes > 1:
		return math.Log(float64(f.classes))
	}
	return math.NaN()
}
