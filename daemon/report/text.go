package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// WriteText writes the diagnosis for a person: the verdict, the curve with the onset
// marked, the findings with their numbers, what to try.
func (d Diagnosis) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	p.wrapped("", d.headline(), dim)
	p.verdict(d.Verdict, d.Findings)
	p.blank()
	points, rates := d.points()
	p.curves(points, onsetOf(d.Verdict, d.Findings), rates)
	p.findings(d.Findings, d.Verdict.Summary)
	p.advice(d.Verdict.Advice)
	if notes := d.Notes(); len(notes) > 0 {
		p.blank()
		for _, n := range notes {
			p.wrapped("  note: ", n, dim)
		}
	}
	return p.writeTo(w)
}

// points returns the curve, and the learning rate of each epoch.
func (d Diagnosis) points() (points []point, rates []float64) {
	for _, e := range d.log.Epochs {
		m := make(map[string]contract.Number, len(e.Metrics))
		for k, v := range e.Metrics {
			m[k] = contract.Number(v)
		}
		points, rates = append(points, point{e.Epoch, m}), append(rates, orMissing(e.LearningRate))
	}
	return points, rates
}

// headline says what was read.
func (d Diagnosis) headline() string {
	return strings.ReplaceAll(sourceName(d.Source), " ", hard) + ": " + strings.ReplaceAll(d.extent(), " ", hard)
}

func sourceName(source string) string {
	if source == "-" {
		return "standard input"
	}
	return source
}

// extent says how many epochs were read, and which.
func (d Diagnosis) extent() string {
	text := count(d.Epochs, "epoch")
	if d.Epochs > 1 {
		text += fmt.Sprintf(" (%d to %d", d.FirstEpoch, d.log.Epochs[len(d.log.Epochs)-1].Epoch)
		if d.log.Declared > 0 {
			text += fmt.Sprintf(" of %d", d.log.Declared)
		}
		text += ")"
	}
	return text
}

func orMissing(v float64) float64 {
	if !contract.Number(v).Finite() {
		return missing
	}
	return v
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// WriteText writes the run for a person.
func (d RunDocument) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	p.head(d.Run, len(d.Epochs))
	findings := make([]Finding, 0, len(d.Findings))
	for _, f := range d.Findings {
		findings = append(findings, f.Finding)
	}
	p.verdict(d.Verdict, findings)
	p.blank()
	points, rates := make([]point, 0, len(d.Epochs)), make([]float64, 0, len(d.Epochs))
	for _, e := range d.Epochs {
		points = append(points, point{e.Epoch, e.Metrics})
		rate := float64(missing)
		if e.LearningRate != nil {
			rate = orMissing(float64(*e.LearningRate))
		}
		rates = append(rates, rate)
	}
	p.curves(points, onsetOf(d.Verdict, findings), rates)
	p.findings(findings, d.Verdict.Summary)
	p.commands(d.Commands, d.Findings)
	p.messages(d.Messages, d.Findings)
	p.advice(d.Verdict.Advice)
	return p.writeTo(w)
}

func (p *page) head(r Run, epochs int) {
	name := p.paint(bold, r.ID)
	if r.Name != "" {
		room := max(p.o.Width-utf8.RuneCountInString(r.ID)-2, leastName)
		name = p.paint(bold, notice.Clean(r.Name, room)) + "  " + p.paint(dim, r.ID)
	}
	p.line("%s", name)
	facts := []string{stateText(r), count(epochs, "epoch")}
	if r.Attempts > 1 {
		facts = append(facts, count(r.Attempts, "attempt"))
	}
	facts = append(facts, "project "+r.Project)
	p.wrapped("", joined(facts), dim)
	if r.EndReason != "" {
		p.wrapped("  ", r.EndReason, "")
	}
}

func stateText(r Run) string {
	if r.EndedAt == nil {
		return string(r.State) + " since " + r.StartedAt.Format(time.RFC3339)
	}
	return fmt.Sprintf("%s at %s after %s", r.State, r.EndedAt.Format(time.RFC3339), r.EndedAt.Sub(r.StartedAt).Round(time.Second/10))
}

func (p *page) messages(ms []Message, about []RunFinding) {
	if len(ms) == 0 {
		return
	}
	titles := map[string]string{}
	for _, f := range about {
		titles[f.ID] = title(f.Kind) + ", "
	}
	p.blank()
	p.heading("Messages")
	for _, m := range ms {
		style := dim
		switch m.State {
		case store.MessageSent:
			style = green
		case store.MessageFailed, store.MessageDead:
			style = red
		}
		p.line("  %s %s", p.paint(style, fmt.Sprintf("%-8s", m.State)), p.paint(bold, m.Channel+" to "+m.Receiver))
		text := titles[m.Finding] + string(m.Event)
		if m.SentAt != nil {
			text += ", " + m.SentAt.Format(time.RFC3339)
		}
		if m.Attempts > 1 {
			text += fmt.Sprintf(", %d attempts", m.Attempts)
		}
		if m.LastError != "" && m.SentAt == nil {
			text += ": " + m.LastError
		}
		p.wrapped(strings.Repeat(" ", 11), text, "")
	}
}

// joined puts short facts on a line, which ends only between them.
func joined(facts []string) string {
	parts := make([]string, len(facts))
	for i, f := range facts {
		parts[i] = strings.ReplaceAll(f, " ", hard)
		if i < len(facts)-1 {
			parts[i] += hard + "·"
		}
	}
	return strings.Join(parts, " ")
}
