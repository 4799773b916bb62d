package detectors_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

func newMonitor(t testing.TB, c detectors.Config) *detectors.Monitor {
	t.Helper()
	m, err := detectors.NewMonitor(c)
	require.NoError(t, err)
	return m
}

// epoch makes an epoch of a file.
func epoch(n int, metrics map[string]float64) detectors.Epoch {
	return detectors.Epoch{Epoch: n, Metrics: metrics, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN()}
}

func TestNaNIsFoundAtOnceAndResolves(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	m.Start("", contract.Facts{})
	require.Empty(t, m.Fold(epoch(0, map[string]float64{"loss": 1})))
	changes := m.Fold(epoch(1, map[string]float64{"loss": math.NaN(), "acc": 0.1}))
	require.Len(t, changes, 1)
	require.Equal(t, detectors.Opened, changes[0].Type)
	require.Equal(t, detectors.Key{Kind: detectors.KindLossNaN, Metric: "loss", Onset: 1}, changes[0].Finding.Key())
	require.Equal(t, detectors.KindLossNaN, m.Verdict().Kind)
	changes = m.Fold(epoch(2, map[string]float64{"loss": 1}))
	require.Len(t, changes, 1)
	require.Equal(t, detectors.Resolved, changes[0].Type)
	require.Equal(t, 2, *changes[0].Finding.ResolvedEpoch)
	require.Equal(t, 3, m.Epochs())
}
