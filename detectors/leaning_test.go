package detectors_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

func TestAShortRunLeans(t *testing.T) {
	t.Parallel()
	falling := []float64{1, 0.8, 0.65, 0.55, 0.47, 0.4}
	for _, tc := range []struct {
		name      string
		loss, val []float64
		want      detectors.Kind
		sure      float64
	}{
		{"two epochs above the best", falling[:5], []float64{1.1, 0.95, 0.9, 0.93, 0.96}, detectors.KindOverfitting, 0.55},
		{"three, and the training loss in free fall", falling, []float64{1.1, 0.95, 0.9, 0.93, 0.92, 0.96}, detectors.KindOverfitting, 0.65},
		{"one", falling[:4], []float64{1.1, 0.95, 0.9, 0.99}, detectors.KindHealthy, 0},
		{"by a hair", falling, []float64{1.1, 0.95, 0.9, 0.905, 0.907, 0.908}, detectors.KindHealthy, 0},
		{"it came back to its best", falling, []float64{1.1, 0.95, 0.9, 0.97, 0.9, 0.96}, detectors.KindHealthy, 0},
		{"the training loss does not fall", []float64{1, 0.8, 0.65, 0.65, 0.64, 0.65}, []float64{1.1, 0.95, 0.9, 0.93, 0.92, 0.96}, detectors.KindHealthy, 0},
		{"no validation", falling, nil, detectors.KindHealthy, 0},
	} {
		m := newMonitor(t, nil)
		for i, y := range tc.loss {
			e := map[string]float64{"loss": y}
			if tc.val != nil {
				e["val_loss"] = tc.val[i]
			}
			m.Fold(epoch(i+1, e))
		}
		require.Empty(t, m.Findings(), "%s: a finding is not what this is about", tc.name)
		v := m.Verdict()
		require.Equal(t, tc.want, v.Kind, tc.name)
		if tc.want != detectors.KindHealthy {
			require.InDelta(t, tc.sure, v.Confidence, 1e-9, tc.name)
			require.Contains(t, v.Summary, "of epoch 3", tc.name)
			require.NotEmpty(t, v.Advice)
		}
	}
}

// Only a short run leans: later on the noise is known, and a finding says so or nothing.
func TestALongRunDoesNotLean(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	for i := range 13 {
		e := map[string]float64{"loss": 1 / float64(i+1), "val_loss": 1 / float64(i+1)}
		if i > 10 {
			e["val_loss"] = 0.1
		}
		m.Fold(epoch(i, e))
	}
	require.Equal(t, detectors.KindHealthy, m.Verdict().Kind)
}
