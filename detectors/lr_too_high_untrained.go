package detectors

import "math"

// aboveUntrained reports whether the loss says that the model is worse than an untrained one.
// tail are the last epochs at the present rate. A sound rate does not get there: its first
// epoch may begin at the untrained model's loss and can only fall from it.
func (l *lrTooHigh) aboveUntrained(r *run, tail []point, d *decision) bool {
	if !(r.untrained > 0) || len(tail) == 0 {
		return false
	}
	level, trust := l.reference(r)
	n := len(tail)
	highest, at := tail[0].y, 0
	for i, p := range tail {
		if p.y > highest {
			highest, at = p.y, i
		}
	}
	last := tail[max(0, n-3):]
	falling := n >= 3 && last[0].y > last[1].y && last[1].y > last[2].y
	switch {
	case n == 1 && trust < l.untrained && tail[0].y > 2*trust*level,
		n == 2 && min(tail[0].y, tail[1].y) > 2*trust*level:
		d.severity, d.confidence = SeverityCritical, 0.9
		d.reason, d.onset = "thrown", int(tail[0].epoch)
	case n >= 3 && lowest(last) > l.untrained*r.untrained && (!falling || lowest(last) > 2*trust*level):
		// A loss that falls from near there may be a sound one whose first batch was kind.
		d.severity, d.reason, d.onset = SeverityWarning, "above_untrained", int(last[0].epoch)
		if lowest(last) > 2*r.untrained {
			d.severity, d.confidence = SeverityCritical, 0.95
		}
	case n >= 3 && highest > trust*level && lowest(last) > backAtUntrained*level && !falling:
		d.severity, d.confidence = SeverityCritical, 0.85
		d.reason, d.onset = "thrown", int(tail[at].epoch)
	default:
		return false
	}
	d.with("untrained", level)
	d.with("highest", highest)
	return true
}

// backAtUntrained is the share of the untrained model's loss above which nothing was learned.
const backAtUntrained = 0.95

// reference returns the loss of the untrained model, and the factor above which a loss is
// surely more than that. The first batch tells it, and one batch of a regression is off by up
// to half, so that what else is known of it is used: the loss of guessing every class alike
// where that is near; the mean square of the targets, which is that of answering 0, where they
// were seen.
func (l *lrTooHigh) reference(r *run) (level, trust float64) {
	f := r.now.facts
	if c := f.chanceLoss(); isFinite(c) && r.untrained < 1.5*c {
		return max(r.untrained, c), l.thrown
	}
	if f != nil && f.loss == lossMSE && isFinite(f.y.mean) && isFinite(f.y.std) {
		if square := f.y.mean*f.y.mean + f.y.std*f.y.std; square > 0 {
			return max(r.untrained, square), l.thrown
		}
	}
	return r.untrained, max(l.untrained, l.thrown)
}

func lowest(p []point) float64 {
	y := math.Inf(1)
	for _, q := range p {
		y = min(y, q.y)
	}
	return y
}
