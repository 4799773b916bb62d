package control_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestSomeRunsAreUnderLimitsOfTheirOwn(t *testing.T) {
	t.Parallel()
	p := control.Policy{Runs: []control.RunLimits{
		{Project: "vision", Limits: control.Limits{Mode: contract.ModeAsk}},
		{Tag: "nightly", Limits: control.Limits{Mode: contract.ModeShadow, Factor: 0.2}},
		{Project: "vision", Tag: "frozen", Limits: control.Limits{Mode: contract.ModeOff}},
	}}
	require.NoError(t, p.Validate())
	for name, tc := range map[string]struct {
		project string
		tags    []string
		mode    contract.Mode // off: nothing is decided
		factor  contract.Number
	}{
		"another project": {"text", nil, contract.ModeAuto, 0.5},
		"the project":     {"vision", []string{"big"}, contract.ModeAsk, 0.5},
		"the tag":         {"text", []string{"big", "nightly"}, contract.ModeShadow, 0.2},
		"both, narrowed":  {"vision", []string{"nightly"}, contract.ModeShadow, 0.2},
		"project and tag": {"vision", []string{"frozen"}, contract.ModeOff, 0},
		"the tag alone":   {"text", []string{"frozen"}, contract.ModeAuto, 0.5},
	} {
		s := situation(swinging, finding(detectors.KindLRTooHigh, detectors.SeverityWarning))
		s.Run.Project, s.Run.Tags = tc.project, tc.tags
		got := control.New(p).Decide(s)
		if tc.mode == contract.ModeOff {
			require.Empty(t, got, name)
			continue
		}
		require.Len(t, got, 1, name)
		require.Equal(t, tc.mode, got[0].Bounds.Mode, name)
		require.InDelta(t, float64(tc.factor), float64(got[0].Bounds.Factor), 1e-12, name)
		require.Equal(t, tc.mode == contract.ModeAuto, got[0].State == store.CommandSent, name)
	}
}

func TestLimitsOfSomeRunsSayWhichAndAreChecked(t *testing.T) {
	t.Parallel()
	err := control.Policy{Runs: []control.RunLimits{
		{Limits: control.Limits{Mode: contract.ModeAsk}},
		{Project: "a b", Limits: control.Limits{MaxCuts: -1}},
	}}.Validate()
	require.ErrorContains(t, err, "control.runs[0]: names neither project nor tag")
	require.ErrorContains(t, err, `control.runs[1].project: "a b" is not a project`)
	require.ErrorContains(t, err, "control.runs[1].max_cuts: -1 is below 0")
}
