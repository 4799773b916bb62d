package control_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

const attempt = "01970000-0000-7000-8000-000000000001"

// owner is what EpochWatch(auto_lr=True) might allow.
func owner() contract.Control {
	return contract.Control{
		Mode: contract.ModeAuto, MinLR: 1e-7, Factor: 0.5, HardestFactor: 0.01, MaxCuts: 6, CooldownEpochs: 2,
		Allow: []contract.CommandKind{contract.KindReduceLR},
	}
}

// situation is a run at the end of its last epoch, at a rate of 0.5, with one finding.
func situation(losses []float64, findings ...store.Finding) ingest.Situation {
	started := &contract.RunStarted{Control: owner()}
	s := ingest.Situation{
		Run:      store.Run{PK: 7, Project: "default", ID: "r1", State: store.StateRunning, Started: started},
		Attempt:  store.Attempt{RunPK: 7, ID: attempt, Started: started},
		Seq:      int64(len(losses) + 1),
		Findings: findings,
		Now:      time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
	for i, v := range losses {
		s.Recent = append(s.Recent, detectors.Epoch{
			Epoch: i, Attempt: attempt, Seq: int64(i + 2), Seconds: 1, LearningRate: 0.5,
			Metrics: map[string]float64{"loss": v},
		})
	}
	return s
}

func finding(kind detectors.Kind, severity detectors.Severity) store.Finding {
	return store.Finding{ID: "f1", Finding: detectors.Finding{Kind: kind, Metric: "loss", Severity: severity, Summary: "the loss swings"}}
}

var swinging = []float64{1.2, 0.8, 0.9, 0.6, 1.1, 0.7}

// applied is a cut of the run that took effect at epoch, with its forecast as decided.
func applied(t *testing.T, at int, before, after float64) store.Command {
	t.Helper()
	decided := control.New(control.Policy{}).Decide(situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning)))
	require.Len(t, decided, 1)
	c := decided[0]
	c.State, c.AppliedEpoch, c.Before, c.After, c.Effect = store.CommandApplied, &at, &before, &after, store.EffectPending
	return c
}

func TestACutFollowsAFindingThatALowerRateCanMend(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		f    store.Finding
		want float64 // 0: no cut
	}{
		{"warning: half a decade", finding(detectors.KindLRTooHigh, detectors.SeverityWarning), 0.5 * math.Sqrt(0.1)},
		{"critical: a decade", finding(detectors.KindLRTooHigh, detectors.SeverityCritical), 0.05},
		{"divergence", finding(detectors.KindDivergence, detectors.SeverityCritical), 0.05},
		{"rising loss: the gentlest step", finding(detectors.KindRisingLoss, detectors.SeverityWarning), 0.25},
		{"overfitting is no matter of the rate", finding(detectors.KindOverfitting, detectors.SeverityWarning), 0},
		{"weights that are NaN stay NaN at any rate", finding(detectors.KindLossNaN, detectors.SeverityCritical), 0},
		{"information is no reason", finding(detectors.KindLRTooHigh, detectors.SeverityInfo), 0},
	} {
		got := control.New(control.Policy{}).Decide(situation(swinging, tc.f))
		if tc.want == 0 {
			require.Empty(t, got, tc.name)
			continue
		}
		require.Len(t, got, 1, tc.name)
		c := got[0]
		require.InDelta(t, tc.want, float64(*c.Wanted), 1e-12, tc.name)
		require.InDelta(t, 0.5, float64(*c.Expected), 0, tc.name)
		require.Equal(t, store.CommandSent, c.State)
		require.Equal(t, 5, c.DecidedEpoch)
		require.Equal(t, "f1", c.FindingID)
		_, err := contract.EncodeCommand(c.Command)
		require.NoError(t, err, tc.name)
	}
}

