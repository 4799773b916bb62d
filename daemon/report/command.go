package report

import (
	"fmt"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Command is a command with what became of it.
type Command struct {
	ID   string               `json:"id"`
	Kind contract.CommandKind `json:"kind"`
	// From and To are the learning rates as read back from the optimizer, once it has been
	// changed; before that what was expected and wanted. Null for a stop.
	From         *contract.Number   `json:"from"`
	To           *contract.Number   `json:"to"`
	State        store.CommandState `json:"state"`
	Reason       string             `json:"reason"`
	Finding      *string            `json:"finding"`
	DecidedEpoch int                `json:"decided_epoch"`
	AppliedEpoch *int               `json:"applied_epoch"` // the first one trained with the new value
	Effect       *store.Effect      `json:"effect"`        // null until applied, and for a stop
	// Answer is why it was refused or expired, or what else was done: which weights it went
	// back to.
	Answer string `json:"answer,omitempty"`
	// IssuedBy is "policy" or a person's name; ProposedBy is "policy" where a person was
	// asked: IssuedBy is then who approved.
	IssuedBy   string `json:"issued_by,omitempty"`
	ProposedBy string `json:"proposed_by,omitempty"`
	// Mode is the one it was decided in: a proposal made in "shadow" waits for nobody.
	Mode       contract.Mode    `json:"mode,omitempty"`
	Optimizer  string           `json:"optimizer,omitempty"`
	Before     *contract.Number `json:"before,omitempty"` // as read back
	After      *contract.Number `json:"after,omitempty"`  // as read back
	Outlook    *control.Outlook `json:"outlook,omitempty"`
	Reverts    string           `json:"reverts,omitempty"`
	RevertedBy string           `json:"reverted_by,omitempty"` // the id of the command that took it back
	IssuedAt   time.Time        `json:"issued_at,omitzero"`
	AnsweredAt *time.Time       `json:"answered_at,omitempty"`
	// ExpiresAt and ExpiresEpoch are there while it waits for the run or for a person.
	ExpiresAt    *time.Time `json:"expires_at,omitempty"`
	ExpiresEpoch *int       `json:"expires_epoch,omitempty"`
}

// CommandOf returns a stored command as it is shown.
func CommandOf(c store.Command) Command {
	out := Command{
		ID: c.ID, Kind: c.Kind, From: c.Expected, To: c.Wanted, State: c.State, Reason: c.Reason, Answer: c.Answer,
		IssuedBy: c.IssuedBy, ProposedBy: c.ProposedBy, Mode: c.Bounds.Mode, Optimizer: c.Optimizer, Reverts: c.Reverts,
		DecidedEpoch: c.DecidedEpoch, AppliedEpoch: c.AppliedEpoch, Before: number(c.Before), After: number(c.After),
		IssuedAt: c.IssuedAt.UTC(), AnsweredAt: utc(c.AnsweredAt),
	}
	if c.State == store.CommandApplied || c.State == store.CommandReverted {
		if out.Before != nil && out.After != nil {
			out.From, out.To = out.Before, out.After
		}
	}
	if c.FindingID != "" {
		out.Finding = &c.FindingID
	}
	if c.Effect != "" {
		out.Effect = &c.Effect
	}
	if o, ok := control.OutlookOf(c); ok {
		out.Outlook = &o
	}
	if c.State == store.CommandSent || c.AwaitsPerson() {
		out.ExpiresAt, out.ExpiresEpoch = utc(&c.ExpiresAt), &c.ExpiresEpoch
	}
	return out
}

// Awaits reports whether the command is a proposal that a person may approve or decline.
func (c Command) Awaits() bool {
	return c.State == store.CommandProposed && c.Mode == contract.ModeAsk
}

// Title says in a few words what it does.
func (c Command) Title() string {
	text := words(c.Kind)
	if c.Optimizer != "" {
		text += " of " + notice.Clean(c.Optimizer, nameWidth)
	}
	if c.From != nil && c.To != nil {
		text += fmt.Sprintf(" %s → %s", short(float64(*c.From)), short(float64(*c.To)))
	}
	return text
}

// Became says who decided and what became of it, in a line.
func (c Command) Became() string {
	text := c.decided()
	if c.AppliedEpoch != nil && c.Kind != contract.KindStop {
		text += fmt.Sprintf(", in force from epoch %d", *c.AppliedEpoch)
	}
	if c.RevertedBy != "" {
		text += ", taken back since"
	}
	return text
}

func (c Command) decided() string {
	by := ""
	if c.IssuedBy != "" {
		by = " by " + who(c.IssuedBy)
	}
	after := " before the first epoch ended"
	if c.DecidedEpoch >= 0 {
		after = fmt.Sprintf(" after epoch %d", c.DecidedEpoch)
	}
	switch {
	case c.State == store.CommandProposed && c.Mode == contract.ModeShadow:
		return "would have been decided" + by + after + ": the mode is shadow"
	case c.Awaits():
		text := "proposed" + by + after
		if c.ExpiresAt != nil && c.ExpiresEpoch != nil {
			text += fmt.Sprintf(", open until %s or epoch %d", c.ExpiresAt.UTC().Format("15:04:05 MST"), *c.ExpiresEpoch)
		}
		return text
	case c.ProposedBy == c.IssuedBy && c.ProposedBy != "":
		return "proposed" + by + after
	case c.ProposedBy != "":
		return "proposed by " + who(c.ProposedBy) + ", approved" + by + after
	}
	return "decided" + by + after
}

func who(name string) string {
	if name == contract.ByPolicy {
		return "the policy"
	}
	return name
}

// EffectText says what came of it, with the numbers; empty where it changed nothing.
func (c Command) EffectText() string {
	if c.Effect == nil {
		return ""
	}
	o := c.Outlook
	if *c.Effect == store.EffectPending && c.State == store.CommandReverted {
		return "taken back before its effect could be told"
	}
	if o == nil || o.After == nil {
		return effectText(*c.Effect)
	}
	came := fmt.Sprintf(": %s %s, the median of %s", o.Metric, short(float64(*o.After)), count(o.Within, "epoch"))
	switch {
	case !o.Without.Finite() && *c.Effect == store.EffectHelped:
		came += "; it was not a number before"
	case !o.Without.Finite():
		came = fmt.Sprintf(": %s is still not a number", o.Metric)
	case *c.Effect == store.EffectHelped:
		came += fmt.Sprintf(", where %s was expected without it", short(float64(o.Without)))
	case *c.Effect == store.EffectHurt:
		came += fmt.Sprintf(", above %s; it was %s before", short(float64(o.HurtAbove)), short(float64(o.Before)))
	default:
		came += fmt.Sprintf(", between %s (helped) and %s (hurt)", short(float64(o.HelpedBelow)), short(float64(o.HurtAbove)))
	}
	return effectText(*c.Effect) + came
}

// Expectation says what is expected without a proposed command and what is hoped of it.
// Nothing more is known beforehand: how far a loss falls after a cut, nobody can tell.
func (c Command) Expectation() []string {
	o := c.Outlook
	if o == nil {
		return nil
	}
	if !o.Without.Finite() {
		return []string{
			fmt.Sprintf("without it: %s is not a number, and weights that are not numbers stay so", o.Metric),
			fmt.Sprintf("hoped for: %s is a number again within %s", o.Metric, count(o.Within, "epoch")),
		}
	}
	return []string{
		fmt.Sprintf("without it: %s about %s in the next epochs, by where the curve is heading (last median %s, noise of an epoch %s)",
			o.Metric, short(float64(o.Without)), short(float64(o.Before)), short(float64(o.Noise))),
		fmt.Sprintf("hoped for: a median below %s over the %s after it; above %s it has hurt. How far it falls cannot be told beforehand",
			short(float64(o.HelpedBelow)), count(o.Within, "epoch"), short(float64(o.HurtAbove))),
	}
}

// markReverted notes for each command which later one took it back.
func markReverted(all []Command) {
	for _, c := range all {
		if c.Reverts == "" || c.State != store.CommandApplied {
			continue
		}
		for i := range all {
			if all[i].ID == c.Reverts && all[i].State == store.CommandReverted {
				all[i].RevertedBy = c.ID
			}
		}
	}
}

func (p *page) commands(cs []Command, findings []RunFinding) {
	if len(cs) == 0 {
		return
	}
	p.blank()
	p.heading("Commands")
	for _, c := range cs {
		p.command(c, findings)
	}
}

func (p *page) command(c Command, findings []RunFinding) {
	indent := strings.Repeat(" ", 11)
	p.line("  %s %s", p.paint(commandStyle(c.State), fmt.Sprintf("%-8s", c.State)), p.paint(bold, c.Title()))
	p.wrapped(indent, c.Became(), "")
	if c.Answer != "" {
		p.wrapped(indent, c.Answer, "")
	}
	if text := c.EffectText(); text != "" {
		p.wrapped(indent, text, "")
	}
	if c.Awaits() {
		for _, text := range c.Expectation() {
			p.wrapped(indent, text, "")
		}
	}
	if c.Reason != "" {
		p.wrapped(indent, "because: "+c.Reason, dim)
	}
	for _, f := range findings {
		if text := evidence(f.Evidence); c.Finding != nil && f.ID == *c.Finding && text != "" {
			p.wrapped(indent, "evidence: "+text, dim)
		}
	}
}

func commandStyle(s store.CommandState) string {
	switch s {
	case store.CommandApplied:
		return green
	case store.CommandRefused, store.CommandExpired:
		return red
	case store.CommandReverted, store.CommandProposed:
		return yellow
	}
	return dim
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
