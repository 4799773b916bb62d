package detectors_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

var nan = math.NaN()

func newMonitor(t testing.TB, c detectors.Config) *detectors.Monitor {
	t.Helper()
	m, err := detectors.NewMonitor(c)
	require.NoError(t, err)
	return m
}

// epoch makes an epoch of a file.
func epoch(n int, metrics map[string]float64) detectors.Epoch {
	return detectors.Epoch{Epoch: n, Metrics: metrics, Seconds: nan, LearningRate: nan, FirstBatchLoss: nan}
}

func TestNaNIsFoundAtOnceAndResolves(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	m.Start("", contract.Facts{})
	require.Empty(t, m.Fold(epoch(0, map[string]float64{"loss": 1})))
	changes := m.Fold(epoch(1, map[string]float64{"loss": nan, "acc": 0.1}))
	require.Len(t, changes, 1)
	require.Equal(t, detectors.Opened, changes[0].Type)
	require.Equal(t, detectors.Key{Kind: detectors.KindLossNaN, Metric: "loss", Onset: 1}, changes[0].Finding.Key())
	require.Equal(t, detectors.KindLossNaN, m.Verdict().Kind)
	changes = m.Fold(epoch(2, map[string]float64{"loss": 1}))
	require.Len(t, changes, 1)
	require.Equal(t, detectors.Resolved, changes[0].Type)
	require.Equal(t, 2, *changes[0].Finding.ResolvedEpoch)
	require.Equal(t, 3, m.Epochs())
	require.Equal(t, detectors.KindHealthy, m.Verdict().Kind)
	require.Contains(t, m.Verdict().Summary, "Over since epoch 2")
}

func TestNaNBesideASoundLossIsAWarning(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	changes := m.Fold(epoch(5, map[string]float64{"loss": 1, "val_loss": math.Inf(1), "val_auc": nan}))
	require.Len(t, changes, 1)
	f := changes[0].Finding
	require.Equal(t, "val_loss", f.Metric)
	require.Equal(t, detectors.SeverityWarning, f.Severity)
	require.InDelta(t, 2, float64(f.Evidence["metrics_not_finite"]), 0)
}

func TestAnEmptyRunIsNoNews(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	rules := len(detectors.Specs())
	require.Equal(t, fmt.Sprintf("Nothing to judge yet: %d rules, no epoch.", rules), m.Verdict().Summary)
	require.Empty(t, m.Findings())
	m.Fold(epoch(0, nil))
	require.Equal(t, fmt.Sprintf("Healthy so far: %d rules on 1 epoch.", rules), m.Verdict().Summary)
}

func TestGapsOfALiveRun(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	live := func(n int, attempt string) []detectors.Change {
		e := epoch(n, map[string]float64{"loss": 1 / float64(n+1)})
		e.Attempt, e.Seq = attempt, int64(n+2)
		return m.Fold(e)
	}
	require.Empty(t, live(0, "a"))
	changes := live(4, "a")
	require.Len(t, changes, 1)
	f := changes[0].Finding
	require.Equal(t, detectors.KindEpochGap, f.Kind)
	require.Equal(t, detectors.SeverityWarning, f.Severity)
	require.Equal(t, 1, f.OnsetEpoch)
	require.Equal(t, 4, f.FiredEpoch)
	require.Equal(t, "3 epochs are missing, 1 to 3.", f.Summary)
	require.Equal(t, detectors.KindEpochGap, m.Verdict().Kind)
	for n := 5; n < 7; n++ {
		require.Empty(t, live(n, "a"))
	}
	require.Equal(t, detectors.Resolved, live(7, "a")[0].Type)
	// An attempt may begin where it likes.
	require.Empty(t, live(20, "b"))
	require.Empty(t, live(21, "b"))
}

func TestGapsOfAFile(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		numbers []int
		want    []int // onsets
	}{
		{[]int{1, 2, 3, 4, 5, 6}, nil},
		{[]int{1, 11, 21, 31, 41, 51}, nil}, // each tenth is printed
		{[]int{1, 10, 20, 30, 40, 50}, nil}, // as keras-style loops print it
		{[]int{1, 2, 3, 7, 8, 9}, []int{4}},
		{[]int{1, 5, 6, 7, 8, 9}, []int{2}}, // only the second step tells
		{[]int{10, 20, 40, 50}, []int{30}},
		{[]int{1, 2, 5, 9, 10}, []int{3, 6}},
	} {
		m := newMonitor(t, nil)
		for i, n := range c.numbers {
			m.Fold(epoch(n, map[string]float64{"loss": 1 / float64(i+1)}))
		}
		var got []int
		for _, f := range m.Findings() {
			require.Equal(t, detectors.KindEpochGap, f.Kind)
			require.Equal(t, detectors.SeverityInfo, f.Severity)
			got = append(got, f.OnsetEpoch)
		}
		require.Equal(t, c.want, got, c.numbers)
	}
}

// clock is a daemon's clock with a run on it.
type clock struct{ now, sign, since time.Time }

func (c clock) reading() detectors.Clock {
	return detectors.Clock{Now: c.now, LastSign: c.sign, ListeningSince: c.since}
}

