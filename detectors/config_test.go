package detectors_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

func TestConfigIsValidated(t *testing.T) {
	t.Parallel()
	off := false
	set := func(name string, v float64) detectors.Settings {
		return detectors.Settings{Params: map[string]float64{name: v}}
	}
	for _, c := range []struct {
		name   string
		config detectors.Config
		want   string // the error; empty for none
	}{
		{"nothing", nil, ""},
		{"a parameter", detectors.Config{"plateau": set("patience", 8)}, ""},
		{"off", detectors.Config{"plateau": {Enabled: &off}}, ""},
		{"no such kind", detectors.Config{"plato": {}}, "plato: no such detector"},
		{"no such parameter", detectors.Config{"plateau": set("forbearance", 8)}, "plateau.forbearance: no such parameter"},
		{"out of range", detectors.Config{"plateau": set("patience", 0)}, "plateau.patience: 0 is not within 1 to 64"},
		{"half an epoch", detectors.Config{"plateau": set("patience", 2.5)}, "plateau.patience: 2.5 is not a whole number of epochs"},
		{"two at once", detectors.Config{"a": {}, "b": {}}, "a: no such detector\nb: no such detector"},
	} {
		err := c.config.Validate()
		_, made := detectors.NewMonitor(c.config)
		if c.want == "" {
			require.NoError(t, err, c.name)
			require.NoError(t, made, c.name)
			continue
		}
		require.EqualError(t, err, c.want, c.name)
		require.EqualError(t, made, c.want, c.name)
	}
}

func TestDisabledDetectorsSayNothing(t *testing.T) {
	t.Parallel()
	off := false
	m := newMonitor(t, detectors.Config{detectors.KindLossNaN: {Enabled: &off}})
	require.Empty(t, m.Fold(epoch(0, map[string]float64{"loss": nan})))
	require.Contains(t, m.Verdict().Summary, fmt.Sprintf("%d rules", len(detectors.Specs())-1))
}

func TestParametersAreUsed(t *testing.T) {
	t.Parallel()
	flat := func(c detectors.Config) (kinds []detectors.Kind) {
		m := newMonitor(t, c)
		for i := range 12 {
			m.Fold(epoch(i, map[string]float64{"loss": 0.7 + 0.001*float64(i%2)}))
		}
		for _, f := range m.Findings() {
			kinds = append(kinds, f.Kind)
		}
		return kinds
	}
	require.Contains(t, flat(nil), detectors.KindNotLearning)
	require.Empty(t, flat(detectors.Config{"not_learning": {Params: map[string]float64{"epochs": 20}}}))
}

func TestSpecsAreWhole(t *testing.T) {
	t.Parallel()
	order := []detectors.Kind{ // of the design's table
		detectors.KindLossNaN, detectors.KindDivergence, detectors.KindRisingLoss, detectors.KindOverfitting,
		detectors.KindGeneralizationGap, detectors.KindLossAccuracyConflict, detectors.KindPlateau, detectors.KindNotLearning,
		detectors.KindConstantMetric, detectors.KindOscillation, detectors.KindSpike, detectors.KindNoisyValidation,
		detectors.KindSlowProgress, detectors.KindLRTooLow, detectors.KindLRTooHigh, detectors.KindValBetterThanTrain,
		detectors.KindMetricMismatch, detectors.KindHeadLossMismatch, detectors.KindInitialLoss,
		detectors.KindEpochGap, detectors.KindStalled, detectors.KindSlowEpoch, detectors.KindResumeRegression,
	}
	place := -1
	for _, s := range detectors.Specs() {
		i := slices.Index(order, s.Kind)
		require.Greater(t, i, place, "%s is not of the table or out of its order", s.Kind)
		place = i
		require.NotEmpty(t, s.Title, s.Kind)
		require.NotEmpty(t, s.Meaning, s.Kind)
		require.NotEmpty(t, s.Reasons, s.Kind)
		require.NotEmpty(t, s.Advice, s.Kind)
		require.NotEmpty(t, s.FalseAlarms, s.Kind)
		require.Positive(t, s.Severity.Rank(), s.Kind)
		require.GreaterOrEqual(t, s.MinEpochs, 0, s.Kind)
		for _, p := range s.Params {
			require.NotEmpty(t, p.Doc, "%s.%s", s.Kind, p.Name)
			require.NotEmpty(t, p.Unit, "%s.%s", s.Kind, p.Name)
			require.NotEmpty(t, p.Source, "%s.%s", s.Kind, p.Name)
			require.True(t, p.Min <= p.Default && p.Default <= p.Max, "%s.%s", s.Kind, p.Name)
		}
	}
}
