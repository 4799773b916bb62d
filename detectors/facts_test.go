package detectors_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// What targets look like, in the form of --context.
const (
	yBinary   = `{"shape":[256],"min":0,"max":1,"mean":0.4,"std":0.5,"integer":true,"distinct":2,"width":1}`
	ySigns    = `{"shape":[256],"min":-1,"max":1,"mean":0,"std":1,"integer":true,"distinct":2,"width":1}`
	yOneTwo   = `{"shape":[256],"min":1,"max":2,"mean":1.5,"std":0.5,"integer":true,"distinct":2,"width":1}`
	yThree    = `{"shape":[256],"min":0,"max":2,"mean":1,"std":0.8,"integer":true,"distinct":3,"width":1}`
	yFromOne  = `{"shape":[256],"min":1,"max":3,"mean":2,"std":0.8,"integer":true,"distinct":3,"width":1}`
	yOneHot   = `{"shape":[256,3],"min":0,"max":1,"mean":0.33,"std":0.5,"integer":true,"distinct":2,"width":3,"rows_sum_to_1":true,"commonest_share":0.4}`
	yPair     = `{"shape":[256,2],"min":0,"max":1,"mean":0.5,"std":0.5,"integer":true,"distinct":2,"width":2,"rows_sum_to_1":true,"commonest_share":0.6}`
	ySeveral  = `{"shape":[256,3],"min":0,"max":1,"mean":0.5,"std":0.5,"integer":true,"distinct":2,"width":3,"rows_sum_to_1":false}`
	yNumbers  = `{"shape":[256],"min":25,"max":346.5,"mean":152,"std":77,"integer":false,"distinct":140,"width":1}`
	yStandard = `{"shape":[256],"min":-1.6,"max":2.5,"mean":0,"std":1,"integer":false,"distinct":140,"width":1}`
	yShares   = `{"shape":[256],"min":0.02,"max":1.03,"mean":0.4,"std":0.2,"integer":false,"distinct":140,"width":1}`
	yImages   = `{"shape":[256,64],"min":0,"max":1,"mean":0.3,"std":0.3,"integer":false,"distinct":17,"width":64,"rows_sum_to_1":false}`
	yPixels   = `{"shape":[256,64],"min":0,"max":255,"mean":60,"std":70,"integer":true,"distinct":200,"width":64,"rows_sum_to_1":false}`
	yConstant = `{"shape":[256],"min":1,"max":1,"mean":1,"std":0,"integer":true,"distinct":1,"width":1}`
	yWords    = `{"shape":[256,16],"min":0,"max":199,"mean":90,"std":50,"integer":true,"distinct":190,"width":16,"rows_sum_to_1":false}`
	yMask     = `{"shape":[256,8,8],"min":0,"max":1,"mean":0.3,"std":0.5,"integer":true,"distinct":2,"width":64,"rows_sum_to_1":false}`
)

// head writes facts about a loss, from_logits, units, activation, and what else is given.
func head(loss, logits, units, activation string, more ...string) string {
	return `{"loss":"` + loss + `","from_logits":` + logits + `,"output_units":` + units + `,"output_activation":"` + activation + `"` +
		strings.Join(append([]string{""}, more...), ",") + `}`
}

func y(sample string) string { return `"y":` + sample }