func TestStalledIsToldFromSlowAndFromEnded(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	m := newMonitor(t, nil)
	c := clock{now: start, sign: start, since: start.Add(-time.Hour)}
	tick := func(after time.Duration, heard bool) []detectors.Change {
		c.now = c.now.Add(after)
		if heard {
			c.sign = c.now
		}
		return m.Tick(c.reading())
	}
	require.Empty(t, tick(0, true), "no epoch yet: nothing is known")
	run := func(n int, seconds float64) []detectors.Change {
		e := epoch(n, map[string]float64{"loss": 1 / float64(n+1)})
		e.Attempt, e.Seconds, e.Time = "a", seconds, c.now.Add(9*time.Hour) // a clock that is wrong
		c.sign = c.now
		return m.Fold(e)
	}
	for n := range 4 {
		require.Empty(t, run(n, 30))
		require.Empty(t, tick(30*time.Second, true))
	}
	run(4, 30)
	require.Empty(t, tick(time.Second, false))
	require.Empty(t, tick(175*time.Second, true), "six times the slowest epoch are not over")
	changes := tick(10*time.Second, true)
	require.Len(t, changes, 1)
	f := changes[0].Finding
	require.Equal(t, detectors.Key{Kind: detectors.KindStalled, Onset: 4}, f.Key())
	require.Equal(t, "alive", f.Reason)
	require.Contains(t, f.Summary, "30s")
	require.Empty(t, tick(time.Minute, true), "it is said once")
	require.Equal(t, detectors.KindStalled, m.Verdict().Kind)

	// What the clock gave is not given again by the epochs, and is taken over.
	again := newMonitor(t, nil)
	again.Fold(epoch(4, map[string]float64{"loss": 1}))
	again.Adopt(m.Findings())
	require.Equal(t, m.Findings(), again.Findings())
	require.Equal(t, detectors.Resolved, again.Fold(epoch(5, map[string]float64{"loss": 0.9}))[0].Type)

	resolved := run(5, 30)
	require.Len(t, resolved, 1)
	require.Equal(t, 5, *resolved[0].Finding.ResolvedEpoch)
	require.Empty(t, tick(0, false))

	// Nothing is heard at all; then the run turns out to have ended.
	changes = tick(200*time.Second, false)
	require.Len(t, changes, 1)
	require.Equal(t, "silent", changes[0].Finding.Reason)
	ended := m.End()
	require.Len(t, ended, 1)
	require.Equal(t, detectors.Resolved, ended[0].Type)
	require.Empty(t, tick(time.Hour, false), "a run that ended does not stall")
}

func TestADaemonThatWasDeafDoesNotCryStalled(t *testing.T) {
	t.Parallel()
	start := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	m := newMonitor(t, nil)
	for n := range 3 {
		e := epoch(n, map[string]float64{"loss": 1})
		e.Seconds = 1
		m.Fold(e)
	}
	c := clock{now: start.Add(24 * time.Hour), sign: start, since: start.Add(24*time.Hour - time.Minute)}
	require.Empty(t, m.Tick(c.reading()))
	c.now = c.now.Add(time.Hour)
	require.Len(t, m.Tick(c.reading()), 1)
}

func TestFactsAreTakenByAttempt(t *testing.T) {
	t.Parallel()
	// A loss that stands at ln 2: only the facts tell that this is guessing.
	reason := func(set func(m *detectors.Monitor)) string {
		m := newMonitor(t, nil)
		set(m)
		for n := range 10 {
			e := epoch(n, map[string]float64{"loss": 0.6931})
			e.Attempt = "a"
			m.Fold(e)
		}
		require.Len(t, m.Findings(), 1)
		return m.Findings()[0].Reason
	}
	binary := contract.Facts{Loss: "binary_crossentropy"}
	require.Equal(t, "stands_still", reason(func(*detectors.Monitor) {}))
	require.Equal(t, "at_chance", reason(func(m *detectors.Monitor) { m.Start("a", binary) }))
	require.Equal(t, "at_chance", reason(func(m *detectors.Monitor) { m.Start("", binary) }))
	require.Equal(t, "stands_still", reason(func(m *detectors.Monitor) {
		m.Start("a", binary)
		for i := range 20 { // long ago
			m.Start(fmt.Sprint("later", i), contract.Facts{})
		}
	}))
}

func TestNaNHidesWhatFollowedAndNamesWhatCameBefore(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	for i, y := range []float64{1, 0.9, 5, 9, 40, nan, nan} {
		m.Fold(epoch(i, map[string]float64{"loss": y, "val_loss": y}))
	}
	v := m.Verdict()
	require.Equal(t, detectors.KindLossNaN, v.Kind)
	require.Contains(t, v.Summary, "Before that, from epoch 1 on: loss runs away")
}

// A monitor's findings are the caller's own.
func TestFindingsAreCopies(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	c := m.Fold(epoch(0, map[string]float64{"loss": nan}))
	c[0].Finding.Summary = "spoilt"
	m.Findings()[0].Summary = "spoilt"
	require.NotEqual(t, "spoilt", m.Findings()[0].Summary)
}
