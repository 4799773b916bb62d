package control_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// asking is a run whose owner wants to be asked, with a finding.
func asking(losses []float64) ingest.Situation {
	s := situation(losses, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	s.Attempt.Started.Control.Mode = contract.ModeAsk
	return s
}

// proposal is what is proposed to that owner.
func proposal(t *testing.T) store.Command {
	t.Helper()
	got := control.New(control.Policy{}).Decide(asking(swinging))
	require.Len(t, got, 1)
	require.True(t, got[0].AwaitsPerson())
	return got[0]
}

func TestAProposalGivesAPersonTime(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		seconds float64
		time    time.Duration
		epochs  int
	}{
		{1, 30 * time.Minute, 1800},
		{3600, 10 * time.Hour, 10},
		{1e-3, 30 * time.Minute, 10_000},
	} {
		s := asking(swinging)
		s.Recent[5].Seconds = tc.seconds
		got := control.New(control.Policy{}).Decide(s)
		require.Len(t, got, 1)
		require.Equal(t, tc.time, got[0].ExpiresAt.Sub(s.Now))
		require.Equal(t, 5+tc.epochs, got[0].ExpiresEpoch)
		require.Equal(t, contract.ByPolicy, got[0].ProposedBy)
	}
}

func TestAProposalLapsesAndAnotherMayFollow(t *testing.T) {
	t.Parallel()
	long := append(swinging[:6:6], 1.1, 0.7, 0.6, 0.5)
	over := 8
	for name, tc := range map[string]struct {
		change func(s *ingest.Situation)
		answer string
		again  bool
	}{
		"another attempt":     {func(s *ingest.Situation) { s.Commands[0].Attempt = "01960000-0000-7000-8000-000000000001" }, "another attempt", true},
		"the epochs are over": {func(s *ingest.Situation) { s.Commands[0].ExpiresEpoch = 8 }, "nobody decided", true},
		"what led to it is":   {func(s *ingest.Situation) { s.Findings[0].ResolvedEpoch = &over }, "was over", false},
		"nothing happened":    {func(*ingest.Situation) {}, "", false},
		"a replay":            {func(s *ingest.Situation) { s.Replaying, s.Commands[0].ExpiresEpoch = true, 8 }, "", false},
	} {
		s := asking(long)
		s.Commands = []store.Command{proposal(t)}
		tc.change(&s)
		var lapsed, fresh []store.Command
		for _, c := range control.New(control.Policy{}).Decide(s) {
			if c.ID == s.Commands[0].ID {
				lapsed = append(lapsed, c)
			} else {
				fresh = append(fresh, c)
			}
		}
		require.Len(t, fresh, btoi(tc.again), name)
		if tc.answer == "" {
			require.Empty(t, lapsed, name)
			continue
		}
		require.Len(t, lapsed, 1, name)
		require.Equal(t, store.CommandExpired, lapsed[0].State, name)
		require.Contains(t, lapsed[0].Answer, tc.answer, name)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestHoweverOftenNobodyDecidesAnotherMayFollow(t *testing.T) {
	t.Parallel()
	s := asking(append(swinging[:6:6], 1.1, 0.7, 1.3, 0.8))
	c := proposal(t)
	c.State = store.CommandExpired
	s.Commands = []store.Command{c, c, c}
	require.Len(t, control.New(control.Policy{}).Decide(s), 1)
	// Declined is another matter: not about the same finding, and not for ever.
	c.State = store.CommandRefused
	s.Commands = []store.Command{c}
	require.Empty(t, control.New(control.Policy{}).Decide(s))
	s.Findings[0].ID = "f2"
	require.Len(t, control.New(control.Policy{}).Decide(s), 1)
	s.Commands = []store.Command{c, c}
	require.Empty(t, control.New(control.Policy{}).Decide(s))
}

func TestWhatAPersonAskedForInVainDoesNotEndThePolicysCuts(t *testing.T) {
	t.Parallel()
	s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
	refused := store.Command{Command: contract.Command{Kind: contract.KindSetLR, IssuedBy: "ana"}, State: store.CommandRefused, DecidedEpoch: 4}
	s.Commands = []store.Command{refused, refused, refused}
	require.Len(t, control.New(control.Policy{}).Decide(s), 1)
	refused.IssuedBy = contract.ByPolicy
	s.Commands = []store.Command{refused, refused, refused}
	require.Empty(t, control.New(control.Policy{}).Decide(s))
}
