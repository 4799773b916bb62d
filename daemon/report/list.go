package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// drawn is how many runs of a list get a curve and a verdict: each is read whole.
	drawn = 30
	// sparkWidth is how many columns a curve has in a list.
	sparkWidth = 12
	// idWidth is what an id gets before it pushes the rest of its line to the right.
	idWidth = 22
	// leastName is what a name keeps of itself where a line has no room for it, in columns.
	leastName = 16
)

// WriteText writes the runs as a table, newest first: state, start, curve and last value of
// the loss, and below it the name and what is wrong. Without o.Load there are no curves.
func (l RunList) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	if len(l.Runs) == 0 {
		p.wrapped("", "No runs yet. Train with callbacks=[EpochWatch()] while `epochwatch up` is running.", "")
		return p.writeTo(w)
	}
	wide := 0
	for _, r := range l.Runs {
		wide = min(max(wide, len(r.ID)), idWidth)
	}
	p.line("%s", p.paint(dim, fmt.Sprintf("%-*s  %-11s  %-16s  %-*s  %s", wide, "run", "state", "started", sparkWidth, "loss", "last")))
	for i, r := range l.Runs {
		var doc RunDocument
		var err error
		known := o.Load != nil && i < drawn
		if known {
			doc, err = o.Load(r.Project, r.ID)
			known = err == nil // one run that cannot be read does not hide the others
		}
		p.listed(r, doc, known, wide)
	}
	return p.writeTo(w)
}

func (p *page) listed(r Run, doc RunDocument, known bool, wide int) {
	style := dim
	switch r.State {
	case store.StateRunning:
		style = green
	case store.StateFailed, store.StateLost:
		style = red
	}
	curve := ""
	if known {
		curve = lossCurve(doc.Epochs)
	}
	p.line("%s  %s  %s  %s", p.paint(bold, fmt.Sprintf("%-*s", wide, r.ID)), p.paint(style, fmt.Sprintf("%-11s", r.State)),
		r.StartedAt.Local().Format("2006-01-02 15:04"), curve)
	var more []string
	verdict := "" // how the last of them is painted
	if r.Project != "default" {
		more = append(more, "project "+r.Project)
	}
	if known {
		more = append(more, count(len(doc.Epochs), "epoch"))
		if doc.Verdict.Kind == detectors.KindHealthy {
			more = append(more, "healthy so far")
		} else {
			more, verdict = append(more, title(doc.Verdict.Kind)), yellow
		}
	}
	if r.Name != "" {
		room := p.o.Width - 2
		for _, m := range more {
			room -= len(" · ") - 1 + utf8.RuneCountInString(m)
		}
		more = slices.Insert(more, 0, notice.Clean(r.Name, max(room, leastName)))
	}
	for i, m := range more {
		if more[i] = p.paint("", m); i == len(more)-1 {
			more[i] = p.paint(verdict, m)
		}
	}
	if len(more) > 0 {
		p.line("  %s", strings.Join(more, p.paint(dim, " · ")))
	}
}

// lossCurve draws the loss, or what stands in for it, and says its last value.
func lossCurve(epochs []Epoch) string {
	points := make([]point, len(epochs))
	for i, e := range epochs {
		points[i] = point{e.Epoch, e.Metrics}
	}
	names := metricNames(points)
	if len(names) == 0 {
		return ""
	}
	v, last := make([]float64, len(epochs)), missing
	for i, e := range epochs {
		v[i] = missing
		if x, ok := e.Metrics[names[0]]; ok {
			v[i], last = float64(x), float64(x)
		}
	}
	g := newGrid(len(v), sparkWidth)
	g.wide = 1
	bars := strings.Join(spark(g.cells(v), 1), "")
	bars += strings.Repeat(" ", sparkWidth-utf8.RuneCountInString(bars))
	return bars + "  " + short(last)
}
