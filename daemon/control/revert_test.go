package control_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// hurting is a run after a cut from 0.5 to 0.15, in force from the epoch after those given,
// and three epochs with it.
func hurting(t *testing.T, before []float64, after ...float64) ingest.Situation {
	t.Helper()
	s := situation(slices.Concat(before, after))
	s.Commands = []store.Command{applied(t, len(before), 0.5, 0.15)}
	s.Commands[0].DecidedEpoch = len(before) - 1
	for i := range after {
		s.Recent[len(before)+i].LearningRate = 0.15
	}
	return s
}

// back returns the taking back that is decided, if one is.
func back(s ingest.Situation) (store.Command, bool) {
	for _, c := range control.New(control.Policy{}).Decide(s) {
		if c.Kind == contract.KindRevert {
			return c, true
		}
	}
	return store.Command{}, false
}

func TestACutThatHurtIsTakenBack(t *testing.T) {
	t.Parallel()
	s := hurting(t, swinging, 3, 4, 5)
	got, ok := back(s)
	require.True(t, ok)
	require.Equal(t, s.Commands[0].ID, got.Reverts)
	require.Equal(t, contract.ByPolicy, got.IssuedBy)
	require.Equal(t, store.CommandSent, got.State)
	require.InDelta(t, 0.15, float64(*got.Expected), 0)
	require.InDelta(t, 0.5, float64(*got.Wanted), 1e-12)
	require.Contains(t, got.Reason, "the cut from 0.5 to 0.15 hurt: loss 4, the median of 3 epochs, was 0.85 before")
	_, err := contract.EncodeCommand(got.Command)
	require.NoError(t, err)
	again, _ := back(s)
	require.Equal(t, got, again, "deciding twice gives the same")
}

func TestInModeAskTakingBackIsProposed(t *testing.T) {
	t.Parallel()
	s := hurting(t, swinging, 3, 4, 5)
	s.Attempt.Started.Control.Mode = contract.ModeAsk
	got, ok := back(s)
	require.True(t, ok)
	require.Equal(t, store.CommandProposed, got.State)
	require.Equal(t, contract.ByPolicy, got.ProposedBy)
	require.True(t, got.AwaitsPerson())
}

func TestWhatIsNotTakenBack(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(s *ingest.Situation){
		"a cut that helped":              func(s *ingest.Situation) { s.Commands[0].Effect = store.EffectHelped },
		"what a person set":              func(s *ingest.Situation) { s.Commands[0].IssuedBy = "ana" },
		"a rate that was changed since":  func(s *ingest.Situation) { s.Recent[8].LearningRate = 0.1 },
		"a rate that cannot be read":     func(s *ingest.Situation) { s.Recent[8].LearningRate = math.NaN() },
		"what was not read back":         func(s *ingest.Situation) { s.Commands[0].Before = nil },
		"a run that has ended":           func(s *ingest.Situation) { s.Run.State = store.StateCompleted },
		"in the past":                    func(s *ingest.Situation) { s.Replaying = true },
		"where the owner allows nothing": func(s *ingest.Situation) { s.Attempt.Started.Control.Mode = contract.ModeOff },
		"a cut that is not tried out": func(s *ingest.Situation) {
			worse := 2.3 // the untrained model's loss: the rate is too high yet
			s.Untrained = &worse
		},
		"what was taken back or tried to be": func(s *ingest.Situation) {
			r := store.Command{Command: contract.Command{ID: "x", Kind: contract.KindRevert, Reverts: s.Commands[0].ID}, State: store.CommandRefused}
			s.Commands = append(s.Commands, r)
		},
		"while a command is on its way": func(s *ingest.Situation) {
			r := store.Command{Command: contract.Command{ID: "x", Kind: contract.KindSetLR}, State: store.CommandSent}
			s.Commands = append(s.Commands, r)
		},
	} {
		s := hurting(t, swinging, 3, 4, 5)
		_, ok := back(s)
		require.True(t, ok, "%s: without it it is", name)
		change(&s)
		_, ok = back(s)
		require.False(t, ok, name)
	}
}

func TestAWayBackThatLedToSomethingBetterIsKept(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		from float64 // the loss it came from
		want bool
	}{
		{9, false}, {math.NaN(), false}, {2, true},
	} {
		run := append(slices.Clone(swinging), tc.from)
		s := hurting(t, run, 3, 4, 5)
		s.Commands[0].Kind = contract.KindRollback
		_, ok := back(s)
		require.Equal(t, tc.want, ok, "%v", tc.from)
	}
}

func TestAScheduleThatMovedIsNoReasonToKeepWhatHurt(t *testing.T) {
	t.Parallel()
	s := hurting(t, swinging, 3, 4, 5)
	s.Attempt.Started.Schedule = "CosineDecay"
	s.Recent[8].LearningRate = 0.1
	got, ok := back(s)
	require.True(t, ok)
	require.InDelta(t, 0.1, float64(*got.Expected), 0)
	require.InDelta(t, 0.1*0.5/0.15, float64(*got.Wanted), 1e-12)
}

func TestAfterATakingBackTheCooldownHoldsAndTheCutCounts(t *testing.T) {
	t.Parallel()
	high := finding(detectors.KindLRTooHigh, detectors.SeverityWarning)
	s := hurting(t, swinging, 3, 4, 5)
	s.Findings = []store.Finding{high}
	r, ok := back(s)
	require.True(t, ok)
	at, before, after := 9, 0.15, 0.5
	r.State, r.AppliedEpoch, r.Before, r.After, r.Effect = store.CommandApplied, &at, &before, &after, store.EffectPending
	s.Commands[0].State, s.Commands[0].Effect = store.CommandReverted, store.EffectHurt
	s.Commands = append(s.Commands, r)
	more := func(n int) ingest.Situation {
		run := situation(slices.Concat(swinging, []float64{3, 4, 5}, slices.Repeat([]float64{1.1, 0.7, 1.3, 0.8}, 3)[:n]), high)
		run.Commands = s.Commands
		for i := 6; i < 9; i++ {
			run.Recent[i].LearningRate = 0.15
		}
		return run
	}
	require.Empty(t, cutsOf(more(1)), "in the cooldown")
	require.Len(t, cutsOf(more(4)), 1, "one that hurt does not end the cutting")
	second := s.Commands[0]
	second.ID = "second"
	s.Commands = []store.Command{second, s.Commands[0], r}
	require.Empty(t, cutsOf(more(4)), "two do")
}

func cutsOf(s ingest.Situation) (out []store.Command) {
	for _, c := range control.New(control.Policy{}).Decide(s) {
		if c.Kind == contract.KindReduceLR && c.State == store.CommandSent {
			out = append(out, c)
		}
	}
	return out
}

func TestACutAboveTheUntrainedModelHasNotBeenTriedOut(t *testing.T) {
	t.Parallel()
	s := situation(slices.Concat(swinging, []float64{0.9, 0.8, 0.85}), finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	for i := range 2 {
		c := applied(t, 1+i, 0.5, 0.5)
		c.ID, c.Effect = c.ID[:30]+string(rune('0'+i)), store.EffectNoDifference
		c.Forecast = []byte(`{"metric":"loss","level":0.8,"before":0.8,"noise":0.4,"from":6,"judged":{"after":0.82,"epochs":3,"below":0.5,"above":1.5}}`)
		s.Commands = append(s.Commands, c)
	}
	require.Empty(t, cutsOf(s), "two that made no difference")
	for loss, cuts := range map[float64]int{0.8: 1, 0.9: 0} {
		s.Untrained = &loss
		require.Len(t, cutsOf(s), cuts)
	}
}
