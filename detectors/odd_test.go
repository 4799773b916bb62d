package detectors_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

// TestOddRuns folds runs that are not as one would like, and holds what is said of them.
func TestOddRuns(t *testing.T) {
	t.Parallel()
	wave := func(i int) float64 { return 0.01 * math.Sin(float64(i*i)) }
	for _, c := range []struct {
		name   string
		epochs int
		at     func(i int) map[string]float64
		want   []detectors.Kind
	}{
		{"one epoch", 1, func(int) map[string]float64 { return map[string]float64{"loss": 3} }, nil},
		{"zero all along", 40, func(int) map[string]float64 { return map[string]float64{"loss": 0, "val_loss": 0, "acc": 1} }, nil},
		{"the same all along", 40, func(int) map[string]float64 { return map[string]float64{"loss": 2} }, []detectors.Kind{detectors.KindNotLearning}},
		{"a negative loss that falls", 40, func(i int) map[string]float64 {
			return map[string]float64{"loss": -float64(i) / 4, "val_loss": -float64(i) / 5}
		}, nil},
		{"a negative loss that rises again", 40, func(i int) map[string]float64 {
			return map[string]float64{"loss": math.Abs(float64(i)-25)/9 - 5 + wave(i)}
		}, []detectors.Kind{detectors.KindRisingLoss}},
		{"through zero", 40, func(i int) map[string]float64 { return map[string]float64{"loss": 3 - float64(i)/5 + wave(i)} }, nil},
		{"no loss at all", 40, func(i int) map[string]float64 { return map[string]float64{"acc": float64(i)} }, nil},
		{"no metric at all", 40, func(int) map[string]float64 { return nil }, nil},
		{"validation every fifth epoch", 90, func(i int) map[string]float64 {
			m := map[string]float64{"loss": 2 * math.Exp(-float64(i)/30)}
			if i%5 == 4 {
				m["val_loss"] = 1 + math.Exp(-float64(i)/8) + 0.02*math.Max(0, float64(i-30)) + wave(i)
			}
			return m
		}, []detectors.Kind{detectors.KindOverfitting}},
		{"accuracy in per cent", 40, func(i int) map[string]float64 {
			return map[string]float64{"loss": 0.7 + 0.004*float64(max(0, i-10)) - 0.02*float64(min(i, 10)) + wave(i)/3, "accuracy": 60 + float64(i)/2}
		}, []detectors.Kind{detectors.KindRisingLoss, detectors.KindLossAccuracyConflict}},
		{"a metric that vanishes", 40, func(i int) map[string]float64 {
			m := map[string]float64{"loss": 2 - float64(i)/30}
			if i < 20 {
				m["val_loss"] = m["loss"]
			}
			return m
		}, nil},
		{"a hundred thousand epochs", 100_000, func(i int) map[string]float64 {
			return map[string]float64{"loss": falling(float64(i)) + wave(i), "val_loss": falling(float64(i)) + wave(i+1)}
		}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			m := newMonitor(t, nil)
			for i := range c.epochs {
				m.Fold(epoch(i, c.at(i)))
			}
			require.Equal(t, c.epochs, m.Epochs())
			var got []detectors.Kind
			for _, f := range m.Findings() {
				if f.Kind != detectors.KindPlateau { // which is information, and often true of these
					got = append(got, f.Kind)
				}
			}
			require.Equal(t, c.want, got)
		})
	}
}