func TestFactsAlone(t *testing.T) {
	t.Parallel()
	const bce, cce, sparse, mse = "binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy", "mean_squared_error"
	const dense = `"layers":["Dense32/relu","Dense1/linear"]`
	for _, c := range []struct{ name, facts, want string }{
		// Sound, odd ones among them.
		{"binary", head(bce, "false", "1", "sigmoid", y(yBinary), `"metrics":["accuracy"]`), ""},
		{"logits", head(bce, "true", "1", "linear", y(yBinary), `"metrics":["accuracy"]`), ""},
		{"softmax of two", head(bce, "false", "2", "softmax", y(yPair)), ""},
		{"classes", head(sparse, "false", "3", "softmax", y(yThree), `"metrics":["accuracy"]`), ""},
		{"more units than classes", head(sparse, "false", "10", "softmax", y(yFromOne)), ""},
		{"one-hot", head(cce, "false", "3", "softmax", y(yOneHot), `"metrics":["categorical_accuracy"]`), ""},
		{"one-hot logits", head(cce, "true", "3", "linear", y(yOneHot)), ""},
		{"log of softmax as logits", head(sparse, "true", "3", "log_softmax", y(yThree)), ""},
		{"several labels", head(bce, "false", "3", "sigmoid", y(ySeveral), `"task":"multilabel"`, `"metrics":["binary_accuracy"]`), ""},
		{"mse on softmax", head(mse, "null", "3", "softmax", y(yOneHot), `"task":"multiclass"`, `"metrics":["accuracy"]`), ""},
		{"mse on sigmoid", head("mse", "null", "1", "sigmoid", y(yBinary), `"task":"binary"`, `"metrics":["accuracy"]`), ""},
		{"mse on tanh", head("MSE", "null", "1", "tanh", y(ySigns), `"task":"binary"`), ""},
		{"hinge", head("hinge", "null", "1", "tanh", y(ySigns)), ""},
		{"hinge of 0 and 1", head("squared_hinge", "null", "1", "linear", y(yBinary)), ""},
		{"numbers", head(mse, "null", "1", "linear", y(yNumbers), `"metrics":["mae"]`), ""},
		{"numbers by relu", head("mae", "null", "1", "relu", y(yNumbers)), ""},
		{"shares by sigmoid, a little above", head("mse", "null", "1", "sigmoid", y(yShares)), ""},
		{"autoencoder", head(bce, "false", "64", "sigmoid", y(yImages)), ""},
		{"autoencoder, mse", head(mse, "null", "64", "sigmoid", y(yImages)), ""},
		{"words", head(sparse, "true", "200", "linear", y(yWords)), ""},
		{"masks", head(sparse, "false", "2", "softmax", y(yMask)), ""},
		{"mask of one unit", head(bce, "false", "1", "sigmoid", y(yMask)), ""},
		{"one number a step", head(mse, "null", "1", "linear", y(`{"shape":[256,16],"min":-1,"max":1,"integer":false,"width":16}`), `"layers":["LSTM8/tanh","TimeDistributed"]`), ""},
		{"a loss of one's own", head("my_loss", "null", "1", "sigmoid", y(yStandard)), ""},
		{"a head of one's own", head(bce, "false", "1", "my_sigmoid", y(yBinary)), ""},
		{"averaged softmaxes", head(sparse, "false", "3", "linear", y(yThree), `"layers":["Dense3/softmax","Dense3/softmax","Average"]`), ""},
		{"logits or not is not known", head(bce, "null", "1", "linear", y(yBinary)), ""},
		{"poisson", head("poisson", "null", "1", "exponential", y(yThree)), ""},
		{"attention", head(sparse, "false", "3", "softmax", `"layers":["Dense32/tanh","Dense32/softmax","Multiply","Dense3/softmax"]`), ""},
		{"constant targets of a loss of one's own", head("triplet_loss", "null", "16", "linear", y(yConstant)), ""},
		{"nothing", `{}`, ""},
		{"nulls", `{"task":null,"loss":null,"output_units":null,"y":null,"metrics":null,"from_logits":null}`, ""},
		// Heads and losses.
		{"one softmax unit", head(bce, "false", "1", "softmax"), "one_softmax_unit"},
		{"one softmax unit, any loss", head("my_loss", "null", "1", "softmax"), "one_softmax_unit"},
		{"before a tanh", head(mse, "null", "1", "softmax+tanh"), "one_softmax_unit"},
		{"one unit for classes", head(sparse, "false", "1", "sigmoid", y(yBinary)), "one_unit_crossentropy"},
		{"one unit for classes, logits", head(cce, "true", "1", "linear"), "one_unit_crossentropy"},
		{"cosine of one", head("cosine_similarity", "null", "1", "linear", y(yNumbers)), "cosine_of_one"},
		{"linear", head(bce, "false", "1", "linear", y(yBinary)), "linear_head"},
		{"linear classes", head("SparseCategoricalCrossentropy", "false", "3", "linear", y(yThree)), "linear_head"},
		{"relu", head(bce, "false", "1", "relu", y(yBinary)), "no_probabilities"},
		{"tanh", head(bce, "false", "1", "tanh"), "no_probabilities"},
		{"relu classes", head(cce, "false", "3", "relu"), "no_probabilities"},
		{"softmax and logits", head(sparse, "true", "3", "softmax"), "logits_twice"},
		{"sigmoid and logits", head(bce, "true", "1", "sigmoid"), "logits_twice"},
		{"relu and logits", head(bce, "true", "1", "relu"), "squeezed_logits"},
		{"relu before softmax", head(sparse, "false", "3", "relu+softmax"), "squeezed"},
		{"softmax twice", head(sparse, "false", "3", "softmax+softmax"), "squeezed"},
		{"poisson of a linear head", head("poisson", "null", "1", "linear", y(yThree)), "needs_positive"},
		{"binary loss for ten", head(bce, "false", "10", "softmax"), "binary_loss_for_classes"},
		{"sigmoid for classes", head(cce, "false", "3", "sigmoid", y(yOneHot)), "sigmoid_for_classes"},
		{"several labels under softmax", head(bce, "false", "3", "softmax", y(ySeveral)), "several_labels"},
		{"several labels, one class", head(cce, "false", "3", "sigmoid", `"task":"multilabel"`), "several_labels"},
		{"one unit for three", head(mse, "null", "1", "linear", y(yThree), `"task":"multiclass"`), "one_unit_for_classes"},
		{"relu and mse for two", head(mse, "null", "1", "relu", y(yBinary)), "distance_for_classes"},
		{"softmax inside", head(sparse, "false", "3", "softmax", `"layers":["Flatten","Dense64/softmax","Dropout(0.5)","Dense3/softmax"]`), "hidden_softmax"},
		// Targets.
		{"signs", head(bce, "false", "1", "sigmoid", y(ySigns)), "targets_outside_loss"},
		{"one and two", head(bce, "false", "1", "sigmoid", y(yOneTwo)), "targets_outside_loss"},
		{"pixels", head(bce, "false", "64", "sigmoid", y(yPixels)), "targets_outside_loss"},
		{"three under binary", head(bce, "true", "1", "linear", y(yThree)), "targets_outside_loss"},
		{"numbers under msle", head("msle", "null", "1", "linear", y(yStandard)), "targets_outside_loss"},
		{"no per cent of 0", head("mape", "null", "1", "linear", y(yThree)), "targets_outside_loss"},
		{"three under hinge", head("hinge", "null", "1", "tanh", y(yThree)), "targets_outside_loss"},
		{"sigmoid", head(mse, "null", "1", "sigmoid", y(yStandard)), "targets_out_of_reach"},
		{"sigmoid, large", head(mse, "null", "1", "sigmoid", y(yNumbers)), "targets_out_of_reach"},
		{"tanh numbers", head("mae", "null", "1", "tanh", y(yNumbers)), "targets_out_of_reach"},
		{"relu and negatives", head("huber", "null", "1", "relu", y(yStandard)), "targets_out_of_reach"},
		{"sigmoid, one and two", head(mse, "null", "1", "sigmoid", y(yOneTwo)), "targets_out_of_reach"},
		{"softmax for shares", head(mse, "null", "64", "softmax", y(yImages)), "softmax_for_numbers"},
		{"from one", head(sparse, "false", "3", "softmax", y(yFromOne)), "labels_out_of_range"},
		{"beyond the units", head(sparse, "true", "2", "linear", y(yThree)), "labels_out_of_range"},
		{"below 0", head(sparse, "false", "2", "softmax", y(ySigns)), "labels_out_of_range"},
		{"fractions", head(sparse, "false", "350", "softmax", y(yNumbers)), "labels_out_of_range"},
		{"few units", head(sparse, "false", "5", "softmax", `"classes":10`), "too_few_units"},
		{"one-hot for sparse", head(sparse, "false", "3", "softmax", y(yOneHot)), "wants_class_numbers"},
		{"numbers for one-hot", head(cce, "false", "3", "softmax", y(yThree)), "wants_one_hot"},
		{"numbers against softmax", head(mse, "null", "3", "softmax", y(yThree)), "widths_differ"},
		{"a pair against one", head(bce, "false", "1", "sigmoid", y(yPair), dense), "widths_differ"},
		{"constant", head(bce, "false", "1", "sigmoid", y(yConstant)), "constant_targets"},
		{"targets not finite", head(mse, "null", "1", "linear", `"y":{"shape":[9],"non_finite":2}`), "targets_not_finite"},
		{"inputs not finite", head(mse, "null", "1", "linear", `"x":{"shape":[9,3],"non_finite":2}`), "inputs_not_finite"},
		// Metrics.
		{"accuracy of numbers", head(mse, "null", "1", "linear", y(yNumbers), `"metrics":["mae","accuracy"]`), ""},
		{"accuracy of numbers, told", head(mse, "null", "1", "linear", `"task":"regression"`, `"metrics":["acc"]`), ""},
		{"accuracy of numbers that are classes", head(mse, "null", "1", "sigmoid", `"task":"multiclass"`, y(yNumbers), `"metrics":["acc"]`), "targets_out_of_reach"},
		{"binary accuracy of classes", head(cce, "false", "10", "softmax", `"metrics":["binary_accuracy"]`), "wrong_accuracy"},
		{"categorical accuracy of one", head(bce, "false", "1", "sigmoid", y(yBinary), `"metrics":["CategoricalAccuracy"]`), "wrong_accuracy"},
		{"sparse accuracy of one-hot", head(cce, "false", "3", "softmax", y(yOneHot), `"metrics":["sparse_categorical_accuracy"]`), "wrong_accuracy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var f contract.Facts
			require.NoError(t, json.Unmarshal([]byte(c.facts), &f), c.facts)
			got := ""
			for _, change := range newMonitor(t, nil).Start("a", f) {
				require.Equal(t, detectors.Opened, change.Type)
				checkFinding(t, change.Finding)
				if change.Finding.Severity != detectors.SeverityInfo {
					got = change.Finding.Reason
				}
			}
			require.Equal(t, c.want, got, c.facts)
		})
	}
}

