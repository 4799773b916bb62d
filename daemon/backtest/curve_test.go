package backtest

import (
	"bufio"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

func TestReadCurves(t *testing.T) {
	t.Parallel()
	curves, problems, err := ReadCurves(strings.NewReader(`
{"id": "c1", "source": "owner/name:a.csv#0", "first_epoch": 3, "metrics": {"loss": [1, null, "NaN"], "lr": [0.1, 0.01], "acc": [0, "-Infinity", "inf"]}, "more": 1}

{"id": "c2", "repository": "mine", "source": "owner/name:b", "epochs": [7, 9], "first_batch_loss": 2.5, "metrics": {"loss": [1, 2]}, "context": {"num_classes": 10, "lr": 0.5, "weather": "fine"}}
{"id": "c3", "source_url": "https://github.com/owner/other/issues/4", "epochs": 1, "metrics": {"loss": [1]}, "context": null}
{"id": "c4", "metrics": {"loss": [1]}}`), "curves.jsonl")
	require.NoError(t, err)
	require.Empty(t, problems)
	require.Len(t, curves, 4)
	c := curves[0]
	require.Equal(t, "owner/name", c.Repository)
	require.Len(t, c.Epochs, 3)
	require.Equal(t, 3, c.Epochs[0].Epoch)
	require.Equal(t, map[string]float64{"loss": 1, "acc": 0}, c.Epochs[0].Metrics)
	require.Equal(t, map[string]float64{"acc": math.Inf(-1)}, c.Epochs[1].Metrics)
	require.True(t, math.IsNaN(c.Epochs[2].Metrics["loss"]))
	require.InDelta(t, 0.01, c.Epochs[1].LearningRate, 0)
	require.True(t, math.IsNaN(c.Epochs[2].LearningRate))
	require.True(t, math.IsNaN(c.Epochs[0].FirstBatchLoss))
	require.Nil(t, c.Facts)
	c = curves[1]
	require.Equal(t, "mine", c.Repository)
	require.Equal(t, 9, c.Epochs[1].Epoch)
	require.InDelta(t, 2.5, c.Epochs[0].FirstBatchLoss, 0)
	require.True(t, math.IsNaN(c.Epochs[1].FirstBatchLoss))
	require.Equal(t, 10, c.Facts.Classes)
	require.InDelta(t, 0.5, float64(*c.Facts.LearningRate), 0)
	require.Equal(t, "owner/other", curves[2].Repository)
	require.Equal(t, "c4", curves[3].Repository)
}

func TestLinesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	const good = `{"id": "good", "metrics": {"loss": [1]}}`
	for line, why := range map[string]string{
		`{"id": "x"`: "not JSON: unexpected end of JSON input",
		`{"id": "x", "metrics": {"loss": [NaN]}}`: `not JSON: invalid character 'N' looking for beginning of value (JSON has no NaN: write "NaN")`,
		`[1]`:                                                            "the line: want an object, not a JSON array",
		`{"metrics": {"loss": [1]}}`:                                     "it has no id",
		`{"id": 7, "metrics": {"loss": [1]}}`:                            "id: want a text, not a JSON number",
		`{"id": "x", "metrics": {"loss": 1}}`:                            "metrics: want a list, not a JSON number",
		`{"id": "x", "metrics": {"loss": [true]}}`:                       `a value is not a number (want a JSON number, "NaN", "Infinity" or "-Infinity"): true`,
		`{"id": "x", "metrics": {}}`:                                     "metrics: there are none",
		`{"id": "x", "metrics": {"loss": []}}`:                           "metrics: there are none",
		`{"id": "x", "epochs": [1], "metrics": {"loss": [1, 2]}}`:        "epochs: 1 numbers for 2 epochs",
		`{"id": "x", "epochs": ["a"], "metrics": {"loss": [1]}}`:         "epochs: want a list of whole numbers",
		`{"id": "x", "first_epoch": 0.5, "metrics": {"loss": [1]}}`:      "first_epoch: want a whole number, not a JSON number 0.5",
		`{"id": "x", "context": {"classes": "a"}, "metrics": {"a":[1]}}`: "context: json: cannot unmarshal",
		good: `the id "good" stands on an earlier line too`,
	} {
		curves, problems, err := ReadCurves(strings.NewReader(good+"\n"+line+"\n"+strings.Replace(good, "good", "last", 1)), "f")
		require.NoError(t, err)
		require.Len(t, curves, 2, "the others are still read: %s", line)
		require.Len(t, problems, 1, line)
		require.Contains(t, problems[0].String(), "f:2: "+why)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	labels, problems, err := ReadLabels(strings.NewReader(`{"id": "a", "labels": {"healthy": null}}
{"id": "b", "labels": {"overfitting": 3, "oscillation": null}}
{"id": "c", "labels": {}}
{"id": "d", "labels": {"weather": 1}}
{"id": "e", "labels": {"healthy": null, "plateau": 1}}
{"id": "f", "labels": {"plateau": -1}}
{"id": "a", "labels": {"plateau": 1}}
{"labels": {"plateau": 1}}
{"id": "g", "labels": {"plateau": 1}}
{"id": "h", "labels": {"plateau": "soon"}}`), "l")
	require.NoError(t, err)
	require.Len(t, labels, 3)
	require.True(t, labels["a"].Healthy())
	require.Equal(t, 3, *labels["b"][detectors.KindOverfitting])
	var lines []string
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	require.Equal(t, []string{
		"l:3: it has no labels: leave out what is neither one thing nor another",
		"l:4: labels.weather: no such kind",
		"l:5: labels: healthy, and something else too",
		"l:6: labels.plateau: the onset -1 is below 0",
		`l:7: the id "a" stands on an earlier line too`,
		"l:8: it has no id",
		"l:10: labels: want a whole number, not a JSON string",
	}, lines)

	curves := []*Curve{
		{ID: "a", Epochs: make([]detectors.Epoch, 4)},
		{ID: "b", Epochs: make([]detectors.Epoch, 4)},
		{ID: "z"},
	}
	strangers, outside := Attach(curves, labels)
	require.Equal(t, []string{"g"}, strangers)
	require.Empty(t, outside)
	require.Nil(t, curves[2].Labels)
	require.Equal(t, labels["b"], curves[1].Labels)
	curves[1].Epochs = curves[1].Epochs[:3]
	_, outside = Attach(curves, labels)
	require.Equal(t, []string{"b"}, outside)
	require.Nil(t, curves[1].Labels)
}

func TestReadingEnds(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	_, _, err := ReadCurves(iotest.ErrReader(broken), "f")
	require.ErrorIs(t, err, broken)
	long := io.MultiReader(strings.NewReader("{\"id\": \"a\", \"metrics\": {\"loss\": [1]}}\n"), io.LimitReader(zeros{}, maxLine+bufio.MaxScanTokenSize))
	curves, problems, err := ReadCurves(long, "f")
	require.NoError(t, err)
	require.Len(t, curves, 1)
	require.Equal(t, "f:2: longer than 64 MiB: neither it nor what follows was read", problems[0].String())
}

// zeros never ends a line.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

func TestBaselines(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	falling := []float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5}
	for _, test := range []struct {
		name      string
		loss, val []float64
		want      [5]int // in the order of Baselines
	}{
		{"both fall, close together", falling, []float64{9, 8, 7, 6, 5, 4, 3, 2, 1, 0.5}, [5]int{-1, -1, -1, -1, -1}},
		{"rises from its best", falling, []float64{9, 8, 7, 7.1, 7.2, 7.3, 7.4, 7.8, 8, 8}, [5]int{7, 4, 3, 3, 7}},
		{"rises by one and falls", falling, []float64{9, 8, 8.1, 7, 6, 5, 4, 3, 2, 1}, [5]int{-1, -1, 2, 2, -1}},
		{"equal is no improvement and no rise", []float64{5, 5, 5, 5, 5, 5}, []float64{5, 5, 5, 5, 5, 5}, [5]int{5, -1, -1, -1, -1}},
		{"both rise", []float64{1, 2, 3}, []float64{1, 2, 3}, [5]int{-1, 2, -1, -1, 1}},
		{"a first NaN is the best for ever", falling[:7], []float64{nan, 8, 7, 6, 5, 4, 3}, [5]int{5, -1, -1, -1, -1}},
		{"below 0", []float64{-1, -2, -3}, []float64{-1, -2, -1.7}, [5]int{-1, -1, 2, 2, 2}},
		{"a gap from the start", []float64{1, 0.9}, []float64{1.11, 1}, [5]int{-1, -1, -1, 0, -1}},
		{"none", nil, nil, [5]int{-1, -1, -1, -1, -1}},
	} {
		c := &Curve{}
		for i := range test.val {
			c.Epochs = append(c.Epochs, detectors.Epoch{Metrics: map[string]float64{"loss": test.loss[i], "val_loss": test.val[i]}})
		}
		for i, b := range Baselines() {
			require.Equal(t, test.want[i], b.fired(c), "%s: %s", test.name, b.Name)
		}
	}
	// Epochs without validation are not seen, but counted where they are.
	c := &Curve{Epochs: []detectors.Epoch{
		{Metrics: map[string]float64{"val_loss": 1}},
		{Metrics: map[string]float64{"loss": 1}},
		{Metrics: map[string]float64{"val_loss": 2}},
		{Metrics: map[string]float64{"val_loss": 3}},
	}}
	require.Equal(t, 3, (&Baseline{fire: func(_, val []float64) int { return rises(val, 2) }}).fired(c))
}
