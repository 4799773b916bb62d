package control

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// judgeEpochs is how many epochs after a cut are looked at. Their median forgives
	// one odd epoch.
	judgeEpochs = 3
	// lookBack is how many epochs before a cut say where the curve was heading.
	lookBack = 6
	// leastChange is the relative change of a loss below which nothing is claimed.
	leastChange = 0.01
)

// forecast is where a curve was heading when a cut was decided. It is kept with the
// command, so that the judgement does not change with what is known later.
type forecast struct {
	Metric string          `json:"metric"`
	Level  contract.Number `json:"level"`  // expected of the epochs after the cut
	Before contract.Number `json:"before"` // median of the epochs before it
	Noise  contract.Number `json:"noise"`  // standard deviation of one epoch
	From   int             `json:"from"`   // epochs it rests on
	// Judged is what came after the command, once its effect was told.
	Judged *judgement `json:"judged,omitempty"`
}

// forecastFrom reads the last epochs: their median, moved on by the trend where the curve
// was falling (a cut has to beat that), and held where it was rising or swinging (no cut
// is praised for what was only extrapolated).
func forecastFrom(recent []detectors.Epoch, metric string) forecast {
	v := tail(recent, metric, lookBack)
	if now, ok := recent[len(recent)-1].Metrics[metric]; ok && !contract.Number(now).Finite() {
		worst := contract.Number(math.Inf(1)) // any number is better than none
		return forecast{Metric: metric, Level: worst, Before: worst, From: len(v)}
	}
	if len(v) == 0 {
		nan := contract.Number(math.NaN())
		return forecast{Metric: metric, Level: nan, Before: nan}
	}
	before, noise := median(v), spread(v)
	level := before
	if half := len(v) / 2; half >= 2 && falling(v) {
		was, is := median(v[:half]), median(v[len(v)-half:])
		level = ahead(was, is, float64(len(v)-half), float64(half+judgeEpochs)/2)
	}
	return forecast{Metric: metric, Level: contract.Number(level), Before: contract.Number(before), Noise: contract.Number(noise), From: len(v)}
}

// falling reports whether a series goes down in all steps but one at most: a swing that
// happens to end low is not heading anywhere.
func falling(v []float64) bool {
	up := 0
	for i := 1; i < len(v); i++ {
		if v[i] >= v[i-1] {
			up++
		}
	}
	return up <= 1 && v[len(v)-1] < v[0]
}

// recovering reports whether the loss has been falling since the last cut took effect:
// what is mending itself is left alone, however far it still has to go.
func recovering(commands []store.Command, recent []detectors.Epoch, metric string) bool {
	for _, cmd := range slices.Backward(commands) {
		if cmd.State != store.CommandApplied || cmd.AppliedEpoch == nil {
			continue
		}
		from := slices.IndexFunc(recent, func(e detectors.Epoch) bool { return e.Epoch >= *cmd.AppliedEpoch })
		if from < 0 {
			return false
		}
		v := tail(recent[from:], metric, judgeEpochs+1)
		return len(v) > 1 && slices.IsSortedFunc(v, func(a, b float64) int { return cmp.Compare(b, a) })
	}
	return false
}

// ahead goes on from was to is, apart by span epochs, for so many more. A positive loss
// falls by a share of itself, anything else by equal steps.
func ahead(was, is, span, more float64) float64 {
	if is > 0 {
		return is * math.Pow(is/was, more/span)
	}
	return is + (is-was)*more/span
}

func (f forecast) encode() []byte {
	b, err := json.Marshal(f)
	if err != nil {
		return nil // contract.Number takes every value: cannot happen
	}
	return b
}

