package history_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// TestAHistoryInEveryForm holds that each gives the same figures.
func TestAHistoryInEveryForm(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"json.dump":             `{"loss": [0.5, 0.25], "acc": [0.8, 0.9], "val_loss": [NaN, Infinity]}`,
		"indented, with a mark": "\xef\xbb\xbf{\r\n  \"loss\": [\r\n    0.5,\r\n    0.25\r\n  ],\r\n  \"acc\": [0.8, 0.9],\r\n  \"val_loss\": [NaN, Infinity]\r\n}\r\n",
		"UTF-16":                utf16le(`{"loss": [0.5, 0.25], "acc": [0.8, 0.9], "val_loss": [NaN, Infinity]}`),
		"numbers as texts":      `{"loss": ["0.5", "0.25"], "acc": ["0.8", "0.9"], "val_loss": ["nan", "inf"]}`,
		"repr":                  `{'loss': [0.5, 0.25], 'acc': [0.8, 0.9], 'val_loss': [nan, inf]}`,
		"repr of NumPy":         "{'loss': [np.float32(0.5), np.float32(0.25)], 'acc': [numpy.float64(0.8), 0.9], 'val_loss': array([nan, inf], dtype=float32)}",
		"Python 2":              `{u'loss': [0.5, 0.25], u'acc': [0.8, 0.9], u'val_loss': [nan, inf]}`,
		"tensors":               "{'loss': [<tf.Tensor: shape=(), dtype=float32, numpy=0.5>, tensor(0.25, device='cuda:0')], 'acc': (0.8, 0.9,), 'val_loss': [nan, inf]}",
		"defaultdict":           "defaultdict(<class 'list'>, {'loss': [0.5, 0.25], 'acc': [0.8, 0.9], 'val_loss': [nan, inf]})",
		"dumped as a text":      `"{'loss': [0.5, 0.25], 'acc': [0.8, 0.9], 'val_loss': [nan, inf]}"`,
		"the callback":          `{"history": {"loss": [0.5, 0.25], "acc": [0.8, 0.9], "val_loss": [NaN, Infinity]}, "epoch": [0, 1], "params": {"epochs": 9}}`,
		"pandas, columns":       `{"loss":{"0":0.5,"1":0.25},"acc":{"0":0.8,"1":0.9},"val_loss":{"0":"NaN","1":"inf"}}`,
		"a list of dicts":       `[{"epoch": 0, "loss": 0.5, "acc": 0.8, "val_loss": NaN}, {"epoch": 1, "loss": 0.25, "acc": 0.9, "val_loss": Infinity}]`,
		"a dict a line":         "{\"loss\": 0.5, \"acc\": 0.8, \"val_loss\": NaN}\n{\"loss\": 0.25, \"acc\": 0.9, \"val_loss\": Infinity}\n",
		"pasted from a prompt":  ">>> history.history\n{'loss': [0.5, 0.25], 'acc': [0.8, 0.9], 'val_loss': [nan, inf]}\n>>> ",
		"IPython":               "Out[12]: \n{'loss': [0.5,\n  0.25],\n 'acc': [0.8, 0.9],\n 'val_loss': [nan, inf]}\n",
		"an assignment":         "history = {'loss': [0.5, 0.25], 'acc': [0.8, 0.9],\n  'val_loss': [nan, inf]}\nprint(history)\n",
		"behind a setting":      "{'lr': 0.1}\n{'loss': [0.5, 0.25], 'acc': [0.8, 0.9], 'val_loss': [nan, inf]}\n",
	} {
		log := read(t, text)
		require.Equal(t, history.FormatHistory, log.Format, name)
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), name)
		require.Equal(t, []float64{0.8, 0.9}, series(log, "acc"), name)
		require.Equal(t, []int{0, 1}, numbers(log), name)
		require.True(t, math.IsNaN(log.Epochs[0].Metrics["val_loss"]), name)
		require.True(t, math.IsInf(log.Epochs[1].Metrics["val_loss"], 1), name)
		require.Len(t, log.Epochs[0].Metrics, 3, name)
		require.Equal(t, 1, log.Runs, name)
	}
}

