package notice

import (
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/sql/store"
)

// sparkWidth is the widest sparkline in characters: with a metric's name before it and two
// numbers behind, a line still fits a telephone held upright.
const sparkWidth = 24

// leadIn is how many epochs before the onset are drawn at least.
const leadIn = 8

// logRange is how far apart the ends of a positive series must be to be drawn on a
// logarithmic scale: a loss that ran away would otherwise flatten what came before.
const logRange = 50

var sparkLevels = []rune("▁▂▃▄▅▆▇█")

// Curve is one series of a run in one line of text.
type Curve struct {
	Name  string
	Spark string // at most sparkWidth characters; × stands for NaN and infinity
	// Heights are the columns of Spark from 0 to 1; NaN where the value is not finite.
	Heights []float64
	// Mark is the column of Spark that holds the onset; -1 when it is out of sight.
	Mark        int
	End         int // the column of the resolution; -1 when it is out of sight
	From        int // the epoch of the first column
	First, Last string
	Log         bool // drawn on a logarithmic scale
}

// series is one metric over the epochs that have it.
type series struct {
	epochs []int
	values []float64
}

func seriesOf(epochs []store.Epoch, value func(store.Epoch) (float64, bool)) series {
	var s series
	for _, e := range epochs {
		if v, ok := value(e); ok {
			s.epochs = append(s.epochs, e.Epoch)
			s.values = append(s.values, v)
		}
	}
	return s
}

func metricSeries(epochs []store.Epoch, name string) series {
	return seriesOf(epochs, func(e store.Epoch) (float64, bool) { v, ok := e.Metrics[name]; return v, ok })
}

// near drops what lies so far before the onset that it would only flatten the rest: kept
// are as many values before the onset as from it on, at least leadIn.
func (s series) near(onset int) series {
	at := 0
	for at < len(s.epochs) && s.epochs[at] < onset {
		at++
	}
	from := max(at-max(len(s.epochs)-at, leadIn), 0)
	return series{epochs: s.epochs[from:], values: s.values[from:]}
}

// at returns the value at an epoch, or at the last one before it.
func (s series) at(epoch int) (float64, bool) {
	for i, e := range slices.Backward(s.epochs) {
		if e <= epoch {
			return s.values[i], true
		}
	}
	return math.NaN(), false
}

// curve draws the series. resolved may be nil.
func (s series) curve(name string, onset int, resolved *int, format func(a, b float64) (string, string)) Curve {
	s = s.near(onset)
	c := Curve{Name: clean(name, 14), Mark: -1, End: -1, From: s.epochs[0]}
	cols := columns(s.values, sparkWidth)
	c.Heights, c.Log = heights(cols)
	c.Spark = spark(c.Heights)
	for i, e := range s.epochs {
		if e == onset {
			c.Mark = i * len(cols) / len(s.values)
		}
		if resolved != nil && e == *resolved {
			c.End = i * len(cols) / len(s.values)
		}
	}
	c.First, c.Last = format(s.values[0], s.values[len(s.values)-1])
	return c
}

// columns takes a series together to at most width values: means, and NaN where any value
// is not finite, because that must be seen.
func columns(values []float64, width int) []float64 {
	if len(values) <= width {
		return values
	}
	out := make([]float64, width)
	for i := range out {
		// The rule by which curve places its mark: value j stands in column j*width/len.
		from := (i*len(values) + width - 1) / width
		to := ((i+1)*len(values) + width - 1) / width
		sum := 0.0
		for _, v := range values[from:to] {
			sum += v / float64(to-from)
		}
		out[i] = sum
	}
	return out
}

// heights puts values between 0 and 1, and says whether on a logarithmic scale.
func heights(values []float64) ([]float64, bool) {
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	scale, onLog := func(v float64) float64 { return v }, low > 0 && high/low > logRange
	if onLog {
		scale = math.Log
	}
	out := make([]float64, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			out[i] = math.NaN()
		case high == low:
			out[i] = 0.45
		default:
			out[i] = (scale(v)/2 - scale(low)/2) / (scale(high)/2 - scale(low)/2) // halves cannot overflow
		}
	}
	return out, onLog
}

// spark draws heights as block characters.
func spark(heights []float64) string {
	var b strings.Builder
	for _, h := range heights {
		if math.IsNaN(h) {
			b.WriteRune('×')
			continue
		}
		b.WriteRune(sparkLevels[int(math.Round(h*float64(len(sparkLevels)-1)))])
	}
	return b.String()
}
