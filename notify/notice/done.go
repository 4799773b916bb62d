package notice

import (
	"fmt"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// done says in sentences what was done about the finding, oldest first. Commands that
// another finding led to are told as well when they fell into its time: they moved the
// numbers this message speaks of.
func done(n Notice) []string {
	var out []string
	for _, c := range n.Commands {
		if c.FindingID == n.Finding.ID || c.DecidedEpoch >= n.Finding.OnsetEpoch {
			out = append(out, commandText(c))
		}
	}
	if len(out) > 0 {
		return out
	}
	mode := contract.ModeOff
	if n.Run.Started != nil && n.Run.Started.Control.Mode != "" {
		mode = n.Run.Started.Control.Mode
	}
	switch mode {
	case contract.ModeShadow:
		return []string{"Nothing was changed; this run lets itself only be told what would be done."}
	case contract.ModeAsk:
		return []string{"Nothing was changed; a change of this run needs a person's word."}
	case contract.ModeAuto:
		return []string{"Nothing was changed so far; this run allows it, within its bounds."}
	}
	return []string{"Nothing was changed: this run is only watched (auto_lr is off)."}
}

// commandText tells one command with what became of it.
func commandText(c store.Command) string {
	what := action(c)
	switch c.State {
	case store.CommandProposed:
		if c.Bounds.Mode == contract.ModeAsk {
			return fmt.Sprintf("Proposed after epoch %d: %s. It waits for a person.", c.DecidedEpoch, what)
		}
		return fmt.Sprintf("Would have been done after epoch %d: %s. This run is in shadow mode.", c.DecidedEpoch, what)
	case store.CommandSent:
		return fmt.Sprintf("Asked of the run after epoch %d: %s. It has not answered yet.%s", c.DecidedEpoch, what, by(c))
	case store.CommandApplied:
		return fmt.Sprintf("Done%s: %s.%s%s", sinceEpoch(c.AppliedEpoch), what, effectText(c.Effect), by(c))
	case store.CommandRefused:
		if who, ok := c.Declined(); ok {
			return fmt.Sprintf("Declined by %s: %s.", clean(who, maxReason), what)
		}
		return fmt.Sprintf("Refused by the run: %s%s.", what, because(c.Answer))
	case store.CommandExpired:
		return fmt.Sprintf("Came too late and was not done: %s%s.", what, because(c.Answer))
	case store.CommandReverted:
		return fmt.Sprintf("Done%s and taken back: %s.%s%s", sinceEpoch(c.AppliedEpoch), what, effectText(c.Effect), by(c))
	}
	return fmt.Sprintf("%s: %s.", clean(string(c.State), maxName), what)
}

// action names a command with its numbers: those read back from the optimizer where the
// run has answered, else those asked for.
func action(c store.Command) string {
	from, to := "", ""
	if c.Expected != nil {
		from = " from " + Rate(float64(*c.Expected))
	}
	if c.Wanted != nil {
		to = " to " + Rate(float64(*c.Wanted))
	}
	if c.Before != nil && c.After != nil {
		from, to = " from "+Rate(*c.Before), " to "+Rate(*c.After)
	}
	switch c.Kind {
	case contract.KindReduceLR:
		return "learning rate cut" + from + to
	case contract.KindSetLR:
		return "learning rate set" + from + to
	case contract.KindRollback:
		return "back to the best weights, learning rate" + from + to
	case contract.KindStop:
		return "the run stopped"
	case contract.KindRevert:
		return "an earlier change taken back"
	}
	return clean(string(c.Kind), maxName)
}

// by names the person behind a command; nothing where it was the policy alone.
func by(c store.Command) string {
	switch who := clean(c.IssuedBy, maxName); {
	case who == "" || who == contract.ByPolicy:
		return ""
	case c.ProposedBy != "":
		return " Approved by " + who + "."
	default:
		return " Asked for by " + who + "."
	}
}

// answers says what people did about the message itself.
func answers(n Notice) []string {
	var out []string
	for _, a := range n.Acknowledged {
		out = append(out, fmt.Sprintf("Acknowledged by %s, %s.", clean(a.By, maxName), n.at(a.At)))
	}
	if text := clean(n.Silenced, maxReason); text != "" {
		out = append(out, strings.ToUpper(text[:1])+text[1:]+".")
	}
	return out
}

// news says what of the commands and answers is new, in the order in which it happened.
func news(n Notice) []string {
	var out []string
	for _, id := range n.News {
		i := slices.IndexFunc(n.Commands, func(c store.Command) bool { return c.ID == id })
		switch {
		case i >= 0:
			out = append(out, commandText(n.Commands[i]))
		case id == store.NewsAcknowledged:
			out = append(out, answers(Notice{Acknowledged: n.Acknowledged, Zone: n.Zone})...)
		}
	}
	return out
}

func sinceEpoch(epoch *int) string {
	if epoch == nil {
		return ""
	}
	return fmt.Sprintf(" from epoch %d on", *epoch)
}

func because(answer string) string {
	if answer == "" {
		return ""
	}
	return " (" + clean(answer, maxReason) + ")"
}

func effectText(e store.Effect) string {
	switch e {
	case store.EffectHelped:
		return " It helped."
	case store.EffectNoDifference:
		return " It made no difference."
	case store.EffectHurt:
		return " It made things worse."
	case store.EffectPending:
		return " The next epochs will tell whether it helped."
	}
	return ""
}
