package detectors_test

import (
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/detectors"
)

// drawRun draws a run that is often in trouble: trends that turn, jumps, swings, noise
// of any size, numbers that are not finite, metrics that come and go, epochs that are
// missing.
func drawRun(t *rapid.T) []detectors.Epoch {
	n := rapid.IntRange(1, 90).Draw(t, "epochs")
	noise := rapid.Float64Range(0, 0.3).Draw(t, "noise")
	turn := rapid.IntRange(0, 90).Draw(t, "turn")
	slope := rapid.Float64Range(-0.02, 0.1).Draw(t, "slope after")
	swing := rapid.SampledFrom([]float64{0, 0, 0.5}).Draw(t, "swing")
	odd := rapid.Float64Range(0, 0.1).Draw(t, "share of odd epochs")
	unit := rapid.Float64Range(-1, 1)
	var out []detectors.Epoch
	number := rapid.IntRange(0, 3).Draw(t, "first")
	for i := range n {
		x := 0.5 + 1.5*math.Exp(-float64(i)/8) + slope*math.Max(0, float64(i-turn)) + swing*math.Sin(2*float64(i))
		m := map[string]float64{
			"loss": x * (1 + noise*unit.Draw(t, "loss")), "val_loss": x*(1+noise*unit.Draw(t, "val")) + slope*math.Max(0, float64(i-turn)),
			"accuracy": 1 - math.Exp(-float64(i)/9)/2 + noise*unit.Draw(t, "acc")/9,
		}
		if rapid.Float64Range(0, 1).Draw(t, "odd") < odd {
			name := rapid.SampledFrom([]string{"loss", "val_loss", "accuracy"}).Draw(t, "which")
			if rapid.Bool().Draw(t, "missing") {
				delete(m, name)
			} else {
				m[name] = rapid.SampledFrom([]float64{math.NaN(), math.Inf(1), 0, 1e9, -1}).Draw(t, "value")
			}
			number += rapid.IntRange(0, 2).Draw(t, "skip")
		}
		e := epoch(number, m)
		e.LearningRate = rapid.SampledFrom([]float64{0.1, 0.1, 0.1, 0.01}).Draw(t, "rate")
		out = append(out, e)
		number++
	}
	return out
}

func fold(t testing.TB, epochs []detectors.Epoch) (*detectors.Monitor, []detectors.Change) {
	m := newMonitor(t, nil)
	var all []detectors.Change
	for _, e := range epochs {
		all = append(all, m.Fold(e)...)
	}
	return m, all
}

var sameFindings = cmp.Options{cmpopts.EquateNaNs(), cmpopts.EquateEmpty()}

// TestChangesAreTheWholeStory holds that who applies the changes one after the other has
// what Findings gives, so that what is stored live is what a replay gives.
func TestChangesAreTheWholeStory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		epochs := drawRun(t)
		if rapid.Bool().Draw(t, "restart") {
			epochs = append(epochs, restart(t, epochs)...)
		}
		m, changes := fold(&testing.T{}, epochs)
		var stored []detectors.Finding
		for _, c := range changes {
			i := slices.IndexFunc(stored, func(f detectors.Finding) bool { return f.Key() == c.Finding.Key() })
			switch {
			case i < 0:
				if c.Type != detectors.Opened {
					t.Fatalf("%s of %v, which was never opened", c.Type, c.Finding.Key())
				}
				stored = append(stored, c.Finding)
			default:
				if c.Type == detectors.Opened && stored[i].Firing() {
					t.Fatalf("%v opened twice", c.Finding.Key())
				}
				stored[i] = c.Finding
			}
		}
		if d := cmp.Diff(m.Findings(), stored, sameFindings); d != "" {
			t.Fatal(d)
		}
		again, _ := fold(&testing.T{}, epochs)
		if d := cmp.Diff(m.Findings(), again.Findings(), sameFindings); d != "" {
			t.Fatal(d)
		}
		if d := cmp.Diff(m.Verdict(), again.Verdict()); d != "" {
			t.Fatal(d)
		}
	})
}

// restart draws a later attempt that starts again somewhere in the run.
func restart(t *rapid.T, epochs []detectors.Epoch) []detectors.Epoch {
	again := drawRun(t)
	at := epochs[rapid.IntRange(0, len(epochs)-1).Draw(t, "restarts at")].Epoch
	for i := range again {
		again[i].Attempt = "b"
		again[i].Epoch += at
	}
	return again
}

// TestNoFindingDependsOnALaterEpoch cuts a run short: what had been said by then is what
// the cut run says, word for word.
func TestNoFindingDependsOnALaterEpoch(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		epochs := drawRun(t)
		cut := rapid.IntRange(0, len(epochs)).Draw(t, "cut")
		whole := newMonitor(&testing.T{}, nil)
		var byThen []detectors.Change
		for i, e := range epochs {
			c := whole.Fold(e)
			if i < cut {
				byThen = append(byThen, c...)
			}
		}
		_, short := fold(&testing.T{}, epochs[:cut])
		if d := cmp.Diff(byThen, short, sameFindings); d != "" {
			t.Fatal(d)
		}
		for _, c := range short {
			if c.Type == detectors.Opened && !slices.ContainsFunc(whole.Findings(), func(f detectors.Finding) bool { return f.Key() == c.Finding.Key() }) {
				t.Fatalf("%v is gone from the whole run", c.Finding.Key())
			}
		}
	})
}

