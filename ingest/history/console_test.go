package history_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/history"
)

func skipped(log history.Log) string {
	var b strings.Builder
	for _, n := range log.Skipped {
		b.WriteString(n.String() + "\n")
	}
	return b.String()
}

func numbers(log history.Log) []int {
	var v []int
	for _, e := range log.Epochs {
		v = append(v, e.Epoch)
	}
	return v
}

// TestOnlyTheTrainingsOwnFiguresCount holds that no number of another bar, of a longer
// drawing below or of half a figure passes as the epoch's.
func TestOnlyTheTrainingsOwnFiguresCount(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, said string }{
		"evaluation behind the training": {
			"Epoch 1/2\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n3/3 [===] - 0s 2ms/step - loss: 7.0000 - acc: 0.1000\n", "such as evaluate draws",
		},
		"evaluation of as many batches": {
			"Epoch 1/2\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n10/10 [===] - 0s 2ms/step - loss: 7.0000 - acc: 0.1000\n", "such as evaluate draws",
		},
		"evaluation in a callback, before the last drawing": {
			"Epoch 1/2\n 9/10 [==>] - ETA: 0s - loss: 0.6000 - acc: 0.7000\n3/3 [===] - 0s 2ms/step - loss: 7.0000 - acc: 0.1000\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n3/3 [===] - 0s 2ms/step - loss: 7.0000 - acc: 0.1000\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "such as evaluate draws",
		},
		"evaluation at verbose=2": {
			"Epoch 1/2\n10/10 - 1s - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n10/10 - 1s - loss: 0.2500 - acc: 0.9000\n3/3 - 0s - loss: 7.0000 - acc: 0.1000\n", "such as evaluate draws",
		},
		"a longer drawing below": {
			"Epoch 1/2\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000 0s - loss: 7\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.90000s - loss: 0.2777 - acc: 0.1\n", "a part was not understood",
		},
		"carriage returns lost": {
			"Epoch 1/2\n 1/10 [>..] - ETA: 9s - loss: 7.0000 - acc: 0.1000 5/10 [=>.] - ETA: 9s - loss: 6.0000 - acc: 0.200010/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "",
		},
		"header and bar glued": {
			"Epoch 1/210/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000Epoch 2/210/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "",
		},
		"a logger's prefix": {
			"2023-04-14 18:33:37,652 INFO: Epoch 1/2\n2023-04-14 18:33:37,652 - INFO - 10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\n2023-04-14 18:33:37,652 INFO: Epoch 2/2\n2023-04-14 18:33:37,652 - root - step: 12 - 10/10 - 1s - loss: 0.2500 - acc: 0.9000\n", "",
		},
		"messages in the middle of a line": {
			"Epoch 1/2\n9/10 [==>] - ETA: 0s - loss: 0.6000 - acc: 0.7000WARNING:tensorflow:slow - loss: 7 - again\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000Epoch 00000: val_loss improved from inf to 0.18105, saving\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "a part was not understood",
		},
		"what speaks of a loss otherwise": {
			"Epoch 1/2\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\ntest - loss: 7.0\nwaited 10s - tries: 3\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "speak of a loss",
		},
		"colours whose escape was lost": {
			"Epoch 1/2\n[1m10/10[0m [32m━━━━[0m[37m[0m [1m1s[0m 9ms/step - acc: 0.8000 - loss: 0.5000\nEpoch 2/2\n^[[1m10/10^[[0m ^[[32m━━━━^[[0m ^[[1m1s^[[0m 9ms/step - acc: 0.9000 - loss: 0.2500\n", "",
		},
		"values that are lists": {
			"Epoch 1/2\n10/10 [===] - 1s 9ms/step - loss: 0.5000 - f1: [0.1 0.2] - acc: 0.8000\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - f1: 0,5 - acc: 0.9000\n", "a part was not understood",
		},
		"the bar of a first epoch of unknown length": {
			"Epoch 1/2\n      1/Unknown - 1s 1s/step - loss: 7.0000 - acc: 0.1000\r     10/Unknown - 1s 1s/step - loss: 0.5100 - acc: 0.7900\r10/10 [===] - 1s 9ms/step - loss: 0.5000 - acc: 0.8000\nEpoch 2/2\n10/10 [===] - 1s 9ms/step - loss: 0.2500 - acc: 0.9000\n", "",
		},
	} {
		log := read(t, c.text)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, []int{1, 2}, numbers(log), name)
		if c.said == "" {
			require.Empty(t, log.Skipped, name)
		} else {
			require.Contains(t, skipped(log), c.said, name)
		}
	}
}

func TestAFigureThatWasCutInTwoIsLeftOut(t *testing.T) {
	t.Parallel()
	const first = "Epoch 1/9\n10/10 - 1s - loss: 0.5000 - val_loss: 6.1000e-04\nEpoch 2/9\n10/10 - 1s - loss: 0.2500 - val_loss: "
	for text, whole := range map[string]bool{
		"5.1000e-04": true, "0.0010": true, "nan": true,
		"5.1": false, "5": false, "5.100": false, "5.1000e": false, "5.1000e-": false, "5.1000e-0": false, "5.1000": false,
	} {
		log := read(t, first+text)
		require.Len(t, log.Epochs, 2, text)
		_, there := log.Epochs[1].Metrics["val_loss"]
		require.Equal(t, whole, there, text)
		require.Equal(t, whole, len(log.Skipped) == 0, text)
		require.InDelta(t, 0.25, log.Epochs[1].Metrics["loss"], 0, text)
		require.Contains(t, read(t, first+"0.0010\n").Epochs[1].Metrics, "val_loss")
	}
}