// judge returns the applied commands whose effect can be told now.
func judge(s ingest.Situation) []store.Command {
	var out []store.Command
	for i, cmd := range s.Commands {
		if cmd.State != store.CommandApplied || cmd.AppliedEpoch == nil || cmd.Effect != store.EffectPending && cmd.Effect != "" {
			continue
		}
		end := math.MaxInt
		for _, later := range s.Commands[i+1:] {
			if (later.State == store.CommandApplied || later.State == store.CommandReverted) && later.AppliedEpoch != nil {
				end = *later.AppliedEpoch
				break
			}
		}
		effect, j := effectOf(cmd, s.Recent, end, s.Run.State != store.StateRunning)
		if effect != cmd.Effect {
			cmd.Effect, cmd.Forecast = effect, withJudgement(cmd.Forecast, j)
			out = append(out, cmd)
		}
	}
	return out
}

// effectOf compares the epochs trained with the new rate, up to the next change, with the
// forecast, and returns the numbers beside the effect. It is pending until judgeEpochs have
// ended, or the run has.
func effectOf(cmd store.Command, recent []detectors.Epoch, end int, ended bool) (store.Effect, *judgement) {
	var f forecast
	if err := json.Unmarshal(cmd.Forecast, &f); err != nil || math.IsNaN(float64(f.Level)) {
		return store.EffectNoDifference, nil // nothing to compare with: nothing is claimed
	}
	var after []float64
	before := float64(f.Before)
	for _, e := range recent {
		v, ok := e.Metrics[f.Metric]
		if !ok || e.Epoch >= end {
			continue
		}
		if math.IsNaN(v) {
			v = math.Inf(1) // not a number is as bad as a loss gets
		}
		switch {
		case e.Epoch >= *cmd.AppliedEpoch:
			after = append(after, v)
		case e.Epoch > cmd.DecidedEpoch:
			// Trained with the old rate while the command was on its way: what happened
			// there is not the cut's doing.
			before = max(before, v)
		}
	}
	if len(after) == 0 || len(after) < judgeEpochs && !ended {
		return store.EffectPending, nil
	}
	n := min(len(after), judgeEpochs)
	if math.IsInf(float64(f.Level), 1) {
		n = len(after)
	}
	now := median(after[:n])
	below, above := f.bounds(n, before)
	j := &judgement{After: contract.Number(now), Epochs: n, Below: contract.Number(below), Above: contract.Number(above)}
	switch {
	case now < below:
		return store.EffectHelped, j
	case now > above:
		return store.EffectHurt, j
	}
	return store.EffectNoDifference, j
}

// bounds returns the level below which a median of n epochs after a command has helped, and
// the one above which it has hurt; before is what it was before.
func (f forecast) bounds(n int, before float64) (helped, hurt float64) {
	level, noise := float64(f.Level), float64(f.Noise)
	if math.IsInf(level, 1) {
		return level, level // any number is better than none, and nothing is worse
	}
	// The standard error of the difference of two medians (of n normal values: 1.253 σ/√n).
	margin := max(1.253*noise*math.Sqrt(1/float64(n)+1/float64(max(f.From, 1))), leastChange*math.Abs(level))
	// Hurt is worse than it was, not only than it would have become; and by more than praise
	// takes: a cut that hurts is rare.
	return level - margin, before + 2*margin
}

// tail returns up to n last finite values of a metric.
func tail(recent []detectors.Epoch, metric string, n int) []float64 {
	var v []float64
	for i := len(recent) - 1; i >= 0 && len(v) < n; i-- {
		if x, ok := recent[i].Metrics[metric]; ok && contract.Number(x).Finite() {
			v = append(v, x)
		}
	}
	slices.Reverse(v)
	return v
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	n := len(s)
	if n == 0 {
		return math.NaN()
	}
	return s[(n-1)/2]/2 + s[n/2]/2
}

// spread estimates the standard deviation of one value from the first differences, which
// a slow trend does not touch: 1.4826 × MAD / √2.
func spread(v []float64) float64 { return 1.4826 * stepOf(v) / math.Sqrt2 }

// stepOf is the median step from one value to the next, either way; 0 where there is none.
func stepOf(v []float64) float64 {
	if len(v) < 2 {
		return 0
	}
	steps := make([]float64, 0, len(v)-1)
	for i := 1; i < len(v); i++ {
		steps = append(steps, math.Abs(v[i]-v[i-1]))
	}
	return median(steps)
}
