package backtest

import (
	"cmp"
	"maps"
	"slices"
)

// Options say what is judged how.
type Options struct {
	Thresholds Thresholds
	Against    *Thresholds // a second set, on the same curves; may be nil
	Apart      int         // one repository in so many is kept apart; 0: none
	Odd        bool        // list the curves on which labels and findings differ
}

// Report is what was found out.
type Report struct {
	Parts    []Part    `json:"parts"`
	Clinic   *Clinic   `json:"clinic,omitempty"`
	Missed   []Miss    `json:"missed,omitempty"` // requirements that do not hold
	Problems []Problem `json:"problems,omitempty"`
}

// The names of parts.
const (
	PartAll         = "all"
	PartDevelopment = "development"
	PartApart       = "apart"
)

// Part is the figures on a part of the curves.
type Part struct {
	Name         string            `json:"part"`
	Curves       int               `json:"curves"`
	Repositories int               `json:"repositories"`
	Epochs       int               `json:"epochs"`
	Labelled     int               `json:"labelled"`
	Healthy      int               `json:"healthy"`
	Figures      []Figures         `json:"figures"` // of the thresholds, then of those they are held against
	Less         []Difference      `json:"differences,omitempty"`
	Baselines    []BaselineFigures `json:"baselines"`
}

// Difference is by how much a figure of the thresholds is above that of those they are
// held against.
type Difference struct {
	Figure string   `json:"figure"`
	By     float64  `json:"by"`
	Low    *float64 `json:"low"`
	High   *float64 `json:"high"`
}

// Run judges curves. The order of the curves does not matter. The error is that of a bad
// config.
func Run(curves []*Curve, o Options) (Report, error) {
	curves = slices.Clone(curves)
	slices.SortFunc(curves, func(a, b *Curve) int { return cmp.Compare(a.ID, b.ID) })
	var dev, apart []*Curve
	for _, c := range curves {
		if Apart(c.Repository, o.Apart) {
			apart = append(apart, c)
		} else {
			dev = append(dev, c)
		}
	}
	name := PartAll
	if o.Apart > 0 {
		name = PartDevelopment
	}
	p, err := part(name, dev, o)
	if err != nil {
		return Report{}, err
	}
	r := Report{Parts: []Part{p}}
	if o.Apart > 0 {
		p, err := part(PartApart, apart, o)
		if err != nil {
			return Report{}, err
		}
		r.Parts = append(r.Parts, p)
	}
	return r, nil
}

func part(name string, curves []*Curve, o Options) (Part, error) {
	s := newSample(curves)
	p := Part{Name: name, Curves: len(curves), Repositories: len(s.repositories)}
	for _, c := range curves {
		p.Epochs += len(c.Epochs)
		p.Labelled += min(len(c.Labels), 1)
		if c.Labels.Healthy() {
			p.Healthy++
		}
	}
	sets := []Thresholds{o.Thresholds}
	if o.Against != nil {
		sets = append(sets, *o.Against)
	}
	for _, t := range sets {
		all := make([]Judgement, len(curves))
		for i, c := range curves {
			var err error
			if all[i], err = Judge(c, t.Config); err != nil {
				return Part{}, err
			}
		}
		f := s.figures(t, all)
		if name != PartApart {
			f.Repositories = s.byRepository(all)
			if o.Odd {
				f.Odd = odd(all)
			}
		}
		p.Figures = append(p.Figures, f)
	}
	if len(p.Figures) > 1 {
		p.Less = differences(p.Figures[0], p.Figures[1])
	}
	for _, b := range Baselines() {
		p.Baselines = append(p.Baselines, s.baseline(b, curves))
	}
	return p, nil
}

func differences(a, b Figures) []Difference {
	of, other := a.named(), b.named()
	var out []Difference
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if d := less(of[name], other[name]); d.Value != nil {
			out = append(out, Difference{name, *d.Value, d.Low, d.High})
		}
	}
	return out
}
