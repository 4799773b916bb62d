package backtest

import (
	"maps"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
)

// Thresholds are a config of the detectors with what it is called.
type Thresholds struct {
	Name   string
	Config detectors.Config
}

// Figures are how one set of thresholds did on one part of the curves.
type Figures struct {
	Thresholds string `json:"thresholds"`
	// Recall, Early and Delay are over all labels but healthy.
	Recall Estimate `json:"recall"`
	Early  Estimate `json:"early"`
	Delay  Estimate `json:"delay"`
	// False alarms, on the healthy curves: the share of runs with one, and how many.
	Alarmed      Estimate `json:"alarmed"` // at warning and above
	Any          Estimate `json:"any"`     // at whatever severity
	AlarmsPerRun Estimate `json:"alarms_per_run"`
	AlarmsPer100 Estimate `json:"alarms_per_100_epochs"`
	AnyPerRun    Estimate `json:"any_per_run"`
	AnyPer100    Estimate `json:"any_per_100_epochs"`
	// Raised is the share of all curves, labelled or not, with an alarm at warning and above.
	Raised Estimate `json:"raised"`

	Kinds []KindFigures `json:"kinds"`
	// Repositories is left out for the part that is kept apart: it is to stay unseen.
	Repositories []RepositoryFigures `json:"repositories,omitempty"`
	Calibration  []Calibration       `json:"calibration"`
	// Odd are the curves on which labels and findings differ; left out as above.
	Odd []OddCurve `json:"odd,omitempty"`
}

// KindFigures are how often one kind was named, and raised in vain.
type KindFigures struct {
	Kind    detectors.Kind `json:"kind"`
	Recall  Estimate       `json:"recall"`
	Early   Estimate       `json:"early"`
	Delay   Estimate       `json:"delay"`
	Healthy Estimate       `json:"healthy"` // share of healthy runs with it, at whatever severity
	Alarmed Estimate       `json:"alarmed"` // the same, at warning and above
	Runs    int            `json:"runs"`    // curves with it, labelled or not
}

// BaselineFigures are how a plain rule did at overfitting.
type BaselineFigures struct {
	Name    string   `json:"name"`
	Doc     string   `json:"doc"`
	Recall  Estimate `json:"recall"`
	Early   Estimate `json:"early"`
	Delay   Estimate `json:"delay"`
	Healthy Estimate `json:"healthy"` // share of healthy runs on which it spoke
	Runs    int      `json:"runs"`
}

// RepositoryFigures are what was said of the curves of one repository.
type RepositoryFigures struct {
	Repository string `json:"repository"`
	Curves     int    `json:"curves"`
	Labels     int    `json:"labels"` // healthy left out
	Named      int    `json:"named"`
	Early      int    `json:"early"`
	Healthy    int    `json:"healthy"`
	Alarmed    int    `json:"alarmed"`
	Any        int    `json:"any"`
}

// OddCurve is a curve on which labels and findings differ.
type OddCurve struct {
	ID         string           `json:"id"`
	Repository string           `json:"repository"`
	Epochs     int              `json:"epochs"`
	Missed     []detectors.Kind `json:"missed,omitempty"`
	Early      []detectors.Kind `json:"early,omitempty"`
	False      []detectors.Kind `json:"false,omitempty"` // raised though healthy, at whatever severity
}

// sample is a part of the curves with the repositories that are drawn from.
type sample struct {
	repositories []string
	of           map[string]int // repository to its place above
	draws        draws
}

// newSample sorts repositories, so that the order of curves does not matter.
func newSample(curves []*Curve) *sample {
	s := &sample{of: map[string]int{}}
	for _, c := range curves {
		s.of[c.Repository] = 0
	}
	s.repositories = slices.Sorted(maps.Keys(s.of))
	for i, r := range s.repositories {
		s.of[r] = i
	}
	s.draws = newDraws(len(s.repositories))
	return s
}

// counts is a number a repository.
func (s *sample) counts() []int { return make([]int, len(s.repositories)) }

// naming counts how labels were met.
type naming struct {
	labelled, named, placed, early, healthy, falsely, alarmed []int
	delays                                                    [][]int
	runs                                                      int
}

func (s *sample) naming() *naming {
	return &naming{
		labelled: s.counts(), named: s.counts(), placed: s.counts(), early: s.counts(),
		healthy: s.counts(), falsely: s.counts(), alarmed: s.counts(), delays: make([][]int, len(s.repositories)),
	}
}

// met counts a label of a curve of repository r: fired is the index at which it was named.
func (n *naming) met(r int, onset *int, fired int) {
	n.labelled[r]++
	if fired < 0 {
		return
	}
	n.named[r]++
	if onset == nil {
		return
	}
	n.placed[r]++
	if fired < *onset {
		n.early[r]++
		return
	}
	n.delays[r] = append(n.delays[r], fired-*onset)
}

// see counts one curve: fired is the index at which the kind was named, and alarm whether
// at warning or above.
func (n *naming) see(c *Curve, r int, kind detectors.Kind, fired int, alarm bool) {
	if fired >= 0 {
		n.runs++
	}
	if c.Labels.Healthy() {
		n.healthy[r]++
		if fired >= 0 {
			n.falsely[r]++
		}
		if alarm {
			n.alarmed[r]++
		}
	}
	if onset, ok := c.Labels[kind]; ok {
		n.met(r, onset, fired)
	}
}

