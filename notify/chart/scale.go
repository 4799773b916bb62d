package chart

import (
	"math"

	"github.com/epochwatch/epochwatch/notify/notice"
)

// scale puts the values of a panel between two heights.
type scale struct {
	log       bool
	low, high float64 // after the logarithm, when log
	top       int     // in pixels
}

// padding keeps the line off the edges.
const padding = 22

func scaleOf(p Panel, y int) scale {
	s := scale{log: p.Log, low: p.Low, high: p.High, top: y}
	if s.log {
		s.low, s.high = math.Log10(p.Low), math.Log10(p.High)
	}
	return s
}

// y is where a value stands. Halves are taken because the range may be wider than a float
// holds.
func (s scale) y(v float64) int {
	if s.log {
		v = math.Log10(v)
	}
	share := (v/2 - s.low/2) / (s.high/2 - s.low/2)
	return s.top + panelHeight - padding - int(math.Round(min(max(share, 0), 1)*(panelHeight-2*padding)))
}

// ticks are round values within the scale, at most about seven.
func (s scale) ticks() []float64 {
	if s.log {
		step := max(math.Ceil((s.high-s.low)/5), 1)
		var out []float64
		for e := math.Ceil(s.low - 1e-9); e <= s.high+1e-9; e += step {
			out = append(out, math.Pow(10, e))
		}
		return out
	}
	step := nice((s.high/2 - s.low/2) / 2.5)
	if !finite(step) || step <= 0 {
		return nil
	}
	var out []float64
	for i := math.Ceil(s.low / step); i*step <= s.high && len(out) < 12; i++ {
		out = append(out, i*step)
	}
	return out
}

// nice is the next number above v of the form 1, 2 or 5 times a power of ten.
func nice(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, n := range []float64{1, 2, 5} {
		if v <= n*unit*(1+1e-9) {
			return n * unit
		}
	}
	return 10 * unit
}

// short writes a tick: as short as it is.
func short(v float64) string { return notice.Rate(v) }
