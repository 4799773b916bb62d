package rules

import (
	"cmp"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
)

// function is one that an expression may call: with the name of a metric, and where last
// is not 0 with how many of its last values are meant, from least to detectors.Recent.
type function struct {
	last     int // least number of values; 0: it takes none
	optional bool
	yes      bool // it says yes or no, not a number
	of       func(h *detectors.History, last []float64) float64
}

// functions are all of them. last holds the values asked for, oldest first, or is nil
// when there are fewer: the answer is then not a number.
var functions = map[string]function{
	"last":  {of: func(h *detectors.History, _ []float64) float64 { return h.Last() }},
	"first": {of: func(h *detectors.History, _ []float64) float64 { return h.First() }},
	"best": {of: func(h *detectors.History, _ []float64) float64 {
		best, _ := h.Best()
		return best
	}},
	"since_best": {of: func(h *detectors.History, _ []float64) float64 {
		_, ago := h.Best()
		return ago
	}},
	"noise": {of: func(h *detectors.History, _ []float64) float64 { return h.Noise() }},
	"has":   {yes: true, of: func(h *detectors.History, _ []float64) float64 { return truth(h.Here()) }},
	"is_nan": {yes: true, of: func(h *detectors.History, _ []float64) float64 {
		return truth(h.Here() && (math.IsNaN(h.Last()) || math.IsInf(h.Last(), 0)))
	}},
	"min": {last: 1, optional: true, of: func(h *detectors.History, last []float64) float64 {
		if last == nil {
			return h.Min()
		}
		return slices.Min(last)
	}},
	"max": {last: 1, optional: true, of: func(h *detectors.History, last []float64) float64 {
		if last == nil {
			return h.Max()
		}
		return slices.Max(last)
	}},
	"mean":   {last: 1, of: func(_ *detectors.History, last []float64) float64 { return mean(last) }},
	"median": {last: 1, of: func(_ *detectors.History, last []float64) float64 { return median(last) }},
	"std":    {last: 2, of: func(_ *detectors.History, last []float64) float64 { return std(last) }},
	"slope":  {last: 2, of: func(_ *detectors.History, last []float64) float64 { return slope(last) }},
	"change": {last: 2, of: func(_ *detectors.History, last []float64) float64 {
		return (last[len(last)-1] - last[0]) / math.Abs(last[0])
	}},
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func mean(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x / float64(len(v))
	}
	return sum
}

func median(v []float64) float64 {
	slices.SortFunc(v, cmp.Compare[float64])
	return v[(len(v)-1)/2]/2 + v[len(v)/2]/2
}

// std is the standard deviation of a sample.
func std(v []float64) float64 {
	m, sum := mean(v), 0.0
	for _, x := range v {
		sum += (x - m) * (x - m) / float64(len(v)-1)
	}
	return math.Sqrt(sum)
}

// slope is that of a straight line through the values, per value.
func slope(v []float64) float64 {
	mid := float64(len(v)-1) / 2
	sxy, sxx := 0.0, 0.0
	for i, y := range v {
		x := float64(i) - mid
		sxy += x * y
		sxx += x * x
	}
	return sxy / sxx
}

// term is a call as it stands in an expression: its value is worked out before the
// expression is, once an epoch, and stands in the evidence of the finding.
type term struct {
	text   string // as in mean(val_loss, 5)
	key    string // its name among the variables
	metric string
	n      int // 0: none given
	f      function
}

func (t *term) value(v detectors.View) float64 {
	h := v.History(t.metric)
	if t.n == 0 {
		return t.f.of(h, nil)
	}
	var room [detectors.Recent]float64
	last := room[:t.n]
	if !h.Values(last) {
		return math.NaN()
	}
	return t.f.of(h, last)
}
