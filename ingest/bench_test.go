package ingest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// BenchmarkStore is the rate of events through one worker to SQLite, in full batches of
// eight runs, each with a monitor.
func BenchmarkStore(b *testing.B) {
	s := service(b, Options{Store: onSQLite(b).Store, Now: time.Now, Announcer: toTeam{}})
	w := s.newWorker(nil)
	runs := make([]*trainer, 8)
	for i := range runs {
		runs[i] = newTrainer(fmt.Sprint("r", i), first).started()
	}
	n := 0
	for b.Loop() {
		b.StopTimer()
		var events []contract.Event
		for _, r := range runs {
			had := len(r.out)
			if n == 0 {
				had = 0
			}
			for range batchMax / len(runs) {
				r.epochs(int(r.seq), 1/float64(r.seq))
			}
			events = append(events, r.out[had:]...)
		}
		msgs := messages(b, events...)
		n += len(events)
		b.StartTimer()
		require.NoError(b, w.settle(b.Context(), arrivals(time.Now(), msgs...)))
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkPublishToStored is the time from the publishing of an epoch to its commit,
// through an embedded broker that syncs every write, on SQLite, one epoch at a time.
func BenchmarkPublishToStored(b *testing.B) {
	br, st := newBroker(b), onSQLite(b)
	works(b, service(b, Options{Store: st, Now: time.Now, Announcer: toTeam{}}), br.consumer())
	r := newTrainer("r1", first).started()
	br.publish(b, r.out...)
	<-st.commits
	var took []time.Duration
	for b.Loop() {
		r.epochs(int(r.seq), 1/float64(r.seq))
		begun := time.Now()
		br.publish(b, r.out[len(r.out)-1])
		<-st.commits
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

// BenchmarkWatch is one look at the clock with 2,000 running runs.
func BenchmarkWatch(b *testing.B) {
	st := newMemStore()
	c := newClock()
	s := service(b, Options{Store: st, Now: c.Now})
	for i := range 2000 {
		deliver(b.Context(), b, s, newTrainer(fmt.Sprint("r", i), first).started().epochs(0, 1, 0.9).out...)
	}
	s.listening.heard(s.listening.join(), c.Now())
	w := &watch{Service: s}
	for b.Loop() {
		require.NoError(b, w.look(b.Context()))
	}
}

// BenchmarkRebuild is what it takes to bring monitors back that are not in memory, of runs
// of 30 epochs on SQLite, beside reading their rows alone. A hundred thousand runs take a
// hundred thousand times what one takes: nothing is shared between them.
func BenchmarkRebuild(b *testing.B) {
	const n, epochs = 200, 30
	s := service(b, Options{Store: onSQLite(b).Store, Now: time.Now, Announcer: toTeam{}})
	keys := make([]store.RunKey, n)
	for i := range keys {
		r := newTrainer(fmt.Sprint("r", i), first).started()
		for e := range epochs {
			r.epochs(e, 1/float64(e+1))
		}
		deliver(b.Context(), b, s, r.out...)
		keys[i] = store.RunKey{Project: "default", ID: fmt.Sprint("r", i)}
	}
	each := func(b *testing.B, do func(v *visit) error) {
		b.Helper()
		for b.Loop() {
			require.NoError(b, s.store.Ingest(b.Context(), func(tx store.Tx) error {
				states, err := tx.LockRuns(b.Context(), keys)
				if err != nil {
					return err
				}
				for _, state := range states {
					v := s.newVisit(tx, state, time.Now())
					v.mem = &memory{}
					if err := do(v); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		b.ReportMetric(float64(n*b.N)/b.Elapsed().Seconds(), "runs/s")
	}
	b.Run("read", func(b *testing.B) {
		each(b, func(v *visit) error {
			all, err := v.tx.ListEpochs(b.Context(), v.run.PK)
			require.Len(b, all, epochs)
			if err != nil {
				return err
			}
			_, err = v.tx.ListFindings(b.Context(), v.run.PK)
			return err
		})
	})
	b.Run("rebuild", func(b *testing.B) {
		each(b, func(v *visit) error {
			err := v.rebuild(b.Context())
			require.Equal(b, epochs, v.mem.monitor.Epochs())
			return err
		})
	})
}
