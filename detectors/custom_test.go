package detectors_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/detectors"
)

// above is a rule that holds while a loss lies above its best by the factor.
func above(metric string, factor float64, row int) *detectors.CustomRule {
	return &detectors.CustomRule{
		Severity: detectors.SeverityWarning, Metric: metric, For: row, Metrics: []string{metric}, Advice: []string{"look"},
		Judge: func(v detectors.View) (bool, error) {
			h := v.History(metric)
			best, _ := h.Best()
			return h.Last() > factor*best, nil
		},
		Tell: func(v detectors.View) (string, []detectors.Reading) {
			h := v.History(metric)
			best, ago := h.Best()
			return fmt.Sprintf("%s is %v at epoch %d of %d", metric, h.Last(), v.Epoch(), v.Epochs()),
				[]detectors.Reading{{Name: "best", Value: best}, {Name: "ago", Value: ago}}
		},
	}
}

// alone is a config of which only the rule of a person's own can speak.
func alone(name detectors.Kind, r *detectors.CustomRule) detectors.Config {
	c := detectors.Config{name: {Custom: r}}
	for _, s := range detectors.Specs() {
		c[s.Kind] = detectors.Settings{Enabled: new(false)}
	}
	return c
}

func TestACustomRuleIsAFindingLikeAnyOther(t *testing.T) {
	t.Parallel()
	m := newMonitor(t, alone("mine", above("wer", 1.5, 3)))
	var changes []detectors.Change
	for i, y := range []float64{1, 0.5, 0.9, 0.5, 0.9, 0.9, 0.9, 0.9, 0.6} {
		changes = append(changes, m.Fold(epoch(i+10, map[string]float64{"wer": y}))...)
	}
	require.Len(t, changes, 2)
	f := changes[0].Finding
	require.Equal(t, detectors.Opened, changes[0].Type)
	require.Equal(t, detectors.Key{Kind: "mine", Metric: "wer", Onset: 14}, f.Key())
	require.Equal(t, 16, f.FiredEpoch)
	require.Equal(t, "wer is 0.9 at epoch 16 of 7", f.Summary)
	require.Equal(t, []string{"look"}, f.Advice)
	require.InDelta(t, 0.5, float64(f.Evidence["best"]), 0)
	require.InDelta(t, 5, float64(f.Evidence["ago"]), 0)
	require.Equal(t, detectors.Resolved, changes[1].Type)
	require.Equal(t, 18, *changes[1].Finding.ResolvedEpoch)
}

func TestACustomRuleStandsBehindTheDetectorsInTheVerdict(t *testing.T) {
	t.Parallel()
	c := detectors.Config{"aaa": {Custom: above("loss", 0.5, 1)}}
	m := newMonitor(t, c)
	for i := range 5 {
		m.Fold(epoch(i, map[string]float64{"loss": 1 - float64(i%2)/100}))
	}
	require.EqualValues(t, "aaa", m.Verdict().Kind)
	m.Fold(epoch(5, map[string]float64{"loss": nan}))
	require.Equal(t, detectors.KindLossNaN, m.Verdict().Kind)
}

func TestACustomRuleThatFailsSaysSoOnceAndRests(t *testing.T) {
	t.Parallel()
	asked := 0
	r := above("loss", 0, 1)
	judge := r.Judge
	r.Judge = func(v detectors.View) (bool, error) {
		asked++
		if v.Epoch() == 3 {
			return false, errors.New("it divides by zero")
		}
		return judge(v)
	}
	m := newMonitor(t, alone("mine", r))
	var changes []detectors.Change
	for i := range 10 {
		changes = append(changes, m.Fold(epoch(i, map[string]float64{"loss": 1}))...)
	}
	require.Len(t, changes, 3)
	require.Equal(t, detectors.Resolved, changes[1].Type)
	f := changes[2].Finding
	require.Equal(t, "error", f.Reason)
	require.Equal(t, detectors.SeverityInfo, f.Severity)
	require.Contains(t, f.Summary, "it divides by zero")
	require.Empty(t, f.Advice)
	require.Equal(t, 4, asked)
}

