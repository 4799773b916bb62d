package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// WriteText writes the diagnosis for a person: the verdict, the curve with the onset
// marked, the findings with their numbers, what to try.
func (d Diagnosis) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	p.line("%s", p.paint(dim, fmt.Sprintf("%s: %s", d.Source, count(d.Epochs, "epoch"))))
	p.verdict(d.Verdict, firing(d.Findings))
	p.blank()
	points, rates := make([]point, 0, len(d.log.Epochs)), make([]float64, 0, len(d.log.Epochs))
	for _, e := range d.log.Epochs {
		m := make(map[string]contract.Number, len(e.Metrics))
		for k, v := range e.Metrics {
			m[k] = contract.Number(v)
		}
		points, rates = append(points, point{e.Epoch, m}), append(rates, orMissing(e.LearningRate))
	}
	p.curves(points, onsetOf(d.Verdict, d.Findings), rates)
	if len(d.Findings) > 0 {
		p.blank()
		p.line("%s", p.paint(bold, "Findings"))
		for _, f := range d.Findings {
			p.finding(f)
		}
	}
	p.advice(d.Verdict.Advice)
	if notes := d.Notes(); len(notes) > 0 {
		p.blank()
		for _, n := range notes {
			p.wrapped("  note: ", n, dim)
		}
	}
	return p.writeTo(w)
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

func firing(fs []Finding) int {
	n := 0
	for _, f := range fs {
		if f.ResolvedEpoch == nil && f.Severity != detectors.SeverityInfo {
			n++
		}
	}
	return n
}

// onsetOf returns where the verdict's finding began, or else the earliest one.
func onsetOf(v Verdict, fs []Finding) *int {
	var best *int
	for i := range fs {
		f := &fs[i]
		if f.Kind == v.Kind {
			return &f.OnsetEpoch
		}
		if best == nil || f.OnsetEpoch < *best {
			best = &f.OnsetEpoch
		}
	}
	return best
}

// WriteText writes the run for a person.
func (d RunDocument) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	p.head(d.Run, len(d.Epochs))
	findings := make([]Finding, 0, len(d.Findings))
	for _, f := range d.Findings {
		findings = append(findings, f.Finding)
	}
	p.verdict(d.Verdict, firing(findings))
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
	if len(findings) > 0 {
		p.blank()
		p.line("%s", p.paint(bold, "Findings"))
		for _, f := range findings {
			p.finding(f)
		}
	}
	p.commands(d.Commands)
	p.messages(d.Messages)
	if d.Run.State == store.StateRunning || firing(findings) > 0 {
		p.advice(d.Verdict.Advice)
	}
	return p.writeTo(w)
}

func (p *page) head(r Run, epochs int) {
	name := r.ID
	if r.Name != "" {
		name = r.Name + "  " + p.paint(dim, r.ID)
	}
	p.line("%s", p.paint(bold, name))
	facts := []string{"project " + r.Project, stateText(r), count(epochs, "epoch")}
	if r.Attempts > 1 {
		facts = append(facts, count(r.Attempts, "attempt"))
	}
	p.line("%s", p.paint(dim, strings.Join(facts, " · ")))
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

func (p *page) commands(cs []Command) {
	if len(cs) == 0 {
		return
	}
	p.blank()
	p.line("%s", p.paint(bold, "Commands"))
	for _, c := range cs {
		text := fmt.Sprintf("%s %s", words(detectors.Kind(c.Kind)), p.paint(bold, string(c.State)))
		if c.From != nil && c.To != nil {
			text += fmt.Sprintf(": %s → %s", short(float64(*c.From)), short(float64(*c.To)))
		}
		text += fmt.Sprintf(", decided after epoch %d", c.DecidedEpoch)
		if c.AppliedEpoch != nil {
			text += fmt.Sprintf(", in force from epoch %d", *c.AppliedEpoch)
		}
		if c.Effect != nil {
			text += ", " + effectText(*c.Effect)
		}
		p.line("  %s", text)
		if c.Answer != "" {
			p.wrapped("           ", c.Answer, "")
		}
		p.wrapped("           ", "because: "+c.Reason, dim)
	}
}

func effectText(e store.Effect) string {
	switch e {
	case store.EffectPending:
		return "too early to say whether it helped"
	case store.EffectHelped:
		return "helped"
	case store.EffectHurt:
		return "hurt"
	}
	return "made no difference"
}

func (p *page) messages(ms []Message) {
	if len(ms) == 0 {
		return
	}
	p.blank()
	p.line("%s", p.paint(bold, "Messages"))
	for _, m := range ms {
		text := fmt.Sprintf("  %s by %s to %s: %s", m.Event, m.Channel, m.Receiver, m.State)
		if m.Attempts > 1 {
			text += fmt.Sprintf(" after %d attempts", m.Attempts)
		}
		if m.LastError != "" && m.SentAt == nil {
			text += ": " + m.LastError
		}
		p.line("%s", text)
	}
}

// WriteText writes the runs as a table.
func (l RunList) WriteText(w io.Writer, o TextOptions) error {
	p := newPage(o)
	if len(l.Runs) == 0 {
		p.line("No runs yet. Train with callbacks=[EpochWatch()] while `epochwatch up` is running.")
		return p.writeTo(w)
	}
	wide := 0
	for _, r := range l.Runs {
		wide = max(wide, len(r.ID))
	}
	for _, r := range l.Runs {
		style := dim
		switch r.State {
		case store.StateRunning:
			style = green
		case store.StateFailed, store.StateLost:
			style = red
		}
		p.line("%-*s  %s  %s  %s %s", wide, r.ID, p.paint(style, fmt.Sprintf("%-11s", r.State)),
			r.StartedAt.Local().Format("2006-01-02 15:04"), r.Project, p.paint(dim, r.Name))
	}
	return p.writeTo(w)
}
