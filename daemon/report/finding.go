package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// findings writes all findings: those that hold, the gravest first, then those that are over.
// said is what the reader has read already.
func (p *page) findings(all []Finding, said string) {
	if len(all) == 0 {
		return
	}
	sorted := slices.Clone(all)
	slices.SortStableFunc(sorted, func(a, b Finding) int { return order(b) - order(a) })
	p.blank()
	p.heading("Findings")
	for _, f := range sorted {
		p.finding(f, said)
	}
}

// order ranks a finding for reading.
func order(f Finding) int {
	if f.ResolvedEpoch != nil {
		return 0
	}
	return f.Severity.Rank()
}

func (p *page) finding(f Finding, said string) {
	state, style := string(f.Severity), severityStyle(f.Severity)
	if f.ResolvedEpoch != nil {
		state, style = "over", dim
	}
	p.line("  %s %s", p.paint(style, fmt.Sprintf("%-8s", state)), p.paint(bold, title(f.Kind)))
	indent := strings.Repeat(" ", 11)
	p.wrapped(indent, when(f), "")
	if f.Summary != "" && !strings.Contains(said, f.Summary) {
		p.wrapped(indent, f.Summary, "")
	}
	if text := evidence(f.Evidence); text != "" {
		p.wrapped(indent, text, dim)
	}
}

// when says on what metric a finding was seen, and from when to when.
func when(f Finding) string {
	text := fmt.Sprintf("since epoch %d, seen at %d", f.OnsetEpoch, f.FiredEpoch)
	if f.ResolvedEpoch != nil {
		text = fmt.Sprintf("from epoch %d, seen at %d, over at %d", f.OnsetEpoch, f.FiredEpoch, *f.ResolvedEpoch)
	}
	if f.Metric != "" {
		text = notice.Clean(f.Metric, nameWidth) + ", " + text
	}
	return text
}

// phrases says evidence in words, in the order in which it is read; v writes the number,
// as it is or as a percentage.
var phrases = []struct {
	name, text string
	v          func(float64) string
}{
	{"learning_rate", "learning rate %s", short},
	{"start", "at the start %s", short},
	{"first", "at first %s", short},
	{"untrained", "untrained model %s", short},
	{"chance", "guessing %s", short},
	{"best", "best %s", short},
	{"before", "before %s", short},
	{"now", "now %s", short},
	{"limit", "limit %s", short},
	{"rise_in_noise", "rise %s × noise", rough},
	{"needed", "%s × needed", rough},
	{"noise", "noise %s", short},
	{"margin", "margin %s", short},
	{"lowest", "lowest %s", short},
	{"highest", "highest %s", short},
	{"span", "span %s", short},
	{"score_then", "score then %s", short},
	{"score_now", "score now %s", short},
	{"score_noise", "noise of the score %s", short},
	{"score_change", "change of the score %s", short},
	{"train_drop", "training loss %s lower", percent},
	{"swing", "upward steps %s of the level", percent},
	{"swing_of_start", "%s of the start", percent},
}

// rough writes a ratio for people.
func rough(v float64) string { return fmt.Sprintf("%.2g", v) }

func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }

func evidence(m map[string]contract.Number) string {
	parts := make([]string, 0, len(m))
	told := map[string]bool{}
	for _, ph := range phrases {
		if v, ok := m[ph.name]; ok {
			parts = append(parts, fmt.Sprintf(ph.text, ph.v(float64(v))))
			told[ph.name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if !told[name] {
			parts = append(parts, words(name)+" "+short(float64(m[name])))
		}
	}
	return joined(parts)
}

// onsetOf returns where the trouble that the verdict names began; nil when all is well.
func onsetOf(v Verdict, fs []Finding) *int {
	if v.Kind == detectors.KindHealthy {
		return nil
	}
	var best *int
	for i := range fs {
		f := &fs[i]
		if f.ResolvedEpoch != nil {
			continue
		}
		if f.Kind == v.Kind {
			return &f.OnsetEpoch
		}
		if best == nil || f.OnsetEpoch < *best {
			best = &f.OnsetEpoch
		}
	}
	return best
}