func TestTheWayBackFollowsWhatIsSpoiltOrLost(t *testing.T) {
	t.Parallel()
	nan := finding(detectors.KindLossNaN, detectors.SeverityCritical)
	swings := finding(detectors.KindLRTooHigh, detectors.SeverityWarning)
	lost := []float64{1.2, 0.8, 0.6, 0.5, 0.7, 0.76}
	both := []contract.CommandKind{contract.KindReduceLR, contract.KindRollback}
	refused := store.Command{Command: contract.Command{ID: "x", Kind: contract.KindRollback}, State: store.CommandRefused, DecidedEpoch: -9}
	for _, tc := range []struct {
		name     string
		losses   []float64
		f        store.Finding
		allow    []contract.CommandKind
		commands []store.Command
		want     contract.CommandKind
		rate     float64
	}{
		{"swings near the best", swinging, swings, both, nil, contract.KindReduceLR, 0.5 * math.Sqrt(0.1)},
		{"half of it lost again", lost, swings, both, nil, contract.KindRollback, 0.5 * math.Sqrt(0.1)},
		{"critical", swinging, finding(detectors.KindDivergence, detectors.SeverityCritical), both, nil, contract.KindRollback, 0.05},
		{"not a number", append(slices.Clone(swinging), math.NaN()), nan, both, nil, contract.KindRollback, 0.05},
		{"only back", lost, swings, both[1:], nil, contract.KindRollback, 0.5 * math.Sqrt(0.1)},
		{"only back, and nothing is lost", swinging, swings, both[1:], nil, "", 0},
		{"only cuts", lost, swings, both[:1], nil, contract.KindReduceLR, 0.5 * math.Sqrt(0.1)},
		{"only cuts, which mend no NaN", append(slices.Clone(swinging), math.NaN()), nan, both[:1], nil, "", 0},
		{"there was no way back", lost, swings, both, []store.Command{refused}, contract.KindReduceLR, 0.5 * math.Sqrt(0.1)},
		{"NaN of another metric", swinging, finding(detectors.KindLossNaN, detectors.SeverityWarning), both, nil, "", 0},
	} {
		s := situation(tc.losses, tc.f)
		s.Attempt.Started.Control.Allow, s.Commands = tc.allow, tc.commands
		got := control.New(control.Policy{}).Decide(s)
		if tc.want == "" {
			require.Empty(t, got, tc.name)
			continue
		}
		require.Len(t, got, 1, tc.name)
		require.Equal(t, tc.want, got[0].Kind, tc.name)
		require.InDelta(t, tc.rate, float64(*got[0].Wanted), 1e-12, tc.name)
		_, err := contract.EncodeCommand(got[0].Command)
		require.NoError(t, err, tc.name)
	}
}

func TestAnyNumberIsBetterThanNone(t *testing.T) {
	t.Parallel()
	gone := append(slices.Clone(swinging), math.NaN())
	s := situation(gone, finding(detectors.KindLossNaN, detectors.SeverityCritical))
	s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindRollback}
	decided := control.New(control.Policy{}).Decide(s)
	require.Len(t, decided, 1)
	at, after := len(gone), 0.05
	decided[0].State, decided[0].AppliedEpoch, decided[0].After, decided[0].Effect = store.CommandApplied, &at, &after, store.EffectPending
	for _, tc := range []struct {
		after []float64
		want  store.Effect
	}{
		{[]float64{5, 4, 3}, store.EffectHelped},
		{[]float64{5, math.NaN(), math.NaN()}, store.EffectNoDifference},
	} {
		s := situation(slices.Concat(gone, tc.after))
		s.Commands = decided
		got := control.New(control.Policy{}).Decide(s)
		require.Len(t, got, 1)
		require.Equal(t, tc.want, got[0].Effect)
	}
}

func TestDecidingTwiceGivesTheSameCommand(t *testing.T) {
	t.Parallel()
	s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	c := control.New(control.Policy{})
	first := c.Decide(s)
	require.Equal(t, first, c.Decide(s))
}

