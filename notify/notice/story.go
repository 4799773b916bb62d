package notice

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// withdrawn is the reason of a finding that later data took back (ingest.ReasonWithdrawn).
const withdrawn = "withdrawn"

// Story is what a message says, in plain text, cleaned but not escaped.
type Story struct {
	Subject string // one line, tells the story by itself
	Title   string // the same without program and run
	// Mood is the word for colour and sign: critical, warning, info, or resolved.
	Mood     string
	Severity string   // of the finding, also when it is resolved
	Run      string   // project / name (id)
	Summary  string   // one sentence with the numbers
	Since    string   // since when, and when it was seen
	Numbers  []string // the evidence: "best 0.740"
	Sure     string
	Curves   []Curve
	Onset    int // the epoch that the curves mark
	Done     []string
	Answers  []string // who has seen it, who has silenced it
	News     []string // of progress: what of the rest is new
	Advice   []string
	Also     []string // the run's other findings, which the first explains
	Others   []string // the other runs it happened to
	Lists    []List   // of a digest
	Look     string   // the command that shows the run
	Link     string   // may be empty
	Mute     string   // what to put into the daemon's config; empty where there is no finding
}

// List is some lines under a name.
type List struct {
	Name  string
	Lines []string
}

// Tell makes the story of a notice. It is a function of the notice alone.
func Tell(n Notice) Story {
	switch {
	case n.Digest != nil:
		return digest(*n.Digest)
	case n.Event == store.MessageRunEnded:
		return ended(n)
	}
	f := n.Finding
	s := Story{
		Title:    headline(n),
		Mood:     string(f.Severity),
		Severity: string(f.Severity),
		Run:      runText(n.Run),
		Summary:  clean(f.Summary, 600),
		Numbers:  numbers(f.Finding),
		Sure:     sure(f.Confidence),
		Since:    since(n),
		Curves:   curves(n),
		Onset:    f.OnsetEpoch,
		Done:     done(n),
		Answers:  answers(n),
		News:     news(n),
		Also:     also(n),
		Others:   others(n),
		Look:     look(n.Run),
		Link:     n.Link,
		Mute:     mute(f.Kind),
	}
	for _, a := range f.Advice {
		s.Advice = append(s.Advice, clean(a, 400))
	}
	if n.Event == store.MessageResolved {
		s.Mood, s.Title, s.Summary = "resolved", resolvedTitle(n), resolvedSummary(n)
		s.Advice, s.Numbers = nil, nil // of the time when it fired; the title has the two that matter
	} else if !f.Firing() {
		s.Summary = strings.TrimSpace(s.Summary + fmt.Sprintf(" It no longer holds since epoch %d.", *f.ResolvedEpoch))
	}
	if n.Event == store.MessageUpdate {
		word := "update: "
		if n.Repeat {
			word = "still: "
		}
		s.Title = word + s.Title
	}
	if k := len(n.Others); k > 0 {
		s.Run += " and " + count(k, "other run")
	}
	s.Subject = "[epochwatch] " + subjectRun(n) + ": " + s.Title
	return s
}

// look is the command that shows a run.
func look(r store.Run) string { return "epochwatch runs show " + clean(r.ID, maxName) }

// mute is what to put into the daemon's config.
func mute(k detectors.Kind) string {
	if !detectors.BuiltIn(k) {
		return "enabled: false, at the rule " + clean(string(k), maxName)
	}
	return fmt.Sprintf("detectors: {%s: {enabled: false}}", clean(string(k), maxName))
}

func runName(r store.Run) string {
	if name := clean(r.Name, maxName); name != "" {
		return name
	}
	return clean(r.ID, maxName)
}

// runText names a run so that it can be found: people know it by its name, commands by its id.
func runText(r store.Run) string {
	text := clean(r.Project, maxName) + " / " + runName(r)
	if r.Name != "" && r.Name != r.ID {
		text += " (" + clean(r.ID, maxName) + ")"
	}
	return text
}

func resolvedTitle(n Notice) string {
	if n.Finding.Reason == withdrawn {
		return "taken back: " + headline(n)
	}
	if n.Finding.ResolvedEpoch == nil {
		return "resolved: " + headline(n)
	}
	return fmt.Sprintf("resolved at epoch %d: %s", *n.Finding.ResolvedEpoch, headline(n))
}