func TestInformationIsNoVerdict(t *testing.T) {
	t.Parallel()
	for _, f := range []contract.Facts{
		{Task: "multilabel", OutputUnits: 5, OutputActivation: "sigmoid", Loss: "bce", MetricNames: []string{"accuracy"}},
		{Task: "regression", OutputUnits: 1, OutputActivation: "linear", Loss: "mse", MetricNames: []string{"mae", "accuracy"}},
	} {
		m := newMonitor(t, nil)
		changes := m.Start("a", f)
		require.Len(t, changes, 1)
		require.Equal(t, detectors.SeverityInfo, changes[0].Finding.Severity)
		m.Fold(of("a", 0, 1))
		v := m.Verdict()
		require.Equal(t, detectors.KindHealthy, v.Kind)
		require.Contains(t, v.Summary, "Besides: "+changes[0].Finding.Summary)
		require.Equal(t, changes[0].Finding.Advice, v.Advice)
	}
}

func oneSoftmaxUnit(initial int) contract.Facts {
	return contract.Facts{OutputUnits: 1, OutputActivation: "softmax", Loss: "mse", InitialEpoch: initial}
}

func of(attempt string, n int, loss float64) detectors.Epoch {
	e := epoch(n, map[string]float64{"loss": loss})
	e.Attempt, e.Seq = attempt, int64(n+2)
	return e
}

