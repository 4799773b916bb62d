package notice

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// The longest lists that are written out; the rest is counted.
const (
	maxAlso = 8
	maxRuns = 12
)

// also names the other findings of the run that the message is about.
func also(n Notice) []string {
	var out []string
	for _, f := range n.Symptoms {
		out = append(out, symptom(Notice{Run: n.Run, Finding: f, Epochs: n.Epochs}))
	}
	return atMost(out, maxAlso)
}

func symptom(n Notice) string {
	text := headline(n)
	if n.Finding.ResolvedEpoch != nil {
		text += fmt.Sprintf(", over at epoch %d", *n.Finding.ResolvedEpoch)
	}
	return text
}

// others names the other runs of the group.
func others(n Notice) []string {
	var out []string
	for _, m := range n.Others {
		text := runText(m.Run) + ": " + symptom(Notice{Run: m.Run, Finding: m.Finding})
		if len(m.Symptoms) > 0 {
			text += fmt.Sprintf(" (and %d more)", len(m.Symptoms))
		}
		out = append(out, text)
	}
	return atMost(out, maxRuns)
}

func atMost(lines []string, limit int) []string {
	if len(lines) <= limit {
		return lines
	}
	return append(slices.Clone(lines[:limit-1]), fmt.Sprintf("and %d more", len(lines)-limit+1))
}

// subjectRun names whom the message is about in the subject.
func subjectRun(n Notice) string {
	switch len(n.Others) {
	case 0:
		return runName(n.Run)
	case 1:
		return runName(n.Run) + " and " + runName(n.Others[0].Run)
	}
	return fmt.Sprintf("%s and %d other runs", runName(n.Run), len(n.Others))
}

// ended tells of a run that ended.
func ended(n Notice) Story {
	s := Story{
		Mood: "info", Run: runText(n.Run), Curves: curves(n), Look: look(n.Run), Link: n.Link,
		Numbers: lastNumbers(n.Epochs),
	}
	last := "before its first epoch ended"
	if k := len(n.Epochs); k > 0 {
		last = fmt.Sprintf("at epoch %d", n.Epochs[k-1].Epoch)
	}
	for _, c := range n.Commands {
		s.Done = append(s.Done, commandText(c))
	}
	why := clean(n.Run.EndReason, maxReason)
	switch n.Run.State {
	case store.StateCompleted:
		s.Title = "finished " + last
		s.Summary = "fit returned by itself."
	case store.StateStopped:
		s.Title = "stopped " + last
		s.Summary = "The run was stopped by a command."
	case store.StateInterrupted:
		s.Title = "interrupted " + last
		s.Summary = "Somebody, or the machine, ended the process (Ctrl-C or SIGTERM)."
	case store.StateFailed:
		s.Mood, s.Title = "warning", "failed "+last
		s.Summary = "fit ended with an exception."
	case store.StateLost:
		s.Mood, s.Title = "warning", "died "+last
		s.Summary = fmt.Sprintf("No sign of life since %s; killed, or its machine or network is gone. A later sign makes it running again.",
			n.at(n.Run.LastSignAt))
	default:
		s.Title = "ended " + last
	}
	if why != "" && n.Run.State != store.StateLost {
		s.Title += ": " + Shorten(why, 80)
		s.Summary += " " + strings.TrimSuffix(why, ".") + "."
	}
	s.Severity = s.Mood
	if e := n.Run.EndedAt; e != nil && n.Run.StartedAt.Before(*e) {
		lasted := span(e.Sub(n.Run.StartedAt))
		if n.Run.State == store.StateLost {
			s.Summary += " It had trained for " + lasted + "."
		} else {
			s.Summary += fmt.Sprintf(" It ended %s, after %s.", n.at(*e), lasted)
		}
	}
	s.Also = also(n)
	if n.Finding.Kind != "" {
		s.Also = append([]string{symptom(n)}, s.Also...)
	}
	if len(s.Also) == 0 && n.Run.State == store.StateCompleted {
		s.Sure = "healthy to the end: nothing was found"
	}
	s.Subject = "[epochwatch] " + runName(n.Run) + ": " + s.Title
	return s
}

