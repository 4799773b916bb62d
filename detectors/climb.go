package detectors

import "math"

// climb is what a series says about having left its best for good.
type climb struct {
	ok    bool    // there is enough to judge
	level float64 // the best, each point read as the median of it and its neighbours
	best  int     // index of the point at that level
	raw   int     // index of the lowest single point
	after int     // points after best
	noise float64 // standard deviation of a point around the trend
	rise  float64 // mean of the last points above level: three, of long histories an eighth
	share float64 // of the points after best, those above level
	limit float64 // what sets the bar for this run's length; see bar
	span  float64 // highest point less lowest
}

// climbOf reads a series. It compares with a best that one lucky epoch cannot set, and
// leaves out the costly estimate of the noise while nothing rises.
func climbOf(s *series) climb {
	p := s.all()
	n := len(p)
	if n < 5 {
		return climb{}
	}
	c := climb{limit: bar(s.count)}
	lowest, highest := p[0].y, p[0].y
	c.level = p[0].y
	for i := range n - 1 {
		y := p[i].y
		if i > 0 {
			y = median3(p[i-1].y, y, p[i+1].y)
		}
		if y < c.level {
			c.level, c.best = y, i
		}
		if p[i].y < p[c.raw].y {
			c.raw = i
		}
		lowest, highest = min(lowest, p[i].y), max(highest, p[i].y)
	}
	last := p[n-1].y
	if last < p[c.raw].y {
		c.raw = n - 1
	}
	c.span = max(highest, last) - min(lowest, last)
	c.after = n - 1 - c.best
	if c.after < 3 {
		return c
	}
	above := 0
	for _, q := range p[c.best+1:] {
		if q.y > c.level {
			above++
		}
	}
	c.share = float64(above) / float64(c.after)
	c.rise = mean(p[max(c.best+1, n-max(3, n/8)):]) - c.level
	if c.rise <= 0 || c.share < 0.5 {
		return c
	}
	// Below this a rise is a matter of printed digits, not of training.
	c.noise = max(noise(settledPart(p, c.level)), 1e-4*c.span, 1e-9*math.Abs(c.level))
	c.ok = c.noise > 0
	return c
}

// settledPart leaves out the first descent, down to where a quarter of it is left: its
// bend is no noise. It leaves at least 16 points.
func settledPart(p []point, level float64) []point {
	mark := level + (p[0].y-level)/4
	i := 0
	for i < len(p)-16 && p[i].y > mark {
		i++
	}
	return p[i:]
}

// z is the rise in units of the noise.
func (c *climb) z() float64 {
	if !c.ok {
		return 0
	}
	return c.rise / c.noise
}

// bar is what a threshold in units of the noise grows by as a run gets longer: the best
// of many epochs is ever luckier, and the question is asked ever again. Up to 12 epochs
// it is 0; it grows by 0.7 with each factor e, to 4.7 at 10,000.
func bar(epochs int) float64 {
	return math.Log(max(1, float64(epochs)/12))
}
