package backtest

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func within(t *testing.T, e Estimate, value, low, high float64) {
	t.Helper()
	require.NotNil(t, e.Value)
	require.InDelta(t, value, *e.Value, 1e-9)
	require.NotNil(t, e.Low)
	require.InDelta(t, low, *e.Low, 1e-4)
	require.InDelta(t, high, *e.High, 1e-4)
}

// TestTwoRepositories is small enough to be worked out: of the four draws of two, one in
// four has the first alone, one the second alone, two both.
func TestTwoRepositories(t *testing.T) {
	t.Parallel()
	d := newDraws(2)
	e := d.rate([]int{1, 3}, []int{4, 4}, 1)
	within(t, e, 0.5, 0.25, 0.75)
	require.Equal(t, 4, e.Count)
	require.Equal(t, 8, e.Of)
	within(t, d.rate([]int{1, 3}, []int{4, 4}, 100), 50, 25, 75)
	within(t, d.median([][]int{{1, 2}, {9}}), 2, 1.5, 9)

	// A repository with more curves weighs more: the draws are 0, 8/10 and 1.
	within(t, d.rate([]int{0, 8}, []int{2, 8}, 1), 0.8, 0, 1)
	counts := map[float64]int{}
	for _, v := range d.rate([]int{0, 8}, []int{2, 8}, 1).drawn {
		counts[v]++
	}
	require.Len(t, counts, 3)
	require.InDelta(t, drawings/2, counts[0.8], 100)
	require.InDelta(t, drawings/4, counts[0], 100)
}

// TestCurvesOfOneRepositoryAreNotIndependent holds what the drawing by repository is for:
// ten repositories of which half are all right and half all wrong say no more than ten
// curves would, however many each has.
func TestCurvesOfOneRepositoryAreNotIndependent(t *testing.T) {
	t.Parallel()
	d := newDraws(10)
	few := d.share([]int{1, 1, 1, 1, 1, 0, 0, 0, 0, 0}, []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1})
	many := d.share([]int{90, 90, 90, 90, 90, 0, 0, 0, 0, 0}, []int{90, 90, 90, 90, 90, 90, 90, 90, 90, 90})
	within(t, few, 0.5, 0.2, 0.8)
	within(t, many, 0.5, 0.2, 0.8)
	require.Less(t, *wilson(450, 900).High, 0.54)
}

func TestAllOrNoneIsNotCertain(t *testing.T) {
	t.Parallel()
	d := newDraws(3)
	// Wilson's bounds for 0 of 2 and 2 of 2: the third repository has no say.
	within(t, d.share([]int{0, 0, 0}, []int{50, 50, 0}), 0, 0, 0.6576)
	within(t, d.share([]int{50, 50, 0}, []int{50, 50, 0}), 1, 0.3424, 1)
	// A rate of 0 has no such bound, and a promise of certainty would be none.
	e := d.rate([]int{0, 0, 0}, []int{50, 50, 0}, 100)
	require.Zero(t, *e.Value)
	require.Nil(t, e.Low)
}

func TestNothingToMeasure(t *testing.T) {
	t.Parallel()
	d := newDraws(3)
	require.Equal(t, Estimate{}, d.share([]int{0, 0, 0}, []int{0, 0, 0}))
	require.Equal(t, Estimate{}, d.median([][]int{nil, nil, nil}))
	require.Equal(t, Estimate{}, wilson(0, 0))
	one := d.share([]int{0, 1, 0}, []int{0, 4, 0})
	require.InDelta(t, 0.25, *one.Value, 0)
	require.Nil(t, one.Low, "one repository says nothing of others")
	require.Equal(t, Estimate{}, newDraws(0).share(nil, nil))
}

func TestDrawsWithoutASayAreLeftOut(t *testing.T) {
	t.Parallel()
	e := newDraws(2).rate([]int{1, 0}, []int{2, 0}, 1)
	nothing := 0
	for _, v := range e.drawn {
		if math.IsNaN(v) {
			nothing++
		}
	}
	require.InDelta(t, drawings/4, nothing, 100)
	low, high := middle(e.drawn)
	require.InDelta(t, 0.5, *low, 0)
	require.InDelta(t, 0.5, *high, 0)
}

func TestWilson(t *testing.T) {
	t.Parallel()
	within(t, wilson(8, 10), 0.8, 0.4902, 0.9433) // as in the literature
	within(t, wilson(0, 10), 0, 0, 0.2775)
	within(t, wilson(10, 10), 1, 0.7225, 1)
}

func TestDifferencesArePaired(t *testing.T) {
	t.Parallel()
	d := newDraws(10)
	den := []int{4, 4, 4, 4, 4, 4, 4, 4, 4, 4}
	a := d.share([]int{0, 4, 0, 4, 0, 4, 0, 4, 0, 4}, den)
	within(t, less(a, a), 0, 0, 0)
	b := d.share([]int{1, 3, 1, 3, 1, 3, 1, 3, 1, 3}, den)
	// Worse on half of the repositories and better on the others by as much.
	within(t, less(b, a), 0, -0.15, 0.15)
	require.Equal(t, Estimate{}, less(a, Estimate{}))
	one := d.share([]int{1, 0, 0, 0, 0, 0, 0, 0, 0, 0}, []int{2, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	require.Nil(t, less(one, one).Low)
}

func TestQuantileAndMedian(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2.5, quantile([]float64{1, 2, 3, 4}, 0.5), 0)
	require.InDelta(t, 1.75, quantile([]float64{1, 2, 3, 4}, 0.25), 0)
	require.InDelta(t, 4, quantile([]float64{1, 2, 3, 4}, 1), 0)
	require.InDelta(t, 7, quantile([]float64{7}, 0.3), 0)
	require.InDelta(t, 3, medianOf([]int{9, 3, 1}), 0)
	require.InDelta(t, 2.5, medianOf([]int{4, 1, 2, 3}), 0)
	require.True(t, math.IsNaN(medianOf(nil)))
}

func TestTheSameDrawsAlways(t *testing.T) {
	t.Parallel()
	d := newDraws(7)
	require.Equal(t, d, newDraws(7))
	for _, w := range d {
		require.Equal(t, 7, sum(w))
	}
}
