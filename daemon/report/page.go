package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/oneline"
)

// TextOptions say what the text is written on.
type TextOptions struct {
	Colour bool
	Width  int // columns; 0 means 80
	// Load reads one run of a list, for its curve and verdict; nil leaves them out.
	Load func(project, id string) (RunDocument, error)
}

// page gathers the lines of a report. What others wrote goes through paint or wrapped, which
// keep it from steering the terminal; line takes what it is given.
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
	p.b.WriteString(strings.TrimRight(strings.ReplaceAll(fmt.Sprintf(format, args...), hard, " "), " ") + "\n")
}

func (p *page) heading(s string) { p.line("%s", p.paint(bold, s)) }

func (p *page) blank() { p.b.WriteByte('\n') }

// The colours of a terminal that are read on light and dark alike.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
)

// paint makes s printable and gives it a colour.
func (p *page) paint(style, s string) string {
	s = oneline.Printable(s)
	if !p.o.Colour || s == "" || style == "" {
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
	for word := range strings.FieldsFuncSeq(text, breaks) {
		word = oneline.Printable(word)
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

// breaks reports whether a line may end at r. What belongs together is joined by hard spaces.
func breaks(r rune) bool { return r == ' ' || r == '\n' || r == '\t' }

// hard is a space at which no line ends; it is written as a plain one.
const hard = "\u00a0"

// verdict writes what a person reads first.
func (p *page) verdict(v Verdict, findings []Finding) {
	if v.Kind == detectors.KindHealthy {
		p.wrapped("", v.Summary, bold+";"+green)
		return
	}
	style := yellow
	for _, f := range findings {
		if f.Kind == v.Kind && f.ResolvedEpoch == nil {
			style = severityStyle(f.Severity)
			break
		}
	}
	p.line("%s  %s", p.paint(bold+";"+style, title(v.Kind)), p.paint(dim, fmt.Sprintf("%.0f %% sure", 100*float64(v.Confidence))))
	p.wrapped("  ", v.Summary, "")
}

// title names a kind in a few words.
func title(k detectors.Kind) string {
	for _, s := range detectors.Specs() {
		if s.Kind == k && s.Title != "" {
			return s.Title
		}
	}
	return words(k)
}

func words[S ~string](s S) string { return strings.ReplaceAll(string(s), "_", " ") }

func (p *page) advice(advice []string) {
	if len(advice) == 0 {
		return
	}
	p.blank()
	p.heading("What to try")
	for i, a := range advice {
		p.wrapped(fmt.Sprintf("  %d. ", i+1), a, "")
	}
}
