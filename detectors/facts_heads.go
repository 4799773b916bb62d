package detectors

import (
	"fmt"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Rules about the head and the loss, whatever the targets.

const (
	adviseTwo     = "Two classes: Dense(1, activation=\"sigmoid\") with binary_crossentropy and targets 0 and 1."
	adviseMany    = "One of several classes: Dense(classes, activation=\"softmax\") with sparse_categorical_crossentropy for class numbers or categorical_crossentropy for one-hot rows."
	adviseSeveral = "Several labels at once: Dense(labels, activation=\"sigmoid\") with binary_crossentropy."
	adviseNumbers = "Numbers: Dense(1) without an activation, mse or mae."
)

func oneSoftmax(f *facts) opinion {
	if f.units != 1 || !f.has("softmax") {
		return opinion{}
	}
	advice := []string{adviseTwo, adviseMany, adviseNumbers}
	if f.distance() && f.task != contract.TaskBinary {
		advice = []string{adviseNumbers, adviseTwo, adviseMany}
	}
	return grave(reasonOneSoftmax, "Softmax over one unit always answers 1: no gradient arrives, whatever the curves look like.", advice...)
}

func oneUnitForClasses(f *facts) opinion {
	if f.units != 1 || !f.ofClasses() {
		return opinion{}
	}
	return grave(reasonOneUnitClasses, f.loss+" compares one unit with no other: it is 0, or the same number, whatever the model answers.", adviseTwo, adviseMany)
}

func cosineOfOne(f *facts) opinion {
	if f.units != 1 || f.loss != "cosine_similarity" || f.y.axes > 2 || f.y.known && f.y.width > 1 {
		return opinion{}
	}
	return grave(reasonCosineOne, "The cosine of two single numbers is 1 or -1, by their signs: no gradient arrives.", adviseNumbers)
}

// oneUnitForMany speaks only where it is told that classes are wanted: whole numbers may
// as well be counted.
func oneUnitForMany(f *facts) opinion {
	if f.units != 1 || f.task != contract.TaskMulticlass {
		return opinion{}
	}
	n := int64(f.classes)
	if f.y.numbersOfClasses() {
		n = max(n, f.y.distinct)
	}
	if n <= 2 {
		return opinion{}
	}
	return warn(reasonOneUnitMany, 0.9, fmt.Sprintf("One unit for %d classes: it orders them like numbers and puts the middle ones between the others.", n), adviseMany)
}

func severalLabels(f *facts) opinion {
	fits := f.y.width == int64(f.units) || f.y.last == int64(f.units)
	if f.units < 2 || f.loss == lossSparse || f.task != contract.TaskMultilabel && (!f.y.several() || !fits) || f.y.oneHot() {
		return opinion{}
	}
	switch {
	case f.loss == lossCCE:
		return warn(reasonSeveralLabels, 0.9, "categorical_crossentropy takes one class a row; these rows have several labels, or none.", adviseSeveral)
	case f.last() == "softmax":
		return warn(reasonSeveralLabels, 0.9, "The answers of softmax add up to 1: it cannot say that two labels hold at once, or none.", adviseSeveral)
	}
	return opinion{}
}

// headAgainstCrossentropy asks for probabilities where the loss takes them.
func headAgainstCrossentropy(f *facts) opinion {
	if !f.crossentropy() || !no(f.logits) || f.probabilities() || f.units == 0 && f.loss != lossBCE {
		return opinion{}
	}
	activation := "softmax"
	if f.loss == lossBCE {
		activation = "sigmoid"
	}
	add := fmt.Sprintf("Give the last layer activation=%q.", activation)
	logits := "Or leave it linear and use the loss with from_logits=True."
	lo, _, ok := f.span()
	switch last := f.last(); {
	case !ok || last == "linear" && f.hides():
		return opinion{}
	case last == "linear":
		return warn(reasonLinearHead, 0.95, f.loss+" takes probabilities, but the last layer is linear and from_logits is not set: answers outside 0 to 1 are cut off, with their gradient.", add, logits)
	case f.ofClasses() && lo >= 0 && last != "relu" && last != "relu6":
		return opinion{} // positive numbers are divided by their sum
	default:
		return warn(reasonNoProbabilities, 0.95, fmt.Sprintf("%s takes probabilities, which %s does not give.", f.loss, last), add, logits)
	}
}

// hides reports whether the last layer may do what its name does not say.
func (f *facts) hides() bool {
	return len(f.layers) > 0 && !strings.Contains(f.maker(), "/") && !f.endsPlain()
}

// maker returns the last layer that is not only passed through.
func (f *facts) maker() string {
	for _, l := range slices.Backward(f.layers) {
		if !strings.HasPrefix(l, "Dropout") && !strings.HasPrefix(l, "Reshape") && !strings.HasPrefix(l, "Flatten") {
			return l
		}
	}
	return ""
}

func logitsTwice(f *facts) opinion {
	if !f.crossentropy() || !yes(f.logits) {
		return opinion{}
	}
	last := f.last()
	switch _, bounded := reach[last]; {
	case f.probabilities():
		return warn(reasonLogitsTwice, 0.95, fmt.Sprintf("from_logits=True has the loss apply its own softmax or sigmoid, and the model already ends in %s: gradients are weak and no answer can become sure.", last),
			"Take one away: from_logits=False, or a linear last layer.")
	case bounded && (last == "relu" || last == "relu6" || last == "tanh" || last == "softsign" || last == "softplus" || last == "exponential"):
		return warn(reasonSqueezedLogits, 0.85, fmt.Sprintf("The loss takes logits of any size, and %s cuts them off.", last), "Leave the last layer linear.")
	}
	return opinion{}
}

// squeezed finds an activation before the last one that cuts off what it gets: relu before
// softmax, softmax twice.
func squeezed(f *facts) opinion {
	n := len(f.head)
	if n < 2 || !f.probabilities() {
		return opinion{}
	}
	switch before := f.head[n-2]; before {
	case "relu", "relu6", "tanh", "sigmoid", "hard_sigmoid", "softmax", "softsign", "softplus":
		return warn(reasonSqueezed, 0.85, fmt.Sprintf("%s gets its input through %s, which cuts it off: classes cannot be told apart by what is cut, and gradients end there.", f.last(), before),
			fmt.Sprintf("Leave the layer before %s linear: take %s away.", f.last(), before))
	}
	return opinion{}
}

func positive(f *facts) opinion {
	lo, _, ok := f.span()
	if !ok || lo >= 0 || f.loss != "poisson" && f.loss != lossKLD || f.hides() {
		return opinion{}
	}
	right := "exponential or softplus"
	if f.loss == lossKLD {
		right = "softmax"
	}
	return warn(reasonPositive, 0.85, fmt.Sprintf("%s takes the logarithm of the answers, and %s can be negative.", f.loss, f.last()), "Give the last layer the activation "+right+".")
}

func classesUnderBinary(f *facts) opinion {
	if f.loss != lossBCE || f.last() != "softmax" || f.units <= 2 {
		return opinion{}
	}
	return warn(reasonBinaryForClasses, 0.8, fmt.Sprintf("binary_crossentropy judges each of the %d softmax units by itself: it is small from the start, and an accuracy of single units looks far too good.", f.units),
		adviseMany, adviseSeveral)
}

func sigmoidForClasses(f *facts) opinion {
	if !f.ofClasses() || f.units < 2 || f.last() != "sigmoid" && f.last() != "hard_sigmoid" || yes(f.logits) {
		return opinion{}
	}
	return warn(reasonSigmoidForClasses, 0.75, fmt.Sprintf("%s wants answers that add up to 1, and %s answers for each unit by itself: all of them can grow together.", f.loss, f.last()),
		adviseMany, adviseSeveral)
}

// distanceForClasses speaks of heads that nothing holds within the classes' 0 to 1: softmax
// and sigmoid under mse do train.
func distanceForClasses(f *facts) opinion {
	binary := f.y.known && f.y.width == 1 && f.y.distinct == 2 && yes(f.y.integer) && f.y.lo == 0 && f.y.hi == 1
	told := f.task == contract.TaskBinary || f.task == contract.TaskMulticlass
	if !f.distance() || f.hides() || !binary && !f.y.oneHot() && !told || f.y.fractions() {
		return opinion{}
	}
	switch last := f.last(); last {
	case "linear", "relu":
		return warn(reasonDistanceForClasses, 0.7, fmt.Sprintf("%s with a %s head on classes: it fits numbers to labels, and far answers on the right side count as errors.", f.loss, last), adviseTwo, adviseMany)
	}
	return opinion{}
}

// hiddenSoftmax speaks of plain stacks only: attention and gates have a use for softmax.
func hiddenSoftmax(f *facts) opinion {
	at := -1
	for i, l := range f.layers {
		kind, activation, _ := strings.Cut(l, "/")
		kind = strings.TrimRight(strings.SplitN(kind, "(", 2)[0], "0123456789")
		switch {
		case strings.HasPrefix(kind, "Conv"), strings.HasSuffix(kind, "LSTM"), strings.HasSuffix(kind, "GRU"), kind == "Embedding",
			strings.Contains(kind, "Pooling"), plain(kind):
		default:
			return opinion{}
		}
		if at < 0 && activation == "softmax" || at < 0 && kind == "Softmax" {
			at = i
		}
	}
	if at < 0 || !slices.ContainsFunc(f.layers[at+1:], func(l string) bool {
		return strings.HasPrefix(l, "Dense") || strings.HasPrefix(l, "Conv") || strings.HasPrefix(l, "LSTM")
	}) {
		return opinion{}
	}
	return warn(reasonHiddenSoftmax, 0.75, fmt.Sprintf("Layer %d of %d, %s, is a softmax in the middle of the model: its answers add up to 1, so that little passes on.", at+1, len(f.layers), f.layers[at]),
		"Use relu (or tanh) in hidden layers; softmax belongs at the end.")
}
