package detectors

import "math"

// madToSigma makes a median absolute deviation the standard deviation of a Gaussian.
const madToSigma = 1.4826

// numbers is room for the statistics of one window, so that none is allocated.
type numbers struct {
	v [window]float64
	n int
}

func (b *numbers) add(x float64) {
	b.v[b.n] = x
	b.n++
}

// median returns the median of what was added, in another order afterwards; NaN of
// nothing.
func (b *numbers) median() float64 {
	if b.n == 0 {
		return math.NaN()
	}
	v := b.v[:b.n]
	hi := nth(v, b.n/2)
	if b.n%2 == 1 {
		return hi
	}
	lo := v[0]
	for _, x := range v[:b.n/2] {
		lo = max(lo, x)
	}
	return lo/2 + hi/2
}

// nth returns the k-th smallest of v and puts the smaller ones before it.
func nth(v []float64, k int) float64 {
	lo, hi := 0, len(v)-1
	for lo < hi {
		pivot := median3(v[lo], v[(lo+hi)/2], v[hi])
		i, j := lo, hi
		for i <= j {
			for v[i] < pivot {
				i++
			}
			for v[j] > pivot {
				j--
			}
			if i <= j {
				v[i], v[j] = v[j], v[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			hi = j
		case k >= i:
			lo = i
		default:
			return v[k]
		}
	}
	return v[k]
}

// noise estimates the standard deviation of what is left of a series when its trend is
// taken out: from second differences, in which a straight line vanishes and white noise
// has a variance of six, by their median absolute value, which a few jumps do not move.
// With enough points it looks at longer distances too and takes the largest: noise that
// wanders looks small from one epoch to the next. It returns 0 for fewer than 4 points.
func noise(p []point) float64 {
	sigma := 0.0
	for _, lag := range [...]int{1, 2, 4} {
		if len(p) < 4 || lag > 1 && len(p) < 8*lag {
			break
		}
		var b numbers
		for i := 2 * lag; i < len(p); i++ {
			b.add(math.Abs(p[i].y - 2*p[i-lag].y + p[i-2*lag].y))
		}
		sigma = max(sigma, madToSigma/math.Sqrt(6)*b.median())
	}
	return sigma
}

// mean returns the mean of points; NaN of none.
func mean(p []point) float64 {
	sum := 0.0
	for _, q := range p {
		sum += q.y / float64(len(p))
	}
	if len(p) == 0 {
		return math.NaN()
	}
	return sum
}

// median3 returns the middle one of three.
func median3(a, b, c float64) float64 { return max(min(a, b), min(max(a, b), c)) }