func TestCustomRulesAreHeldAgainstTheTable(t *testing.T) {
	t.Parallel()
	r := above("loss", 2, 1)
	for _, kind := range []detectors.Kind{detectors.KindPlateau, detectors.KindHealthy, detectors.KindStalled} {
		_, err := detectors.NewMonitor(detectors.Config{kind: {Custom: r}})
		require.ErrorContains(t, err, "a rule cannot have the name of a detector")
	}
	require.False(t, detectors.BuiltIn("mine"))
	m := newMonitor(t, detectors.Config{"mine": {Custom: r, Enabled: new(false)}})
	m.Fold(epoch(0, map[string]float64{"loss": 1}))
	require.Empty(t, m.Fold(epoch(1, map[string]float64{"loss": 9})))
}

func TestHistoryOfACustomRule(t *testing.T) {
	t.Parallel()
	var got *detectors.History
	r := above("acc", 1, 1)
	r.Judge = func(v detectors.View) (bool, error) {
		h := *v.History("acc")
		got = &h
		require.True(t, math.IsNaN(v.History("nosuch").Last()), "not asked for beforehand")
		return false, nil
	}
	m := newMonitor(t, alone("mine", r))
	m.Fold(epoch(0, map[string]float64{"loss": 1}))
	best, ago := got.Best()
	require.True(t, math.IsNaN(best) && math.IsNaN(ago) && math.IsNaN(got.Last()) && math.IsNaN(got.Noise()))
	require.False(t, got.Here() || got.Values(make([]float64, 1)))
	for i, y := range []float64{0.5, 0.7, nan, 0.6, 0.65} {
		m.Fold(epoch(i+1, map[string]float64{"acc": y}))
	}
	best, ago = got.Best()
	require.Equal(t, []float64{0.7, 3, 0.5, 0.5, 0.7, 0.65}, []float64{best, ago, got.First(), got.Min(), got.Max(), got.Last()})
	last := make([]float64, 3)
	require.True(t, got.Values(last))
	require.Equal(t, []float64{0.7, 0.6, 0.65}, last)
	require.False(t, got.Values(make([]float64, 5)), "four were finite")
	m.Fold(epoch(6, map[string]float64{"acc": math.Inf(1)}))
	require.True(t, math.IsInf(got.Last(), 1))
	m.Fold(epoch(7, map[string]float64{"loss": 1}))
	require.False(t, got.Here())
	require.True(t, math.IsInf(got.Last(), 1), "the newest there was")
	require.Equal(t, []int{1, -1, 0}, []int{detectors.Way("val_acc"), detectors.Way("x_loss"), detectors.Way("chrf")})
}

// TestCustomRulesReplayAndGoBack holds for rules of a person's own what the other
// properties hold for the detectors.
func TestCustomRulesReplayAndGoBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := alone("mine", above("loss", 1.05, rapid.IntRange(1, 3).Draw(t, "for")))
		c["yours"] = detectors.Settings{Custom: above("val_loss", 1.2, 2)}
		tell := func(epochs []detectors.Epoch) *detectors.Monitor {
			m := newMonitor(&testing.T{}, c)
			for _, e := range epochs {
				m.Fold(e)
			}
			return m
		}
		epochs := drawRun(t)
		again := restart(t, epochs)
		kept := slices.DeleteFunc(slices.Clone(epochs), func(e detectors.Epoch) bool { return e.Epoch >= again[0].Epoch })
		if len(epochs)-len(kept) > 32 && len(kept) > 0 {
			t.Skip("further back than is kept")
		}
		both, straight := tell(append(slices.Clone(epochs), again...)), tell(append(kept, again...))
		if d := cmp.Diff(both.Findings(), tell(append(slices.Clone(epochs), again...)).Findings(), sameFindings); d != "" {
			t.Fatal(d)
		}
		if len(both.Findings()) >= 8 {
			t.Skip("so many that the bound may be met")
		}
		holding := func(m *detectors.Monitor) []detectors.Key {
			var out []detectors.Key
			for _, f := range m.Findings() {
				if f.Firing() {
					out = append(out, f.Key())
				}
			}
			slices.SortFunc(out, func(a, b detectors.Key) int { return a.Onset - b.Onset + 1000*(len(a.Kind)-len(b.Kind)) })
			return out
		}
		if d := cmp.Diff(holding(straight), holding(both)); d != "" {
			t.Fatal(d)
		}
	})
}