func (s *sample) figures(t Thresholds, all []Judgement) Figures {
	f := Figures{Thresholds: t.Name, Calibration: s.calibrate(all)}
	total := s.naming()
	for _, kind := range kindsOf(all) {
		k := s.naming()
		for i := range all {
			j := &all[i]
			k.see(j.Curve, s.of[j.Curve.Repository], kind, j.first(kind), j.raised(kind))
			if onset, ok := j.Curve.Labels[kind]; ok {
				total.met(s.of[j.Curve.Repository], onset, j.first(kind))
			}
		}
		f.Kinds = append(f.Kinds, KindFigures{
			Kind: kind, Recall: s.draws.share(k.named, k.labelled), Early: s.draws.share(k.early, k.placed),
			Delay: s.draws.median(k.delays), Healthy: s.draws.share(k.falsely, k.healthy),
			Alarmed: s.draws.share(k.alarmed, k.healthy), Runs: k.runs,
		})
	}
	f.Recall, f.Early = s.draws.share(total.named, total.labelled), s.draws.share(total.early, total.placed)
	f.Delay = s.draws.median(total.delays)
	s.falseAlarms(&f, all)
	return f
}

// falseAlarms counts what was raised, above all on healthy curves.
func (s *sample) falseAlarms(f *Figures, all []Judgement) {
	runs, epochs, alarmed, heard := s.counts(), s.counts(), s.counts(), s.counts()
	alarms, findings, curves, raised := s.counts(), s.counts(), s.counts(), s.counts()
	for i := range all {
		j := &all[i]
		r := s.of[j.Curve.Repository]
		warned, said := j.count(detectors.SeverityWarning), j.count(detectors.SeverityInfo)
		curves[r]++
		raised[r] += min(warned, 1)
		if !j.Curve.Labels.Healthy() {
			continue
		}
		runs[r]++
		epochs[r] += len(j.Curve.Epochs)
		alarmed[r] += min(warned, 1)
		heard[r] += min(said, 1)
		alarms[r] += warned
		findings[r] += said
	}
	f.Alarmed, f.Any = s.draws.share(alarmed, runs), s.draws.share(heard, runs)
	f.AlarmsPerRun, f.AlarmsPer100 = s.draws.rate(alarms, runs, 1), s.draws.rate(alarms, epochs, 100)
	f.AnyPerRun, f.AnyPer100 = s.draws.rate(findings, runs, 1), s.draws.rate(findings, epochs, 100)
	f.Raised = s.draws.share(raised, curves)
}

func (s *sample) baseline(b Baseline, curves []*Curve) BaselineFigures {
	n := s.naming()
	for _, c := range curves {
		fired := b.fired(c)
		n.see(c, s.of[c.Repository], answers, fired, fired >= 0)
	}
	return BaselineFigures{
		Name: b.Name, Doc: b.Doc, Recall: s.draws.share(n.named, n.labelled), Early: s.draws.share(n.early, n.placed),
		Delay: s.draws.median(n.delays), Healthy: s.draws.share(n.falsely, n.healthy), Runs: n.runs,
	}
}

// kindsOf returns the kinds that there are detectors for, then others that are labelled.
func kindsOf(all []Judgement) []detectors.Kind {
	var out []detectors.Kind
	for _, s := range detectors.Specs() {
		out = append(out, s.Kind)
	}
	more := map[detectors.Kind]bool{}
	for i := range all {
		for k := range all[i].Curve.Labels {
			more[k] = k != detectors.KindHealthy && !slices.Contains(out, k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(more)) {
		if more[k] {
			out = append(out, k)
		}
	}
	return out
}

// byRepository lists what was said, by name of the repository.
func (s *sample) byRepository(all []Judgement) []RepositoryFigures {
	out := make([]RepositoryFigures, len(s.repositories))
	for i, r := range s.repositories {
		out[i].Repository = r
	}
	for i := range all {
		j := &all[i]
		r := &out[s.of[j.Curve.Repository]]
		r.Curves++
		if j.Curve.Labels.Healthy() {
			r.Healthy++
			r.Alarmed += min(j.count(detectors.SeverityWarning), 1)
			r.Any += min(j.count(detectors.SeverityInfo), 1)
			continue
		}
		for kind, onset := range j.Curve.Labels {
			r.Labels++
			if fired := j.first(kind); fired >= 0 {
				r.Named++
				if onset != nil && fired < *onset {
					r.Early++
				}
			}
		}
	}
	return out
}

// odd lists the curves on which labels and findings differ, by id.
func odd(all []Judgement) []OddCurve {
	var out []OddCurve
	for i := range all {
		j := &all[i]
		o := OddCurve{ID: j.Curve.ID, Repository: j.Curve.Repository, Epochs: len(j.Curve.Epochs)}
		for _, kind := range slices.Sorted(maps.Keys(j.Curve.Labels)) {
			onset, fired := j.Curve.Labels[kind], j.first(kind)
			switch {
			case kind == detectors.KindHealthy:
				for _, a := range j.Alarms {
					if !slices.Contains(o.False, a.Kind) {
						o.False = append(o.False, a.Kind)
					}
				}
			case fired < 0:
				o.Missed = append(o.Missed, kind)
			case onset != nil && fired < *onset:
				o.Early = append(o.Early, kind)
			}
		}
		if len(o.Missed)+len(o.Early)+len(o.False) > 0 {
			out = append(out, o)
		}
	}
	return out
}
