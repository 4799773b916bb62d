package detectors_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/backtest"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// curve is a learning curve as the development corpus and the examples write it.
type curve struct {
	Metrics        map[string][]anything `json:"metrics"`
	FirstEpoch     int                   `json:"first_epoch"`
	FirstBatchLoss *contract.Number      `json:"first_batch_loss"`
}

// anything is a number, a string that stands for one, or null.
type anything struct {
	v     float64
	there bool
}

func (a *anything) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	var n contract.Number
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	a.v, a.there = float64(n), true
	return nil
}

func (c *curve) length() int {
	n := 0
	for _, v := range c.Metrics {
		n = max(n, len(v))
	}
	return n
}

// epochAt makes the epoch at an index of the curve.
func (c *curve) epochAt(i int) detectors.Epoch {
	e := epoch(c.FirstEpoch+i, map[string]float64{})
	for name, v := range c.Metrics {
		if i >= len(v) || !v[i].there {
			continue
		}
		if name == "lr" || name == "learning_rate" {
			e.LearningRate = v[i].v
			continue
		}
		e.Metrics[name] = v[i].v
	}
	if i == 0 && c.FirstBatchLoss != nil {
		e.FirstBatchLoss = float64(*c.FirstBatchLoss)
	}
	return e
}

// TestCorpus judges the detectors on labelled curves, as `epochwatch backtest` does. It
// needs the folder of the corpus in EPOCHWATCH_CORPUS; EPOCHWATCH_CORPUS_PART says whether
// the part for tuning ("dev", the default), the third kept apart ("apart") or all. With
// EPOCHWATCH_CORPUS_WHY it lists the curves on which labels and findings differ.
func TestCorpus(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("EPOCHWATCH_CORPUS")
	if dir == "" {
		t.Skip("EPOCHWATCH_CORPUS does not name the folder of a corpus: nothing to score")
	}
	curves := readCorpus(t, filepath.Join(dir, "curves.jsonl"), backtest.ReadCurves)
	_, outside := backtest.Attach(curves, readCorpus(t, filepath.Join(dir, "labels.jsonl"), backtest.ReadLabels))
	require.Empty(t, outside)
	o := backtest.Options{Thresholds: backtest.Thresholds{Name: "defaults"}, Apart: 3, Odd: os.Getenv("EPOCHWATCH_CORPUS_WHY") != ""}
	part := os.Getenv("EPOCHWATCH_CORPUS_PART")
	if part == "all" {
		o.Apart = 0
	}
	r, err := backtest.Run(curves, o)
	require.NoError(t, err)
	if part == "apart" {
		r.Parts = r.Parts[1:]
	}
	r.Parts = r.Parts[:1]
	var b bytes.Buffer
	require.NoError(t, r.WriteText(&b))
	t.Logf("\n%s", &b)
}

func readCorpus[T any](t *testing.T, path string, read func(io.Reader, string) (T, []backtest.Problem, error)) T {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	out, problems, err := read(bytes.NewReader(b), path)
	require.NoError(t, err)
	require.Empty(t, problems)
	return out
}
