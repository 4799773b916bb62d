package backtest

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Story is a run from its beginning, attempt by attempt, with epochs that a later attempt
// replaced.
type Story []Attempt

// Attempt is one fit() of a run.
type Attempt struct {
	ID    string          // empty for a file
	Facts *contract.Facts // nil when they are not known
	// Schedule is the class of the learning rate schedule, when there is one.
	Schedule string
	Epochs   []detectors.Epoch
}

// fold takes the story through a monitor; each is told what each epoch changed, by its
// index in the story, and with the first of an attempt what its facts alone changed. The
// error is that of a bad config.
func (s Story) fold(cfg detectors.Config, each func(i int, changes []detectors.Change)) (*detectors.Monitor, error) {
	m, err := detectors.NewMonitor(cfg)
	if err != nil {
		return nil, err
	}
	i := 0
	for _, a := range s {
		var known []detectors.Change
		if a.Facts != nil {
			known = m.Start(a.ID, *a.Facts)
		}
		for _, e := range a.Epochs {
			each(i, append(known, m.Fold(e)...))
			known = nil
			i++
		}
	}
	return m, nil
}

// Replayed is what thresholds say of a run, epoch by epoch. What only a clock can give, as
// that a run has stalled, is not in it.
type Replayed struct {
	Source string `json:"source"`
	// Thresholds are the defaults, then those that were given, if any.
	Thresholds []string  `json:"thresholds"`
	Epochs     []Moment  `json:"epochs"`
	Verdicts   []Verdict `json:"verdicts"` // one for each of Thresholds
	// Actions are what the policy would have done first, one for each of Thresholds, nil for
	// nothing; none where that was not asked for.
	Actions []*Action `json:"actions,omitempty"`
	Notes   []string  `json:"notes,omitempty"`
}

// Moment is one epoch with what it changed.
type Moment struct {
	Epoch   int                        `json:"epoch"`
	Attempt int                        `json:"attempt"` // from 1
	Metrics map[string]contract.Number `json:"metrics"`
	Changes [][]Change                 `json:"changes"` // one list for each of Thresholds
}

// Change is one step in the life of a finding.
type Change struct {
	Change     detectors.ChangeType `json:"change"`
	Kind       detectors.Kind       `json:"kind"`
	Metric     string               `json:"metric"`
	Severity   detectors.Severity   `json:"severity"`
	OnsetEpoch int                  `json:"onset_epoch"`
	Reason     string               `json:"reason"`
	Summary    string               `json:"summary"`
}

// Verdict is how a run is read in the end.
type Verdict struct {
	Kind       detectors.Kind  `json:"kind"`
	Confidence contract.Number `json:"confidence"`
	Summary    string          `json:"summary"`
}

// Replay says what each of some thresholds would have said about a run. The error is that
// of a bad config.
func Replay(source string, s Story, sets ...Thresholds) (Replayed, error) {
	r := Replayed{Source: source, Epochs: []Moment{}, Verdicts: []Verdict{}}
	for n, a := range s {
		for _, e := range a.Epochs {
			m := Moment{Epoch: e.Epoch, Attempt: n + 1, Metrics: make(map[string]contract.Number, len(e.Metrics))}
			for name, v := range e.Metrics {
				m.Metrics[name] = contract.Number(v)
			}
			r.Epochs = append(r.Epochs, m)
		}
	}
	for _, t := range sets {
		m, err := s.fold(t.Config, func(i int, changes []detectors.Change) {
			list := make([]Change, 0, len(changes))
			for _, c := range changes {
				f := c.Finding
				list = append(list, Change{c.Type, f.Kind, f.Metric, f.Severity, f.OnsetEpoch, f.Reason, f.Summary})
			}
			r.Epochs[i].Changes = append(r.Epochs[i].Changes, list)
		})
		if err != nil {
			return Replayed{}, err
		}
		v := m.Verdict()
		r.Thresholds = append(r.Thresholds, t.Name)
		r.Verdicts = append(r.Verdicts, Verdict{v.Kind, contract.Number(v.Confidence), v.Summary})
	}
	return r, nil
}

