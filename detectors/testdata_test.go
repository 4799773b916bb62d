package detectors_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// example is a curve of testdata/<kind>: where the kind must fire, or that it must not.
type example struct {
	curve
	Why          string
	Alarm        bool     // only a warning counts
	LearningRate *float64 `json:"learning_rate"`
	Numbers      []int    `json:"epochs"` // of the epochs; first_epoch, +1, … when absent
	Seconds      []anything
	Context      contract.Facts
	Fires        *struct {
		From, By int
		Onset    *int
	}
}

func (x *example) epoch(i int) detectors.Epoch {
	e := x.epochAt(i)
	if x.Numbers != nil {
		e.Epoch = x.Numbers[i]
	}
	if x.Seconds != nil {
		e.Seconds = x.Seconds[i].v
	}
	if x.LearningRate != nil {
		e.LearningRate = *x.LearningRate
	}
	return e
}

func readExample(t *testing.T, path string) *example {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	var x example
	require.NoError(t, json.Unmarshal(b, &x))
	require.NotEmpty(t, x.Why, path)
	return &x
}

func TestExamples(t *testing.T) {
	t.Parallel()
	fires, silent := map[detectors.Kind]int{}, map[detectors.Kind]int{}
	paths, err := filepath.Glob("testdata/*/*.json")
	require.NoError(t, err)
	for _, path := range paths {
		kind := detectors.Kind(filepath.Base(filepath.Dir(path)))
		x := readExample(t, path)
		m := newMonitor(t, nil)
		m.Start("", x.Context)
		var first *detectors.Finding
		for i := range x.length() {
			for _, c := range m.Fold(x.epoch(i)) {
				checkFinding(t, c.Finding)
				if first == nil && c.Finding.Kind == kind && (!x.Alarm || c.Finding.Severity != detectors.SeverityInfo) {
					first = &c.Finding
				}
			}
		}
		if x.Fires == nil {
			silent[kind]++
			require.Nil(t, first, "%s: %s", path, x.Why)
			continue
		}
		fires[kind]++
		require.NotNil(t, first, "%s: %s", path, x.Why)
		require.True(t, x.Fires.From <= first.FiredEpoch && first.FiredEpoch <= x.Fires.By,
			"%s fired at %d, not within %d to %d", path, first.FiredEpoch, x.Fires.From, x.Fires.By)
		if x.Fires.Onset != nil {
			require.Equal(t, *x.Fires.Onset, first.OnsetEpoch, path)
		}
	}
	for _, s := range detectors.Specs() {
		if s.Kind != detectors.KindStalled { // which takes a clock: see monitor_test.go
			require.Positive(t, fires[s.Kind], "no example of %s that fires", s.Kind)
			require.Positive(t, silent[s.Kind], "no example of %s that must not", s.Kind)
		}
	}
}

// TestTheSeed holds the answer to the log that the project started from.
func TestTheSeed(t *testing.T) {
	t.Parallel()
	x := readExample(t, "testdata/loss_accuracy_conflict/seed.json")
	m := newMonitor(t, nil)
	for i := range x.length() {
		m.Fold(x.epoch(i))
	}
	v := m.Verdict()
	require.Equal(t, detectors.KindLossAccuracyConflict, v.Kind)
	require.Greater(t, v.Confidence, 0.5)
	for _, want := range []string{"learning rate", "ReduceLROnPlateau", "penalty", "sigmoid"} {
		require.Condition(t, func() bool { return mentions(v.Advice, want) }, "no advice mentions %s", want)
	}
	var rising *detectors.Finding
	for _, f := range m.Findings() {
		if f.Kind == detectors.KindRisingLoss {
			rising = &f
		}
	}
	require.NotNil(t, rising)
	require.Equal(t, 17, rising.OnsetEpoch)
	require.Equal(t, 21, rising.FiredEpoch)
	require.True(t, rising.Firing())
	require.Equal(t, detectors.SeverityWarning, rising.Severity)
	require.InDelta(t, 0.7401, float64(rising.Evidence["best"]), 1e-12)
	require.InDelta(t, 0.7580, float64(rising.Evidence["now"]), 1e-12)
}

func mentions(advice []string, word string) bool {
	for _, a := range advice {
		if strings.Contains(a, word) {
			return true
		}
	}
	return false
}
