package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/internal/timespan"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// press is one button that somebody pressed.
type press struct {
	what    string
	value   string
	run     Run
	kind    string
	to      string // the receiver of the message
	user    slackapi.User
	channel string
	message slackapi.Message
}

// pressesOf reads those of ours out of a callback.
func pressesOf(cb slackapi.InteractionCallback) []press {
	var out []press
	for _, a := range cb.ActionCallback.BlockActions {
		parts := strings.Split(a.BlockID, "|")
		if len(parts) != 5 || parts[0] != blockMark {
			continue
		}
		to, err := url.QueryUnescape(parts[4])
		if err != nil {
			continue
		}
		what, _, _ := strings.Cut(a.ActionID, ":")
		value := a.Value
		if what == pressMute {
			value = a.SelectedOption.Value
		}
		channel := cb.Channel.ID
		if channel == "" {
			channel = cb.Container.ChannelID
		}
		out = append(out, press{
			what: what, value: value, run: Run{Project: parts[1], ID: parts[2]}, kind: parts[3], to: to,
			user: cb.User, channel: channel, message: cb.Message,
		})
	}
	return out
}

// work does what was pressed, says so in the message, or tells who pressed why not.
func (l *listener) work(ctx context.Context, cb slackapi.InteractionCallback) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	for _, p := range pressesOf(cb) {
		log := l.o.Log.With(slog.String("user", p.user.ID), slog.String("press", p.what), slog.String("project", p.run.Project), slog.String("run", p.run.ID))
		did, err := l.act(ctx, p)
		var refused *RefusedError
		switch {
		case errors.As(err, &refused):
			log.InfoContext(ctx, "slack: a press was refused", slog.String("reason", refused.Reason))
			l.whisper(ctx, p, "Nothing was done: "+refused.Reason+".")
			if stale(p) {
				l.mark(ctx, p, "")
			}
		case err != nil:
			log.WarnContext(ctx, "slack: a press was not worked", slog.Any("error", notice.Scrub(err, l.o.Token, l.o.AppToken)))
			l.whisper(ctx, p, "That did not work; the daemon's log says why. Nothing was done.")
		default:
			log.InfoContext(ctx, "slack: a press was worked", slog.String("value", p.value))
			l.mark(ctx, p, did)
		}
	}
}

// stale reports whether a refused question is one that is decided: its buttons go.
func stale(p press) bool {
	return p.what == pressApprove || p.what == pressDecline || p.what == pressRevert || p.what == pressSeen
}

// act does what was pressed and returns it in words.
func (l *listener) act(ctx context.Context, p press) (string, error) {
	if err := l.may(ctx, p); err != nil {
		return "", err
	}
	by := byline(p.user)
	switch p.what {
	case pressApprove:
		return "approved", l.daemon.Approve(ctx, p.run, p.value, by)
	case pressDecline:
		return "declined", l.daemon.Decline(ctx, p.run, p.value, by)
	case pressRevert:
		return "taken back", l.daemon.Revert(ctx, p.run, p.value, by)
	case pressStop:
		return "told to stop", l.daemon.Stop(ctx, p.run, by)
	case pressSeen:
		return "acknowledged", l.daemon.Acknowledge(ctx, p.value, by)
	case pressMute:
		m, until, err := l.mute(p)
		if err != nil {
			return "", err
		}
		return "muted, " + until, l.daemon.Silence(ctx, m, by)
	}
	return "", &RefusedError{Reason: "this button is of another version of epochwatch"}
}

// mute reads the menu's value.
func (l *listener) mute(p press) (Mute, string, error) {
	now := l.o.Now().In(l.o.Zone)
	what, span, _ := strings.Cut(p.value, " ")
	m := Mute{Run: p.run}
	text := "this run"
	switch {
	case what == "kind" && p.kind != "":
		m.Run.ID, m.Kind = "", p.kind
		text = strings.ReplaceAll(p.kind, "_", " ")
	case what != "run":
		return m, "", &RefusedError{Reason: "this menu is of another version of epochwatch"}
	}
	switch span {
	case "1h":
		m.Until = now.Add(time.Hour)
	case "morning":
		m.Until = timespan.Morning(now)
	default:
		return m, "", &RefusedError{Reason: "this menu is of another version of epochwatch"}
	}
	return m, text + " until " + m.Until.Format("Mon 15:04 MST"), nil
}

// byline is who pressed, as it stands on the record: the name is chosen by the person, the
// id is not.
func byline(u slackapi.User) string {
	id := "slack " + notice.Clean(u.ID, 20)
	if name := notice.Clean(u.Name, 30); name != "" {
		return name + " (" + id + ")"
	}
	return id
}

