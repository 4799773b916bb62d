package control_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestWhatACommandIsJudgedByIsKeptWithIt(t *testing.T) {
	t.Parallel()
	cut := applied(t, 6, 0.5, 0.15)
	o, ok := control.OutlookOf(cut)
	require.True(t, ok)
	require.Equal(t, "loss", o.Metric)
	require.InDelta(t, 0.85, float64(o.Without), 1e-12, "swinging: where it was")
	require.Nil(t, o.After)
	require.Less(t, float64(o.HelpedBelow), 0.85)
	require.Greater(t, float64(o.HurtAbove), 0.85)

	s := situation(slices.Concat(swinging, []float64{0.4, 0.3, 0.2}))
	s.Commands = []store.Command{cut}
	judged := control.New(control.Policy{}).Decide(s)
	require.Len(t, judged, 1)
	was := o
	o, ok = control.OutlookOf(judged[0])
	require.True(t, ok)
	require.InDelta(t, 0.3, float64(*o.After), 0)
	require.Equal(t, 3, o.Within)
	require.InDelta(t, float64(was.HelpedBelow), float64(o.HelpedBelow), 1e-12, "as it was announced")
	require.InDelta(t, float64(was.Without), float64(o.Without), 0)
}

func TestAnOutlookIsThereOnlyWhereOneWasWrittenDown(t *testing.T) {
	t.Parallel()
	for _, encoded := range []string{"", "{}", "nonsense", `{"metric":"loss","level":"NaN","before":"NaN"}`} {
		_, ok := control.OutlookOf(store.Command{Forecast: []byte(encoded)})
		require.False(t, ok, encoded)
	}
	gone := situation(append(slices.Clone(swinging), math.NaN()), finding(detectors.KindDivergence, detectors.SeverityCritical))
	o, ok := control.OutlookOf(control.New(control.Policy{}).Decide(gone)[0])
	require.True(t, ok)
	require.True(t, math.IsInf(float64(o.Without), 1))
	require.True(t, math.IsInf(float64(o.HelpedBelow), 1), "any number is better than none")
}
