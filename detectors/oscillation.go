package detectors

import (
	"fmt"
	"math"
)

var oscillationDetector = &detector{
	spec: Spec{
		Kind:     KindOscillation,
		Title:    "The loss swings regularly",
		Meaning:  "The training loss goes up and down around its level in a rhythm that noise does not have, by too little for lr_too_high.",
		Severity: SeverityInfo, MinEpochs: 20,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh},
		Params: []Param{
			{
				Name: "rhythm", Doc: "least likeness of the steps to those one period before, less that to those half a period before, halved: 1 is a perfect wave, 0 has none", Unit: unitShare, Default: 0.6, Min: 0.1, Max: 1,
				Source: "simulation: with the margin for their length, 5 of 18,000 runs of noise alone reach it, and in 60 epochs 97 % of waves of five deviations with a period of 2 to 8, 78 % at 9 and 39 % at 11",
			},
			{
				Name: "level", Doc: "least deviation of the steps as a share of the level", Unit: unitShare, Default: 0.03, Min: 0, Max: 10,
				Source: "smaller swings are hardly seen in a curve; at 0.01, 1 of 181 healthy curves of the development corpus",
			},
		},
		Reasons: []Reason{{"rhythm", "steps repeat each other with a period of 2 to 12 points of the history"}},
		Advice: []string{
			"If you did not ask for it (a cyclical rate, warm restarts), lower the learning rate by two to three.",
			"Look whether the data comes in parts that repeat with this period: shards, files, a generator that is not shuffled, steps_per_epoch that do not make up the whole set.",
			"A larger batch or weight averaging (EMA) calms what is left.",
		},
		FalseAlarms: "development corpus: information on 0 of 181 healthy curves; kept apart: 0 of 85; 5 of 18,000 noisy runs of 60 and 300 epochs, at most 1 in 100 of 10,000",
	},
	make: func(p params) rule {
		return ruleOf(oscillation{rhythm: p.get("rhythm"), level: p.get("level")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s swings with a period of %.0f epochs, by about %.2g around %.4g, since epoch %d or before.",
			d.metric, d.get("period"), d.get("swing"), d.get("level"), d.onset), usual
	},
}

// longest is the longest period that is looked for, in points.
const longest = 12

type oscillation struct {
	rhythm, level float64
}

func (o *oscillation) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	// The rhythm of a fold is dear, and does not change from one to the next.
	if s := &r.s[trainLoss]; s.whole && s.n >= 20 && s.n%4 == 0 {
		d = o.judge(r, s, out.open(0))
	}
	out.put(0, &d)
}

func (o *oscillation) judge(r *run, s *series, open bool) decision {
	p := s.all()
	lowest := p[0].y
	for _, q := range p {
		lowest = min(lowest, q.y)
	}
	p = settledPart(p, lowest)
	level := mean(p)
	st := stepsOf(p)
	if st.n < 15 || st.deviation <= o.level*math.Abs(level) {
		return decision{}
	}
	best, period := 0.0, 0
	for lag := 2; lag <= min(longest, st.n/3); lag++ {
		l := (st.likeness(lag) - (st.likeness(lag/2)+st.likeness((lag+1)/2))/2) / 2
		if lag == 2 {
			l -= 0.12 // steps of noise alone go to and fro: by half a step on average
		}
		if l > best {
			best, period = l, lag
		}
	}
	d := decision{holds: open && best > o.rhythm/2}
	// Of few steps a likeness comes by luck.
	if best <= o.rhythm+0.6/math.Sqrt(float64(st.n)) {
		return d
	}
	d.severity, d.metric, d.onset, d.reason, d.confidence = SeverityInfo, r.name(trainLoss), int(p[0].first), "rhythm", 0.7
	d.with("period", float64(period*s.stride))
	d.with("swing", st.deviation)
	d.with("level", level)
	d.with("rhythm", best)
	return d
}

// steps are those from point to point, their mean taken out and the largest cut down, so
// that no single jump makes a rhythm.
type steps struct {
	numbers
	power     float64 // mean square
	deviation float64 // its root
}

func stepsOf(p []point) steps {
	var s steps
	if len(p) < 2 {
		return s
	}
	var size numbers
	drift := (p[len(p)-1].y - p[0].y) / float64(len(p)-1)
	for i := 1; i < len(p); i++ {
		s.add(p[i].y - p[i-1].y - drift)
		size.add(math.Abs(s.v[i-1]))
	}
	most := 3 * size.median()
	for i, x := range s.v[:s.n] {
		s.v[i] = max(-most, min(most, x))
		s.power += s.v[i] * s.v[i] / float64(s.n)
	}
	s.deviation = math.Sqrt(s.power)
	return s
}

// likeness is the correlation of the steps with those lag before.
func (s *steps) likeness(lag int) float64 {
	sum := 0.0
	for i := lag; i < s.n; i++ {
		sum += s.v[i] * s.v[i-lag]
	}
	return sum / float64(s.n-lag) / max(s.power, math.SmallestNonzeroFloat64)
}
