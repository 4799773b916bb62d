package detectors

import (
	"fmt"
	"math"
	"time"
)

var stalledDetector = &detector{
	spec: Spec{
		Kind:     KindStalled,
		Title:    "The run has stopped moving",
		Meaning:  "No epoch has ended for much longer than the slowest of the last ones took, while the daemon was listening. The run has not said that it ended.",
		Severity: SeverityWarning, MinEpochs: 1,
		Params: []Param{
			{
				Name: "factor", Doc: "how many times the slowest of the last 8 epochs to wait", Unit: unitFactor, Default: 6, Min: 1.5, Max: 1000,
				Source: "six times the slowest recent step, as a fleet that was fooled by heartbeats settled on (atomantic/PortOS #1381)",
			},
			{
				Name: "floor", Doc: "never speak up sooner than this", Unit: unitSeconds, Default: 90, Min: 1, Max: 86400,
				Source: "the floor of the same budget; a save of large weights or a full validation fits in",
			},
			{
				Name: "first", Doc: "wait this long for the second epoch, while the usual time is not known", Unit: unitSeconds, Default: 1800, Min: 1, Max: 604800,
				Source: "StalledTrainingRule of SageMaker Debugger",
			},
		},
		Reasons: []Reason{
			{"alive", "the process still gives signs of life, but no epoch ends"},
			{"silent", "nothing at all was heard of the run since"},
		},
		Advice: []string{
			"Look at the process: a data loader that waits (network disk, a dead worker), a device that hangs, a breakpoint.",
			"If the machine slept or the process was suspended, nothing needs to be done.",
		},
		FalseAlarms: "by construction: an epoch six times as long as the slowest of the last eight; none on the healthy runs of the tests",
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		how := "the process still gives signs of life"
		if d.reason == "silent" {
			how = "nothing at all was heard since"
		}
		return fmt.Sprintf("No epoch has ended for %s, where the slowest of the last took %s; %s.",
			span(d.get("waited_seconds")), span(d.get("usual_seconds")), how), usual
	},
}

// stalled knows how long the last epochs took, and since when the run has been heard to
// be at the present one.
type stalled struct {
	factor, floor, first float64
	took                 [8]float64 // seconds of the last epochs
	n                    int
	last                 time.Time // trainer's clock at the last epoch
	waiting              bool      // since is of the present epoch
	since                time.Time // daemon's clock: the epoch had been heard by then
	ended                bool
}

func newStalled(p params) stalled {
	return stalled{factor: p.get("factor"), floor: p.get("floor"), first: p.get("first")}
}

// epoch notes how long an epoch took.
func (s *stalled) epoch(e *Epoch) {
	took := e.Seconds
	if !isFinite(took) && !e.Time.IsZero() && !s.last.IsZero() {
		took = e.Time.Sub(s.last).Seconds()
	}
	if isFinite(took) && took >= 0 {
		s.took[s.n%len(s.took)] = took
		s.n++
	}
	s.last, s.waiting, s.ended = e.Time, false, false
}

// decide compares the wait with what is usual. The wait is counted on the daemon's clock
// alone: the trainer's may be wrong.
func (s *stalled) decide(r *run, c Clock) decision {
	if s.ended || r.n == 0 {
		return decision{}
	}
	if !s.waiting {
		// The epoch was heard no later than the last sign of life.
		s.waiting, s.since = true, c.LastSign
	}
	from := s.since
	if from.Before(c.ListeningSince) {
		from = c.ListeningSince
	}
	usual, limit := 0.0, s.first
	for i := range min(s.n, len(s.took)) {
		usual = math.Max(usual, s.took[i])
	}
	if s.n > 0 {
		limit = math.Max(s.floor, s.factor*usual)
	}
	waited := seconds(from, c.Now)
	if waited <= limit {
		return decision{}
	}
	d := decision{severity: SeverityWarning, onset: r.epoch, reason: "alive", confidence: 0.8}
	if !c.LastSign.After(s.since) {
		d.reason = "silent"
	}
	d.with("waited_seconds", math.Round(waited))
	d.with("usual_seconds", usual)
	d.with("limit_seconds", limit)
	return d
}

// span writes seconds for a person.
func span(s float64) string {
	if s < 10 {
		return fmt.Sprintf("%.2g s", s)
	}
	return time.Duration(s * float64(time.Second)).Round(time.Second).String()
}
