package backtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Requirement is a bound of a figure.
type Requirement struct {
	Figure string
	Bound  float64
	AtMost bool // else at least
}

func (r Requirement) String() string {
	if r.AtMost {
		return fmt.Sprintf("%s at most %v", r.Figure, r.Bound)
	}
	return fmt.Sprintf("%s at least %v", r.Figure, r.Bound)
}

// Miss is a requirement that does not hold on a part.
type Miss struct {
	Part   string   `json:"part"`
	Figure string   `json:"figure"`
	Bound  float64  `json:"bound"`
	Value  *float64 `json:"value"` // nil where there was nothing to measure it on

	required Requirement
}

func (m Miss) String() string {
	if m.Value == nil {
		return fmt.Sprintf("%s: %s: there is nothing to measure it on", m.Part, m.required)
	}
	return fmt.Sprintf("%s: %s: it is %.4g", m.Part, m.required, *m.Value)
}

// named returns the figures by the names that requirements and differences have for them.
func (f *Figures) named() map[string]Estimate {
	out := map[string]Estimate{
		"recall": f.Recall, "early": f.Early, "delay": f.Delay, "alarmed": f.Alarmed, "any": f.Any,
		"alarms_per_run": f.AlarmsPerRun, "alarms_per_100_epochs": f.AlarmsPer100,
		"any_per_run": f.AnyPerRun, "any_per_100_epochs": f.AnyPer100,
	}
	for _, k := range f.Kinds {
		name := string(k.Kind) + "."
		out[name+"recall"], out[name+"early"], out[name+"delay"] = k.Recall, k.Early, k.Delay
		out[name+"healthy"], out[name+"alarmed"] = k.Healthy, k.Alarmed
	}
	return out
}

// ParseRequirements reads "recall=0.9,overfitting.delay=6".
func ParseRequirements(texts []string, atMost bool) ([]Requirement, error) {
	sample := Figures{}
	for _, k := range kindsOf(nil) {
		sample.Kinds = append(sample.Kinds, KindFigures{Kind: k})
	}
	known := sample.named()
	known["clinic"], known["clinic_main"] = Estimate{}, Estimate{}
	var out []Requirement
	for _, text := range texts {
		name, number, ok := strings.Cut(text, "=")
		if !ok {
			return nil, fmt.Errorf("%.80q: want FIGURE=NUMBER, as in recall=0.9", text)
		}
		v, err := strconv.ParseFloat(number, 64)
		if err != nil || v != v {
			return nil, fmt.Errorf("%.80q: %.40q is not a number", text, number)
		}
		if _, ok := known[name]; !ok {
			kind, figure, _ := strings.Cut(name, ".")
			_, plain := known[kind]
			if figure == "" || plain {
				return nil, fmt.Errorf("%.80q: there is no figure %.40q; there are %s, and of a kind as in overfitting.recall", text, name, plainNames(known))
			}
			return nil, fmt.Errorf("%.80q: no detector has such a figure; there are recall, early, delay, healthy and alarmed of each kind", text)
		}
		out = append(out, Requirement{name, v, atMost})
	}
	return out, nil
}

func plainNames(known map[string]Estimate) string {
	var names []string
	for _, n := range slices.Sorted(maps.Keys(known)) {
		if !strings.Contains(n, ".") {
			names = append(names, n)
		}
	}
	return strings.Join(names, ", ")
}

// ErrMissed says that a requirement does not hold.
var ErrMissed = errors.New("a requirement does not hold")

// Require notes the requirements that do not hold, on any part, of the thresholds (not of
// those they are held against). It returns ErrMissed when there are any. A figure with
// nothing to measure it on does not hold.
func (r *Report) Require(rs []Requirement) error {
	for _, q := range rs {
		if q.Figure == "clinic" || q.Figure == "clinic_main" {
			var e Estimate
			if r.Clinic != nil {
				e = r.Clinic.Answered
				if q.Figure == "clinic_main" {
					e = r.Clinic.Main
				}
			}
			r.require("clinic", q, e)
			continue
		}
		for i := range r.Parts {
			r.require(r.Parts[i].Name, q, r.Parts[i].Figures[0].named()[q.Figure])
		}
	}
	if len(r.Missed) > 0 {
		return ErrMissed
	}
	return nil
}

func (r *Report) require(part string, q Requirement, e Estimate) {
	if e.Value == nil || q.AtMost && *e.Value > q.Bound || !q.AtMost && *e.Value < q.Bound {
		r.Missed = append(r.Missed, Miss{part, q.Figure, q.Bound, e.Value, q})
	}
}