func TestEpochsThatNobodyNumbered(t *testing.T) {
	t.Parallel()
	log := read(t, strings.Repeat("Epoch 1/1\n10/10 - 1s - loss: 0.5000\n", 9))
	require.Equal(t, []int{1, 2, 3, 4, 5, 6, 7, 8, 9}, numbers(log))
	require.Contains(t, log.Notes[0].Text, "every header reads Epoch 1/1")
	require.Zero(t, log.Declared)

	log = read(t, "10/10 - 1s - loss: 0.5000 - val_loss: 0.6000\n10/10 - 1s - loss: 0.2500 - val_loss: 0.5000\n")
	require.Equal(t, []int{1, 2}, numbers(log))
	require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"))
	require.Contains(t, log.Notes[0].Text, "does not number its epochs")

	// The end of an epoch before the first header is none of those that are numbered.
	log = read(t, "10/10 - 1s - loss: 7.0000\nEpoch 5/9\n10/10 - 1s - loss: 0.5000\n")
	require.Equal(t, []int{5}, numbers(log))
}

func TestATrainingThatStartsAgainReplacesWhatCameBefore(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/9\n1s - loss: 3.0\nEpoch 2/9\n1s - loss: 2.0\nEpoch 3/9\n1s - loss: 1.0\nKilled\nEpoch 2/9\n1s - loss: 2.5\nEpoch 3/9\n1s - loss: 1.5\n")
	require.Equal(t, []int{1, 2, 3}, numbers(log))
	require.Equal(t, []float64{3, 2.5, 1.5}, series(log, "loss"))
	require.Equal(t, 1, log.Runs)
	require.Contains(t, log.Notes[0].Text, "started again at epoch 2")
}

func TestRatesThatCallbacksAnnounce(t *testing.T) {
	t.Parallel()
	rates := func(log history.Log) []float64 {
		var v []float64
		for _, e := range log.Epochs {
			v = append(v, e.LearningRate)
		}
		return v
	}
	log := read(t, "Epoch 1/3\n10/10 - 1s - loss: 0.5000\n\nEpoch 00001: ReduceLROnPlateau reducing learning rate to 0.00020000000949949026.\nEpoch 2/3\n10/10 - 1s - loss: 0.5000\nEpoch 3/3\n10/10 - 1s - loss: 0.5000\n")
	require.True(t, math.IsNaN(rates(log)[0]))
	require.Equal(t, []float64{0.00020000000949949026, 0.00020000000949949026}, rates(log)[1:])
	log = read(t, "\nEpoch 1: LearningRateScheduler setting learning rate to 0.1.\nEpoch 1/2\n10/10 - 1s - loss: 0.5000\n\nEpoch 2: LearningRateScheduler setting learning rate to 0.01.\nEpoch 2/2\n10/10 - 1s - loss: 0.5000\n")
	require.Equal(t, []float64{0.1, 0.01}, rates(log))
	log = read(t, "Epoch 1/2\nEpoch 00001: LearningRateScheduler reducing learning rate to 0.1.\n10/10 - 1s - loss: 0.5000\nEpoch 2/2\nEpoch 00002: LearningRateScheduler reducing learning rate to 0.01.\n10/10 - 1s - loss: 0.5000 - lr: 0.0200\n")
	require.Equal(t, []float64{0.1, 0.02}, rates(log))
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]float64{
		"191s - loss: 0.5": 191, " - 9s - loss: 0.5": 9, "10/10 - 1s - 12ms/step - loss: 0.5": 1,
		"10/10 [===] - 1103s 110ms/step - loss: 0.5": 1103, "804/804 [===] - 0s 500us/step - loss: 0.5": 0.402,
		"7/7 - 0s - loss: 0.5 - 27ms/epoch - 4ms/step": 0.027, "7/7 - 5s - loss: 0.5 - 5s/epoch - 4ms/step": 5,
		"10/10 [===] - 0s - loss: 0.5": math.NaN(), "55000/55000==============================] - 3s 60us/sample - loss: 0.5": 3,
	} {
		got := read(t, "Epoch 1/1\n"+text+"\n").Epochs[0].Seconds
		require.True(t, got == want || math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) < 1e-9, "%s: %v", text, got)
	}
}

func TestTheFirstBatchIsKept(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/2\n 1/10 [>..] - ETA: 9s - loss: 2.3000\r10/10 [===] - 1s - loss: 0.5000\nEpoch 2/2\n 1/10 [>..] - ETA: 9s - loss: 0.4000\r10/10 [===] - 1s - loss: 0.2500\n")
	first := func(e detectors.Epoch) float64 { return e.FirstBatchLoss }
	require.InDelta(t, 2.3, first(log.Epochs[0]), 0)
	require.True(t, math.IsNaN(first(log.Epochs[1])), "only the first batch of a training comes before any update")
}

func TestAnEpochOfManyOutputs(t *testing.T) {
	t.Parallel()
	log := read(t, "Epoch 1/1\n10/10 [===] - 1s - loss: 0.5000 - head/a_loss: 0.3000 - top 5 acc: 0.9000 - val_loss: inf - learning_rate: 1.0000e-03\n")
	require.Equal(t, map[string]float64{"loss": 0.5, "head/a_loss": 0.3, "top 5 acc": 0.9, "val_loss": math.Inf(1)}, log.Epochs[0].Metrics)
	require.InDelta(t, 1e-3, log.Epochs[0].LearningRate, 0)
}
