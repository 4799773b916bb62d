package backtest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// withLoss makes a curve of one repository each; an epoch is trained at rate(i).
func withLoss(id string, labels Labels, epochs int, loss, rate func(i int) float64) *Curve {
	c := &Curve{ID: id, Repository: id, Labels: labels}
	for i := range epochs {
		c.Epochs = append(c.Epochs, detectors.Epoch{
			Epoch: i + 1, Seconds: math.NaN(), LearningRate: rate(i), FirstBatchLoss: math.NaN(),
			Metrics: map[string]float64{"loss": loss(i)},
		})
	}
	return c
}

func unknown(int) float64   { return math.NaN() }
func falling(i int) float64 { return 1 / float64(i+1) }

func nanFrom(n int) func(int) float64 {
	return func(i int) float64 {
		if i >= n {
			return math.NaN()
		}
		return falling(i)
	}
}

// fallsUntil falls up to an epoch, and then swings about what it has reached.
func fallsUntil(n int) func(int) float64 {
	return func(i int) float64 {
		return falling(min(i, n)) * (1 + 0.05*float64(i%2) + 0.001*float64(max(i-n, 0)))
	}
}

func acting() []*Curve {
	return []*Curve{
		withLoss("well", Labels{healthy: nil}, 30, falling, unknown),
		withLoss("stands", Labels{healthy: nil}, 30, fallsUntil(5), unknown),
		withLoss("broken", Labels{detectors.KindLossNaN: new(4), over: nil}, 30, nanFrom(4), func(int) float64 { return 0.01 }),
		withLoss("too late", nil, 5, nanFrom(4), unknown),
		// Its rate moves all the time: somebody else is at work.
		withLoss("another's", nil, 30, fallsUntil(5), func(i int) float64 { return math.Pow(0.9, float64(i)) }),
	}
}

func TestTheFirstAction(t *testing.T) {
	t.Parallel()
	got, err := Act(acting(), Thresholds{Name: "defaults"})
	require.NoError(t, err)
	require.Len(t, got.Actions, 2)
	a := got.Actions[0]
	require.Contains(t, a.Reason, "loss")
	a.Reason = ""
	require.Equal(t, Action{
		ID: "broken", Labels: []detectors.Kind{detectors.KindLossNaN, over}, Epoch: 5, Index: 4, Epochs: 30,
		Kind: contract.KindRollback, Cause: "loss_nan", Step: 0.1,
	}, a)
	a = got.Actions[1]
	require.Equal(t, "stands", a.ID)
	require.Equal(t, standstill, a.Cause)
	require.Equal(t, contract.KindReduceLR, a.Kind)
	require.Equal(t, 12, a.Index, "the first with 4 epochs no better than the 4 before, all at the level reached")
	require.InDelta(t, math.Sqrt(0.1), float64(a.Step), 1e-9)
	require.Contains(t, a.Reason, "stopped falling")
	require.Equal(t, [4]int{5, 5, 125, 3}, [4]int{got.Curves, got.Repositories, got.Epochs, got.AssumedRate})

	var sums []string
	for _, l := range got.Labels {
		sums = append(sums, fmt.Sprint(l.Label, " ", l.Acted.Count, "/", l.Acted.Of, " ", l.Causes))
	}
	require.Equal(t, []string{
		"healthy 1/2 [{standstill 1 0}]",
		"loss_nan 1/1 [{loss_nan 1 1}]",
		"overfitting 1/1 [{loss_nan 1 1}]",
		"none 0/2 []",
	}, sums)

	reversed := acting()
	slices.Reverse(reversed)
	again, err := Act(reversed, Thresholds{Name: "defaults"})
	require.NoError(t, err)
	one, err := json.Marshal(got)
	require.NoError(t, err)
	other, err := json.Marshal(again)
	require.NoError(t, err)
	require.JSONEq(t, string(one), string(other), "the order of the curves does not matter")

	without, err := Act(acting(), off(detectors.KindLossNaN))
	require.NoError(t, err)
	require.Len(t, without.Actions, 1, "the thresholds count")
	_, err = Act(acting(), Thresholds{Config: detectors.Config{"weather": {}}})
	require.Error(t, err)
}

// TestTheUntrainedLossCounts holds that the first batch's loss is told as in a live run.
func TestTheUntrainedLossCounts(t *testing.T) {
	t.Parallel()
	c := withLoss("a", nil, 30, fallsUntil(5), unknown)
	for i := range c.Epochs {
		c.Epochs[i].Epoch = i
	}
	a, err := (Story{{Epochs: c.Epochs}}).firstAction(nil)
	require.NoError(t, err)
	require.NotNil(t, a)
	c.Epochs[0].FirstBatchLoss = 100
	a, err = (Story{{Epochs: c.Epochs}}).firstAction(nil)
	require.NoError(t, err)
	require.Nil(t, a, "next to that the loss is as good as none: there is nothing left to learn")
}

