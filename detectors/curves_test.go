package detectors_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

// TestFindingsOfCurvesEnd holds how each goes away again: a person who has acted, or waited,
// is told so.
func TestFindingsOfCurvesEnd(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind     detectors.Kind
		epochs   int
		at       func(e *detectors.Epoch, i int)
		from, to int // fired and resolved
	}{
		{detectors.KindSpike, 40, func(e *detectors.Epoch, i int) {
			e.Metrics["loss"] = settled(float64(i))
			if i == 20 {
				e.Metrics["loss"]++
			}
		}, 21, 24},
		{detectors.KindSlowEpoch, 40, func(e *detectors.Epoch, i int) { // slow is the new usual
			e.Metrics["loss"], e.Seconds = settled(float64(i)), 60
			if i >= 20 {
				e.Seconds = 240
			}
		}, 20, 24},
		{detectors.KindResumeRegression, 60, func(e *detectors.Epoch, i int) {
			e.Attempt, e.Metrics["loss"] = "a", settled(float64(i))
			if i >= 20 {
				e.Attempt, e.Metrics["loss"] = "b", settled(float64(i-20))
			}
		}, 20, 37},
		{detectors.KindConstantMetric, 20, func(e *detectors.Epoch, i int) {
			e.Metrics["loss"], e.Metrics["accuracy"] = 0.6931, 0.5
			if i >= 10 {
				e.Metrics["loss"], e.Metrics["accuracy"] = 0.69-0.02*float64(i-10), 0.5+0.03*float64(i-9)
			}
		}, 5, 10},
		{detectors.KindLRTooLow, 40, func(e *detectors.Epoch, i int) { // the rate is raised
			e.LearningRate, e.Metrics["loss"] = 1e-6, 2-0.002*float64(i)
			if i >= 20 {
				e.LearningRate, e.Metrics["loss"] = 1e-3, 1.96*math.Exp(-float64(i-19)/10)
			}
		}, 11, 21},
	} {
		m := newMonitor(t, nil)
		for i := range c.epochs {
			e := epoch(i, map[string]float64{})
			c.at(&e, i)
			m.Fold(e)
		}
		var found *detectors.Finding
		for _, f := range m.Findings() {
			if f.Kind == c.kind {
				require.Nil(t, found, "%s is found twice", c.kind)
				found = &f
			}
		}
		require.NotNil(t, found, c.kind)
		require.Equal(t, c.from, found.FiredEpoch, c.kind)
		require.NotNil(t, found.ResolvedEpoch, c.kind)
		require.Equal(t, c.to, *found.ResolvedEpoch, c.kind)
	}
}

// TestARestartIsTheCause holds that a loss which is worse for a restart is put down to it.
func TestARestartIsTheCause(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	for i := range 60 {
		e := epoch(i, map[string]float64{"loss": settled(float64(i))})
		e.Attempt = "a"
		if i >= 40 {
			e.Attempt = "b"
			e.Metrics["loss"] = settled(0) + 0.01*float64(i%2)
		}
		m.Fold(e)
	}
	v := m.Verdict()
	require.Equal(t, detectors.KindResumeRegression, v.Kind)
	require.NotContains(t, v.Summary, "Besides")
}

// TestRepeatedEpochsAreNoRegression repeats an epoch again and again, as a callback that is
// retried does: no restart is made of it when the loss is as it was.
func TestRepeatedEpochsAreNoRegression(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	for i := range 40 {
		for range 3 {
			m.Fold(epoch(i, map[string]float64{"loss": settled(float64(i))}))
		}
	}
	require.Equal(t, 40, m.Epochs())
	for _, f := range m.Findings() {
		require.NotEqual(t, detectors.KindResumeRegression, f.Kind, f.Summary)
	}
}
