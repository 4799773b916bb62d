package control_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestAWishIsCheckedBeforeAnyRunIsLookedAt(t *testing.T) {
	t.Parallel()
	require.NoError(t, control.Wish{Action: control.ActStop, By: "ann"}.Validate())
	for says, w := range map[string]control.Wish{
		"action: \"raise\"":        {Action: "raise", By: "ann"},
		"by: want the name":        {Action: control.ActStop, By: " "},
		"by: want the name of":     {Action: control.ActStop, By: "ann\x1b[2J"},
		"by: want the name of who": {Action: control.ActStop, By: strings.Repeat("x", 65)},
		"give a person's name":     {Action: control.ActStop, By: "Policy"},
		"rate: NaN":                {Action: control.ActSet, By: "ann", Rate: math.NaN()},
		"rate: 0":                  {Action: control.ActSet, By: "ann"},
		"rate: -1":                 {Action: control.ActSet, By: "ann", Rate: -1},
		"only set takes one":       {Action: control.ActApprove, By: "ann", Rate: 1},
		"reason: at most":          {Action: control.ActStop, By: "ann", Reason: strings.Repeat("x", 501)},
	} {
		require.ErrorContains(t, w.Validate(), says)
	}
}

// wished has ann wish for something, and returns the one command of it.
func wished(t *testing.T, s ingest.Situation, w control.Wish) (store.Command, error) {
	t.Helper()
	w.By = "ann"
	require.NoError(t, w.Validate())
	got, err := control.New(control.Policy{}).Wish(w)(s)
	if err != nil {
		var refused *control.RefusedError
		require.ErrorAs(t, err, &refused)
		return store.Command{}, err
	}
	require.Len(t, got, 1)
	return got[0], nil
}

func TestAProposalIsApprovedOrDeclinedOnce(t *testing.T) {
	t.Parallel()
	p := proposal(t)
	s := asking(swinging)
	s.Commands = []store.Command{p}
	s.Now = s.Now.Add(20 * time.Minute)

	c, err := wished(t, s, control.Wish{Action: control.ActApprove})
	require.NoError(t, err)
	require.Equal(t, p.ID, c.ID)
	require.Equal(t, store.CommandSent, c.State)
	require.Equal(t, "ann", c.IssuedBy)
	require.Equal(t, contract.ByPolicy, c.ProposedBy)
	require.Equal(t, s.Now.Add(time.Minute), c.ExpiresAt) // anew: the run must have time to answer
	s.Commands[0] = c
	_, err = wished(t, s, control.Wish{Action: control.ActDecline, Command: p.ID})
	require.EqualError(t, err, "it is sent by now, decided by ann: nothing is left to decide")
	_, err = wished(t, s, control.Wish{Action: control.ActApprove})
	require.EqualError(t, err, "nothing is proposed to this run now")

	s.Commands[0] = p
	c, err = wished(t, s, control.Wish{Action: control.ActDecline, Reason: "the data is new"})
	require.NoError(t, err)
	require.Equal(t, store.CommandRefused, c.State)
	require.Equal(t, "declined by ann: the data is new", c.Answer)
	s.Commands[0] = c
	require.Empty(t, control.New(control.Policy{}).Decide(s)) // it is not proposed again
	_, err = wished(t, s, control.Wish{Action: control.ActApprove, Command: p.ID})
	require.ErrorContains(t, err, "decided by ann")

	s.Commands[0] = p
	s.Now = p.ExpiresAt
	_, err = wished(t, s, control.Wish{Action: control.ActApprove, Command: p.ID})
	require.EqualError(t, err, "the run has no open proposal "+p.ID)
	other := p
	other.ID = "other"
	s.Now, s.Commands = s.Now.Add(-time.Hour), []store.Command{p, other}
	_, err = wished(t, s, control.Wish{Action: control.ActApprove})
	require.ErrorContains(t, err, "2 proposals are open")
}

