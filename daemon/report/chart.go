package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// chart is a picture of one metric of the training and of the validation, in the units of
// diagnosis.html: 640 by 170.
type chart struct {
	Name  string
	Log   bool // the scale is logarithmic
	Above bool // the first epochs stand above the picture
	Lines []chartLine
	Ticks []tick
	Onset *onsetMark
	First int // epoch
	Last  int
}

type chartLine struct {
	Name  string // as Keras names it
	Class string // train or val
	Ends  string
	Path  string
	Dots  []dot // epochs, where there are few
	Lost  []dot // epochs that are NaN or infinite
}

type dot struct{ X, Y string }

type tick struct{ At, Text string }

// onsetMark is where the trouble began, and how far it is from there to the end of the plot; its
// label keeps off the ends.
type onsetMark struct{ At, Width, Label, Text string }

const (
	chartLeft  = 58.  // of the plot: the numbers stand to the left of it
	chartRight = 630. // some room for the last dot
	chartEnd   = 640. // of the grid
	chartTop   = 8.
	chartBase  = 148. // below it the epochs
	maxDots    = 60   // epochs that get a dot each
	maxCharts  = 3    // beside the learning rate
)

// charts draws the metrics that matter: the two sides of each in one picture.
func charts(points []point, rates []float64, onset *int) []chart {
	if len(points) < 2 {
		return nil
	}
	var out []chart
	for _, r := range rowsOf(points, rates) {
		base, val := strings.CutPrefix(r.name, "val_")
		i := slices.IndexFunc(out, func(c chart) bool { return c.Name == base })
		if i < 0 {
			i = len(out)
			out = append(out, chart{Name: base, First: points[0].epoch, Last: points[len(points)-1].epoch})
		}
		class := "train"
		if val {
			class = "val"
		}
		out[i].Lines = append(out[i].Lines, chartLine{Name: r.name, Class: class, Ends: r.ends})
	}
	rate := slices.IndexFunc(out, func(c chart) bool { return c.Name == rateRow })
	if rate >= maxCharts {
		out[maxCharts] = out[rate]
		out = out[:maxCharts+1]
	} else {
		out = out[:min(len(out), maxCharts)]
	}
	rows := map[string][]float64{}
	for _, r := range rowsOf(points, rates) {
		rows[r.name] = r.v
	}
	for i := range out {
		out[i].draw(points, rows, onset)
	}
	return out
}

// draw fills in the picture.
func (c *chart) draw(points []point, rows map[string][]float64, onset *int) {
	y := newScale(c, rows)
	x := func(epoch int) float64 {
		return chartLeft + (chartRight-chartLeft)*float64(epoch-c.First)/float64(max(c.Last-c.First, 1))
	}
	for i := range c.Lines {
		c.Lines[i].draw(points, rows[c.Lines[i].Name], x, y)
	}
	for _, v := range y.ticks() {
		c.Ticks = append(c.Ticks, tick{unit(y.at(v)), short(v)})
	}
	if onset != nil && *onset >= c.First && *onset <= c.Last {
		at := x(*onset)
		c.Onset = &onsetMark{unit(at), unit(chartEnd - at), unit(min(max(at, chartLeft+70), chartRight-90)), fmt.Sprintf("epoch %d", *onset)}
	}
}

// draw makes the path. A metric that is missing in an epoch is bridged, one that is not
// finite breaks the line and is marked at the top.
func (l *chartLine) draw(points []point, v []float64, x func(int) float64, y *yScale) {
	var b strings.Builder
	pen := "M"
	last := math.Inf(-1)
	var low, high float64 // of the epochs that stand on one place
	flush := func() {
		if math.IsInf(last, -1) {
			return
		}
		fmt.Fprintf(&b, "%s%s %s", pen, unit(last), unit(y.at(low)))
		if pen = "L"; high != low {
			fmt.Fprintf(&b, "L%s %s", unit(last), unit(y.at(high)))
		}
	}
	for i, p := range points {
		at := math.Round(x(p.epoch)*2) / 2
		switch {
		case v[i] == missing:
		case !contract.Number(v[i]).Finite():
			flush()
			pen, last = "M", math.Inf(-1)
			if n := len(l.Lost); n == 0 || l.Lost[n-1].X != unit(at) {
				l.Lost = append(l.Lost, dot{unit(at), unit(chartTop + 4)})
			}
		case at == last:
			low, high = min(low, v[i]), max(high, v[i])
		default:
			flush()
			last, low, high = at, v[i], v[i]
		}
		if len(points) <= maxDots && v[i] != missing && contract.Number(v[i]).Finite() && y.inside(v[i]) {
			l.Dots = append(l.Dots, dot{unit(at), unit(y.at(v[i]))})
		}
	}
	flush()
	l.Path = b.String()
}

// yScale says how high a value stands.
type yScale struct {
	low, high float64
	log       bool
}

// steep is how much of the picture the first epochs may take before they are cut off, and
// wide the ratio from which the scale is logarithmic.
const (
	steep = 5.
	wide  = 1000.
)

func newScale(c *chart, rows map[string][]float64) *yScale {
	low, high := math.Inf(1), math.Inf(-1)
	lateLow, lateHigh := low, high
	for _, l := range c.Lines {
		v := rows[l.Name]
		for i, x := range v {
			if x == missing || !contract.Number(x).Finite() {
				continue
			}
			low, high = min(low, x), max(high, x)
			if len(v) >= 10 && i >= len(v)/5 { // as the bars of a terminal are scaled
				lateLow, lateHigh = min(lateLow, x), max(lateHigh, x)
			}
		}
	}
	y := &yScale{low: low, high: high}
	switch {
	case math.IsInf(low, 0):
		y.low, y.high = 0, 1 // nothing finite
	case low > 0 && high/low >= wide:
		y.log, c.Log = true, true
	case lateHigh > lateLow && high-low > steep*(lateHigh-lateLow) && lateLow == low:
		y.high, c.Above = lateHigh+(lateHigh-lateLow)/4, true
	}
	if y.low == y.high {
		room := max(math.Abs(y.low)/10, 1e-12)
		y.low, y.high = y.low-room, y.high+room
	}
	return y
}

// at returns where v stands; above the picture if it is too high.
func (y *yScale) at(v float64) float64 {
	low, high := y.low, y.high
	if y.log {
		v, low, high = math.Log10(v), math.Log10(low), math.Log10(high)
	}
	// Halves first: the difference of two huge values overflows.
	share := (v/2 - low/2) / (high/2 - low/2)
	return chartBase - (chartBase-chartTop)*min(max(share, -2), 2)
}

func (y *yScale) inside(v float64) bool { return v >= y.low && v <= y.high }

// ticks returns the values that are written beside the picture.
func (y *yScale) ticks() []float64 {
	mid := y.low/2 + y.high/2
	if y.log {
		mid = math.Sqrt(y.low) * math.Sqrt(y.high)
	}
	out := []float64{y.low, mid, y.high}
	slices.SortFunc(out, cmp.Compare[float64])
	return slices.Compact(out)
}

// unit writes a coordinate.
func unit(v float64) string { return strings.TrimSuffix(fmt.Sprintf("%.1f", v), ".0") }
