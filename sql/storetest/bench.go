package storetest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

// Benchmark measures ingest transactions of one run, with the job workers idle beside
// them and without, and what idle workers cost. Each transaction locks the run, raises
// its revision and stores epochs of ten metrics.
func Benchmark(b *testing.B, open func(b *testing.B) store.Store) {
	b.Helper()
	for _, working := range []bool{false, true} {
		for _, epochs := range []int{1, 10, 100} {
			name := fmt.Sprintf("Ingest/epochs=%d/workers=%v", epochs, working)
			b.Run(name, func(b *testing.B) {
				s := open(b)
				if working {
					startWorkers(b, s)
				}
				benchmarkIngest(b, s, epochs)
			})
		}
	}
	b.Run("IdleWorkers", func(b *testing.B) {
		startWorkers(b, open(b))
		benchmarkIdle(b)
	})
	b.Run("IdleWithoutWorkers", func(b *testing.B) {
		open(b)
		benchmarkIdle(b)
	})
}

func startWorkers(b *testing.B, s store.Store) {
	b.Helper()
	stop, err := s.Work(b.Context(), handler(func(store.Job) error { return nil }), nil)
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, stop(context.Background())) })
}

func benchmarkIngest(b *testing.B, s store.Store, perTransaction int) {
	b.Helper()
	ctx := b.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	metrics := map[string]float64{}
	for i := range 10 {
		metrics[fmt.Sprintf("metric_%d", i)] = 1 / float64(i+3)
	}
	seq := int64(0)
	b.ReportAllocs()
	used := processorTime(b)
	for b.Loop() {
		require.NoError(b, s.Ingest(ctx, func(tx store.Tx) error {
			states, err := tx.LockRuns(ctx, []store.RunKey{key})
			if err != nil {
				return err
			}
			run, a := states[0].Run, anAttempt(states[0].Run.PK, 1)
			run.Revision++
			c := store.Changes{Runs: []store.Run{run}, Attempts: []store.Attempt{a}}
			for range perTransaction {
				seq++
				c.Epochs = append(c.Epochs, anEpoch(a, seq, int(seq), metrics))
			}
			return tx.Write(ctx, c)
		}))
	}
	// Of this process, so not what a server of Postgres does; steadier than the clock on a
	// busy machine.
	b.ReportMetric(float64((processorTime(b)-used).Microseconds())/float64(b.N), "cpu-us/tx")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	b.ReportMetric(float64(b.N*perTransaction)/b.Elapsed().Seconds(), "epochs/s")
}

// idleFor is how long idle workers are watched.
const idleFor = 20 * time.Second

func benchmarkIdle(b *testing.B) {
	b.Helper()
	for b.Loop() {
		before := processorTime(b)
		<-time.After(idleFor)
		b.ReportMetric(100*(processorTime(b)-before).Seconds()/idleFor.Seconds(), "%core")
	}
}
