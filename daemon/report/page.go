package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// TextOptions say what the text is written on.
type TextOptions struct {
	Colour bool
	Width  int // columns; 0 means 80
}

// page gathers the lines of a report.
type page struct {
	b strings.Builder
	o TextOptions
}

func newPage(o TextOptions) *page {
	if o.Width <= 0 {
		o.Width = 80
	}
	o.Width = min(max(o.Width, 40), 120) // longer lines are hard to read
	return &page{o: o}
}

func (p *page) writeTo(w io.Writer) error {
	_, err := io.WriteString(w, p.b.String())
	return err
}

func (p *page) line(format string, args ...any) {
	p.b.WriteString(strings.TrimRight(fmt.Sprintf(format, args...), " ") + "\n")
}

func (p *page) blank() { p.b.WriteByte('\n') }

// The colours of a terminal that are read on light and dark alike.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

func (p *page) paint(style, s string) string {
	if !p.o.Colour || s == "" {
		return s
	}
	return "\x1b[" + style + "m" + s + "\x1b[0m"
}

func severityStyle(s detectors.Severity) string {
	switch s {
	case detectors.SeverityCritical:
		return red
	case detectors.SeverityWarning:
		return yellow
	}
	return dim
}

// wrapped writes text in lines of the page's width: the first begins with lead, the
// others as far in.
func (p *page) wrapped(lead, text, style string) {
	indent := strings.Repeat(" ", utf8.RuneCountInString(lead))
	line, prefix := "", lead
	flush := func() {
		p.line("%s%s", prefix, p.paint(style, line))
		line, prefix = "", indent
	}
	for word := range strings.FieldsSeq(text) {
		if line != "" && utf8.RuneCountInString(prefix)+utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > p.o.Width {
			flush()
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	if line != "" {
		flush()
	}
}

// verdict writes what a person reads first.
func (p *page) verdict(v Verdict, firing int) {
	style := green
	switch {
	case firing > 0:
		style = red
	case v.Kind != detectors.KindHealthy:
		style = yellow
	}
	p.line("%s%s", p.paint(bold+";"+style, words(v.Kind)), p.paint(dim, confidence(v)))
	p.wrapped("  ", v.Summary, "")
}

func words(k detectors.Kind) string { return strings.ReplaceAll(string(k), "_", " ") }

func confidence(v Verdict) string {
	if v.Kind == detectors.KindHealthy {
		return ""
	}
	return fmt.Sprintf("  (confidence %.0f %%)", 100*float64(v.Confidence))
}

func (p *page) advice(advice []string) {
	if len(advice) == 0 {
		return
	}
	p.blank()
	p.line("%s", p.paint(bold, "What to try"))
	for i, a := range advice {
		p.wrapped(fmt.Sprintf("  %d. ", i+1), a, "")
	}
}

// finding writes one finding with its evidence.
func (p *page) finding(f Finding) {
	when := fmt.Sprintf("since epoch %d, seen at %d", f.OnsetEpoch, f.FiredEpoch)
	if f.ResolvedEpoch != nil {
		when = fmt.Sprintf("from epoch %d, over at %d", f.OnsetEpoch, *f.ResolvedEpoch)
	}
	on := ""
	if f.Metric != "" {
		on = " on " + f.Metric
	}
	p.line("  %s %s%s, %s", p.paint(severityStyle(f.Severity), fmt.Sprintf("%-8s", f.Severity)), p.paint(bold, words(f.Kind)), on, when)
	p.wrapped("           ", f.Summary, "")
	if text := evidence(f.Evidence); text != "" {
		p.wrapped("           ", text, dim)
	}
}

func evidence(m map[string]contract.Number) string {
	parts := make([]string, 0, len(m))
	for _, k := range sortedKeys(m) {
		parts = append(parts, strings.ReplaceAll(k, "_", " ")+" "+short(float64(m[k])))
	}
	return strings.Join(parts, ", ")
}
