package detectors

import (
	"fmt"
	"math"
	"slices"
)

// What a short run leans to. A finding has to be beyond the noise, and a run of a few
// epochs does not show its noise; but who pastes such a log asks what it looks like. So the
// verdict, which alarms nobody, may say so with a low confidence where no finding would.
//
// Measured on the first 6, 8 and 10 epochs of the development corpus: it leans so on 91 % of
// the runs that had begun to overfit and on 11 % of those that stayed healthy; with the
// stronger sign on 82 % and 7 %.
const (
	// leanEpochs is the longest run that leans: later the noise is known.
	leanEpochs = 12
	// leanRise is how far the mean of the last two validation losses lies above the best, and
	// leanFall how far the training loss has fallen since, as shares.
	leanRise, leanFall = 0.02, 0.03
	// leanMore epochs above the best and a fall of leanClear make it the stronger sign.
	leanMore, leanClear = 3, 0.1
)

// leaning returns what a short run looks like that no finding holds of.
func (m *Monitor) leaning() (Verdict, bool) {
	r := &m.live.run
	train, val := r.s[trainLoss].lasts(), r.s[valLoss].lasts()
	n := len(val)
	if n < 3 || n > leanEpochs || r.s[valLoss].count != n || r.s[trainLoss].count != n || r.now.bad != 0 {
		return Verdict{}, false
	}
	best := 0
	for i, p := range val {
		if p.y < val[best].y {
			best = i
		}
	}
	after := n - 1 - best
	if after < 2 || slices.ContainsFunc(val[best+1:], func(p point) bool { return p.y <= val[best].y }) {
		return Verdict{}, false
	}
	level, then, now := val[best].y, train[best].y, mean(train[n-2:])
	rise, fall := mean(val[n-2:])-level, then-now
	if rise < leanRise*math.Abs(level) || fall < leanFall*math.Abs(then) {
		return Verdict{}, false
	}
	v := Verdict{
		Kind: KindOverfitting, Confidence: 0.55, Advice: slices.Clone(overfittingDetector.spec.Advice),
		Summary: fmt.Sprintf("It looks like overfitting, but %d epochs are few: %s has been above its best, %.4g of epoch %d, for %s (now %.4g) while %s went on falling, by %.0f %%.",
			n, r.name(valLoss), level, val[best].epoch, count(after, "epoch"), val[n-1].y, r.name(trainLoss), 100*fall/math.Abs(then)),
	}
	if after >= leanMore && fall >= leanClear*math.Abs(then) {
		v.Confidence = 0.65
	}
	return v, true
}
