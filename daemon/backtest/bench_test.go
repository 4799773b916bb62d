package backtest

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// BenchmarkJudge prints what an epoch costs beside a plain loop over the same numbers,
// which looks up the losses and keeps the least.
func BenchmarkJudge(b *testing.B) {
	curves := make([]*Curve, 0, 500)
	epochs := 0
	for len(curves) < 500 {
		for _, c := range made() {
			curves = append(curves, c)
			epochs += len(c.Epochs)
		}
	}
	least := math.Inf(1)
	plainLoop := func() {
		for _, c := range curves {
			for _, e := range c.Epochs {
				least = min(least, e.Metrics["loss"]+e.Metrics["val_loss"])
			}
		}
	}
	fold := func() {
		for _, c := range curves {
			_, err := Judge(c, nil)
			require.NoError(b, err)
		}
	}
	var folded, looped time.Duration
	for b.Loop() {
		start := time.Now()
		plainLoop()
		looped += time.Since(start)
		start = time.Now()
		fold()
		folded += time.Since(start)
	}
	n := float64(b.N * epochs)
	b.ReportMetric(n/folded.Seconds(), "epochs/s")
	b.ReportMetric(n/looped.Seconds(), "plain-epochs/s")
	b.ReportMetric(folded.Seconds()/looped.Seconds(), "x-plain")
	require.False(b, math.IsInf(least, 1))
}
