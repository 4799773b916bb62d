package bus_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// delivery is one message as a daemon got it.
type delivery struct {
	run   string
	seq   int
	again bool // delivered before
	at    time.Time
}

// worker pulls all partitions of a bus as ingest does, until dead or ctx ends. What it got
// is told on got, which stands for the commit, and then acknowledged; a worker that died
// does neither with what it has in hand.
type worker struct {
	bus  *bus.Bus
	dead atomic.Bool
	got  chan delivery
	wg   sync.WaitGroup
}

func (w *worker) work(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, c := range w.bus.Consumers() {
		ttl := c.CachedInfo().Config.PinnedTTL
		it, err := c.Messages(jetstream.PullPriorityGroup(bus.Group), jetstream.PullMaxMessages(32), jetstream.PullExpiry(ttl/2))
		require.NoError(t, err)
		w.wg.Go(func() {
			defer it.Stop()
			for {
				m, err := it.Next(jetstream.NextContext(ctx))
				if err != nil || w.dead.Load() {
					return
				}
				parts := strings.Split(m.Subject(), ".")
				seq, err := strconv.Atoi(string(m.Data()))
				if err != nil {
					return
				}
				meta, err := m.Metadata()
				if err != nil {
					return
				}
				w.got <- delivery{parts[5], seq, meta.NumDelivered > 1, time.Now()}
				if m.DoubleAck(ctx) != nil {
					return
				}
			}
		})
	}
}

// tally is what was handled, by run and number.
type tally struct {
	seen  map[string]map[int]bool
	last  map[string]int // of each run: the highest number that came for the first time
	count int
}

// take counts one delivery. What comes for the first time is in order, and comes after what
// the run is still owed of earlier deliveries; among those JetStream keeps no order (ingest
// restores it by the sequence numbers). What was handled comes again only as such.
func (y *tally) take(t *testing.T, d delivery) {
	t.Helper()
	if y.seen[d.run] == nil {
		y.seen[d.run] = map[int]bool{}
	}
	if y.seen[d.run][d.seq] {
		require.True(t, d.again, "%s %d was handled", d.run, d.seq)
		return
	}
	if !d.again {
		require.Greater(t, d.seq, y.last[d.run], "%s is in order", d.run)
		y.last[d.run] = d.seq
		for n := 1; n < d.seq; n++ {
			require.True(t, y.seen[d.run][n], "%s: %d came before %d", d.run, d.seq, n)
		}
	}
	y.seen[d.run][d.seq] = true
	y.count++
}

// Two daemons on one outside server; the one that has the partitions dies with messages in
// hand, while runs go on. The other takes over within seconds, and nothing is lost.
func TestTheOtherDaemonTakesOver(t *testing.T) {
	t.Parallel()
	const runs, each, dieAfter = 8, 60, 100
	s := outside(t, nil)
	ctx := within(t, 60*time.Second)
	first := &worker{bus: start(t, bus.Options{URLs: []string{s.ClientURL()}}), got: make(chan delivery, runs*each)}
	second := &worker{bus: start(t, bus.Options{URLs: []string{s.ClientURL()}}), got: make(chan delivery, runs*each)}
	first.work(ctx, t)

	trainer, err := bus.Dial(ctx, []string{s.ClientURL()}, "", "")
	require.NoError(t, err)
	defer trainer.Close()
	publish := func(from, to int) {
		for seq := from; seq <= to; seq++ {
			for r := range runs {
				run := fmt.Sprintf("run%d", r)
				id := contract.MessageID(run, "a", int64(seq))
				require.NoError(t, trainer.Publish(ctx, contract.EventSubject("p", run), id, []byte(strconv.Itoa(seq))))
			}
		}
	}
	all := tally{seen: map[string]map[int]bool{}, last: map[string]int{}}
	publish(1, 1)
	for range runs {
		all.take(t, <-first.got) // now the first has every partition that is used
	}
	second.work(ctx, t)
	publish(2, each/2)
	for all.count < dieAfter {
		all.take(t, <-first.got)
	}
	first.dead.Store(true)
	died := time.Now()
	closeBus(t, first.bus)
	first.wg.Wait()
	close(first.got)
	for d := range first.got {
		all.take(t, d) // handled before it died
	}
	require.Empty(t, second.got, "the second waited")

	publish(each/2+1, each)
	var waited time.Duration
	for all.count < runs*each {
		select {
		case d := <-second.got:
			if waited == 0 {
				waited = d.at.Sub(died)
			}
			all.take(t, d)
		case <-ctx.Done():
			require.Fail(t, "lost", "%d of %d", all.count, runs*each)
		}
	}
	t.Logf("taken over after %v", waited)
	require.Less(t, waited, 15*time.Second)
	closeBus(t, second.bus)
	second.wg.Wait()
	require.Empty(t, second.got, "nothing is left over")
}

// The server is killed and comes back on its folder: both daemons' connections return, and
// what was not acknowledged is delivered.
func TestConsumersOutliveTheServer(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := restartable(dir, 0)
	require.NoError(t, err)
	port := s.Addr().String()[strings.LastIndex(s.Addr().String(), ":")+1:]
	b := start(t, bus.Options{URLs: []string{s.ClientURL()}})
	ctx := within(t, 30*time.Second)
	require.NoError(t, b.Publish(ctx, event, "run.a.1", []byte("1")))

	s.Shutdown()
	s.WaitForShutdown()
	n, err := strconv.Atoi(port)
	require.NoError(t, err)
	s, err = restartable(dir, n)
	require.NoError(t, err)
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.Eventually(t, func() bool {
		// Asked of a server that has just gone, the question itself is lost.
		ctx, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
		defer cancel()
		return b.Ready(ctx) == nil
	}, 20*time.Second, 20*time.Millisecond)

	w := &worker{bus: b, got: make(chan delivery, 1)}
	w.work(ctx, t)
	select {
	case d := <-w.got:
		require.Equal(t, 1, d.seq)
	case <-ctx.Done():
		require.Fail(t, "lost")
	}
	closeBus(t, b)
	w.wg.Wait()
}