// Act adds what the policy would have done first, for each of the same thresholds. The error
// is that of a bad config.
func (r *Replayed) Act(s Story, sets ...Thresholds) error {
	for _, t := range sets {
		a, err := s.firstAction(t.Config)
		if err != nil {
			return err
		}
		r.Actions = append(r.Actions, a)
	}
	return nil
}

// String says the change in a few words: a sign for what happened, the kind, the severity.
func (c Change) String() string {
	switch c.Change {
	case detectors.Opened:
		return fmt.Sprintf("+ %s %s", c.Kind, c.Severity)
	case detectors.Escalated:
		return fmt.Sprintf("^ %s %s", c.Kind, c.Severity)
	case detectors.Resolved:
	}
	return fmt.Sprintf("- %s", c.Kind)
}

// without returns those of a that b has not.
func without(a, b []Change) []string {
	var out []string
	for _, c := range a {
		if !slices.ContainsFunc(b, func(d Change) bool {
			return c.Change == d.Change && c.Kind == d.Kind && c.Metric == d.Metric && c.Severity == d.Severity
		}) {
			out = append(out, c.String())
		}
	}
	return out
}

// quiet is how many epochs in a row that changed nothing are still shown one by one.
const quiet = 20

// WriteText writes the epochs as a table of at most 100 columns: what the defaults say, and
// beside it what the other thresholds say besides ("also") or do not say ("not").
func (r Replayed) WriteText(w io.Writer) error {
	t := &text{}
	t.line("%s: %d epochs", r.Source, len(r.Epochs))
	for _, n := range r.Notes {
		t.wrapped("note: " + n)
	}
	t.line("+ opened, ^ escalated, - resolved")
	second := ""
	if len(r.Thresholds) > 1 {
		second = cut(r.Thresholds[1], 33)
	}
	t.line("\n%6s  %10s %10s  %-33s  %s", "epoch", "loss", "val_loss", r.Thresholds[0], second)
	for i := 0; i < len(r.Epochs); {
		if n := r.quietFrom(i); n > quiet {
			t.moment(r.Epochs[i])
			t.line("%6s  %d epochs that change nothing", "…", n-2)
			i += n - 1
			continue
		}
		if i > 0 && r.Epochs[i].Attempt != r.Epochs[i-1].Attempt {
			t.line("        attempt %d", r.Epochs[i].Attempt)
		}
		t.moment(r.Epochs[i])
		i++
	}
	t.line("")
	for i, v := range r.Verdicts {
		t.wrapped(fmt.Sprintf("%s: %s, confidence %.2f. %s", r.Thresholds[i], v.Kind, float64(v.Confidence), v.Summary))
	}
	for i, a := range r.Actions {
		if a == nil {
			t.wrapped(r.Thresholds[i] + ": auto_lr would not have acted.")
			continue
		}
		t.wrapped(fmt.Sprintf("%s: auto_lr would have acted first at %s", r.Thresholds[i], a))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// quietFrom returns how many epochs from i on, of one attempt, change nothing.
func (r *Replayed) quietFrom(i int) int {
	n := i
	for n < len(r.Epochs) && r.Epochs[n].Attempt == r.Epochs[i].Attempt &&
		!slices.ContainsFunc(r.Epochs[n].Changes, func(c []Change) bool { return len(c) > 0 }) {
		n++
	}
	return n - i
}

func (t *text) moment(m Moment) {
	left := without(m.Changes[0], nil)
	var right []string
	if len(m.Changes) > 1 {
		for _, c := range without(m.Changes[1], m.Changes[0]) {
			right = append(right, "also "+c)
		}
		for _, c := range without(m.Changes[0], m.Changes[1]) {
			right = append(right, "not "+c)
		}
	}
	for i := range max(1, len(left), len(right)) {
		head := strings.Repeat(" ", 29)
		if i == 0 {
			head = fmt.Sprintf("%6d  %10s %10s", m.Epoch, number(m.Metrics, "loss"), number(m.Metrics, "val_loss"))
		}
		t.line("%s  %-33s  %s", head, at(left, i), at(right, i))
	}
}

func number(metrics map[string]contract.Number, name string) string {
	v, ok := metrics[name]
	switch {
	case !ok:
		return "–"
	case !v.Finite():
		return v.String()
	}
	return fmt.Sprintf("%.4g", float64(v))
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}
