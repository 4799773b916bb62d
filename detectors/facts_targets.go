package detectors

import (
	"fmt"
	"strconv"
	"strings"
)

// Rules about the targets: their form, their range, and what the head can answer.

func notFinite(f *facts) opinion {
	const look = "Look for them before training: np.isfinite(a).all(); drop or fill the rows, and find where they come from (a division, a logarithm, an empty cell)."
	switch {
	case f.y.nonFinite > 0:
		return grave(reasonTargetsNotFinite, fmt.Sprintf("%d of the targets looked at are NaN or infinite: so is every loss they enter.", f.y.nonFinite), look)
	case f.x.nonFinite > 0:
		return grave(reasonInputsNotFinite, fmt.Sprintf("%d of the inputs looked at are NaN or infinite: one such row makes all weights NaN.", f.x.nonFinite), look)
	}
	return opinion{}
}

// sequences reports whether the model may answer more than one row of units a sample, so
// that units and the width of the targets need not be alike.
func (f *facts) sequences() bool {
	if f.y.axes > 2 || len(f.layers) == 0 {
		return true
	}
	along := false
	for _, l := range f.layers {
		kind := strings.TrimRight(strings.SplitN(strings.SplitN(l, "/", 2)[0], "(", 2)[0], "0123456789")
		switch {
		case kind == "Flatten" || strings.HasPrefix(kind, "Global"):
			along = false
		case strings.HasPrefix(kind, "Conv"), strings.Contains(kind, "LSTM"), strings.Contains(kind, "GRU"), strings.Contains(kind, "RNN"),
			kind == "Embedding", kind == "TimeDistributed", kind == "Reshape", kind == "Bidirectional", kind == "RepeatVector",
			!plain(kind):
			along = true
		}
	}
	return along
}

// plain reports whether a layer takes rows to rows and has nothing to hide.
func plain(kind string) bool {
	switch kind {
	case "Dense", "Dropout", "Activation", "BatchNormalization", "InputLayer", "LayerNormalization", "GaussianNoise", "GaussianDropout",
		"AlphaDropout", "ActivityRegularization", "Flatten", "ReLU", "LeakyReLU", "ELU", "PReLU", "Softmax", "Normalization", "Rescaling",
		"UnitNormalization", "Identity", "SpectralNormalization":
		return true
	}
	return false
}

func wrongForm(f *facts) opinion {
	switch {
	case f.loss == lossCCE && f.units > 1 && f.y.known && f.y.width == 1 && f.y.axes <= 2:
		return grave(reasonWantsOneHot, fmt.Sprintf("categorical_crossentropy takes one-hot rows of %d numbers, but the targets are single numbers (%.4g to %.4g).", f.units, f.y.lo, f.y.hi),
			"Use sparse_categorical_crossentropy for class numbers, or keras.utils.to_categorical(y).")
	case f.loss == lossSparse && f.y.oneHot() && (f.y.width == int64(f.units) || f.y.last == int64(f.units)):
		return grave(reasonWantsNumbers, fmt.Sprintf("sparse_categorical_crossentropy takes class numbers, but the targets are one-hot rows of %d.", f.y.width),
			"Use categorical_crossentropy, or give it y.argmax(axis=-1).")
	}
	return opinion{}
}

// widths compares the outputs with the targets' columns where every sample has one row.
func widths(f *facts) opinion {
	w, u := f.y.width, int64(f.units)
	if w == 0 || u == 0 || w == u || f.loss == lossSparse || !f.distance() && !f.crossentropy() {
		return opinion{}
	}
	if f.y.axes > 2 || w > 1 && (f.sequences() || w%u == 0 && u > 1) || len(f.layers) > 0 && w == 1 && !f.endsPlain() {
		return opinion{}
	}
	return grave(reasonWidths, fmt.Sprintf("The model gives %d numbers a sample and the targets have %d: %s compares each with each, or fails.", u, w, f.loss),
		fmt.Sprintf("Give the last layer %d units, or bring the targets into the form of the output.", w),
		"Class numbers with a softmax: sparse_categorical_crossentropy. One-hot rows of two classes with one sigmoid unit: y[:, 1].")
}

// endsPlain reports whether nothing comes after the layer that has the units.
func (f *facts) endsPlain() bool {
	last := f.layers[len(f.layers)-1]
	kind := strings.TrimRight(strings.SplitN(strings.SplitN(last, "/", 2)[0], "(", 2)[0], "0123456789")
	return plain(kind)
}

func labelRange(f *facts) opinion {
	const fromZero = "Number the classes from 0: np.unique(y, return_inverse=True)[1]; give the last layer one unit a class."
	if f.ofClasses() && f.units > 1 && f.classes > f.units {
		return grave(reasonFewUnits, fmt.Sprintf("There are %d classes and %d units: some class cannot be named.", f.classes, f.units),
			fmt.Sprintf("Give the last layer %d units.", f.classes))
	}
	if f.loss != lossSparse || !f.y.known {
		return opinion{}
	}
	switch {
	case f.y.fractions():
		return grave(reasonLabels, fmt.Sprintf("sparse_categorical_crossentropy takes class numbers, but the targets (%.4g to %.4g) are no whole numbers.", f.y.lo, f.y.hi),
			"For numbers use a linear last layer with mse or mae; for classes number them from 0.")
	case f.y.lo < 0:
		return grave(reasonLabels, fmt.Sprintf("The class numbers begin at %.4g: sparse_categorical_crossentropy counts from 0.", f.y.lo), fromZero)
	case f.units > 1 && f.y.lo >= 1 && f.y.hi == float64(f.units):
		return grave(reasonLabels, fmt.Sprintf("The class numbers go from %.4g to %.4g, but %d units are counted from 0 to %d.", f.y.lo, f.y.hi, f.units, f.units-1),
			"Subtract 1: y - 1.", fromZero)
	case f.units > 1 && f.y.hi >= float64(f.units):
		return grave(reasonLabels, fmt.Sprintf("The class numbers go up to %.4g, but %d units only name 0 to %d.", f.y.hi, f.units, f.units-1), fromZero)
	}
	return opinion{}
}