func resolvedSummary(n Notice) string {
	f := n.Finding
	switch {
	case f.Reason == withdrawn:
		return "What was said does not hold: an epoch that came late, or other settings, change the picture."
	case f.ResolvedEpoch == nil:
		return "It no longer holds."
	}
	text := fmt.Sprintf("It no longer holds since epoch %d", *f.ResolvedEpoch)
	if v, ok := metricSeries(n.Epochs, metricName(n)).at(*f.ResolvedEpoch); ok {
		text += fmt.Sprintf(": %s was %s there", clean(metricName(n), maxName), Number(v))
	}
	return text + "."
}

// since says from which epoch on, by the trainer's clock, and when it was seen.
func since(n Notice) string {
	f := n.Finding
	text := fmt.Sprintf("epoch %d", f.OnsetEpoch)
	i := slices.IndexFunc(n.Epochs, func(e store.Epoch) bool { return e.Epoch == f.OnsetEpoch })
	if i >= 0 && !n.Epochs[i].EndedAt.IsZero() {
		text += " (" + n.at(n.Epochs[i].EndedAt) + ")"
	}
	if f.FiredEpoch != f.OnsetEpoch {
		text += fmt.Sprintf(", seen at epoch %d", f.FiredEpoch)
	}
	if f.ResolvedEpoch != nil {
		text += fmt.Sprintf(", until epoch %d", *f.ResolvedEpoch)
	}
	return text
}

// leading evidence comes first, in this order; the rest by name.
var leading = []string{"best", "start", "before", "now", "last", "rise", "noise"}

// numbers lists the evidence.
func numbers(f detectors.Finding) []string {
	names := make([]string, 0, len(f.Evidence))
	for name := range f.Evidence {
		names = append(names, name)
	}
	place := func(name string) int {
		if i := slices.Index(leading, name); i >= 0 {
			return i
		}
		return len(leading)
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := place(a) - place(b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	out := make([]string, 0, len(names))
	for _, name := range names {
		v, format := float64(f.Evidence[name]), Number
		if strings.Contains(name, "learning_rate") || name == "lr" {
			format = Rate
		}
		out = append(out, strings.ReplaceAll(clean(name, maxName), "_", " ")+" "+format(v))
	}
	return out
}

// sure puts a confidence into words.
func sure(c float64) string {
	word := "a hint"
	switch {
	case math.IsNaN(c):
		return "not known"
	case c >= 0.9:
		word = "nearly certain"
	case c >= 0.7:
		word = "fairly sure"
	case c >= 0.5:
		word = "more likely than not"
	}
	return fmt.Sprintf("%.0f %%, %s", 100*c, word)
}

func rateSeries(epochs []store.Epoch) series {
	return seriesOf(epochs, func(e store.Epoch) (float64, bool) {
		if e.LearningRate == nil {
			return 0, false
		}
		return *e.LearningRate, true
	})
}

// curves draws the finding's metric, what it is to be seen beside, and the learning rate
// where it changed: four lines at most.
func curves(n Notice) []Curve {
	names := []string{metricName(n), "loss", "val_loss"}
	if n.Finding.Kind == detectors.KindLossAccuracyConflict {
		names = append([]string{metricName(n), "loss"}, accuracies(n.Epochs)...)
	}
	onset := n.Finding.OnsetEpoch
	if n.Finding.Kind == "" {
		onset = -1 // nothing to mark
	}
	var out []Curve
	seen := map[string]bool{}
	for _, name := range names {
		s := metricSeries(n.Epochs, name)
		if seen[name] || len(s.values) < 2 || len(out) == 3 {
			continue
		}
		seen[name] = true
		out = append(out, s.curve(name, onset, n.Finding.ResolvedEpoch, Pair))
	}
	if s := rateSeries(n.Epochs); len(s.values) > 1 && slices.Max(s.values) > slices.Min(s.values) {
		rates := func(a, b float64) (string, string) { return Rate(a), Rate(b) }
		out = append(out, s.curve("rate", onset, n.Finding.ResolvedEpoch, rates))
	}
	return out
}

// accuracies returns the metrics of the last epoch that are an accuracy by their name.
func accuracies(epochs []store.Epoch) []string {
	if len(epochs) == 0 {
		return nil
	}
	var out []string
	for name := range epochs[len(epochs)-1].Metrics {
		if strings.Contains(name, "acc") {
			out = append(out, name)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if c := len(a) - len(b); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return out
}
