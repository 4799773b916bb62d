package backtest

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// assumedRate stands in where nothing tells the learning rate: the policy leaves a rate
	// that it does not know alone, and its steps do not depend on where they start.
	assumedRate = 1e-3
	// standstill is the cause where no finding is: the training loss has stopped falling.
	standstill = "standstill"
	// unlabelled stands for a label where there is none.
	unlabelled = "none"
)

// OwnerBounds are those of EpochWatch(auto_lr=True).
func OwnerBounds() contract.Control {
	return contract.Control{
		Mode: contract.ModeAuto, MinLR: 1e-7, Factor: 0.5, HardestFactor: 0.1, MaxCuts: 6, CooldownEpochs: 2,
		Allow: []contract.CommandKind{contract.KindReduceLR, contract.KindRollback},
	}
}

// Actions are when the policy would have acted on curves. A stored curve does not react, so
// only the first action of each is told. What is decided at the last epoch of a curve comes
// too late and is left out.
type Actions struct {
	Thresholds   string           `json:"thresholds"`
	Bounds       contract.Control `json:"bounds"`
	Curves       int              `json:"curves"`
	Repositories int              `json:"repositories"`
	Epochs       int              `json:"epochs"`
	// AssumedRate is how many curves do not tell their learning rate.
	AssumedRate int            `json:"assumed_rate"`
	Labels      []LabelActions `json:"labels"` // healthy first, curves without a label last
	Actions     []Action       `json:"actions"`
	Problems    []Problem      `json:"problems,omitempty"`
}

// LabelActions are the actions on the curves with a label. A curve with two counts for both.
type LabelActions struct {
	Label  string         `json:"label"` // a kind, or none
	Acted  Estimate       `json:"acted"`
	Causes []CauseActions `json:"causes"` // the most frequent first
}

// CauseActions are those of one cause.
type CauseActions struct {
	Cause     string `json:"cause"`
	Curves    int    `json:"curves"`
	Rollbacks int    `json:"rollbacks"` // of these, with a way back to the best weights
}

// Action is the first thing that the policy would have done to a curve.
type Action struct {
	ID     string               `json:"id,omitempty"` // with Labels, of a curve
	Labels []detectors.Kind     `json:"labels,omitempty"`
	Epoch  int                  `json:"epoch"` // at whose end it is decided, as the log numbers it
	Index  int                  `json:"index"` // the same, from 0
	Epochs int                  `json:"epochs"`
	Kind   contract.CommandKind `json:"kind"`
	Cause  string               `json:"cause"` // the kind of a finding, or standstill
	Step   contract.Number      `json:"step"`  // the new rate as a share of the old one
	Reason string               `json:"reason"`
}

// Act takes curves through the detectors and the policy. The order of the curves does not
// matter. The error is that of a bad config.
func Act(curves []*Curve, t Thresholds) (Actions, error) {
	curves = slices.Clone(curves)
	slices.SortFunc(curves, func(a, b *Curve) int { return cmp.Compare(a.ID, b.ID) })
	s := newSample(curves)
	out := Actions{
		Thresholds: t.Name, Bounds: OwnerBounds(), Curves: len(curves), Repositories: len(s.repositories), Actions: []Action{},
	}
	acted := map[string]*Action{}
	for _, c := range curves {
		out.Epochs += len(c.Epochs)
		story := Story{{Facts: c.Facts, Epochs: c.Epochs}}
		if _, known := rates(story); !known {
			out.AssumedRate++
		}
		a, err := story.firstAction(t.Config)
		if err != nil {
			return Actions{}, err
		}
		if a != nil {
			a.ID, a.Labels = c.ID, slices.Sorted(maps.Keys(c.Labels))
			acted[c.ID] = a
			out.Actions = append(out.Actions, *a)
		}
	}
	out.Labels = s.labelActions(curves, acted)
	return out, nil
}

// firstAction returns nil where the policy would have done nothing.
func (s Story) firstAction(cfg detectors.Config) (*Action, error) {
	var epochs []detectors.Epoch
	var of []int // the attempt of each
	for n, a := range s {
		epochs = append(epochs, a.Epochs...)
		of = append(of, slices.Repeat([]int{n}, len(a.Epochs))...)
	}
	lr, _ := rates(s)
	policy := control.New(control.Policy{})
	var curve []detectors.Epoch
	var now ingest.Situation
	var first *Action
	_, err := s.fold(cfg, func(i int, changes []detectors.Change) {
		e := epochs[i]
		e.LearningRate = lr[i]
		if i > 0 && of[i] != of[i-1] {
			curve = slices.DeleteFunc(curve, func(o detectors.Epoch) bool { return o.Epoch >= e.Epoch })
		}
		if len(curve) == 0 {
			now.Untrained = nil
			if e.Epoch == 0 && !math.IsNaN(e.FirstBatchLoss) {
				now.Untrained = &e.FirstBatchLoss
			}
		}
		curve = append(curve, e)
		now.Findings = keep(now.Findings, changes)
		if first != nil || i+1 == len(epochs) || of[i+1] != of[i] {
			return // a command would come too late
		}
		started := s[of[i]].started()
		now.Run = store.Run{State: store.StateRunning, Started: started}
		now.Attempt = store.Attempt{ID: e.Attempt, Started: started}
		now.Seq, now.Changes = e.Seq, changes
		now.Recent = slices.Clone(curve[max(len(curve)-ingest.RecentEpochs, 0):])
		for _, cmd := range policy.Decide(now) {
			first = &Action{
				Epoch: e.Epoch, Index: i, Epochs: len(epochs), Kind: cmd.Kind, Cause: cmp.Or(cmd.FindingID, standstill),
				Step: *cmd.Wanted / *cmd.Expected, Reason: cmd.Reason,
			}
		}
	})
	return first, err
}