func TestWhatHoldsACutBack(t *testing.T) {
	t.Parallel()
	high := finding(detectors.KindLRTooHigh, detectors.SeverityWarning)
	closed := high
	epoch := 3
	closed.ResolvedEpoch = &epoch
	for name, change := range map[string]func(s *ingest.Situation){
		"the owner did not allow it":   func(s *ingest.Situation) { s.Attempt.Started.Control = contract.Control{} },
		"the owner allows only a stop": func(s *ingest.Situation) { s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindStop} },
		"bounds that make no sense":    func(s *ingest.Situation) { s.Attempt.Started.Control.Factor = 3 },
		"nothing is known of the run":  func(s *ingest.Situation) { s.Attempt.Started = nil },
		"the finding is resolved":      func(s *ingest.Situation) { s.Findings = []store.Finding{closed} },
		"the epoch is not the last":    func(s *ingest.Situation) { s.Replaying = true },
		"the event is no epoch":        func(s *ingest.Situation) { s.Seq++ },
		"the run has ended":            func(s *ingest.Situation) { s.Run.State = store.StateCompleted },
		"the rate is not known":        func(s *ingest.Situation) { s.Recent[5].LearningRate = math.NaN() },
		"the floor is reached":         func(s *ingest.Situation) { s.Attempt.Started.Control.MinLR = 0.4 },
		"a command is on its way": func(s *ingest.Situation) {
			s.Commands = []store.Command{{Command: contract.Command{Kind: contract.KindReduceLR}, State: store.CommandSent}}
		},
		"the last cut is not yet judged": func(s *ingest.Situation) { s.Commands = []store.Command{applied(t, 4, 1, 0.5)} },
		"someone else changes the rate":  func(s *ingest.Situation) { s.Recent[4].LearningRate, s.Recent[5].LearningRate = 0.6, 0.6 },
		"two cuts did not help": func(s *ingest.Situation) {
			a, b := applied(t, 0, 2, 1), applied(t, 2, 1, 0.5)
			a.Effect, b.Effect = store.EffectNoDifference, store.EffectNoDifference
			s.Commands = []store.Command{a, b}
		},
		"the loss has been falling since the last cut": func(s *ingest.Situation) {
			a := applied(t, 2, 1, 0.5)
			a.Effect = store.EffectHelped
			s.Commands = []store.Command{a}
			for i, v := range []float64{0.9, 0.8, 0.7, 0.6} {
				s.Recent[i+2].Metrics["loss"] = v
			}
		},
		"two commands were refused": func(s *ingest.Situation) {
			a := store.Command{Command: contract.Command{Kind: contract.KindReduceLR}, State: store.CommandRefused}
			s.Commands = []store.Command{a, a}
		},
		"the cuts are used up": func(s *ingest.Situation) {
			s.Attempt.Started.Control.MaxCuts = 1
			a := applied(t, 0, 1, 0.5)
			a.Effect = store.EffectHelped
			s.Commands = []store.Command{a}
		},
	} {
		s := situation(swinging, high)
		require.Len(t, control.New(control.Policy{}).Decide(s), 1, "%s: without it there is a cut", name)
		change(&s)
		require.Empty(t, control.New(control.Policy{}).Decide(s), name)
	}
}

func TestAScheduleIsScaledNotFought(t *testing.T) {
	t.Parallel()
	s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	s.Attempt.Started.Schedule = "CosineDecay"
	for i := range s.Recent {
		s.Recent[i].LearningRate = 0.5 - 0.01*float64(i)
	}
	require.Len(t, control.New(control.Policy{}).Decide(s), 1)
}

func TestACutThatMadeNoDifferenceIsFollowedByTheHardest(t *testing.T) {
	t.Parallel()
	s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	a := applied(t, 1, 1, 0.5)
	a.Effect = store.EffectNoDifference
	s.Commands = []store.Command{a}
	got := control.New(control.Policy{}).Decide(s)
	require.Len(t, got, 1)
	require.InDelta(t, 0.005, float64(*got[0].Wanted), 1e-12)
}

func TestTheEffectIsJudgedByWhereTheCurveWasHeading(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name  string
		after []float64
		ended bool
		want  store.Effect
	}{
		{"too early", []float64{0.4, 0.3}, false, store.EffectPending},
		{"the run ended", []float64{0.2, 0.2}, true, store.EffectHelped},
		{"helped", []float64{0.4, 0.3, 0.2}, false, store.EffectHelped},
		{"one odd epoch is forgiven", []float64{0.3, 2, 0.2}, false, store.EffectHelped},
		{"within the noise", []float64{0.8, 0.9, 0.7}, false, store.EffectNoDifference},
		{"hurt", []float64{3, 4, 5}, false, store.EffectHurt},
		{"not a number", []float64{math.NaN(), math.NaN(), math.NaN()}, false, store.EffectHurt},
	} {
		s := situation(slices.Concat(swinging, tc.after))
		s.Commands = []store.Command{applied(t, len(swinging), 0.5, 0.15)}
		if tc.ended {
			s.Run.State = store.StateCompleted
		}
		got := control.New(control.Policy{}).Decide(s)
		if tc.want == store.EffectPending {
			require.Empty(t, got, tc.name)
			continue
		}
		require.Len(t, got, 1, tc.name)
		require.Equal(t, tc.want, got[0].Effect, tc.name)
	}
}

func TestWhatHappenedOnTheWayIsNotTheCutsDoing(t *testing.T) {
	t.Parallel()
	// Decided after epoch 5, in force from 8: at 6 and 7 the old rate ran away.
	s := situation(slices.Concat(swinging, []float64{6, 9, 8, 8.5, 8}))
	s.Commands = []store.Command{applied(t, 8, 0.5, 0.15)}
	got := control.New(control.Policy{}).Decide(s)
	require.Len(t, got, 1)
	require.Equal(t, store.EffectNoDifference, got[0].Effect)
}

