package notify

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Explanation says who would hear of one finding, or of the end of the run, and who would
// not, and why.
type Explanation struct {
	Finding store.Finding
	// Ends are the ends of which this holds; none: it is about a finding.
	Ends []store.State
	// Supposed is true where the run has no such finding: it is asked what if.
	Supposed bool
	Heard    []Hearing
	Passed   []Passed // routes that were looked at and do not match
}

// Hearing is one route that a finding takes.
type Hearing struct {
	Route    string // where it stands in the config
	Receiver string
	Channels []string // empty: the route leads to nobody
	Group    map[string]string
	Wait     time.Duration
	Why      string    // what keeps it back now; empty: nothing
	Until    time.Time // when that is looked at again
}

// Passed is one route that a finding does not take.
type Passed struct {
	Route string
	Why   string // the matcher that does not hold
}

// Facts is what is needed of a store.Store to explain.
type Facts interface {
	facts
	ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error)
}

// Explain says who would hear of the findings of a run at a time, and of its end. Of a run
// without findings it says what would be, were there one of each severity, and of one that
// trains, what would be of each end.
func (n *Notifier) Explain(ctx context.Context, st Facts, run store.Run, now time.Time) ([]Explanation, error) {
	silences, err := st.ListSilences(ctx, now)
	if err != nil {
		return nil, err
	}
	findings, err := st.ListFindings(ctx, run.PK)
	if err != nil {
		return nil, err
	}
	supposed := len(findings) == 0
	if supposed {
		for _, severity := range []detectors.Severity{detectors.SeverityWarning, detectors.SeverityCritical} {
			findings = append(findings, store.Finding{RunPK: run.PK, Finding: detectors.Finding{Severity: severity}})
		}
	}
	h := &holder{n: n, now: now, silences: silences, asked: st, ofRuns: map[int64][]store.Finding{run.PK: findings}}
	var out []Explanation
	for _, f := range findings {
		e := Explanation{Finding: f, Supposed: supposed}
		about := store.RunFinding{Run: run, Finding: f}
		s := subjectOf(about)
		for _, r := range n.routesOf(s) {
			held, err := h.of(ctx, r.receiver, about)
			if err != nil {
				return nil, err
			}
			hearing := Hearing{Route: r.path, Receiver: r.receiver, Channels: n.channelsOf(r.receiver), Why: held.why, Until: held.until}
			if r.receiver != logReceiver {
				hearing.Group, hearing.Wait = r.labels(s), r.wait
			}
			e.Heard = append(e.Heard, hearing)
		}
		if s.severity.Rank() < detectors.SeverityWarning.Rank() {
			e.Passed = append(e.Passed, Passed{"route", "information goes to the log alone"})
		} else {
			e.Passed = n.root.passed(s)
		}
		out = append(out, e)
	}
	return append(out, n.explainEnds(h, run)...), nil
}

// explainEnds says the same of ends once.
func (n *Notifier) explainEnds(h *holder, run store.Run) []Explanation {
	states := []store.State{run.State}
	if run.State == store.StateRunning {
		states = states[:0]
		for _, s := range endedStates {
			states = append(states, store.State(s))
		}
	}
	var out []Explanation
	for _, state := range states {
		e := Explanation{Ends: []store.State{state}, Supposed: run.State == store.StateRunning}
		s := endOf(run, state)
		e.Finding.Kind, e.Finding.Severity = s.kind, s.severity
		var notAsked []Passed
		for _, r := range n.routesOf(s) {
			if !n.asks(r.receiver, state) {
				notAsked = append(notAsked, Passed{r.path, r.receiver + " asks for no such ends (run_ended)"})
				continue
			}
			held := h.ofEnd(r.receiver, s)
			e.Heard = append(e.Heard, Hearing{Route: r.path, Receiver: r.receiver, Channels: n.channelsOf(r.receiver), Why: held.why, Until: held.until})
		}
		e.Passed = append(notAsked, n.root.passed(s)...)
		i := slices.IndexFunc(out, func(o Explanation) bool {
			return o.Finding.Severity == e.Finding.Severity && reflect.DeepEqual(o.Heard, e.Heard) && reflect.DeepEqual(o.Passed, e.Passed)
		})
		if i >= 0 {
			out[i].Ends = append(out[i].Ends, state)
			continue
		}
		out = append(out, e)
	}
	return out
}

// passed returns the routes that s is held against and does not take.
func (n *node) passed(s subject) []Passed {
	var out []Passed
	for _, child := range n.children {
		taken := true
		for _, m := range child.matchers {
			if !m.holds(s) {
				out, taken = append(out, Passed{child.path, fmt.Sprintf("%s does not hold: it is %q", m, s.values(m.key))}), false
				break
			}
		}
		if !taken {
			continue
		}
		out = append(out, child.passed(s)...)
		if !child.goesOn {
			break
		}
	}
	return out
}