// started is what a run says of itself when its owner allows what auto_lr does.
func (a *Attempt) started() *contract.RunStarted {
	out := &contract.RunStarted{Schedule: a.Schedule, Control: OwnerBounds()}
	if a.Facts != nil {
		out.Facts = *a.Facts
	}
	return out
}

// keep brings findings up to date. The id of each is its kind, which then is the cause of a
// command.
func keep(findings []store.Finding, changes []detectors.Change) []store.Finding {
	for _, c := range changes {
		f := store.Finding{ID: string(c.Finding.Kind), Finding: c.Finding}
		if i := slices.IndexFunc(findings, func(o store.Finding) bool { return o.Key() == f.Key() }); i >= 0 {
			findings[i] = f
		} else {
			findings = append(findings, f)
		}
	}
	return findings
}

// rates returns the learning rate of each epoch: where one does not tell it, that of the
// epoch before, or the first that is told; false where none is.
func rates(s Story) ([]float64, bool) {
	var out []float64
	rate := math.NaN()
	for _, a := range slices.Backward(s) {
		if a.Facts != nil && a.Facts.LearningRate != nil {
			rate = float64(*a.Facts.LearningRate)
		}
		for _, e := range slices.Backward(a.Epochs) {
			if !math.IsNaN(e.LearningRate) {
				rate = e.LearningRate
			}
		}
	}
	known := !math.IsNaN(rate)
	if !known {
		rate = assumedRate
	}
	for _, a := range s {
		for _, e := range a.Epochs {
			if !math.IsNaN(e.LearningRate) {
				rate = e.LearningRate
			}
			out = append(out, rate)
		}
	}
	return out, known
}

func (s *sample) labelActions(curves []*Curve, acted map[string]*Action) []LabelActions {
	of := map[string][]*Curve{}
	for _, c := range curves {
		for kind := range c.Labels {
			of[string(kind)] = append(of[string(kind)], c)
		}
		if len(c.Labels) == 0 {
			of[unlabelled] = append(of[unlabelled], c)
		}
	}
	place := func(label string) int {
		switch label {
		case string(detectors.KindHealthy):
			return 0
		case unlabelled:
			return 2
		}
		return 1
	}
	labels := slices.SortedFunc(maps.Keys(of), func(a, b string) int {
		return cmp.Or(cmp.Compare(place(a), place(b)), cmp.Compare(a, b))
	})
	out := []LabelActions{}
	for _, label := range labels {
		num, den := s.counts(), s.counts()
		causes := map[string]*CauseActions{}
		for _, c := range of[label] {
			r := s.of[c.Repository]
			den[r]++
			a := acted[c.ID]
			if a == nil {
				continue
			}
			num[r]++
			if causes[a.Cause] == nil {
				causes[a.Cause] = &CauseActions{Cause: a.Cause}
			}
			causes[a.Cause].Curves++
			if a.Kind == contract.KindRollback {
				causes[a.Cause].Rollbacks++
			}
		}
		l := LabelActions{Label: label, Acted: s.draws.share(num, den), Causes: []CauseActions{}}
		for _, c := range causes {
			l.Causes = append(l.Causes, *c)
		}
		slices.SortFunc(l.Causes, func(a, b CauseActions) int {
			return cmp.Or(cmp.Compare(b.Curves, a.Curves), cmp.Compare(a.Cause, b.Cause))
		})
		out = append(out, l)
	}
	return out
}

// WriteText writes the sums, then each action, in lines of at most 100 columns.
func (a Actions) WriteText(w io.Writer) error {
	t := &text{}
	t.line("When the policy would have acted first: %d curves of %d repositories, %d epochs", a.Curves, a.Repositories, a.Epochs)
	t.line("Bounds: those of EpochWatch(auto_lr=True). Intervals: 95 %%, by bootstrap over repositories.")
	t.wrapped("Thresholds: " + a.Thresholds + ".")
	if a.AssumedRate > 0 {
		t.line("%d curves do not tell their learning rate: %g is assumed.", a.AssumedRate, assumedRate)
	}
	t.line("\n%-28s %6s  %-17s  %s", "Label, and cause", "curves", "acted on", "to the best weights")
	for _, l := range a.Labels {
		back := 0
		for _, c := range l.Causes {
			back += c.Rollbacks
		}
		t.line("%-28s %6d  %-17s  %3d", l.Label, l.Acted.Of, cell(l.Acted), back)
		for _, c := range l.Causes {
			t.line("  %-33s  %3d                %3d", c.Cause, c.Curves, c.Rollbacks)
		}
	}
	if len(a.Actions) > 0 {
		t.line("\nCurve by curve")
	}
	for _, x := range a.Actions {
		t.wrapped(fmt.Sprintf("%s (%s), %s", x.ID, labelled(x.Labels), x))
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// String says what was done when and why.
func (a Action) String() string {
	return fmt.Sprintf("epoch %d: %s to %.3g of the rate, %s: %s", a.Epoch, a.Kind, float64(a.Step), a.Cause, a.Reason)
}

func labelled(kinds []detectors.Kind) string {
	if len(kinds) == 0 {
		return "no label"
	}
	var words []string
	for _, k := range kinds {
		words = append(words, string(k))
	}
	return strings.Join(words, ", ")
}
