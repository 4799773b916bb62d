package backtest

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/oneline"
)

// worst is how many repositories a table shows.
const worst = 10

// text gathers lines of at most 100 columns.
type text struct{ b strings.Builder }

// line writes a line; names of others among the arguments cannot steer the terminal.
func (t *text) line(format string, args ...any) {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = oneline.Printable(s)
		}
	}
	t.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

// wrapped writes a text in lines of 100 columns, all but the first indented.
func (t *text) wrapped(s string) {
	line := ""
	for word := range strings.FieldsSeq(s) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > 100 {
			t.line("%s", line)
			line = " "
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	t.line("%s", line)
}

// WriteText writes the report as tables of at most 100 columns.
func (r Report) WriteText(w io.Writer) error {
	t := &text{}
	for i, p := range r.Parts {
		if i > 0 {
			t.line("")
		}
		t.part(p)
	}
	if r.Clinic != nil {
		if len(r.Parts) > 0 {
			t.line("")
		}
		t.clinic(r.Clinic)
	}
	if len(r.Missed) > 0 {
		t.line("\nRequired, and not so")
		for _, m := range r.Missed {
			t.line("  %s", m)
		}
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

func (t *text) part(p Part) {
	title := map[string]string{PartAll: "All curves", PartDevelopment: "Development part", PartApart: "Part kept apart"}[p.Name]
	t.line("%s: %d curves of %d repositories, %d epochs; %d labelled, %d of these healthy",
		title, p.Curves, p.Repositories, p.Epochs, p.Labelled, p.Healthy)
	f := &p.Figures[0]
	t.line("Thresholds: %s. Intervals: 95 %%, by bootstrap over repositories.", f.Thresholds)
	t.line("\n%-22s %6s  %s", "Kind", "labels", columns)
	for _, k := range f.Kinds {
		t.row(string(k.Kind), k.Recall, k.Early, k.Delay, k.Healthy)
	}
	t.row("all labels", f.Recall, f.Early, f.Delay, Estimate{})
	t.falseAlarms(f, p.Healthy)
	t.baselines(p.Baselines)
	if len(p.Figures) > 1 {
		t.against(&p)
	}
	t.repositories(f.Repositories)
	t.odd(f.Odd)
	t.calibration(f.Calibration)
}

var columns = fmt.Sprintf("%-17s %-17s %-13s %s", "named", "before the onset", "delay", "on healthy runs")

func (t *text) row(name string, recall, early, delay, healthy Estimate) {
	t.line("%-22s %6s  %s %s %-13s %s", name, blank(recall.Of), cell(recall), cell(early), epochs(delay), cell(healthy))
}

func blank(n int) string {
	if n == 0 {
		return "–"
	}
	return strconv.Itoa(n)
}

// cell writes a share in 17 columns: count, per cent, interval.
func cell(e Estimate) string {
	if e.Value == nil {
		return fmt.Sprintf("%3s%-14s", "–", "")
	}
	return fmt.Sprintf("%3d %5s %-7s", e.Count, percent(*e.Value)+" %", between(e, percent))
}

func epochs(e Estimate) string {
	if e.Value == nil {
		return "  –"
	}
	return fmt.Sprintf("%3s %s", plain(*e.Value), between(e, plain))
}

func between(e Estimate, write func(float64) string) string {
	if e.Low == nil {
		return ""
	}
	return write(*e.Low) + "–" + write(*e.High)
}

// percent writes a share in per cent, with a digit after the point where that says more.
func percent(v float64) string {
	if v *= 100; v != 0 && v < 9.95 && v > -9.95 {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func plain(v float64) string { return fmt.Sprintf("%.3g", v) }

func (t *text) falseAlarms(f *Figures, healthy int) {
	if healthy > 0 {
		t.line("\n%-30s  %-22s  %s", "False alarms on healthy runs", "warning or worse", "anything at all")
		t.line("%-30s  %-22s  %s", "  runs with one", "      "+cell(f.Alarmed), "      "+cell(f.Any))
		t.line("%-30s  %-22s  %s", "  a run", spread(f.AlarmsPerRun), spread(f.AnyPerRun))
		t.line("%-30s  %-22s  %s", "  in 100 epochs", spread(f.AlarmsPer100), spread(f.AnyPer100))
	}
	t.line("\nOf all curves, labelled or not, %d (%s %%) had a warning or worse.", f.Raised.Count, percentOf(f.Raised))
}

func percentOf(e Estimate) string {
	if e.Value == nil {
		return "–"
	}
	return percent(*e.Value)
}

// spread writes a rate with its interval.
func spread(e Estimate) string {
	if e.Value == nil {
		return "  –"
	}
	short := func(v float64) string { return fmt.Sprintf("%.2g", v) }
	return fmt.Sprintf("%9s %s", short(*e.Value), between(e, short))
}

func (t *text) baselines(bs []BaselineFigures) {
	t.line("\n%-22s %6s  %s", "Plain rules", "labels", columns)
	for _, b := range bs {
		t.row(b.Name, b.Recall, b.Early, b.Delay, b.Healthy)
	}
	t.line("  Held against the labels of %s; a rule that fires at once names everything early.", answers)
	for _, b := range bs {
		t.line("  %-16s %s", b.Name, b.Doc)
	}
}

// against sets two sets of thresholds side by side.
func (t *text) against(p *Part) {
	a, b := &p.Figures[0], &p.Figures[1]
	t.line("\nA is %s, B is %s", a.Thresholds, b.Thresholds)
	t.line("%-22s %6s  %11s  %11s  %13s  %13s", "Kind", "labels", "named", "early", "delay", "healthy runs")
	t.line("%-22s %6s  %5s %5s  %5s %5s  %6s %6s  %6s %6s", "", "", "A", "B", "A", "B", "A", "B", "A", "B")
	for i, k := range a.Kinds {
		o := b.Kinds[i]
		t.line("%-22s %6s  %5d %5d  %5d %5d  %6s %6s  %6d %6d", k.Kind, blank(k.Recall.Of), k.Recall.Count, o.Recall.Count,
			k.Early.Count, o.Early.Count, orDash(k.Delay), orDash(o.Delay), k.Healthy.Count, o.Healthy.Count)
	}
	t.line("%-22s %6s  %5d %5d  %5d %5d  %6s %6s  %6d %6d", "all labels", blank(a.Recall.Of), a.Recall.Count, b.Recall.Count,
		a.Early.Count, b.Early.Count, orDash(a.Delay), orDash(b.Delay), a.Any.Count, b.Any.Count)
	t.line("  healthy runs with a warning or worse: %d and %d of %d", a.Alarmed.Count, b.Alarmed.Count, p.Healthy)
	t.line("\nA less B, with the interval of the difference")
	for _, d := range p.Less {
		if strings.Contains(d.Figure, ".") && d.By == 0 {
			continue // of the many kinds, those that differ
		}
		t.line("  %-34s %+8.3g  %s", d.Figure, d.By, bounds(d.Low, d.High))
	}
}

func orDash(e Estimate) string {
	if e.Value == nil {
		return "–"
	}
	return plain(*e.Value)
}

func bounds(low, high *float64) string {
	if low == nil {
		return ""
	}
	return fmt.Sprintf("%.3g to %.3g", *low, *high)
}

func (t *text) repositories(rs []RepositoryFigures) {
	wrong := func(r RepositoryFigures) int { return r.Alarmed + r.Labels - r.Named + r.Early }
	rs = slices.DeleteFunc(slices.Clone(rs), func(r RepositoryFigures) bool { return wrong(r) == 0 })
	if len(rs) == 0 {
		return
	}
	slices.SortStableFunc(rs, func(a, b RepositoryFigures) int { return cmp.Compare(wrong(b), wrong(a)) })
	t.line("\n%-47s %6s %6s %6s %6s %7s %7s", "Repositories with something wrong", "curves", "labels", "missed", "early", "healthy", "alarmed")
	for _, r := range rs[:min(worst, len(rs))] {
		t.line("%-47s %6d %6d %6d %6d %7d %7d", cut(r.Repository, 47), r.Curves, r.Labels, r.Labels-r.Named, r.Early, r.Healthy, r.Alarmed)
	}
	if more := len(rs) - worst; more > 0 {
		t.line("  and %d more: --json has all", more)
	}
}

func cut(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

func (t *text) odd(odd []OddCurve) {
	if len(odd) == 0 {
		return
	}
	t.line("\nCurves on which labels and findings differ")
	for _, o := range odd {
		var said []string
		for what, kinds := range map[string][]detectors.Kind{"missed": o.Missed, "early": o.Early, "healthy, but": o.False} {
			for _, k := range kinds {
				said = append(said, what+" "+string(k))
			}
		}
		slices.Sort(said)
		t.line("  %-12s %4d epochs  %s", cut(o.ID, 12), o.Epochs, strings.Join(said, ", "))
	}
}

func (t *text) calibration(cs []Calibration) {
	for _, c := range cs {
		if c.Error == nil {
			continue
		}
		name := "Confidence of verdicts: healthy"
		if c.Verdicts != "healthy" {
			name = "Confidence of verdicts: a problem"
		}
		t.line("\n%-36s %6s  %6s  %s", name, "curves", "mean", "right")
		for _, b := range c.Bins {
			if b.Mean == nil {
				continue
			}
			t.line("  %-34s %6d  %6.2f  %s", fmt.Sprintf("%.1f to %.1f", b.From, b.To), b.Right.Of, *b.Mean, cell(b.Right))
		}
		t.line("  mean distance of confidence and share of right ones: %.2f", *c.Error)
		if c.Unlabelled > 0 {
			t.line("  %d more are of kinds that no label names, on curves with another fault: not judged", c.Unlabelled)
		}
	}
}

func (t *text) clinic(c *Clinic) {
	t.line("Clinic: %d logs; the verdict answers the main cause of %d (%s %%), any of the causes of %d (%s %%)",
		c.Main.Of, c.Main.Count, percentOf(c.Main), c.Answered.Count, percentOf(c.Answered))
	t.line("\n%-8s %6s %5s %7s  %-6s %-27s %s", "id", "epochs", "fired", "symptom", "answer", "verdict", "diagnosis")
	for _, l := range c.Lines {
		t.line("%-8s %6d %5s %7s  %-6s %-27s %s", cut(l.ID, 8), l.Epochs, epoch(l.FiredEpoch), epoch(l.SymptomEpoch), l.Answers,
			fmt.Sprintf("%s %.2f", l.Verdict, l.Confidence), cut(strings.Join(l.Diagnosis, ", "), 34))
	}
}

func epoch(n *int) string {
	if n == nil {
		return "–"
	}
	return strconv.Itoa(*n)
}
