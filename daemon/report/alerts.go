package report

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/epochwatch/epochwatch/internal/oneline"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// AlertList is what people were told, newest first, and what they were not.
type AlertList struct {
	Messages []Alert  `json:"messages"`
	Untold   []Untold `json:"untold"`
}

// Alert is one message with each attempt at it.
type Alert struct {
	Message
	Tries []Try `json:"tries"`
	// Acknowledged are those who have seen the problem that it speaks of.
	Acknowledged []Acknowledgement `json:"acknowledged"`
}

// Acknowledgement is somebody's word to have seen a problem.
type Acknowledgement struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Try is one step of an attempt at a message.
type Try struct {
	At    time.Time          `json:"at"`
	State store.MessageState `json:"state"`
	Error string             `json:"error,omitempty"`
}

// Untold is a finding that a receiver was not told of, so far.
type Untold struct {
	Receiver string     `json:"receiver"`
	Project  string     `json:"project"`
	Run      string     `json:"run"`
	Finding  string     `json:"finding"`
	Kind     string     `json:"kind"`
	Severity string     `json:"severity"`
	Since    time.Time  `json:"since"`
	DueAt    *time.Time `json:"due_at"`
	Why      string     `json:"why"`
}

// LoadAlerts returns the messages of a run, or of all when run is nil.
func LoadAlerts(ctx context.Context, st store.Store, run *store.Run, limit int) (AlertList, error) {
	pk := int64(0)
	if run != nil {
		pk = run.PK
	}
	out := AlertList{Messages: []Alert{}, Untold: []Untold{}}
	messages, err := st.ListRecentMessages(ctx, pk, limit)
	if err != nil {
		return out, err
	}
	for _, m := range messages {
		deliveries, err := st.ListDeliveries(ctx, m.ID)
		if err != nil {
			return out, err
		}
		seen, err := st.ListAcknowledgements(ctx, m.ID)
		if err != nil {
			return out, err
		}
		a := Alert{Message: messageOf(m), Tries: []Try{}, Acknowledged: []Acknowledgement{}}
		for _, s := range seen {
			a.Acknowledged = append(a.Acknowledged, Acknowledgement{s.By, s.At.UTC()})
		}
		for _, d := range deliveries {
			a.Tries = append(a.Tries, Try{d.At.UTC(), d.State, d.Error})
		}
		out.Messages = append(out.Messages, a)
	}
	waiting, err := st.ListWaiting(ctx, pk, limit)
	if err != nil {
		return out, err
	}
	for _, w := range waiting {
		why := w.Member.Why
		if why == "" {
			why = "waits for more findings of its group"
			if w.Group.DueAt == nil {
				why = "nothing is to be told of it"
			}
		}
		out.Untold = append(out.Untold, Untold{
			Receiver: w.Group.Receiver, Project: w.Member.Run.Project, Run: w.Member.Run.ID, Finding: w.Member.FindingID,
			Kind: string(w.Member.Finding.Kind), Severity: string(w.Member.Finding.Severity), Since: w.Member.JoinedAt.UTC(),
			DueAt: utc(w.Group.DueAt), Why: why,
		})
	}
	return out, nil
}

