package detectors

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestMedianIsThatOfSorting(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e290, 1e290), rapid.Float64Range(0, 3), rapid.Just(1.0)), 1, window).Draw(t, "v")
		var b numbers
		for _, x := range v {
			b.add(x)
		}
		s := slices.Sorted(slices.Values(v))
		want := s[len(s)/2]
		if len(s)%2 == 0 {
			want = s[len(s)/2-1]/2 + want/2
		}
		if got := b.median(); got != want {
			t.Fatalf("%v, not %v", got, want)
		}
	})
	var none numbers
	require.True(t, math.IsNaN(none.median()))
}

func TestNoiseDoesNotSeeATrend(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	line, noisy := make([]point, window), make([]point, window)
	sum := 0.0
	for range 200 {
		for i := range window {
			line[i].y = 3 - 0.01*float64(i)
			noisy[i].y = line[i].y + 0.02*r.NormFloat64()
		}
		require.InDelta(t, 0, noise(line), 1e-12)
		sum += noise(noisy) / 200
	}
	// The largest of three estimates is a little too large.
	require.InDelta(t, 0.0225, sum, 0.0025)
	require.Zero(t, noise(line[:3]))
}

func TestHistorySpansTheWholeRun(t *testing.T) {
	t.Parallel()
	var s series
	for i := range 10_000 {
		s.whole = false
		s.add(i, float64(i))
		p := s.all()
		require.Zero(t, p[0].first)
		require.Less(t, i-int(p[len(p)-1].epoch), s.stride, "epochs are missing at the end")
		for j := 1; j < len(p); j++ {
			require.Equal(t, p[j-1].epoch+1, p[j].first)
		}
		if i > 2*window {
			require.GreaterOrEqual(t, s.n, window/2)
		}
		last := p[len(p)-1]
		require.InDelta(t, float64(last.first+last.epoch)/2, last.y, 1e-6, "a point is not the mean of its epochs")
	}
	require.Equal(t, 256, s.stride)
	require.Equal(t, 10_000, s.count)
}