// may refuses the presses of strangers.
func (l *listener) may(ctx context.Context, p press) error {
	if allow := l.o.Allow[p.to]; len(allow) > 0 {
		if slices.Contains(allow, p.user.ID) {
			return nil
		}
		return &RefusedError{Reason: "you are not among those who may (allow in the daemon's config; your id is " + p.user.ID + ")"}
	}
	in, err := l.isMember(ctx, p.channel, p.user.ID)
	switch {
	case err != nil && isPermanent(err):
		l.o.Log.WarnContext(ctx, "slack: cannot tell who is in the channel, so nobody may press", slog.Any("error", notice.Scrub(err, l.o.Token)))
		return &RefusedError{Reason: "the app cannot tell who is in this channel: give it the scopes channels:read and groups:read, or name people under allow in the daemon's config"}
	case err != nil:
		return err
	case !in:
		return &RefusedError{Reason: "only members of this channel may press these buttons"}
	}
	return nil
}

func (l *listener) isMember(ctx context.Context, channel, user string) (bool, error) {
	m, ok := l.members[channel]
	if ok && l.o.Now().Sub(m.read) < membersFor && m.ids[user] {
		return true, nil
	}
	m = membership{ids: map[string]bool{}, read: l.o.Now()}
	for cursor, page := "", 0; page < maxPages; page++ {
		ids, next, err := l.api.GetUsersInConversationContext(ctx, &slackapi.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursor, Limit: 1000})
		if err != nil {
			return false, classify(err)
		}
		for _, id := range ids {
			m.ids[id] = true
		}
		if next == "" {
			break
		}
		cursor = next
	}
	l.members[channel] = m
	return m.ids[user], nil
}

// whisper tells who pressed alone.
func (l *listener) whisper(ctx context.Context, p press, text string) {
	o := []slackapi.MsgOption{slackapi.MsgOptionText(fit(text, maxText), false)}
	if ts := p.message.ThreadTimestamp; ts != "" && ts != p.message.Timestamp {
		o = append(o, slackapi.MsgOptionTS(ts))
	}
	if _, err := l.api.PostEphemeralContext(ctx, p.channel, p.user.ID, o...); err != nil {
		l.o.Log.WarnContext(ctx, "slack: the answer to a press was not said", slog.Any("error", notice.Scrub(classify(err), l.o.Token)))
	}
}

// mark writes into the message what was done and by whom, and takes the buttons away that
// ask what is decided now.
func (l *listener) mark(ctx context.Context, p press, did string) {
	blocks := decided(p)
	if did != "" {
		at := fmt.Sprintf("<!date^%d^{date_short_pretty} {time}|%s>", l.o.Now().Unix(), notice.In(l.o.Zone, l.o.Now()))
		line := strings.ToUpper(did[:1]) + escape(did[1:]) + " by <@" + escape(p.user.ID) + ">, " + at
		blocks = append(blocks, slackapi.NewContextBlock("", mrkdwn(line)))
	}
	if len(blocks) > maxBlocks {
		blocks = append(blocks[:maxBlocks-1:maxBlocks-1], blocks[len(blocks)-1])
	}
	_, _, _, err := l.api.UpdateMessageContext(ctx, p.channel, p.message.Timestamp, slackapi.MsgOptionText(p.message.Text, false), slackapi.MsgOptionBlocks(blocks...))
	if err == nil {
		return
	}
	l.o.Log.WarnContext(ctx, "slack: a press is not marked in its message", slog.Any("error", notice.Scrub(classify(err), l.o.Token)))
	if did != "" { // it was done, and that must be said somewhere
		l.whisper(ctx, p, strings.ToUpper(did[:1])+did[1:]+".")
	}
}

// maxBlocks is Slack's limit for a message.
const maxBlocks = 50

// decided returns the message's blocks without the buttons that the press has answered.
func decided(p press) []slackapi.Block {
	var out []slackapi.Block
	for _, block := range p.message.Blocks.BlockSet {
		switch b := block.(type) {
		case *slackapi.ImageBlock:
			if b.SlackFile != nil { // what Slack adds to it, it does not take back
				block = slackapi.NewImageBlockSlackFile(&slackapi.SlackFileObject{ID: b.SlackFile.ID}, b.AltText, b.BlockID, b.Title)
			}
		case *slackapi.ActionBlock:
			if b.Elements == nil {
				continue
			}
			kept := slices.DeleteFunc(slices.Clone(b.Elements.ElementSet), func(e slackapi.BlockElement) bool {
				button, ok := e.(*slackapi.ButtonBlockElement)
				return ok && answered(p, button)
			})
			if len(kept) == 0 {
				continue
			}
			block = slackapi.NewActionBlock(b.BlockID, kept...)
		}
		out = append(out, block)
	}
	return out
}

func answered(p press, b *slackapi.ButtonBlockElement) bool {
	what, value, _ := strings.Cut(b.ActionID, ":")
	switch p.what {
	case pressApprove, pressDecline:
		return (what == pressApprove || what == pressDecline) && value == p.value
	case pressRevert, pressStop, pressSeen:
		return what == p.what && value == p.value
	}
	return false
}
