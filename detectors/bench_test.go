package detectors_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

// noisy makes n epochs of a run with four metrics that has settled: the dearest case,
// since nearly every epoch asks for the noise.
func noisy(n int) []detectors.Epoch {
	r := rand.New(rand.NewPCG(1, 1))
	out := make([]detectors.Epoch, n)
	for i := range out {
		x := settled(float64(i))
		out[i] = epoch(i, map[string]float64{
			"loss": x + 0.02*r.NormFloat64(), "val_loss": x + 0.02*r.NormFloat64(),
			"accuracy": 1 - x/3 + 0.01*r.NormFloat64(), "val_accuracy": 1 - x/3 + 0.01*r.NormFloat64(),
		})
	}
	return out
}

// BenchmarkFold prints the price of an epoch for runs of several lengths.
func BenchmarkFold(b *testing.B) {
	for _, n := range []int{30, 100, 10_000} {
		b.Run(fmt.Sprintf("run of %d epochs", n), func(b *testing.B) {
			epochs := noisy(n)
			var m *detectors.Monitor
			b.ReportAllocs()
			i := n
			for b.Loop() {
				if i == n {
					b.StopTimer()
					m = newMonitor(b, nil)
					i = 0
					b.StartTimer()
				}
				m.Fold(epochs[i])
				i++
			}
		})
	}
}

// TestFoldingIsFreeOfAllocationsAndBounded holds what a hundred thousand runs rely on.
func TestFoldingIsFreeOfAllocationsAndBounded(t *testing.T) {
	// Not parallel: others would be counted too.
	epochs := noisy(3000)
	m := newMonitor(t, nil)
	for _, e := range epochs[:1000] {
		m.Fold(e)
	}
	i := 1000
	require.Zero(t, testing.AllocsPerRun(1500, func() { m.Fold(epochs[i]); i++ }))

	const monitors = 200
	var before, after runtime.MemStats
	all := make([]*detectors.Monitor, monitors)
	runtime.GC()
	runtime.ReadMemStats(&before)
	for j := range all {
		all[j] = newMonitor(t, nil)
		for _, e := range epochs[:500] {
			all[j].Fold(e)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc) / monitors
	t.Logf("a monitor of 500 epochs holds %d bytes", each)
	if !raceEnabled {
		require.Less(t, each, uint64(16<<10)+512)
	}
	runtime.KeepAlive(all)
}
