package slack

import (
	"strings"
	"unicode/utf8"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/notify/notice"
)

// Slack's limits, in characters after escaping.
const (
	maxHeader  = 150
	maxSection = 3000
	maxField   = 2000
	maxText    = 3000
)

// signs stand before the title, so that a glance down the channel is enough.
var signs = map[string]string{"critical": "🔴", "warning": "🟠", "info": "🔵", "resolved": "🟢"}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// escape makes text of strangers harmless in every text of Slack: no links, no mentions.
func escape(text string) string { return escaper.Replace(text) }

// fit escapes text and shortens it first so far that it keeps within limit.
func fit(text string, limit int) string {
	for keep := limit; ; keep = keep * 9 / 10 {
		if out := escape(notice.Shorten(text, keep)); utf8.RuneCountInString(out) <= limit {
			return out
		}
	}
}

// code makes text of strangers fit to stand between backticks.
func code(text string) string { return strings.ReplaceAll(escape(text), "`", "'") }

// composed is a message in Slack's form.
type composed struct {
	text   string // for notifications, and where blocks are not shown
	blocks []slackapi.Block
}

// compose gives a story Slack's form, with its picture where there is one.
func compose(s notice.Story, p picture) composed {
	blocks := []slackapi.Block{
		slackapi.NewHeaderBlock(plain(fit(signs[s.Mood]+" "+s.Title, maxHeader))),
		section(escape(s.Run) + "\n" + fit(s.Summary, 1000)),
	}
	if p.id != "" {
		blocks = append(blocks, slackapi.NewImageBlockSlackFile(&slackapi.SlackFileObject{ID: p.id}, p.alt, "", nil))
	} else if lines := s.CurveLines(); len(lines) > 0 {
		blocks = append(blocks, section("```"+code(strings.Join(lines, "\n"))+"```"))
	}
	var fields []*slackapi.TextBlockObject
	for _, f := range []struct{ name, text string }{{"Since", s.Since}, {"Sure", s.Sure}} {
		if f.text != "" {
			fields = append(fields, mrkdwn("*"+f.name+"*\n"+fit(f.text, maxField-20)))
		}
	}
	if len(fields) > 0 {
		blocks = append(blocks, slackapi.NewSectionBlock(nil, fields, nil))
	}
	if len(s.Numbers) > 0 {
		blocks = append(blocks, section("*Numbers*\n"+fit(strings.Join(s.Numbers, ", "), maxSection-20)))
	}
	for _, l := range append([]notice.List{{Name: "Done", Lines: s.Done}, {Name: "Try", Lines: s.Advice}, {Name: "Also", Lines: s.Also}, {Name: "Other runs", Lines: s.Others}}, s.Lists...) {
		if len(l.Lines) > 0 {
			blocks = append(blocks, section("*"+fit(l.Name, 100)+"*\n"+list(l.Lines)))
		}
	}
	for _, a := range s.Answers {
		blocks = append(blocks, slackapi.NewContextBlock("", mrkdwn("👤 "+fit(a, 500))))
	}
	look := "Look: `" + code(s.Look) + "`"
	if s.Link != "" {
		look += "  <" + escape(s.Link) + "|open>"
	}
	foot := []slackapi.MixedElement{mrkdwn(look)}
	if s.Mute != "" {
		foot = append(foot, mrkdwn("Mute in the daemon's config: `"+code(s.Mute)+"`"))
	}
	blocks = append(blocks, slackapi.NewContextBlock("", foot...))
	return composed{text: fit(signs[s.Mood]+" "+s.Subject+"\n"+s.Summary, maxText), blocks: blocks}
}

// composeNews is what the thread is told when the first message was brought up to date.
func composeNews(s notice.Story) composed {
	text := signs[s.Mood] + " *" + fit(s.Title, 300) + "*"
	if s.Summary != "" {
		text += "\n" + fit(s.Summary, 1000)
	}
	if len(s.Done) > 0 {
		text += "\n" + fit(strings.Join(s.Done, " "), 1000)
	}
	return composed{text: fit(signs[s.Mood]+" "+s.Subject, maxText), blocks: []slackapi.Block{section(text)}}
}

// composeProgress is what the thread is told of what was done.
func composeProgress(s notice.Story) composed {
	news := s.News
	if len(news) == 0 { // the command is not known any more
		news = s.Done
	}
	return composed{text: fit(s.Subject+"\n"+strings.Join(news, " "), maxText), blocks: []slackapi.Block{section(list(news))}}
}

// list sets sentences below each other, as many as fit.
func list(items []string) string {
	var b strings.Builder
	for _, item := range items {
		line := "• " + fit(item, 500) + "\n"
		if utf8.RuneCountInString(b.String())+utf8.RuneCountInString(line) > maxSection-20 {
			b.WriteString("• …\n")
			break
		}
		b.WriteString(line)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func section(text string) *slackapi.SectionBlock {
	return slackapi.NewSectionBlock(mrkdwn(text), nil, nil)
}

func mrkdwn(text string) *slackapi.TextBlockObject {
	return slackapi.NewTextBlockObject(slackapi.MarkdownType, text, false, false)
}

// plain is text without formatting, emoji codes included: ":x:" in a name stays what it is.
func plain(text string) *slackapi.TextBlockObject {
	return slackapi.NewTextBlockObject(slackapi.PlainTextType, text, false, false)
}
