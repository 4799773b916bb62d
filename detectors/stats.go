package detectors

import (
	"math"
	"slices"
)

// madToSigma makes a median absolute deviation the standard deviation of a Gaussian.
const madToSigma = 1.4826

// numbers is room for the statistics of one window, so that none is allocated.
type numbers struct {
	v [window]float64
	n int
}

func (b *numbers) reset() *numbers { b.n = 0; return b }

func (b *numbers) add(x float64) {
	b.v[b.n] = x
	b.n++
}

// median returns the median of what was added, and leaves it sorted; NaN of nothing.
func (b *numbers) median() float64 {
	if b.n == 0 {
		return math.NaN()
	}
	v := b.v[:b.n]
	slices.Sort(v)
	if b.n%2 == 1 {
		return v[b.n/2]
	}
	return v[b.n/2-1]/2 + v[b.n/2]/2
}

// sigma returns the standard deviation by the median absolute deviation from centre.
func (b *numbers) sigma(centre float64) float64 {
	for i := range b.n {
		b.v[i] = math.Abs(b.v[i] - centre)
	}
	return madToSigma * b.median()
}

// noise estimates the standard deviation of what is left of a series when its trend is
// taken out: from the second differences, in which a straight line vanishes and white
// noise has a variance of six. It returns 0 for fewer than four points.
func noise(p []point) float64 {
	if len(p) < 4 {
		return 0
	}
	var b numbers
	for i := 2; i < len(p); i++ {
		b.add(p[i].y - 2*p[i-1].y + p[i-2].y)
	}
	return b.sigma(0) / math.Sqrt(6)
}

// mean returns the mean of points; NaN of none.
func mean(p []point) float64 {
	sum := 0.0
	for _, q := range p {
		sum += q.y
	}
	return sum / float64(len(p))
}

// median3 returns the middle one of three.
func median3(a, b, c float64) float64 { return max(min(a, b), min(max(a, b), c)) }