func TestAHistorySaysItsPlanItsNumbersAndItsRate(t *testing.T) {
	t.Parallel()
	log := read(t, `{"params": {"epochs": 50, "verbose": 1}, "epoch": [10, 11, 12], "history": {"loss": [3, 2, 1], "lr": [0.1, 0.1, 0.05]}}`)
	require.Equal(t, []int{10, 11, 12}, numbers(log))
	require.Equal(t, 50, log.Declared)
	require.Empty(t, log.Notes)
	require.Empty(t, log.Skipped)
	require.InDelta(t, 0.05, log.Epochs[2].LearningRate, 0)
	require.NotContains(t, log.Epochs[2].Metrics, "lr")
	require.Contains(t, read(t, `{"loss": [3, 2]}`).Notes[0].Text, "does not number its epochs")
}

// TestUnequalLengthsAreNeverGuessed: a list that is shorter fits where only one
// validation_freq gives it; any other is left out and said.
func TestUnequalLengthsAreNeverGuessed(t *testing.T) {
	t.Parallel()
	const nine = `"loss": [9, 8, 7, 6, 5, 4, 3, 2, 1]`
	for name, c := range map[string]struct {
		text string
		want map[int]float64
		said string
	}{
		"every second":           {`{` + nine + `, "val_loss": [1, 2, 3, 4]}`, map[int]float64{1: 1, 3: 2, 5: 3, 7: 4}, "read as validation_freq=2"},
		"every fourth":           {`{` + nine + `, "val_loss": [1, 2]}`, map[int]float64{3: 1, 7: 2}, "read as validation_freq=4"},
		"every second, from one": {`{"epoch": [1, 2, 3], "history": {"loss": [3, 2, 1], "val_loss": [7, 8]}}`, map[int]float64{1: 7, 3: 8}, "validation_freq=2"},
		"one of many":            {`{` + nine + `, "val_loss": [1]}`, nil, "nothing says which epochs they are of"},
		"one too few":            {`{` + nine + `, "val_loss": [1, 2, 3, 4, 5, 6, 7, 8]}`, nil, "8 values for 9 epochs"},
		"too many":               {`{"loss": [2, 1], "val_loss": [1, 2, 3]}`, nil, "3 values for 2 epochs"},
		"none":                   {`{` + nine + `, "val_loss": []}`, nil, "0 values for 9 epochs"},
		"shortened by NumPy":     {`{` + nine + `, "val_loss": array([1, 2, ..., 8, 9])}`, nil, "shortened with ..."},
		"lists in the list":      {`{"loss": [2, 1], "val_loss": [[1, 2], [3, 4]]}`, nil, `values of "val_loss" that are no numbers were left out (2 times`},
	} {
		log := read(t, c.text)
		got := map[int]float64{}
		for _, e := range log.Epochs {
			if v, ok := e.Metrics["val_loss"]; ok {
				got[e.Epoch] = v
			}
		}
		if c.want == nil {
			c.want = map[int]float64{}
		}
		require.Equal(t, c.want, got, name)
		require.Contains(t, skipped(log), c.said, name)
	}
	require.Contains(t, skipped(read(t, `{"loss": [2, 1], "acc": [0.5]}`)), `"acc" has 1 values for 2 epochs`)
}

func TestNothingIsAMetricThatIsNull(t *testing.T) {
	t.Parallel()
	log := read(t, `{"loss": [2, 1, 0.5], "val_loss": [null, 1.5, None]}`)
	require.NotContains(t, log.Epochs[0].Metrics, "val_loss")
	require.Contains(t, log.Epochs[1].Metrics, "val_loss")
	require.NotContains(t, log.Epochs[2].Metrics, "val_loss")
}

func TestSeveralHistoriesAreSeveralTrainings(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"a list":  `[{"loss": [9, 8, 7]}, {"loss": [3, 2]}, {"loss": [1]}]`,
		"by name": `{"fold 1": {"loss": [9, 8, 7]}, "fold 2": {"loss": [3, 2]}, "fold 3": {"loss": [1]}}`,
		"lines":   "{'loss': [9, 8, 7]}\n{'loss': [3, 2]}\n{'loss': [1]}\n",
	} {
		log := read(t, text)
		require.Equal(t, 3, log.Runs, name)
		require.Equal(t, []float64{9, 8, 7}, series(log, "loss"), name)
		require.Contains(t, log.Notes[0].Text, "training 1 was read, the longest", name)
	}
}

