package report

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
)

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

var levels = []rune("▁▂▃▄▅▆▇") // the full block would touch the line above

// grid says which epochs stand in which column: many epochs share one, few get several.
type grid struct {
	starts []int // the first point of each cell
	n      int   // points
	wide   int   // columns a cell
}

// maxStretch is how many columns an epoch gets at most.
const maxStretch = 3

func newGrid(n, width int) grid {
	cells := max(min(n, width), 1)
	g := grid{starts: make([]int, cells), n: n, wide: min(max(width/cells, 1), maxStretch)}
	for i := range g.starts {
		g.starts[i] = i * n / cells
	}
	return g
}

// cells returns the mean of the points of each cell.
func (g grid) cells(v []float64) []float64 {
	out := make([]float64, len(g.starts))
	for i, from := range g.starts {
		to := g.n
		if i+1 < len(g.starts) {
			to = g.starts[i+1]
		}
		out[i] = meanOf(v[from:to])
	}
	return out
}

// cellOf returns the cell in which an epoch stands.
func (g grid) cellOf(points []point, epoch int) int {
	at := 0
	for i, s := range g.starts {
		if points[s].epoch <= epoch {
			at = i
		}
	}
	return at
}

// spark draws cells as bars, each so many columns wide; × stands for what is not finite, a
// blank for what is missing.
func spark(cells []float64, wide int) []string {
	low, high := scale(cells)
	out := make([]string, 0, len(cells))
	for _, c := range cells {
		r := " "
		switch {
		case math.IsNaN(c):
		case math.IsInf(c, 0):
			r = "×"
		case high <= low:
			r = string(levels[0])
		default:
			// Halves first: the difference of two huge values overflows.
			share := min(max((c/2-low/2)/(high/2-low/2), 0), 1)
			r = string(levels[min(int(share*float64(len(levels))), len(levels)-1)])
		}
		out = append(out, strings.Repeat(r, wide))
	}
	return out
}

// scale returns what the lowest and the highest bar stand for. The first fifth of a longer
// curve does not count: the fall in the first epochs would flatten all that comes after.
func scale(cells []float64) (low, high float64) {
	from := 0
	if len(cells) >= 10 {
		from = len(cells) / 5
	}
	for {
		low, high = math.Inf(1), math.Inf(-1)
		for _, c := range cells[from:] {
			if contract.Number(c).Finite() {
				low, high = min(low, c), max(high, c)
			}
		}
		if from == 0 || high > low {
			return low, high
		}
		from = 0
	}
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
	rows := rowsOf(points, rates)
	c := curves{page: p, points: points, onset: -1}
	values := 0
	for i, r := range rows {
		r.name = notice.Clean(r.name, 22)
		rows[i].name = r.name
		c.wide = max(c.wide, utf8.RuneCountInString(r.name))
		values = max(values, utf8.RuneCountInString(r.ends))
	}
	c.grid = newGrid(len(points), max(p.o.Width-c.wide-values-len("  ")-len(" ")-len("  "), 8))
	if onset != nil && *onset >= points[0].epoch && *onset <= points[len(points)-1].epoch {
		c.onset = c.grid.cellOf(points, *onset)
	}
	for _, r := range rows {
		c.row(r)
	}
	c.axis(onset)
}

// row is one metric to draw.
type row struct {
	name string
	v    []float64
	ends string // its first and last value
}

// rateRow is the name of the row that shows the learning rate.
const rateRow = "learning rate"

func rowsOf(points []point, rates []float64) []row {
	var rows []row
	for _, name := range metricNames(points) {
		v := make([]float64, len(points))
		for i, pt := range points {
			v[i] = missing
			if x, ok := pt.metrics[name]; ok {
				v[i] = float64(x)
			}
		}
		rows = append(rows, row{name: name, v: v})
	}
	if changes(rates) {
		rows = append(rows, row{name: rateRow, v: rates})
	}
	for i := range rows {
		there := slices.DeleteFunc(slices.Clone(rows[i].v), func(x float64) bool { return x == missing })
		if len(there) > 0 {
			rows[i].ends = short(there[0]) + " → " + short(there[len(there)-1])
		}
	}
	return rows
}

// curves is the drawing of one run.
type curves struct {
	*page
	points []point
	grid   grid
	wide   int // of the names
	onset  int // cell; -1 if there is none
}

// row draws one metric. From the onset on it is painted.
func (c *curves) row(r row) {
	bars := spark(c.grid.cells(r.v), c.grid.wide)
	drawn := strings.Join(bars, "")
	if c.onset >= 0 {
		drawn = strings.Join(bars[:c.onset], "") + c.paint(yellow, strings.Join(bars[c.onset:], ""))
	}
	c.line("  %-*s %s  %s", c.wide, r.name, drawn, r.ends)
}

// axis points at the onset below the curves, and says the epochs at the ends.
func (c *curves) axis(onset *int) {
	first, last := c.points[0].epoch, c.points[len(c.points)-1].epoch
	pad := strings.Repeat(" ", c.wide+3)
	if c.onset < 0 {
		c.line("%s%s", pad, c.paint(dim, fmt.Sprintf("epochs %d to %d", first, last)))
		return
	}
	mark, of := fmt.Sprintf("▲ epoch %d", *onset), fmt.Sprintf(" of %d to %d", first, last)
	// Near the right edge the words stand to the left of the mark.
	at := c.onset * c.grid.wide
	if text := fmt.Sprintf("epoch %d%s ▲", *onset, of); c.wide+3+at+utf8.RuneCountInString(mark+of) > c.o.Width && at >= len(text) {
		c.line("%s%s%s", pad, strings.Repeat(" ", at+1-utf8.RuneCountInString(text)), c.paint(bold, text))
		return
	}
	c.line("%s%s%s%s", pad, strings.Repeat(" ", at), c.paint(bold, mark), c.paint(dim, of))
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
	names := slices.Sorted(maps.Keys(seen))
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