// TestTheFirstActionOnARun is of a run that was taken up again.
func TestTheFirstActionOnARun(t *testing.T) {
	t.Parallel()
	story := Story{
		{ID: "1", Epochs: nanAt("1", 0, 4, 3)}, // its last epoch is too late
		{ID: "2", Epochs: nanAt("2", 2, 9, 6)}, // replaces epochs 2 and 3
	}
	a, err := story.firstAction(nil)
	require.NoError(t, err)
	require.NotNil(t, a)
	require.Equal(t, [4]int{6, 8, 11, 0}, [4]int{a.Epoch, a.Index, a.Epochs, len(a.Labels)})
	require.Equal(t, contract.KindRollback, a.Kind)

	r, err := Replay("run", story, Thresholds{Name: "defaults"}, off(detectors.KindLossNaN))
	require.NoError(t, err)
	require.Nil(t, r.Actions, "not asked for")
	require.NoError(t, r.Act(story, Thresholds{Name: "defaults"}, off(detectors.KindLossNaN)))
	require.Equal(t, []*Action{a, nil}, r.Actions)
	var b bytes.Buffer
	require.NoError(t, r.WriteText(&b))
	require.Contains(t, b.String(), "defaults: auto_lr would have acted first at epoch 6: rollback to 0.1 of the rate, loss_nan: ")
	require.Contains(t, b.String(), "loss_nan.enabled=false: auto_lr would not have acted.")
	require.Error(t, r.Act(story, Thresholds{Config: detectors.Config{"weather": {}}}))

	// A schedule that comes down is no other hand at work.
	down := withLoss("a", nil, 30, fallsUntil(5), func(i int) float64 { return math.Pow(0.9, float64(i)) }).Epochs
	a, err = Story{{Epochs: down}}.firstAction(nil)
	require.NoError(t, err)
	require.Nil(t, a)
	a, err = Story{{Epochs: down, Schedule: "ExponentialDecay"}}.firstAction(nil)
	require.NoError(t, err)
	require.NotNil(t, a)
}

func TestRates(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	c := withLoss("a", nil, 5, falling, func(i int) float64 { return []float64{nan, 0.1, nan, 0.01, nan}[i] })
	got, known := rates(Story{{Facts: c.Facts, Epochs: c.Epochs}})
	require.True(t, known)
	require.Equal(t, []float64{0.1, 0.1, 0.1, 0.01, 0.01}, got)
	c = withLoss("a", nil, 2, falling, unknown)
	got, known = rates(Story{{Facts: c.Facts, Epochs: c.Epochs}})
	require.False(t, known)
	require.Equal(t, []float64{assumedRate, assumedRate}, got)
	c.Facts = &contract.Facts{LearningRate: new(contract.Number(0.5))}
	got, known = rates(Story{{Facts: c.Facts, Epochs: c.Epochs}})
	require.True(t, known)
	require.Equal(t, []float64{0.5, 0.5}, got)
}

// TestTheBoundsAreTheCallbacks holds the bounds against the defaults of Control.
func TestTheBoundsAreTheCallbacks(t *testing.T) {
	t.Parallel()
	src, err := os.ReadFile("../../python-callback/src/epochwatch/_control.py")
	require.NoError(t, err)
	b := OwnerBounds()
	for _, line := range []string{
		"min_lr: float = 1e-7", fmt.Sprintf("factor: float = %g", float64(b.Factor)),
		fmt.Sprintf("hardest_factor: float = %g", float64(b.HardestFactor)), fmt.Sprintf("max_cuts: int = %d", b.MaxCuts),
		fmt.Sprintf("cooldown_epochs: int = %d", b.CooldownEpochs),
		fmt.Sprintf(`frozenset({"%s", "%s"})`, b.Allow[0], b.Allow[1]),
	} {
		require.Contains(t, string(src), line)
	}
	require.InDelta(t, 1e-7, float64(b.MinLR), 0)
}

func TestActionsAsText(t *testing.T) {
	t.Parallel()
	a := Actions{
		Thresholds: "defaults", Curves: 7, Repositories: 3, Epochs: 70, AssumedRate: 4,
		Labels: []LabelActions{
			{"healthy", wilson(1, 4), []CauseActions{{standstill, 1, 0}}},
			{"overfitting", wilson(2, 2), []CauseActions{{standstill, 1, 0}, {"divergence", 1, 1}}},
			{"none", wilson(0, 1), nil},
		},
		Actions: []Action{
			{ID: "c1", Labels: []detectors.Kind{healthy}, Epoch: 12, Kind: contract.KindReduceLR, Cause: standstill, Step: 0.31622776601683794, Reason: "the training loss has stopped falling: " + strings.Repeat("word ", 20)},
			{ID: "c2", Epoch: 3, Kind: contract.KindRollback, Cause: "divergence", Step: 0.1, Reason: "loss runs away."},
		},
	}
	var b bytes.Buffer
	require.NoError(t, a.WriteText(&b))
	golden(t, "actions.txt", b.String())
}