func TestFactsAreSaidBeforeTheFirstEpochAndOnce(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	changes := m.Start("a", oneSoftmaxUnit(0))
	require.Len(t, changes, 1)
	f := changes[0].Finding
	require.Equal(t, detectors.Key{Kind: detectors.KindHeadLossMismatch, Metric: "loss", Onset: 0}, f.Key())
	require.Equal(t, 0, f.FiredEpoch)
	require.Equal(t, detectors.SeverityCritical, f.Severity)
	require.Equal(t, detectors.KindHeadLossMismatch, m.Verdict().Kind)
	for n := range 60 {
		for _, c := range m.Fold(of("a", n, 0.3)) {
			require.NotEqual(t, detectors.KindHeadLossMismatch, c.Finding.Kind)
		}
	}
	require.Equal(t, detectors.KindHeadLossMismatch, m.Verdict().Kind)
	// Another fit of the same run that is no better; it goes back in epochs, and far.
	require.Empty(t, m.Start("b", oneSoftmaxUnit(50)))
	for _, c := range append(m.Fold(of("b", 50, 0.3)), m.Fold(of("b", 3, 0.3))...) {
		require.NotEqual(t, detectors.KindHeadLossMismatch, c.Finding.Kind)
	}
	// One whose facts are not known, and one that is mended.
	m.Fold(of("c", 4, 0.3))
	mended := oneSoftmaxUnit(5)
	mended.OutputActivation = "linear"
	changes = m.Start("d", mended)
	require.Len(t, changes, 1)
	require.Equal(t, detectors.Resolved, changes[0].Type)
	require.Equal(t, 5, *changes[0].Finding.ResolvedEpoch)
	require.Empty(t, m.Start("e", mended))
	// And broken again, in another way.
	mended.OutputActivation, mended.Loss = "relu", "binary_crossentropy"
	logits := false
	mended.FromLogits = &logits
	changes = m.Start("f", mended)
	require.Len(t, changes, 1)
	require.Equal(t, "no_probabilities", changes[0].Finding.Reason)
	require.Equal(t, 5, changes[0].Finding.OnsetEpoch)
}

