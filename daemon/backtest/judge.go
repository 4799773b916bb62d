package backtest

import (
	"github.com/epochwatch/epochwatch/detectors"
)

// Alarm is a finding as one who watched the run heard of it.
type Alarm struct {
	Kind     detectors.Kind
	Severity detectors.Severity // the highest that it reached
	Index    int                // of the epoch at which it first opened, from 0
}

// Judgement is what was said of one curve.
type Judgement struct {
	Curve   *Curve
	Alarms  []Alarm // in order of opening
	Verdict detectors.Verdict
}

// Judge folds a curve through a monitor, epoch by epoch. The error is that of a bad config.
func Judge(c *Curve, cfg detectors.Config) (Judgement, error) {
	j := Judgement{Curve: c}
	known := map[detectors.Key]int{}
	m, err := (Story{{Facts: c.Facts, Epochs: c.Epochs}}).fold(cfg, func(i int, changes []detectors.Change) {
		for _, ch := range changes {
			at, ok := known[ch.Finding.Key()]
			if !ok {
				at = len(j.Alarms)
				known[ch.Finding.Key()] = at
				j.Alarms = append(j.Alarms, Alarm{Kind: ch.Finding.Kind, Index: i})
			}
			if a := &j.Alarms[at]; ch.Finding.Severity.Rank() > a.Severity.Rank() {
				a.Severity = ch.Finding.Severity
			}
		}
	})
	if err != nil {
		return Judgement{}, err
	}
	j.Verdict = m.Verdict()
	return j, nil
}

// first returns the index of the epoch at which a finding of the kind first opened, -1
// when none did.
func (j *Judgement) first(k detectors.Kind) int {
	for _, a := range j.Alarms {
		if a.Kind == k {
			return a.Index
		}
	}
	return -1
}

// count returns the findings of at least a severity.
func (j *Judgement) count(least detectors.Severity) int {
	n := 0
	for _, a := range j.Alarms {
		if a.Severity.Rank() >= least.Rank() {
			n++
		}
	}
	return n
}

// raised reports whether a finding of the kind reached warning or above.
func (j *Judgement) raised(k detectors.Kind) bool {
	for _, a := range j.Alarms {
		if a.Kind == k && a.Severity.Rank() >= detectors.SeverityWarning.Rank() {
			return true
		}
	}
	return false
}
