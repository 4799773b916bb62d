package slack

import (
	"net/url"
	"strings"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// What a press asks for: the action_id of a button, up to a colon.
const (
	pressApprove = "approve"
	pressDecline = "decline"
	pressRevert  = "revert"
	pressStop    = "stop"
	pressSeen    = "acknowledge"
	pressMute    = "mute"
)

// The values of the mute menu: what, and until when.
const (
	muteRunHour     = "run 1h"
	muteRunMorning  = "run morning"
	muteKindHour    = "kind 1h"
	muteKindMorning = "kind morning"
)

// blockMark begins the block_id by which a press is known for ours; what it is about
// follows: project, run, kind and receiver.
const blockMark = "epochwatch"

// maxPressed is how many commands get buttons: the newest.
const maxPressed = 4

// buttons are what can be answered to a notice, as it stands now.
func buttons(n notice.Notice) []slackapi.Block {
	if n.Digest != nil || n.Event == store.MessageResolved || n.Event == store.MessageRunEnded {
		return nil
	}
	id := strings.Join([]string{blockMark, n.Run.Project, n.Run.ID, string(n.Finding.Kind), url.QueryEscape(n.Receiver)}, "|")
	if len(id) > 255 || strings.Count(id, "|") != 4 {
		return nil
	}
	var out []slackapi.BlockElement
	add := func(press, value, text string, style slackapi.Style) *slackapi.ButtonBlockElement {
		e := slackapi.NewButtonBlockElement(press+":"+value, value, plain(text))
		e.Style = style
		out = append(out, e)
		return e
	}
	commands := n.Commands[max(len(n.Commands)-maxPressed, 0):]
	running := n.Run.State == store.StateRunning
	for _, c := range commands {
		switch {
		case c.AwaitsPerson():
			add(pressApprove, c.ID, notice.Shorten("Approve: "+words(c), 75), slackapi.StylePrimary)
			add(pressDecline, c.ID, "Decline", slackapi.StyleDefault)
		case c.State == store.CommandApplied && c.Kind != contract.KindStop && c.Kind != contract.KindRevert && running:
			add(pressRevert, c.ID, notice.Shorten("Take back "+change(c), 75), slackapi.StyleDefault)
		}
	}
	if running && n.Run.Started != nil && n.Run.Started.Control.Mode != "" && n.Run.Started.Control.Mode != contract.ModeOff {
		stop := add(pressStop, n.Run.ID, "Stop the run", slackapi.StyleDanger)
		stop.Confirm = slackapi.NewConfirmationBlockObject(plain("Stop the run?"),
			plain("Training ends after the epoch that runs now."), plain("Stop it"), plain("Let it train"))
	}
	if len(n.Acknowledged) == 0 {
		add(pressSeen, n.ID, "Acknowledge", slackapi.StyleDefault)
	}
	option := func(value, text string) *slackapi.OptionBlockObject {
		return slackapi.NewOptionBlockObject(value, plain(text), nil)
	}
	out = append(out, slackapi.NewOverflowBlockElement(pressMute,
		option(muteRunHour, "Mute this run for an hour"), option(muteRunMorning, "Mute this run until morning"),
		option(muteKindHour, "Mute this kind for an hour"), option(muteKindMorning, "Mute this kind until morning")))
	return []slackapi.Block{slackapi.NewActionBlock(id, out...)}
}

// change names what was done on a button.
func change(c store.Command) string {
	to := ""
	if c.Wanted != nil {
		to = " to " + notice.Rate(float64(*c.Wanted))
	}
	if c.Kind == contract.KindRollback {
		return "the way back and the cut" + to
	}
	return "the cut" + to
}

// words name a change on a button.
func words(c store.Command) string {
	if c.Wanted == nil {
		return string(c.Kind)
	}
	to := notice.Rate(float64(*c.Wanted))
	if c.Kind == contract.KindRollback {
		return "best weights, rate " + to
	}
	return "rate to " + to
}