func TestFactsOfAFileAreSaidAtItsFirstEpoch(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	require.Empty(t, m.Start("", oneSoftmaxUnit(0)))
	changes := m.Fold(epoch(14, map[string]float64{"loss": 0.3}))
	require.Len(t, changes, 1)
	require.Equal(t, 14, changes[0].Finding.OnsetEpoch)
	require.Equal(t, 14, changes[0].Finding.FiredEpoch)
	require.Empty(t, m.Fold(epoch(15, map[string]float64{"loss": 0.3})))
}

func TestAnotherMistakeTakesThePlaceOfTheFirst(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	m.Start("a", oneSoftmaxUnit(0))
	other := oneSoftmaxUnit(0)
	other.OutputActivation, other.Loss = "sigmoid", "categorical_crossentropy"
	changes := m.Start("b", other)
	require.Len(t, changes, 2)
	require.Equal(t, detectors.Resolved, changes[0].Type)
	require.Equal(t, detectors.Opened, changes[1].Type)
	require.Equal(t, "one_unit_crossentropy", changes[1].Finding.Reason)
	require.Len(t, m.Findings(), 1, "one key, one finding")
	require.True(t, m.Findings()[0].Firing())
}

func TestFactsExplainNaNWhereTheyCan(t *testing.T) {
	t.Parallel()
	verdict := func(f contract.Facts) detectors.Kind {
		m := newMonitor(t, nil)
		m.Start("a", f)
		m.Fold(of("a", 0, nan))
		return m.Verdict().Kind
	}
	require.Equal(t, detectors.KindLossNaN, verdict(oneSoftmaxUnit(0)))
	require.Equal(t, detectors.KindHeadLossMismatch, verdict(contract.Facts{Y: &contract.Sample{NonFinite: 3}}))
}

func TestAValueThatCannotBeIsOverWhenItCanBeAgain(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	m.Start("", contract.Facts{Loss: "bce"})
	require.Empty(t, m.Fold(epoch(0, map[string]float64{"loss": 0.1, "accuracy": 0.5})))
	changes := m.Fold(epoch(1, map[string]float64{"loss": -0.1, "accuracy": 0.5}))
	require.Len(t, changes, 1)
	require.Equal(t, "below_zero", changes[0].Finding.Reason)
	require.Empty(t, m.Fold(epoch(2, map[string]float64{"loss": -0.2, "accuracy": 0.5})))
	require.Equal(t, detectors.Resolved, m.Fold(epoch(3, map[string]float64{"loss": 0.1, "accuracy": 0.5}))[0].Type)
}