// WriteText writes the list for a person.
func (l AlertList) WriteText(w io.Writer, _ TextOptions) error {
	if len(l.Messages)+len(l.Untold) == 0 {
		_, err := fmt.Fprintln(w, "Nothing was to be told.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(l.Messages) > 0 {
		fmt.Fprintln(t, "MADE (UTC)\tTO\tEVENT\tSTATE\tATTEMPTS\tMESSAGE")
	}
	for _, m := range l.Messages {
		fmt.Fprintf(t, "%s\t%s/%s\t%s\t%s\t%d\t%s\n", m.CreatedAt.Format(time.DateTime), cell(m.Receiver), cell(m.Channel), m.Event, m.State, m.Attempts, m.ID)
		for _, try := range m.Tries {
			if try.Error != "" {
				fmt.Fprintf(t, "  %s\t\t\t%s\t\t%s\n", try.At.Format(time.DateTime), try.State, oneline.Printable(try.Error))
			}
		}
		if m.Event == store.MessageFiring {
			for _, a := range m.Acknowledged {
				fmt.Fprintf(t, "  %s\t\t\tseen\t\tacknowledged by %s\n", a.At.Format(time.DateTime), cell(a.By))
			}
		}
	}
	if len(l.Untold) > 0 {
		fmt.Fprintln(t, "\nNOT TOLD SINCE (UTC)\tTO\tRUN\tFINDING\tWHY")
	}
	for _, u := range l.Untold {
		fmt.Fprintf(t, "%s\t%s\t%s/%s\t%s\t%s\n", u.Since.Format(time.DateTime), cell(u.Receiver), cell(u.Project), cell(u.Run), cell(u.Kind), oneline.Printable(u.Why))
	}
	return t.Flush()
}

// SilenceList is the silences that have not ended.
type SilenceList struct {
	Silences []Silence `json:"silences"`
}

// Silence is one silence.
type Silence struct {
	ID        string    `json:"id"`
	Matchers  []string  `json:"matchers"`
	Author    string    `json:"author"`
	Comment   string    `json:"comment"`
	CreatedAt time.Time `json:"created_at"`
	StartsAt  time.Time `json:"starts_at"`
	EndsAt    time.Time `json:"ends_at"`
}

// SilencesOf returns silences as they are shown.
func SilencesOf(all []store.Silence) SilenceList {
	out := SilenceList{Silences: []Silence{}}
	for _, s := range all {
		out.Silences = append(out.Silences, Silence{s.ID, s.Matchers, s.Author, s.Comment, s.CreatedAt.UTC(), s.StartsAt.UTC(), s.EndsAt.UTC()})
	}
	return out
}

// WriteText writes the list for a person.
func (l SilenceList) WriteText(w io.Writer, _ TextOptions) error {
	if len(l.Silences) == 0 {
		_, err := fmt.Fprintln(w, "No silence holds.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tUNTIL (UTC)\tMATCHERS\tAUTHOR\tCOMMENT")
	for _, s := range l.Silences {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", s.ID, s.EndsAt.Format(time.DateTime), oneline.Printable(strings.Join(s.Matchers, " ")), cell(s.Author), oneline.Printable(s.Comment))
	}
	return t.Flush()
}

// Routing says who would hear of a run's findings.
type Routing struct {
	Project  string    `json:"project"`
	Run      string    `json:"run"`
	Findings []Routed  `json:"findings"`
	Ends     []Routed  `json:"ends"` // of the run, as they are or would be told
	Now      time.Time `json:"now"`
}

// Routed is one finding with who would hear of it.
type Routed struct {
	Finding  string        `json:"finding,omitempty"`
	Kind     string        `json:"kind,omitempty"`
	Severity string        `json:"severity"`
	Supposed bool          `json:"supposed"`         // the run has no finding: it is asked what if
	States   []store.State `json:"states,omitempty"` // of an end
	Heard    []RouteTaken  `json:"heard"`
	Passed   []RoutePassed `json:"passed"`
}

// RouteTaken is a route that leads to a receiver.
type RouteTaken struct {
	Route    string            `json:"route"`
	Receiver string            `json:"receiver"`
	Channels []string          `json:"channels"`
	Group    map[string]string `json:"group,omitempty"`
	Wait     float64           `json:"group_wait_seconds"`
	HeldBack string            `json:"held_back,omitempty"`
}

// RoutePassed is a route that does not match.
type RoutePassed struct {
	Route string `json:"route"`
	Why   string `json:"why"`
}

// RoutingOf returns explanations as they are shown.
func RoutingOf(run store.Run, all []notify.Explanation, now time.Time) Routing {
	out := Routing{Project: run.Project, Run: run.ID, Findings: []Routed{}, Ends: []Routed{}, Now: now.UTC()}
	for _, e := range all {
		r := Routed{
			Finding: e.Finding.ID, Kind: string(e.Finding.Kind), Severity: string(e.Finding.Severity), Supposed: e.Supposed,
			States: e.Ends, Heard: []RouteTaken{}, Passed: []RoutePassed{},
		}
		for _, h := range e.Heard {
			r.Heard = append(r.Heard, RouteTaken{h.Route, h.Receiver, append([]string{}, h.Channels...), h.Group, h.Wait.Seconds(), h.Why})
		}
		for _, p := range e.Passed {
			r.Passed = append(r.Passed, RoutePassed{p.Route, p.Why})
		}
		if len(e.Ends) > 0 {
			out.Ends = append(out.Ends, r)
			continue
		}
		out.Findings = append(out.Findings, r)
	}
	return out
}

// WriteText writes the routing for a person.
func (r Routing) WriteText(w io.Writer, _ TextOptions) error {
	var b strings.Builder
	for _, f := range slices.Concat(r.Findings, r.Ends) {
		fmt.Fprintln(&b, f.about(cell(r.Project)+"/"+cell(r.Run)))
		for _, h := range f.Heard {
			to := cell(h.Receiver) + " by " + cell(strings.Join(h.Channels, ", "))
			if len(h.Channels) == 0 {
				to = "nobody: the receiver " + cell(h.Receiver) + " has no channel"
			}
			fmt.Fprintf(&b, "  told    %s (%s", to, oneline.Printable(h.Route))
			for _, k := range slices.Sorted(maps.Keys(h.Group)) {
				fmt.Fprintf(&b, "; %s=%s", k, cell(h.Group[k]))
			}
			fmt.Fprintln(&b, ")")
			if h.HeldBack != "" {
				fmt.Fprintf(&b, "          but not now: %s\n", oneline.Printable(h.HeldBack))
			}
		}
		if len(f.Heard) == 0 {
			fmt.Fprintln(&b, "  told    nobody")
		}
		for _, p := range f.Passed {
			fmt.Fprintf(&b, "  passed  %s: %s\n", oneline.Printable(p.Route), oneline.Printable(p.Why))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// about names what a routing is about, of a run.
func (f Routed) about(run string) string {
	names := make([]string, len(f.States))
	for i, s := range f.States {
		names[i] = string(s)
	}
	switch {
	case len(names) > 0 && f.Supposed:
		return "the end of " + run + ", were it " + strings.Join(names, " or ")
	case len(names) > 0:
		return "the end of " + run + ": " + names[0]
	case f.Supposed:
		return "a " + f.Severity + " finding, were there one, of " + run
	}
	return f.Severity + " " + cell(f.Kind) + " of " + run
}

// nameWidth is how long a name may be in a table, in columns.
const nameWidth = 60

// cell makes a name that fits into a table.
func cell(name string) string { return notice.Clean(name, nameWidth) }
