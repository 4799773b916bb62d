package history_test

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// corpusVariable names the folder with raw/ and curves.jsonl.
const corpusVariable = "EPOCHWATCH_CORPUS"

// curve is one line of curves.jsonl.
type curve struct {
	ID       string               `json:"id"`
	Source   string               `json:"source"`
	Metrics  map[string][]*figure `json:"metrics"`
	First    int                  `json:"first_epoch"`
	Declared *int                 `json:"epochs_declared"`
}

// figure is a number, or "NaN" and the like as a string.
type figure float64

func (f *figure) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) == nil {
		switch s {
		case "NaN":
			*f = figure(math.NaN())
		case "Infinity":
			*f = figure(math.Inf(1))
		case "-Infinity":
			*f = figure(math.Inf(-1))
		}
		return nil
	}
	return json.Unmarshal(b, (*float64)(f))
}

func readCurves(t *testing.T, path string) map[string]curve {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	out := map[string]curve{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 8<<20)
	for s.Scan() {
		var c curve
		require.NoError(t, json.Unmarshal(s.Bytes(), &c))
		out[c.ID] = c
	}
	require.NoError(t, s.Err())
	return out
}

// requireCurve holds that a log gives the figures of a curve, to the eight digits that
// curves are kept with.
func requireCurve(t *testing.T, c curve, log history.Log) {
	t.Helper()
	require.Equal(t, c.First, log.Epochs[0].Epoch, "first epoch")
	if c.Declared != nil {
		require.Equal(t, *c.Declared, log.Declared, "declared")
	}
	for name, want := range c.Metrics {
		require.Len(t, log.Epochs, len(want), "epochs")
		for i, e := range log.Epochs {
			got, ok := e.Metrics[name]
			if name == "lr" {
				got, ok = e.LearningRate, !math.IsNaN(e.LearningRate)
			}
			if want[i] == nil {
				require.False(t, ok, "%s of epoch %d", name, e.Epoch)
				continue
			}
			w := float64(*want[i])
			if right, known := better[c.ID+" "+name+" "+strconv.Itoa(e.Epoch)]; known {
				w = right
			}
			require.True(t, ok, "%s of epoch %d is missing", name, e.Epoch)
			same := math.IsNaN(w) && math.IsNaN(got) || w == got || math.Abs(w-got) <= 1e-7*math.Abs(w)
			require.True(t, same, "%s of epoch %d: %v, want %v", name, e.Epoch, got, w)
		}
	}
}

// better are figures for which the curve took a number that is none of the epoch's: what
// was left of an earlier drawing, or the line of an evaluation behind the training.
var better = map[string]float64{
	"c00736 loss 3":                0.2846, // "… mean_squared_error: 0.2015 0s - loss: 0"
	"c00736 loss 7":                0.2374,
	"c00736 loss 15":               0.2101,
	"c00736 loss 24":               0.2032,
	"c00736 loss 33":               0.2017,
	"c00736 loss 36":               0.2014,
	"c00736 loss 62":               0.1994,
	"c00736 loss 75":               0.1987,
	"c00736 mean_squared_error 24": 0.1936,
	"c00117 loss 67":               0.5444, // "… accuracy: 0.73400s - loss: 0.5445 - accuracy: 0.73"
	"c00117 accuracy 67":           0.7340,
	"c00557 loss 30":               0.1375, // then "313/313 … loss: 0.4108"
}

// twins are pairs of curves taken from one file that holds several trainings: Read
// returns the second.
var twins = map[string]string{"c00076": "c00077", "c00147": "c00148", "c00213": "c00214"}

// TestSample reads a few real logs: bars of Keras 1, 2 and 3 with backspaces and colours,
// messages glued to them, leftovers of longer ones, evaluations, appended tables, NaN.
func TestSample(t *testing.T) {
	t.Parallel()
	requireFolder(t, "testdata", 8)
}

// TestCorpus reads every file of the corpus.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv(corpusVariable)
	if dir == "" {
		t.Skipf("%s names no corpus of logs: only the sample in testdata was read", corpusVariable)
	}
	requireFolder(t, dir, 80)
}

// requireFolder compares the figures of every file in a folder with the curve that was
// taken from it by other means.
func requireFolder(t *testing.T, dir string, least int) {
	t.Helper()
	curves := readCurves(t, filepath.Join(dir, "curves.jsonl"))
	files, err := filepath.Glob(filepath.Join(dir, "raw", "*"))
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), least)
	for _, path := range files {
		id := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
		if twin, ok := twins[id]; ok {
			id = twin
		}
		c, ok := curves[id]
		require.True(t, ok, id)
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			f, err := os.Open(path)
			require.NoError(t, err)
			defer f.Close()
			log, err := history.Read(f, path)
			require.NoError(t, err)
			requireCurve(t, c, log)
		})
	}
}
