package notice

import (
	"math"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/sql/store"
)

func draw(values ...float64) Curve {
	var epochs []store.Epoch
	for i, v := range values {
		epochs = append(epochs, store.Epoch{Epoch: i, Metrics: map[string]float64{"loss": v}})
	}
	return metricSeries(epochs, "loss").curve("loss", 2, nil, Pair)
}

func TestSpark(t *testing.T) {
	t.Parallel()
	require.Equal(t, "▁▂▃▄▅▆▇█", draw(0, 1, 2, 3, 4, 5, 6, 7).Spark)
	require.Equal(t, "▄▄▄", draw(5, 5, 5).Spark, "a constant stands in the middle")
	require.Equal(t, "█▁×", draw(2, 1, math.NaN()).Spark, "NaN is seen")
	require.Equal(t, "××", draw(math.Inf(1), math.NaN()).Spark)
	c := draw(1, 10, 100, 1000)
	require.True(t, c.Log)
	require.Equal(t, "▁▃▆█", c.Spark, "decades are even steps")
	require.False(t, draw(-1, 10, 1000).Log, "no logarithm of what is below 0")
	require.Equal(t, 2, c.Mark)
	require.Equal(t, -1, draw(1, 2).Mark, "an onset that is not there is not marked")
}

func TestACurveBeginsNearTheOnset(t *testing.T) {
	t.Parallel()
	var epochs []store.Epoch
	for i := range 30 {
		epochs = append(epochs, store.Epoch{Epoch: i + 1, Metrics: map[string]float64{"loss": 100 / float64(i+1)}})
	}
	s := metricSeries(epochs, "loss")
	c := s.curve("loss", 28, new(29), Pair)
	require.Equal(t, 20, c.From, "two values from the onset on, eight before")
	require.Equal(t, 8, c.Mark)
	require.Equal(t, 9, c.End)
	require.Equal(t, 1, s.curve("loss", 12, nil, Pair).From, "a finding that is old is seen with all before it")
}

func TestSparkShowsOneBadEpochAmongMany(t *testing.T) {
	t.Parallel()
	values := make([]float64, 1000)
	for i := range values {
		values[i] = float64(i)
	}
	values[500] = math.NaN()
	require.Contains(t, draw(values...).Spark, "×")
}

func TestSparkHoldsForAnySeries(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.Float64(), 1, 200).Draw(t, "values")
		c := draw(values...)
		// The onset is epoch 2, so nothing is left out before it.
		require.Equal(t, min(len(values), sparkWidth), utf8.RuneCountInString(c.Spark))
		require.Less(t, c.Mark, sparkWidth)
		if len(values) > 2 {
			require.Equal(t, 2*min(len(values), sparkWidth)/len(values), c.Mark)
		}
	})
}