// TestUnitsDoNotMatter scales the losses, and the accuracy to per cent: the same is
// found at the same epochs. Powers of two keep every number exact.
func TestUnitsDoNotMatter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		epochs := drawRun(t)
		scale := math.Ldexp(1, rapid.IntRange(-40, 40).Draw(t, "scale"))
		scaled := make([]detectors.Epoch, len(epochs))
		for i, e := range epochs {
			e.Metrics = maps.Clone(e.Metrics)
			for name := range e.Metrics {
				if name == "accuracy" {
					e.Metrics[name] *= 128
				} else {
					e.Metrics[name] *= scale
				}
			}
			scaled[i] = e
		}
		// Which values a metric cannot have is a matter of units.
		off := false
		c := detectors.Config{detectors.KindMetricMismatch: {Enabled: &off}}
		a, b := newMonitor(&testing.T{}, c), newMonitor(&testing.T{}, c)
		for i := range epochs {
			a.Fold(epochs[i])
			b.Fold(scaled[i])
		}
		strip := cmpopts.IgnoreFields(detectors.Finding{}, "Evidence", "Summary")
		if d := cmp.Diff(a.Findings(), b.Findings(), sameFindings, strip); d != "" {
			t.Fatal(d)
		}
	})
}

// TestARestartReplaces holds that a later attempt which starts again at an epoch leaves
// what a run without the replaced epochs would have, but for findings that are over.
func TestARestartReplaces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		epochs := drawRun(t)
		again := restart(t, epochs)
		kept := slices.DeleteFunc(slices.Clone(epochs), func(e detectors.Epoch) bool { return e.Epoch >= again[0].Epoch })
		if len(epochs)-len(kept) > 32 && len(kept) > 0 {
			t.Skip("further back than is kept")
		}
		both, _ := fold(&testing.T{}, append(slices.Clone(epochs), again...))
		straight, _ := fold(&testing.T{}, append(kept, again...))
		if both.Epochs() != straight.Epochs() {
			t.Fatalf("%d epochs, not %d", both.Epochs(), straight.Epochs())
		}
		// Where so much is drawn that the bound of findings of one kind is met, the onset is
		// another.
		full := func(k detectors.Kind) bool {
			n := 0
			for _, f := range both.Findings() {
				if f.Kind == k {
					n++
				}
			}
			return n >= 8
		}
		firing := func(m *detectors.Monitor) (out []detectors.Key) {
			for _, f := range m.Findings() {
				if f.Firing() && !full(f.Kind) {
					out = append(out, f.Key())
				}
			}
			return out
		}
		sorted := cmpopts.SortSlices(func(a, b detectors.Key) bool {
			return a.Kind < b.Kind || a.Kind == b.Kind && (a.Metric < b.Metric || a.Metric == b.Metric && a.Onset < b.Onset)
		})
		if d := cmp.Diff(firing(straight), firing(both), sorted, cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// TestARestartFarBackIsJudgedAfresh says what is known to be forgotten.
func TestARestartFarBackIsJudgedAfresh(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, nil)
	for i := range 200 {
		m.Fold(epoch(i, map[string]float64{"loss": 1 + 1/float64(i+1)}))
	}
	m.Fold(epoch(50, map[string]float64{"loss": 1}))
	require.Equal(t, 51, m.Epochs())
	require.Contains(t, m.Verdict().Summary, "on 51 epochs")
}

func FuzzFold(f *testing.F) {
	f.Add([]byte{1, 2, 3, 255, 0, 7, 9, 200, 16, 17, 18, 19, 254, 253})
	f.Fuzz(func(t *testing.T, b []byte) {
		values := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1e308, -1e308, 5e-324, 97.5}
		m := newMonitor(t, nil)
		at := 0
		for i := 0; i+3 < len(b); i += 4 {
			at += int(int8(b[i])) / 16
			number := func(c byte) float64 {
				if int(c) < len(values) {
					return values[c]
				}
				return float64(c) / 100
			}
			e := epoch(at, map[string]float64{"loss": number(b[i+1])})
			if b[i+2]%3 > 0 {
				e.Metrics["val_loss"] = number(b[i+2])
				e.Metrics["acc"] = number(b[i+3])
			}
			if b[i+3]%5 == 0 {
				delete(e.Metrics, "loss")
				e.Attempt = string('a' + rune(b[i+3]%7))
			}
			for _, c := range m.Fold(e) {
				checkFinding(t, c.Finding)
			}
		}
		m.Verdict()
	})
}

// checkFinding holds what every reader of a finding may rely on.
func checkFinding(t *testing.T, f detectors.Finding) {
	t.Helper()
	require.Positive(t, f.Severity.Rank())
	require.NotEmpty(t, f.Summary)
	require.NotEmpty(t, f.Advice)
	require.NotEmpty(t, f.Reason)
	require.NotContains(t, f.Summary, "%!")
	require.True(t, f.Confidence > 0 && f.Confidence <= 1, "confidence %v of %s", f.Confidence, f.Kind)
	require.LessOrEqual(t, f.OnsetEpoch, f.FiredEpoch, f.Kind)
}
