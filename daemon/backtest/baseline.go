package backtest

import (
	"math"

	"github.com/epochwatch/epochwatch/detectors"
)

// Baseline is a plain rule of others that looks at the validation loss. All of them are
// held against the labels of overfitting, which is what their users take them for.
type Baseline struct {
	Name string
	Doc  string // what it is, in one line
	// fire returns the index of the epoch at which the rule first speaks, -1 when never.
	fire func(loss, val []float64) int
}

// Baselines returns the rules, in the order in which they are shown.
func Baselines() []Baseline {
	return []Baseline{
		{"EarlyStopping", "val_loss has not improved for 5 epochs: Keras' EarlyStopping(patience=5)", earlyStopping},
		{"two rises", "val_loss rose two epochs in a row", func(_, val []float64) int { return rises(val, 2) }},
		{"one rise", "val_loss rose and loss did not, from one epoch to the next: UMLAUT", umlaut},
		{"gap 0.1", "val_loss is more than 10 % of loss above it: SageMaker Debugger's Overfit", gapRatio},
		{"10 % above best", "val_loss is more than 10 % above its minimum so far: epokio", aboveBest},
	}
}

// fired runs a rule over a curve. An epoch without a value is one that the rule did not
// see, as in Keras, which skips it.
func (b *Baseline) fired(c *Curve) int {
	var loss, val []float64
	var index []int
	for i, e := range c.Epochs {
		v, ok := e.Metrics["val_loss"]
		if !ok {
			continue
		}
		l, ok := e.Metrics["loss"]
		if !ok {
			l = math.NaN()
		}
		loss, val, index = append(loss, l), append(val, v), append(index, i)
	}
	if at := b.fire(loss, val); at >= 0 {
		return index[at]
	}
	return -1
}

func earlyStopping(_, val []float64) int {
	best, wait := 0.0, 0
	for i, v := range val {
		wait++
		if i == 0 || v < best { // a NaN that comes first is the best for ever, as in Keras
			best, wait = v, 0
		}
		if wait >= 5 {
			return i
		}
	}
	return -1
}

// rises returns where a series has risen n times in a row.
func rises(y []float64, n int) int {
	run := 0
	for i := 1; i < len(y); i++ {
		if y[i] > y[i-1] {
			run++
		} else {
			run = 0
		}
		if run == n {
			return i
		}
	}
	return -1
}

func umlaut(loss, val []float64) int {
	for i := 1; i < len(val); i++ {
		if val[i] > val[i-1] && loss[i] <= loss[i-1] {
			return i
		}
	}
	return -1
}

func gapRatio(loss, val []float64) int {
	for i := range val {
		if val[i]-loss[i] > 0.1*math.Abs(loss[i]) {
			return i
		}
	}
	return -1
}

func aboveBest(_, val []float64) int {
	best := math.Inf(1)
	for i, v := range val {
		if v < best {
			best = v
		}
		if v-best > 0.1*math.Abs(best) { // not before there is one: x - Inf is below 0 or no number
			return i
		}
	}
	return -1
}

// answers is the kind whose labels the baselines are held against.
const answers = detectors.KindOverfitting