func TestARateIsSetWithinTheOwnersBounds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		rate   float64
		change func(s *ingest.Situation)
		kind   contract.CommandKind
		says   string
	}{
		"a cut":                {0.1, nil, contract.KindReduceLR, ""},
		"gentler than a cut":   {0.3, nil, "", "cuts alone, to 0.5 of the rate at most: 0.25 or lower"},
		"set_lr is allowed":    {0.3, func(s *ingest.Situation) { allow(s, contract.KindSetLR) }, contract.KindSetLR, ""},
		"above":                {0.6, nil, "", "not below the rate in force, 0.5"},
		"the same":             {0.5, nil, "", "not below the rate in force, 0.5"},
		"too hard":             {0.001, nil, "", "hardest_factor 0.01"},
		"below the floor":      {1e-8, func(s *ingest.Situation) { s.Attempt.Started.Control.HardestFactor = 1e-9 }, "", "min_lr 1e-07"},
		"before the first":     {0.1, func(s *ingest.Situation) { s.Recent = nil; s.Attempt.Started.LearningRate = contractNumber(0.5) }, contract.KindReduceLR, ""},
		"a rate not known":     {0.1, func(s *ingest.Situation) { s.Recent = nil; allow(s, contract.KindSetLR) }, contract.KindSetLR, ""},
		"the run has ended":    {0.1, func(s *ingest.Situation) { s.Run.State = store.StateCompleted }, "", "not running (completed)"},
		"the mode is off":      {0.1, func(s *ingest.Situation) { s.Attempt.Started.Control.Mode = "" }, "", "the owner's mode is off"},
		"the mode is shadow":   {0.1, func(s *ingest.Situation) { s.Attempt.Started.Control.Mode = contract.ModeShadow }, "", "the owner's mode is shadow"},
		"only stop is allowed": {0.1, func(s *ingest.Situation) { s.Attempt.Started.Control.Allow = []contract.CommandKind{contract.KindStop} }, "", "does not allow set_lr"},
	} {
		s := situation(swinging)
		if tc.change != nil {
			tc.change(&s)
		}
		c, err := wished(t, s, control.Wish{Action: control.ActSet, Rate: tc.rate})
		if tc.says != "" {
			require.ErrorContains(t, err, tc.says, name)
			continue
		}
		require.NoError(t, err, name)
		require.Equal(t, tc.kind, c.Kind, name)
		require.InDelta(t, tc.rate, float64(*c.Wanted), 0, name)
		require.Equal(t, "asked for by ann", c.Reason, name)
	}
}

func allow(s *ingest.Situation, k contract.CommandKind) {
	s.Attempt.Started.Control.Allow = append(s.Attempt.Started.Control.Allow, k)
}

func contractNumber(v float64) *contract.Number { return new(contract.Number(v)) }

func TestTheDaemonsOwnPolicyBindsPeopleToo(t *testing.T) {
	t.Parallel()
	w := control.Wish{Action: control.ActSet, By: "ann", Rate: 0.1}
	_, err := control.New(control.Policy{Limits: control.Limits{Mode: contract.ModeShadow}}).Wish(w)(situation(swinging))
	require.EqualError(t, err, "the daemon's own policy has this run's mode at shadow: see control in its config")
}

func TestAChangeIsTakenBackByAPerson(t *testing.T) {
	t.Parallel()
	s := situation(append(swinging[:6:6], 0.6, 0.5))
	_, err := wished(t, s, control.Wish{Action: control.ActRevert})
	require.ErrorContains(t, err, "no change of the learning rate is in force")
	cut := applied(t, 6, 2, 0.5)
	s.Commands = []store.Command{cut}
	c, err := wished(t, s, control.Wish{Action: control.ActRevert})
	require.NoError(t, err)
	require.Equal(t, contract.KindRevert, c.Kind)
	require.Equal(t, cut.ID, c.Reverts)
	require.Equal(t, "ann", c.IssuedBy)
	require.InDelta(t, 2, float64(*c.Wanted), 1e-9)
	s.Commands = append(s.Commands, c)
	_, err = wished(t, s, control.Wish{Action: control.ActRevert})
	require.ErrorContains(t, err, "being taken back already")
	s.Commands = s.Commands[:1]
	s.Commands[0].State = store.CommandReverted
	_, err = wished(t, s, control.Wish{Action: control.ActRevert, Command: cut.ID})
	require.EqualError(t, err, "it was taken back before")
	s.Commands[0].State = store.CommandRefused
	_, err = wished(t, s, control.Wish{Action: control.ActRevert, Command: cut.ID})
	require.ErrorContains(t, err, "that is refused cannot be taken back")
	_, err = wished(t, s, control.Wish{Action: control.ActRevert, Command: "x"})
	require.EqualError(t, err, "the run has no command x")
}

func TestARunIsStoppedWhereItsOwnerAllowsThat(t *testing.T) {
	t.Parallel()
	s := situation(swinging)
	_, err := wished(t, s, control.Wish{Action: control.ActStop})
	require.ErrorContains(t, err, `the owner does not allow stop; the run's script says what is: EpochWatch(control=Control(allow={…, "stop"}))`)
	allow(&s, contract.KindStop)
	c, err := wished(t, s, control.Wish{Action: control.ActStop, KeepWeights: true, Reason: "enough"})
	require.NoError(t, err)
	require.True(t, c.KeepWeights)
	require.Equal(t, "enough", c.Reason)
	require.Nil(t, c.Wanted)
	s.Commands = []store.Command{c}
	_, err = wished(t, s, control.Wish{Action: control.ActStop})
	require.ErrorContains(t, err, "ann has asked it to stop already")
}
