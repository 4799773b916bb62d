package detectors

import (
	"fmt"
	"math"
)

var risingLossDetector = &detector{
	spec: Spec{
		Kind:     KindRisingLoss,
		Title:    "The training loss rises",
		Meaning:  "The training loss climbs and stays above its best by more than its noise.",
		Severity: SeverityWarning, MinEpochs: 6,
	},
	make: func(params) rule { return ruleOf(risingLoss{}) },
	tell: func(d *decision, r *run) (string, []string) {
		return fmt.Sprintf("%s rises since epoch %d: best %.4g, now %.4g.", d.metric, d.onset, d.get("best"), d.get("now")), []string{
			"Lower the learning rate.",
		}
	},
}

type risingLoss struct{}

func (l *risingLoss) decide(r *run, out *say) {
	s := &r.s[trainLoss]
	var d decision
	defer func() { out.put(0, &d) }()
	if !s.whole {
		d.holds = out.open(0)
		return
	}
	p := s.all()
	k := 0
	for i := range p {
		if p[i].y < p[k].y {
			k = i
		}
	}
	after := p[k+1:]
	d.holds = len(after) > 0 && p[len(p)-1].y > p[k].y && out.open(0)
	if len(after) < 4 || len(p) < 6 {
		return
	}
	sigma := noise(p)
	rise := mean(after[len(after)-4:]) - p[k].y
	if rise > 2*sigma && rise > 0.01*math.Abs(p[k].y) {
		d.severity, d.onset, d.metric, d.reason, d.confidence = SeverityWarning, int(p[k].epoch), r.name(trainLoss), "above_best", 0.8
		d.with("best", p[k].y)
		d.with("now", s.last())
	}
}
