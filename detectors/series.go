package detectors

import "math"

// window is how many points of a metric's history are held: whole epochs while a run
// has no more than that, means of 2, 4, 8, … epochs later on. The history always spans
// the whole run, so that a rule made for 5 to 50 epochs sees 10,000 at the same
// resolution, and asks itself the same question a number of times that only grows with
// the logarithm of the epochs.
const window = 64

// recent is how many of the last epochs are held one by one.
const recent = 16

// point is one point of a series: the mean of a metric over a block of epochs.
type point struct {
	y     float64
	epoch int32 // of the block's last epoch
	first int32 // of its first
}

// series is the history of one metric: finite values only.
type series struct {
	points [window]point
	n      int // points in use
	stride int // epochs a point is the mean of; 0 before the first
	// The block that is not full yet.
	sum   float64
	in    int
	since int32

	tail [recent]point // the last epochs one by one, oldest first
	t    int
	// count is how many finite values there were; fresh says that the last epoch had
	// one, whole that it filled a point of the history.
	count        int
	fresh, whole bool
}

// huge bounds what a history holds, so that no sum or difference of it overflows.
const huge = 1e290

// add takes the value of an epoch, which must be finite.
func (s *series) add(epoch int, y float64) {
	y = max(-huge, min(huge, y))
	if s.stride == 0 {
		s.stride = 1
	}
	s.count++
	s.fresh = true
	if s.t == recent {
		copy(s.tail[:], s.tail[1:])
		s.t--
	}
	s.tail[s.t] = point{y, int32(epoch), int32(epoch)}
	s.t++
	if s.in == 0 {
		s.since = int32(epoch)
		s.sum = 0
	}
	s.sum += y
	s.in++
	if s.in < s.stride {
		return
	}
	if s.n == window {
		s.halve()
		if s.in < s.stride {
			return
		}
	}
	s.points[s.n] = point{s.sum / float64(s.in), int32(epoch), s.since}
	s.n++
	s.in, s.whole = 0, true
}

// halve joins each two points into one.
func (s *series) halve() {
	for i := range window / 2 {
		a, b := s.points[2*i], s.points[2*i+1]
		s.points[i] = point{a.y/2 + b.y/2, b.epoch, a.first}
	}
	s.n = window / 2
	s.stride *= 2
}

// skip says that the epoch at hand has no value.
func (s *series) skip() { s.fresh, s.whole = false, false }

// all returns the history, oldest first.
func (s *series) all() []point { return s.points[:s.n] }

// lasts returns the last epochs one by one, oldest first.
func (s *series) lasts() []point { return s.tail[:s.t] }

// last returns the value of the last epoch that had one; the series must not be empty.
func (s *series) last() float64 { return s.tail[s.t-1].y }

// lastEpoch returns the number of that epoch.
func (s *series) lastEpoch() int { return int(s.tail[s.t-1].epoch) }

// still returns for how many of the last epochs the value has been the same to six digits,
// 16 at most.
func (s *series) still() int {
	n := 1
	for n < s.t && math.Abs(s.tail[s.t-1-n].y-s.last()) <= 1e-6*math.Abs(s.last()) {
		n++
	}
	return n
}
