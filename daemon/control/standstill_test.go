package control_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// flat has stopped falling: a median of 0.66 over its last four epochs, 0.6 over the four before.
var flat = []float64{1.2, 0.9, 0.6, 0.7, 0.6, 0.58, 0.7, 0.62, 0.7, 0.62}

func TestALossThatHasStoppedFallingIsCutOnce(t *testing.T) {
	t.Parallel()
	untrained := 2.3
	for name, tc := range map[string]struct {
		losses []float64
		change func(s *ingest.Situation)
		cut    bool
	}{
		"stands still":           {flat, func(*ingest.Situation) {}, true},
		"calm":                   {[]float64{1.2, 0.9, 0.6, 0.601, 0.6, 0.601, 0.602, 0.603, 0.602, 0.603}, func(*ingest.Situation) {}, false},
		"a new best":             {[]float64{1.2, 0.9, 0.6, 0.7, 0.6, 0.58, 0.7, 0.57, 0.7, 0.62}, func(*ingest.Situation) {}, false},
		"still falls":            {[]float64{1.2, 0.9, 0.6, 0.7, 0.6, 0.6, 0.5, 0.6, 0.5, 0.5}, func(*ingest.Situation) {}, false},
		"too short":              {flat[3:], func(*ingest.Situation) {}, false},
		"as good as learned":     {flat, func(s *ingest.Situation) { s.Untrained = new(100.0) }, false},
		"far from learned":       {flat, func(s *ingest.Situation) { s.Untrained = &untrained }, true},
		"the rate has just come": {flat, func(s *ingest.Situation) { s.Recent[4].LearningRate = 0.4 }, false},
		"a schedule came down": {flat, func(s *ingest.Situation) {
			s.Attempt.Started.Schedule = "CosineDecay"
			for i := range s.Recent {
				s.Recent[i].LearningRate = 0.6 - 0.01*float64(i)
			}
		}, true},
		"a schedule warms up": {flat, func(s *ingest.Situation) {
			s.Attempt.Started.Schedule = "WarmUp"
			for i := range s.Recent {
				s.Recent[i].LearningRate = 0.1 + 0.01*float64(i)
			}
		}, false},
		"another attempt": {flat, func(s *ingest.Situation) { s.Recent[3].Attempt = "01960000-0000-7000-8000-000000000001" }, false},
		"without a loss":  {flat, func(s *ingest.Situation) { delete(s.Recent[5].Metrics, "loss") }, false},
		"the mode is off": {flat, func(s *ingest.Situation) { s.Attempt.Started.Control.Mode = contract.ModeOff }, false},
		"a person declined a cut": {flat, func(s *ingest.Situation) {
			p := proposal(t)
			p.State = store.CommandRefused
			s.Commands = append(s.Commands, p)
		}, false},
		"cut too recently": {flat, func(s *ingest.Situation) { s.Commands = append(s.Commands, applied(t, 4, 5, 0.5)) }, false},
	} {
		s := situation(tc.losses)
		tc.change(&s)
		got := control.New(control.Policy{}).Decide(s)
		got = slices.DeleteFunc(got, func(c store.Command) bool { return c.AppliedEpoch != nil })
		if !tc.cut {
			require.Empty(t, got, name)
			continue
		}
		require.Len(t, got, 1, name)
		require.Equal(t, contract.KindReduceLR, got[0].Kind, name)
		require.Empty(t, got[0].FindingID, name)
		require.Equal(t, "the training loss has stopped falling: a median of 0.66 over 4 epochs, 0.6 over the 4 before", got[0].Reason, name)
	}
}

func TestWeightsNoBetterThanUntrainedOnesAreGivenUp(t *testing.T) {
	t.Parallel()
	untrained := 0.65
	for name, tc := range map[string]struct {
		kind      detectors.Kind
		untrained *float64
		want      contract.CommandKind // none: no cut
		rate      float64
	}{
		"rising, above the untrained":       {detectors.KindRisingLoss, &untrained, contract.KindRollback, 0.05},
		"rising, unknown":                   {detectors.KindRisingLoss, nil, contract.KindReduceLR, 0.25},
		"does not learn, above":             {detectors.KindNotLearning, &untrained, contract.KindRollback, 0.05},
		"does not learn, for other reasons": {detectors.KindNotLearning, new(0.75), "", 0},
	} {
		s := situation(swinging, finding(tc.kind, detectors.SeverityWarning))
		s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindReduceLR, contract.KindRollback}
		s.Untrained, s.Attempt.Started.Loss = tc.untrained, "sparse_categorical_crossentropy"
		got := control.New(control.Policy{}).Decide(s)
		if tc.want == "" {
			require.Empty(t, got, name)
			continue
		}
		require.Len(t, got, 1, name)
		require.Equal(t, tc.want, got[0].Kind, name)
		require.InDelta(t, tc.rate, float64(*got[0].Wanted), 1e-9, name)
	}
}

func TestOneBatchOfARegressionMayHaveBeenKind(t *testing.T) {
	t.Parallel()
	untrained := 0.5 // and the loss is 0.7
	s := situation(swinging, finding(detectors.KindRisingLoss, detectors.SeverityWarning))
	s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindReduceLR, contract.KindRollback}
	s.Untrained, s.Attempt.Started.Loss = &untrained, "mean_squared_error"
	got := control.New(control.Policy{}).Decide(s)
	require.Len(t, got, 1)
	require.Equal(t, contract.KindReduceLR, got[0].Kind)
	untrained = 0.4
	got = control.New(control.Policy{}).Decide(s)
	require.Len(t, got, 1)
	require.Equal(t, contract.KindRollback, got[0].Kind)
}

func TestACutThatMadeNoDifferenceIsFollowedByTheWayBack(t *testing.T) {
	t.Parallel()
	for effect, want := range map[store.Effect]contract.CommandKind{
		store.EffectNoDifference: contract.KindRollback,
		store.EffectHelped:       contract.KindReduceLR,
	} {
		s := situation(slices.Concat(swinging, swinging), finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
		s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindReduceLR, contract.KindRollback}
		before := applied(t, 6, 1, 0.5)
		before.Effect = effect
		s.Commands = []store.Command{before}
		got := control.New(control.Policy{}).Decide(s)
		require.Len(t, got, 1, effect)
		require.Equal(t, want, got[0].Kind, effect)
	}
}