// TestAHistoryBehindItsConsoleIsTheSameTraining: its digits are taken, the console's
// numbers are kept. Another training stays another.
func TestAHistoryBehindItsConsoleIsTheSameTraining(t *testing.T) {
	t.Parallel()
	const console = "Epoch 1/2\n10/10 - 1s - loss: 0.1235 - acc: 0.8000\nEpoch 2/2\n10/10 - 2s - loss: 1.2346e-04 - acc: 0.9000\n"
	log := read(t, console+"{'loss': [0.12345678, 0.00012345678], 'acc': [0.8, 0.9]}\n313/313 - 1s - loss: 9.0000\n")
	require.Equal(t, 1, log.Runs)
	require.Equal(t, []float64{0.12345678, 0.00012345678}, series(log, "loss"))
	require.Equal(t, []int{1, 2}, numbers(log))
	require.Equal(t, 2, log.Declared)
	require.InDelta(t, 2, log.Epochs[1].Seconds, 0)
	require.Contains(t, log.Notes[0].Text, "exact figures")
	require.Contains(t, skipped(log), "such as evaluate draws")
	require.Equal(t, 2, read(t, console+"{'loss': [0.12345678, 0.0002], 'acc': [0.8, 0.9]}\n").Runs)
}

// TestABrokenValueHidesNoLog holds that what only looks like a value is read as lines.
func TestABrokenValueHidesNoLog(t *testing.T) {
	t.Parallel()
	for _, before := range []string{
		"{'lr': 0.1, 'layers': [1, 2]}\n", "{'loss': [0.5, \n", "[INFO] starts\n", "{\n", "[{\"loss\": 7}\n", "\"quoted\n", "{\"loss\": [1, 2],\n \"x\": @}\n", "x = {'loss': [1,\n",
	} {
		log := read(t, before+"Epoch 1/2\n1s - loss: 0.5000\nEpoch 2/2\n1s - loss: 0.2500\n")
		require.Equal(t, []float64{0.5, 0.25}, series(log, "loss"), before)
		require.Equal(t, []int{1, 2}, numbers(log), before)
	}
}

func TestAValueWithoutEpochsIsNoLog(t *testing.T) {
	t.Parallel()
	for text, found := range map[string]string{
		`{"loss": [0.5, 0.4`:             "line 1: it breaks off",
		"{\n\"loss\": [0.5 0.4]}":        `line 2: '0' stands where a comma or ']' should`,
		`{"a": 1}`:                       "without the figures of an epoch",
		`{"loss": "mse"}`:                "without the figures of an epoch",
		`{"loss": ["mse", "mae"]}`:       "without the figures of an epoch",
		`{"loss": []}`:                   "without the figures of an epoch",
		`{"loss": [os.system("x")]}`:     "no value",
		`[]`:                             "without the figures of an epoch",
		strings.Repeat("[", 1000):        "more brackets in each other than are read",
		`{"loss": [array([1, 2, ...])]}`: "without the figures of an epoch",
	} {
		_, err := history.Read(strings.NewReader(text), "x.json")
		require.ErrorIs(t, err, history.ErrNotALog, text)
		require.ErrorContains(t, err, found, text)
	}
}

// FuzzValue holds for any bytes in place of a list that a History is read or refused, the
// same however the bytes come, and that JSON is read as encoding/json reads it.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		`{"loss": [0.5, NaN, null, "1"]}`, `{'loss': array([1., nan, ...], dtype=float32)}`, `[{"epoch": 3, "loss": 1}]`,
		"{'loss': [np.float32(1e-3), <tf.Tensor: shape=(), numpy=0.5>]}", "Epoch 1/2\n1s - loss: 1\n{'loss': [1,\n2]}", `"{'loss': [1]}"`,
		`{"history": {"loss": [1, 2, 3], "val_loss": [1]}, "epoch": [4, 5, 6]}`, `{"loss\u006a\n\x41\ud83d\ude00": {"0": 1}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		log, err := history.Read(bytes.NewReader(b), "fuzz")
		again, err2 := history.Read(iotest.OneByteReader(bytes.NewReader(b)), "fuzz")
		require.Equal(t, fmt.Sprint(err), fmt.Sprint(err2))
		require.Empty(t, cmp.Diff(log, again, cmpopts.EquateNaNs()))
		var want struct{ Loss []float64 }
		d := json.NewDecoder(bytes.NewReader(b))
		d.DisallowUnknownFields()
		if d.Decode(&want) != nil || !bytes.HasPrefix(b, []byte(`{"loss":[`)) || bytes.Count(b, []byte("loss")) != 1 || d.More() || len(want.Loss) == 0 || bytes.Contains(b, []byte("null")) {
			return
		}
		require.NoError(t, err)
		require.Equal(t, want.Loss, series(log, "loss"))
	})
}
