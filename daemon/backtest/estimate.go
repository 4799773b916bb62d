package backtest

import (
	"math"
	"math/rand/v2"
	"slices"
)

// Estimate is a figure with the interval that 95 of 100 such samples of repositories
// would put it in; see the package documentation.
type Estimate struct {
	// Value is Count of Of, or for a delay the median; nil where there is nothing to
	// measure it on.
	Value *float64 `json:"value"`
	// Low and High are nil where fewer than two repositories have a say, and for a rate of
	// 0 that is no share.
	Low   *float64 `json:"low"`
	High  *float64 `json:"high"`
	Count int      `json:"count"`
	Of    int      `json:"of"`

	drawn  []float64 // the figure of each draw, NaN where there was nothing to measure
	having int       // repositories that have a say
}

const (
	drawings = 2000
	seed     = 1
	tail     = 0.025 // left out on either side
	z95      = 1.959963984540054
)

// draws are how often each repository stands in each of the samples drawn.
type draws [][]int

// newDraws draws samples of as many repositories as there are. The same number gives the
// same samples.
func newDraws(repositories int) draws {
	r := rand.New(rand.NewPCG(seed, uint64(repositories)))
	d := make(draws, drawings)
	for i := range d {
		d[i] = make([]int, repositories)
		for range repositories {
			d[i][r.IntN(repositories)]++
		}
	}
	return d
}

// share estimates Σnum / Σden, given by repository, where each of den is or is not one of
// num.
func (d draws) share(num, den []int) Estimate {
	e := d.rate(num, den, 1)
	n := float64(e.having)
	switch {
	case n < 2:
	case e.Count == 0:
		e.Low, e.High = new(0.0), new(z95*z95/(n+z95*z95))
	case e.Count == e.Of:
		e.Low, e.High = new(n/(n+z95*z95)), new(1.0)
	}
	return e
}

// rate estimates per · Σnum / Σden, given by repository.
func (d draws) rate(num, den []int, per float64) Estimate {
	e := Estimate{Count: sum(num), Of: sum(den), drawn: make([]float64, len(d)), having: having(den)}
	if e.Of == 0 {
		return Estimate{}
	}
	e.Value = new(per * float64(e.Count) / float64(e.Of))
	for i, w := range d {
		n, of := 0, 0
		for r, times := range w {
			n += times * num[r]
			of += times * den[r]
		}
		e.drawn[i] = per * float64(n) / float64(of) // NaN where there was nothing
	}
	if e.having > 1 && e.Count > 0 {
		e.Low, e.High = middle(e.drawn)
	}
	return e
}

// having returns how many repositories have a say.
func having(den []int) int {
	n := 0
	for _, x := range den {
		n += min(x, 1)
	}
	return n
}

// median estimates the median of values given by repository.
func (d draws) median(values [][]int) Estimate {
	var all []int
	of := make([]int, len(values))
	for r, v := range values {
		all = append(all, v...)
		of[r] = len(v)
	}
	if len(all) == 0 {
		return Estimate{}
	}
	e := Estimate{Value: new(medianOf(all)), Count: len(all), Of: len(all), drawn: make([]float64, len(d)), having: having(of)}
	for i, w := range d {
		all = all[:0]
		for r, times := range w {
			for range times {
				all = append(all, values[r]...)
			}
		}
		e.drawn[i] = medianOf(all)
	}
	if e.having > 1 {
		e.Low, e.High = middle(e.drawn)
	}
	return e
}

// less estimates by how much b is above a, both of the same draws. It has no Count.
func less(b, a Estimate) Estimate {
	if a.Value == nil || b.Value == nil {
		return Estimate{}
	}
	e := Estimate{Value: new(*b.Value - *a.Value), drawn: make([]float64, len(a.drawn))}
	for i := range e.drawn {
		e.drawn[i] = b.drawn[i] - a.drawn[i]
	}
	if min(a.having, b.having) > 1 {
		e.Low, e.High = middle(e.drawn)
	}
	return e
}

// middle returns the bounds of the middle 95 % of those that are numbers.
func middle(drawn []float64) (low, high *float64) {
	v := slices.DeleteFunc(slices.Clone(drawn), math.IsNaN)
	if len(v) == 0 {
		return nil, nil
	}
	slices.Sort(v)
	return new(quantile(v, tail)), new(quantile(v, 1-tail))
}

// quantile interpolates between the sorted values beside it.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// medianOf returns the middle value, the mean of the two middle ones of an even number,
// and NaN of none. It sorts.
func medianOf(v []int) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	slices.Sort(v)
	n := len(v)
	return float64(v[(n-1)/2]+v[n/2]) / 2
}

func sum(v []int) int {
	n := 0
	for _, x := range v {
		n += x
	}
	return n
}

// wilson estimates a share of independent trials.
func wilson(count, of int) Estimate {
	if of == 0 {
		return Estimate{}
	}
	n, p := float64(of), float64(count)/float64(of)
	mid := (p + z95*z95/(2*n)) / (1 + z95*z95/n)
	half := z95 / (1 + z95*z95/n) * math.Sqrt(p*(1-p)/n+z95*z95/(4*n*n))
	return Estimate{Value: new(p), Low: new(max(0, mid-half)), High: new(min(1, mid+half)), Count: count, Of: of}
}
