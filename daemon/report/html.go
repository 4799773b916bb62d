package report

import (
	"bytes"
	_ "embed" // the template
	"fmt"
	"html/template"
	"io"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// Outcome is what came of one source: its diagnosis, or why there is none.
type Outcome struct {
	Diagnosis
	Error string
}

//go:embed diagnosis.html
var pageText string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{"short": short}).Parse(pageText))

// mark stands in every page, so that one is told from what must not be overwritten.
const mark = `<meta name="generator" content="epochwatch">`

// IsHTML reports whether b is a page that WriteHTML wrote.
func IsHTML(b []byte) bool { return bytes.Contains(b[:min(len(b), 512)], []byte(mark)) }

// WriteHTML writes one page that needs nothing beside it: for each source the verdict, the
// curves with the onset marked, the findings with their numbers, and what to try.
func WriteHTML(w io.Writer, outcomes []Outcome) error {
	sections := make([]section, 0, len(outcomes))
	for _, o := range outcomes {
		sections = append(sections, newSection(o))
	}
	title := "Diagnosis"
	if len(sections) == 1 {
		title = sections[0].Source + ": " + sections[0].Title
	}
	return pageTemplate.Execute(w, struct {
		Mark     template.HTML
		Title    string
		Sections []section
	}{mark, title, sections})
}

// section is what the page says of one source.
type section struct {
	Source, Read, Error   string
	Title, Summary, Style string
	Sure                  string
	Charts                []chart
	Findings              []htmlFinding
	Advice, Notes         []string
}

type htmlFinding struct{ State, Style, Title, When, Summary, Evidence string }

func newSection(o Outcome) section {
	d := o.Diagnosis
	s := section{Source: sourceName(d.Source), Error: o.Error}
	if o.Error != "" {
		s.Title, s.Style = "could not be read", "critical"
		return s
	}
	v := d.Verdict
	s.Read, s.Summary, s.Advice, s.Notes = d.extent(), v.Summary, v.Advice, d.Notes()
	s.Title, s.Style, s.Sure = title(v.Kind), "warning", fmt.Sprintf("%.0f %% sure", 100*float64(v.Confidence))
	if v.Kind == detectors.KindHealthy {
		s.Title, s.Style, s.Sure = "Healthy so far", "healthy", ""
		s.Summary = strings.TrimPrefix(s.Summary, "Healthy so far: ")
	}
	sorted := slices.Clone(d.Findings)
	slices.SortStableFunc(sorted, func(a, b Finding) int { return order(b) - order(a) })
	for _, f := range sorted {
		if f.Kind == v.Kind && f.ResolvedEpoch == nil {
			s.Style = string(f.Severity)
		}
		h := htmlFinding{
			State: string(f.Severity), Style: string(f.Severity), Title: title(f.Kind), When: when(f),
			Evidence: strings.ReplaceAll(evidence(f.Evidence), hard, " "),
		}
		if f.ResolvedEpoch != nil {
			h.State, h.Style = "over", "over"
		}
		if !strings.Contains(v.Summary, f.Summary) {
			h.Summary = f.Summary
		}
		s.Findings = append(s.Findings, h)
	}
	points, rates := d.points()
	s.Charts = charts(points, rates, onsetOf(v, d.Findings))
	return s
}