func TestALossThatWasFallingAnywayIsNoPraise(t *testing.T) {
	t.Parallel()
	falling := []float64{1, 0.9, 0.81, 0.73, 0.66, 0.59}
	decided := control.New(control.Policy{}).Decide(situation(falling, finding(detectors.KindLRTooHigh, detectors.SeverityWarning)))
	require.Len(t, decided, 1)
	at, after := 6, 0.15
	decided[0].State, decided[0].AppliedEpoch, decided[0].After, decided[0].Effect = store.CommandApplied, &at, &after, store.EffectPending
	s := situation(slices.Concat(falling, []float64{0.53, 0.48, 0.43}))
	s.Commands = decided
	got := control.New(control.Policy{}).Decide(s)
	require.Len(t, got, 1)
	require.Equal(t, store.EffectNoDifference, got[0].Effect)
}

func TestShadowAndAskOnlyPropose(t *testing.T) {
	t.Parallel()
	for _, mode := range []contract.Mode{contract.ModeShadow, contract.ModeAsk} {
		s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
		s.Attempt.Started.Control.Mode = mode
		got := control.New(control.Policy{}).Decide(s)
		require.Len(t, got, 1)
		require.Equal(t, store.CommandProposed, got[0].State)
	}
	// The daemon's policy lowers the mode, and never raises it.
	s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	require.Equal(t, store.CommandProposed, control.New(control.Policy{Limits: control.Limits{Mode: contract.ModeShadow}}).Decide(s)[0].State)
	require.Empty(t, control.New(control.Policy{Limits: control.Limits{Mode: contract.ModeOff}}).Decide(s))
	s.Attempt.Started.Control.Mode = contract.ModeShadow
	require.Equal(t, store.CommandProposed, control.New(control.Policy{Limits: control.Limits{Mode: contract.ModeAuto}}).Decide(s)[0].State)
}

func TestEveryCutLiesWithinTheOwnersBounds(t *testing.T) {
	t.Parallel()
	kinds := []detectors.Kind{detectors.KindLRTooHigh, detectors.KindDivergence, detectors.KindRisingLoss, detectors.KindLossAccuracyConflict}
	rapid.Check(t, func(t *rapid.T) {
		factor := rapid.Float64Range(1e-4, 0.999).Draw(t, "factor")
		o := owner()
		o.Factor = contract.Number(factor)
		o.HardestFactor = contract.Number(rapid.Float64Range(1e-5, factor).Draw(t, "hardest"))
		o.MinLR = contract.Number(rapid.Float64Range(0, 1).Draw(t, "floor"))
		p := control.Policy{Limits: control.Limits{MinLR: rapid.Float64Range(0, 1).Draw(t, "p.floor"), Factor: rapid.Float64Range(0, 0.99).Draw(t, "p.factor")}}
		p.HardestFactor = rapid.Float64Range(0, p.Factor).Draw(t, "p.hardest")
		require.NoError(t, p.Validate())
		s := situation(swinging, finding(rapid.SampledFrom(kinds).Draw(t, "kind"),
			rapid.SampledFrom([]detectors.Severity{detectors.SeverityWarning, detectors.SeverityCritical}).Draw(t, "severity")))
		s.Attempt.Started.Control = o
		rate := rapid.Float64Range(1e-9, 10).Draw(t, "rate")
		for i := range s.Recent {
			s.Recent[i].LearningRate = rate
		}
		for _, c := range control.New(p).Decide(s) {
			want, slack := float64(*c.Wanted), 1+1e-9
			require.GreaterOrEqual(t, want*slack, float64(o.MinLR))
			require.GreaterOrEqual(t, want*slack, p.MinLR)
			require.GreaterOrEqual(t, want*slack, rate*float64(o.HardestFactor))
			require.LessOrEqual(t, want, rate*float64(o.Factor)*slack)
		}
	})
}

func TestPolicyIsChecked(t *testing.T) {
	t.Parallel()
	require.NoError(t, control.Policy{}.Validate())
	err := control.Policy{Limits: control.Limits{Mode: "on", MinLR: -1, Factor: 0.1, HardestFactor: 0.5, CooldownEpochs: -1, MaxCuts: -1}}.Validate()
	for _, field := range []string{"mode", "min_lr", "hardest_factor", "cooldown_epochs", "max_cuts"} {
		require.ErrorContains(t, err, "control."+field)
	}
}