// slack is how far beyond its bounds a loss lets rounding go.
const slack = 1e-3

func targetRange(f *facts) opinion {
	if !f.y.known {
		return opinion{}
	}
	lo, hi := f.y.lo, f.y.hi
	says := func(wants string, advice ...string) opinion {
		return warn(reasonTargets, 0.95, fmt.Sprintf("The targets go from %.4g to %.4g, but %s takes %s.", lo, hi, f.loss, wants), advice...)
	}
	switch {
	case f.crossentropy() && f.loss != lossSparse && (lo < -slack || hi > 1+slack):
		return says("probabilities, 0 to 1: its loss can fall below 0 and has no floor", f.bring())
	case f.loss == lossKLD && (lo < -slack || hi > 1+slack):
		return says("distributions, 0 to 1", f.bring())
	case f.loss == "poisson" && lo < -slack:
		return says("counts, 0 and above", "Use mse or mae for numbers that can be negative.")
	case f.loss == lossMSLE && lo < -slack:
		return says("numbers from 0 on: it compares logarithms of 1 + y", "Use mse or mae for numbers that can be negative.")
	case f.loss == lossMAPE && lo <= 0 && hi >= 0 && (lo == 0 || yes(f.y.integer)):
		return says("no 0: each such target counts as an error of millions of per cent", "Use mae, or leave these rows out.")
	case (f.loss == "hinge" || f.loss == "squared_hinge") && (f.y.fractions() || lo < -1-slack || hi > 1+slack):
		return says("classes -1 and 1 (or 0 and 1)", "For several classes use categorical_hinge on one-hot rows, or a softmax; for numbers mse.")
	}
	return opinion{}
}

// bring says how to get targets into 0 to 1.
func (f *facts) bring() string {
	switch {
	case yes(f.y.integer) && f.y.distinct == 2 && f.y.lo == -1 && f.y.hi == 1:
		return "Turn -1 and 1 into 0 and 1: (y + 1) / 2; or use a tanh or linear head with hinge."
	case yes(f.y.integer) && f.y.distinct == 2:
		return fmt.Sprintf("Turn the two classes into 0 and 1: (y == %.4g).astype(\"float32\").", f.y.hi)
	case yes(f.y.integer) && f.y.width == 1 && f.y.distinct > 2:
		return fmt.Sprintf("For %d classes use a softmax with one unit a class and sparse_categorical_crossentropy; for numbers a linear head and mse.", f.y.distinct)
	case f.y.lo >= 0 && f.y.hi == 255:
		return "Scale the targets to 0 to 1: y / 255."
	}
	return "Scale the targets to 0 to 1, or use a linear head with mse."
}

// targetReach compares the targets with what the last activation can answer, for losses of
// distances. A twentieth of the range may lie outside: the part kept for validation often does.
func targetReach(f *facts) opinion {
	lo, hi, ok := f.span()
	if !ok || !f.y.known || !f.distance() {
		return opinion{}
	}
	margin := 0.05 * (f.y.hi - f.y.lo)
	if f.y.lo < lo-max(margin, slack) || f.y.hi > hi+max(margin, slack) {
		bounds := fmt.Sprintf("%.4g to %.4g", lo, hi)
		if hi == inf {
			bounds = fmt.Sprintf("nothing below %.4g", lo)
		} else if lo == -inf {
			bounds = fmt.Sprintf("nothing above %.4g", hi)
		}
		return warn(reasonReach, 0.95, fmt.Sprintf("The targets go from %.4g to %.4g, but %s answers %s.", f.y.lo, f.y.hi, f.last(), bounds),
			"Use a linear last layer: Dense("+strconv.Itoa(max(f.units, 1))+").",
			"Or scale the targets into what it can answer, and the predictions back.")
	}
	if f.last() == "softmax" && f.units > 1 && no(f.y.rowsToOne) && f.y.width == int64(f.units) {
		return warn(reasonSoftmaxNumbers, 0.9, "The answers of softmax add up to 1 in each row; those of the targets do not.",
			"Use a linear last layer for numbers, or one sigmoid unit for each number within 0 to 1.")
	}
	return opinion{}
}

func constantTargets(f *facts) opinion {
	const enough = 32 // rows
	if !f.y.known || f.y.rows < enough || !f.distance() && !f.crossentropy() {
		return opinion{}
	}
	if f.y.lo != f.y.hi && (!f.y.oneHot() || f.y.commonest != 1) {
		return opinion{}
	}
	what := fmt.Sprintf("All %d targets looked at are %.4g", f.y.rows, f.y.hi)
	if f.y.oneHot() {
		what = fmt.Sprintf("All %d targets looked at name the same class", f.y.rows)
	}
	o := warn(reasonConstantTargets, 0.8, what+": there is nothing to learn.",
		"Look at how the labels were read: the wrong column, a failed comparison, integers divided away, or only one class left after a split of sorted data.")
	if f.samples > 4*f.y.rows { // a rare class may have been missed
		o.severity, o.confidence = SeverityInfo, 0.5
	}
	return o
}
