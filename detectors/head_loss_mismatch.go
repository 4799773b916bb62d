package detectors

var headLossMismatchDetector = &detector{
	spec: Spec{
		Kind:  KindHeadLossMismatch,
		Title: "Output layer, loss and targets do not fit",
		Meaning: "What the last layer can answer, what the loss takes and what the targets are do not go together: known before the first epoch, " +
			"from the facts of the run or --context. Such a training often looks like one that runs; some of them even have a loss of 0.",
		Severity: SeverityCritical, MinEpochs: 0,
		Reasons: []Reason{
			{reasonTargetsNotFinite, "NaN or infinity among the targets"},
			{reasonInputsNotFinite, "NaN or infinity among the inputs"},
			{reasonOneSoftmax, "softmax over a single unit, which always answers 1"},
			{reasonOneUnitClasses, "the cross-entropy of classes on a single unit, which is always 0"},
			{reasonCosineOne, "the cosine of single numbers, which is only their sign"},
			{reasonWantsOneHot, "categorical_crossentropy on class numbers"},
			{reasonWantsNumbers, "sparse_categorical_crossentropy on one-hot rows"},
			{reasonWidths, "as many outputs as the targets do not have: they are broadcast against each other"},
			{reasonLabels, "class numbers below 0, beyond the units, or that are no whole numbers"},
			{reasonFewUnits, "fewer units than classes"},
			{reasonOneUnitMany, "one unit for more than two classes"},
			{reasonTargets, "targets that the loss cannot take"},
			{reasonReach, "targets that the last activation cannot answer"},
			{reasonSeveralLabels, "several labels a row for a loss, or a softmax, that knows one"},
			{reasonSoftmaxNumbers, "softmax, whose answers add up to 1, for numbers that do not"},
			{reasonLinearHead, "a cross-entropy of probabilities on a linear layer, without from_logits"},
			{reasonNoProbabilities, "a cross-entropy on an activation that gives no probabilities"},
			{reasonLogitsTwice, "from_logits=True behind a softmax or sigmoid: it is applied twice"},
			{reasonSqueezedLogits, "from_logits=True behind an activation that cuts the logits off"},
			{reasonSqueezed, "an activation before the last softmax or sigmoid that cuts off what it gets"},
			{reasonPositive, "a loss with a logarithm of the answers on a head that can answer below 0"},
			{reasonBinaryForClasses, "binary_crossentropy on a softmax of more than two classes"},
			{reasonSigmoidForClasses, "categorical_crossentropy on sigmoids, which do not add up to 1"},
			{reasonDistanceForClasses, "a loss of distances on classes, with a linear or relu head"},
			{reasonHiddenSoftmax, "softmax between hidden layers"},
			{reasonConstantTargets, "targets that are all alike"},
		},
		Advice: []string{
			"Two classes: one sigmoid unit, binary_crossentropy, targets 0 and 1.",
			"One of several classes: a softmax with one unit a class; categorical_crossentropy for one-hot rows, sparse_categorical_crossentropy for class numbers from 0.",
			"Several labels at once: one sigmoid unit a label, binary_crossentropy.",
			"Numbers: a linear last layer (or one that reaches every target), mse or mae.",
			"Or leave the last layer linear and give the loss from_logits=True.",
		},
		FalseAlarms: "bench/programs: 0 of 59 sound programs",
	},
	weigh: func(f *facts) opinion {
		for _, rule := range mismatches {
			if o := rule(f); o.severity != "" {
				o.metric = "loss"
				o.describe(f)
				return o
			}
		}
		return opinion{}
	},
}

// mismatches are the rules, the gravest and surest first: one is enough.
var mismatches = []func(f *facts) opinion{
	notFinite, oneSoftmax, oneUnitForClasses, cosineOfOne, wrongForm, widths, labelRange, oneUnitForMany, targetRange,
	severalLabels, targetReach, headAgainstCrossentropy, logitsTwice, squeezed, positive, classesUnderBinary, sigmoidForClasses,
	distanceForClasses, hiddenSoftmax, constantTargets,
}

// The words for the reasons.
const (
	reasonTargetsNotFinite   = "targets_not_finite"
	reasonInputsNotFinite    = "inputs_not_finite"
	reasonOneSoftmax         = "one_softmax_unit"
	reasonOneUnitClasses     = "one_unit_crossentropy"
	reasonCosineOne          = "cosine_of_one"
	reasonWantsOneHot        = "wants_one_hot"
	reasonWantsNumbers       = "wants_class_numbers"
	reasonWidths             = "widths_differ"
	reasonLabels             = "labels_out_of_range"
	reasonFewUnits           = "too_few_units"
	reasonOneUnitMany        = "one_unit_for_classes"
	reasonTargets            = "targets_outside_loss"
	reasonReach              = "targets_out_of_reach"
	reasonSeveralLabels      = "several_labels"
	reasonSoftmaxNumbers     = "softmax_for_numbers"
	reasonLinearHead         = "linear_head"
	reasonNoProbabilities    = "no_probabilities"
	reasonLogitsTwice        = "logits_twice"
	reasonSqueezedLogits     = "squeezed_logits"
	reasonSqueezed           = "squeezed"
	reasonPositive           = "needs_positive"
	reasonBinaryForClasses   = "binary_loss_for_classes"
	reasonSigmoidForClasses  = "sigmoid_for_classes"
	reasonDistanceForClasses = "distance_for_classes"
	reasonHiddenSoftmax      = "hidden_softmax"
	reasonConstantTargets    = "constant_targets"
)

// explainsNaN reports whether a mismatch can be why a loss is not a number.
func explainsNaN(reason string) bool {
	switch reason {
	case reasonTargetsNotFinite, reasonInputsNotFinite, reasonLabels, reasonFewUnits, reasonTargets, reasonLinearHead,
		reasonNoProbabilities, reasonPositive, reasonWantsOneHot, reasonWantsNumbers:
		return true
	}
	return false
}

// describe adds the numbers that an opinion rests on.
func (o *opinion) describe(f *facts) {
	if f.units > 0 {
		o.with("output_units", float64(f.units))
	}
	if f.classes > 0 {
		o.with("classes", float64(f.classes))
	}
	if f.y.known {
		o.with("targets_min", f.y.lo)
		o.with("targets_max", f.y.hi)
		o.with("targets_width", float64(f.y.width))
		o.with("targets_distinct", float64(f.y.distinct))
	}
}
