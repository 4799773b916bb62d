package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// short writes a number for people: four significant digits.
func short(v float64) string {
	if !contract.Number(v).Finite() {
		return contract.Number(v).String()
	}
	return fmt.Sprintf("%.4g", v)
}

// point is one epoch of a curve.
type point struct {
	epoch   int
	metrics map[string]contract.Number
}

var levels = []rune("▁▂▃▄▅▆▇█")

// columns puts n points into at most width columns and returns the first point of each.
func columns(n, width int) []int {
	width = min(n, width)
	out := make([]int, width)
	for i := range out {
		out[i] = i * n / width
	}
	return out
}

// spark draws a series in one line; × stands for what is not finite, a blank for what is
// missing. Several epochs in one column show their mean.
func spark(v []float64, starts []int) string {
	cells := make([]float64, len(starts))
	low, high := math.Inf(1), math.Inf(-1)
	for i, from := range starts {
		to := len(v)
		if i+1 < len(starts) {
			to = starts[i+1]
		}
		cells[i] = meanOf(v[from:to])
		if contract.Number(cells[i]).Finite() {
			low, high = min(low, cells[i]), max(high, cells[i])
		}
	}
	var b strings.Builder
	for _, c := range cells {
		switch {
		case math.IsNaN(c):
			b.WriteRune(' ')
		case math.IsInf(c, 0):
			b.WriteRune('×')
		case high == low:
			b.WriteRune(levels[0])
		default:
			// Halves first: the difference of two huge values overflows.
			share := (c/2 - low/2) / (high/2 - low/2)
			b.WriteRune(levels[min(int(share*float64(len(levels))), len(levels)-1)])
		}
	}
	return b.String()
}

// missing marks an epoch without the metric, apart from a metric that is NaN.
const missing = -math.MaxFloat64

// meanOf returns the mean of what is there: infinity when one is not finite, NaN when
// nothing is there.
func meanOf(v []float64) float64 {
	sum, n := 0.0, 0
	for _, x := range v {
		switch {
		case x == missing:
		case !contract.Number(x).Finite():
			return math.Inf(1)
		default:
			sum, n = sum+x, n+1
		}
	}
	if n == 0 {
		return math.NaN()
	}
	return sum / float64(n)
}

// curves draws the metrics that matter, losses first, with the onset marked.
func (p *page) curves(points []point, onset *int, rates []float64) {
	if len(points) < 2 {
		return
	}
	names := metricNames(points)
	wide := len("learning rate")
	for _, n := range names {
		wide = max(wide, len([]rune(n)))
	}
	wide = min(wide, 22)
	room := max(p.o.Width-wide-26, 8)
	starts := columns(len(points), room)
	for _, name := range names {
		v := make([]float64, len(points))
		for i, pt := range points {
			v[i] = missing
			if x, ok := pt.metrics[name]; ok {
				v[i] = float64(x)
			}
		}
		p.curve(name, wide, v, starts)
	}
	if changes(rates) {
		p.curve("learning rate", wide, rates, starts)
	}
	p.marker(points, starts, wide, onset)
}

func (p *page) curve(name string, wide int, v []float64, starts []int) {
	there := slices.DeleteFunc(slices.Clone(v), func(x float64) bool { return x == missing })
	if len(there) == 0 {
		return
	}
	if r := []rune(name); len(r) > wide {
		name = string(r[:wide-1]) + "…"
	}
	p.line("  %-*s %s  %s → %s", wide, name, spark(v, starts), short(there[0]), short(there[len(there)-1]))
}

// marker points at the onset below the curves, and says the epochs at the ends.
func (p *page) marker(points []point, starts []int, wide int, onset *int) {
	first, last := points[0].epoch, points[len(points)-1].epoch
	pad := strings.Repeat(" ", wide+3)
	if onset == nil || *onset < first || *onset > last {
		p.line("%s%s", pad, p.paint(dim, fmt.Sprintf("epochs %d to %d", first, last)))
		return
	}
	at := 0
	for i, s := range starts {
		if points[s].epoch <= *onset {
			at = i
		}
	}
	p.line("%s%s%s %s", pad, strings.Repeat(" ", at), p.paint(bold, "▲"), p.paint(bold, fmt.Sprintf("epoch %d", *onset))+p.paint(dim, fmt.Sprintf(" of %d to %d", first, last)))
}

func changes(v []float64) bool {
	for i := 1; i < len(v); i++ {
		if v[i] != v[i-1] && v[i] != missing && v[i-1] != missing {
			return true
		}
	}
	return false
}

// metricNames returns at most six names: loss and val_loss, then accuracies, then others.
func metricNames(points []point) []string {
	seen := map[string]bool{}
	for _, pt := range points {
		for name := range pt.metrics {
			seen[name] = true
		}
	}
	names := sortedKeys(seen)
	rank := func(n string) int {
		switch base := strings.TrimPrefix(n, "val_"); {
		case base == "loss":
			return 0
		case strings.Contains(base, "acc"):
			return 1
		case strings.Contains(base, "loss"):
			return 2
		}
		return 3
	}
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return names[:min(len(names), 6)]
}
