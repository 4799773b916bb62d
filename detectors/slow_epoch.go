package detectors

import (
	"fmt"
	"math"
)

var slowEpochDetector = &detector{
	spec: Spec{
		Kind:     KindSlowEpoch,
		Title:    "A slow epoch",
		Meaning:  "An epoch took far longer than this run's usual.",
		Severity: SeverityInfo, MinEpochs: 6,
		Params: []Param{
			{
				Name: "factor", Doc: "how many times the median of the last 8 epochs", Unit: unitFactor, Default: 3, Min: 1.2, Max: 1000,
				Source: "half of the wait after which stalled speaks: here the epoch did end",
			},
			{
				Name: "floor", Doc: "least excess over the median", Unit: unitSeconds, Default: 30, Min: 0, Max: 86400,
				Source: "a garbage collection, a save of the weights or a busy disk costs seconds, and nobody would act on it; not measured",
			},
		},
		Reasons: []Reason{{"slower", "the epoch took more than factor times the usual, and floor longer"}},
		Advice: []string{
			"Look at what else runs on the machine, at the data loader (a cold cache, a network disk), and at the device's temperature and clock.",
			"If it is each k-th epoch, it is most likely a save or an evaluation of your own.",
		},
		FalseAlarms: "logs seldom tell durations; 0 of 300 runs of 10,000 epochs of a minute whose durations vary by 10 %, 103 of 300 where they vary by 20 %",
	},
	make: func(p params) rule {
		return ruleOf(slowEpoch{factor: p.get("factor"), floor: p.get("floor")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("Epoch %d took %s, where %s is usual.", d.onset, span(d.get("seconds")), span(d.get("usual_seconds"))), usual
	},
}

// slowEpoch keeps how long the last epochs took. What stays slow becomes the usual.
type slowEpoch struct {
	factor, floor float64
	took          [8]float32
	n             int32
}

func (e *slowEpoch) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if took := r.now.seconds; took >= 0 { // and a number
		d = e.judge(r, float64(took), out.open(0))
		e.took[int(e.n)%len(e.took)] = took
		e.n++
	}
	out.put(0, &d)
}

func (e *slowEpoch) judge(r *run, took float64, open bool) decision {
	if e.n < 5 {
		return decision{}
	}
	var b numbers
	for _, x := range e.took[:min(int(e.n), len(e.took))] {
		b.add(float64(x))
	}
	usual := b.median()
	excess := took - usual
	d := decision{holds: open && excess > (e.factor-1)/2*usual}
	if excess <= (e.factor-1)*usual || excess <= e.floor || math.IsInf(took, 0) {
		return d
	}
	d.severity, d.onset, d.reason, d.confidence = SeverityInfo, r.epoch, "slower", 0.9
	d.with("seconds", took)
	d.with("usual_seconds", usual)
	return d
}