// lastNumbers are the metrics of the last epoch, losses first.
func lastNumbers(epochs []store.Epoch) []string {
	if len(epochs) == 0 {
		return nil
	}
	last := epochs[len(epochs)-1].Metrics
	names := make([]string, 0, len(last))
	for name := range last {
		names = append(names, name)
	}
	place := func(name string) int {
		return slices.Index([]string{"val_loss", "loss"}, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(place(b), place(a)), cmp.Compare(a, b)) })
	var out []string
	for _, name := range names[:min(len(names), 8)] {
		out = append(out, clean(name, maxName)+" "+Number(last[name]))
	}
	return out
}

// span writes how long something took.
func span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

// digest tells what happened between two times.
func digest(d Digest) Story {
	zone := d.Zone
	if zone == nil {
		zone = time.UTC
	}
	from, to := d.From.In(zone), d.To.In(zone)
	healthy := 0
	for _, r := range d.Ended {
		if len(r.Findings) == 0 && r.Run.State != store.StateFailed && r.Run.State != store.StateLost {
			healthy++
		}
	}
	s := Story{Mood: "info", Severity: "info", Look: "epochwatch runs"}
	s.Title = fmt.Sprintf("%s ended, %d without trouble; %d training", count(len(d.Ended), "run"), healthy, len(d.Running))
	if d.Together {
		s.Title = fmt.Sprintf("%s ended, %d without trouble", count(len(d.Ended), "run"), healthy)
		if slices.ContainsFunc(d.Ended, func(r DigestRun) bool { return r.Run.State == store.StateFailed || r.Run.State == store.StateLost }) {
			s.Mood, s.Severity = "warning", "warning"
		}
	}
	if len(d.Ended) == 0 && len(d.Running) == 0 {
		s.Title = "nothing was trained"
	}
	s.Run = clean(d.Name, maxName)
	s.Summary = "From " + from.Format("Mon 2 Jan 15:04") + " to " + to.Format("Mon 2 Jan 15:04 MST") + "."
	cuts, helped, hurt := 0, 0, 0
	for _, r := range slices.Concat(d.Ended, d.Running) {
		for _, c := range r.Commands {
			if c.AppliedEpoch == nil || c.Kind == contract.KindRevert || c.Kind == contract.KindStop {
				continue
			}
			cuts++
			switch c.Effect {
			case store.EffectHelped:
				helped++
			case store.EffectHurt:
				hurt++
			}
		}
	}
	if cuts > 0 {
		s.Done = []string{fmt.Sprintf("%s of the learning rate: %d helped, %d made it worse.", count(cuts, "change"), helped, hurt)}
	}
	s.Lists = []List{{Name: "Ended", Lines: digestLines(d.Ended)}, {Name: "Training", Lines: digestLines(d.Running)}}
	s.Lists = slices.DeleteFunc(s.Lists, func(l List) bool { return len(l.Lines) == 0 })
	s.Subject = "[epochwatch] " + clean(d.Name, maxName) + ": " + s.Title
	return s
}

func digestLines(runs []DigestRun) []string {
	var out []string
	for _, r := range runs {
		text := runText(r.Run) + ": " + string(r.Run.State) + ", " + count(r.Epochs, "epoch")
		var found []string
		for _, f := range r.Findings {
			found = append(found, symptom(Notice{Run: r.Run, Finding: f}))
		}
		switch {
		case len(found) == 0 && (r.Run.State == store.StateCompleted || r.Run.State == store.StateRunning):
			text += ", healthy"
		case len(found) == 0 && r.Run.EndReason != "":
			text += ": " + clean(r.Run.EndReason, 80)
		case len(found) > 0:
			text += "; " + strings.Join(atMost(found, 3), "; ")
		}
		sentences := []string{text}
		for _, c := range r.Commands {
			if c.AppliedEpoch != nil {
				sentences = append(sentences, strings.TrimSuffix(commandText(c), "."))
			}
		}
		out = append(out, strings.Join(sentences, ". "))
	}
	return atMost(out, 30)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
