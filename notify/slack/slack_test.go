package slack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image/png"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/slack"
	"github.com/epochwatch/epochwatch/sql/store"
)

// bundle is a bot and the stand-in it talks to.
type bundle struct {
	slack *notifytest.Slack
	bot   notice.Channel
	hook  notice.Channel
	log   *bytes.Buffer
}

func setup(t *testing.T, change ...func(*slack.Options)) bundle {
	t.Helper()
	b := bundle{slack: notifytest.NewSlack(t), log: new(bytes.Buffer)}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: transport}
	o := slack.Options{
		Token: notifytest.SlackToken, Channel: notifytest.SlackChannel, APIURL: b.slack.APIURL(), HTTPClient: client,
		Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	var err error
	b.bot, err = slack.New(o)
	require.NoError(t, err)
	b.hook, err = slack.New(slack.Options{WebhookURL: secret.Value(b.slack.WebhookURL()), HTTPClient: client})
	require.NoError(t, err)
	return b
}

func specimen(name string) notice.Notice { return notifytest.Specimens()[name] }

func TestABotPosts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := specimen("rising_loss")
	ref, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	got := b.slack.Messages()
	require.Len(t, got, 1)
	require.Equal(t, notifytest.SlackChannelID+":"+got[0].TS, ref)
	require.Equal(t, n.ID, got[0].ID, "the mark by which a repeat finds it")
	require.JSONEq(t, `{"event_type":"epochwatch_message","event_payload":{"id":"`+n.ID+`"}}`, string(got[0].Metadata))
	require.Contains(t, got[0].Text, "loss rising since epoch 17 (0.740 → 0.758)")
	for _, c := range b.slack.Calls() {
		require.NotContains(t, c.Method, "conversations", "a first try does not look for earlier ones")
	}
	f := b.slack.Files()
	require.Len(t, f, 1)
	require.True(t, f[0].Complete)
	require.Empty(t, f[0].Channel, "it is shown in the message alone")
	require.Contains(t, f[0].Alt, "loss of resnet-small")
	_, err = png.Decode(bytes.NewReader(f[0].Content))
	require.NoError(t, err)
	require.Contains(t, string(got[0].Blocks), `"slack_file":{"id":"`+f[0].ID+`"}`)
}

func TestTheBlocksOfEachSpecimen(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			_, err := b.bot.Send(t.Context(), n)
			require.NoError(t, err)
			m := b.slack.Messages()[0]
			var out bytes.Buffer
			require.NoError(t, json.Indent(&out, m.Blocks, "", "  "))
			notifytest.Golden(t, *update, name+".json", []byte(m.Text+"\n\n"+out.String()+"\n"))
			_, err = b.hook.Send(t.Context(), n)
			require.NoError(t, err)
			hook := b.slack.Messages()[1]
			require.Equal(t, m.Text, hook.Text)
			out.Reset()
			require.NoError(t, json.Indent(&out, hook.Blocks, "", "  "))
			notifytest.Golden(t, *update, "webhook_"+name+".json", append(out.Bytes(), '\n'))
			keepsTheLimits(t, m.Blocks)
			keepsTheLimits(t, hook.Blocks)
		})
	}
}

// keepsTheLimits checks what Slack would refuse the message for.
func keepsTheLimits(t *testing.T, raw []byte) {
	t.Helper()
	var blocks []struct {
		Type string `json:"type"`
		Text *struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"text"`
		Fields []struct {
			Text string `json:"text"`
		} `json:"fields"`
	}
	require.NoError(t, json.Unmarshal(raw, &blocks))
	require.LessOrEqual(t, len(blocks), 50)
	for _, block := range blocks {
		if block.Text != nil {
			limit := map[string]int{"header": 150, "section": 3000}[block.Type]
			require.LessOrEqual(t, utf8.RuneCountInString(block.Text.Text), limit)
			require.NotEmpty(t, block.Text.Text)
		}
		for _, f := range block.Fields {
			require.LessOrEqual(t, utf8.RuneCountInString(f.Text), 2000)
		}
	}
}

func TestLongTextIsCutToSlacksLimits(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := specimen("hostile")
	n.Finding.Metric = strings.Repeat("<&>", 200)
	n.Finding.Summary = strings.Repeat("& ", 5000)
	n.Finding.Advice = nil
	for range 40 {
		n.Finding.Advice = append(n.Finding.Advice, strings.Repeat("<advice> ", 100))
	}
	_, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	keepsTheLimits(t, b.slack.Messages()[0].Blocks)
}

func TestTextOfStrangersDoesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	_, err := b.bot.Send(t.Context(), specimen("hostile"))
	require.NoError(t, err)
	m := b.slack.Messages()[0]
	var blocks any
	require.NoError(t, json.Unmarshal(m.Blocks, &blocks))
	for _, text := range append(texts(blocks), m.Text) {
		for _, evil := range []string{"<!", "<@", "<http", "<script", "</"} {
			require.NotContains(t, text, evil)
		}
		if strings.HasPrefix(text, "```") {
			require.NotContains(t, strings.Trim(text, "`"), "`", "a name ends a code block")
		}
	}
}

// texts returns every text of a JSON tree.
func texts(v any) []string {
	var out []string
	switch v := v.(type) {
	case map[string]any:
		if s, ok := v["text"].(string); ok {
			out = append(out, s)
		}
		for _, child := range v {
			out = append(out, texts(child)...)
		}
	case []any:
		for _, child := range v {
			out = append(out, texts(child)...)
		}
	}
	return out
}

// One message a problem: what comes later is written into it, and said in its thread.
func TestAProblemIsOneMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref, err := b.bot.Send(t.Context(), specimen("rising_loss"))
	require.NoError(t, err)
	n := specimen("update")
	n.ID, n.Told = "second", ref
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	n = specimen("resolved")
	n.ID, n.Told = "third", ref
	third, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	got := b.slack.Messages()
	require.Len(t, got, 3)
	require.Equal(t, 2, got[0].Edits)
	require.Contains(t, got[0].Text, "🟢", "resolved in place")
	require.Contains(t, string(got[0].Blocks), b.slack.Files()[2].ID, "with the curve of now")
	for _, m := range got[1:] {
		require.Equal(t, got[0].TS, m.ThreadTS)
		require.False(t, m.Loud)
	}
	n.Again = true
	again, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Equal(t, third, again)
	require.Len(t, b.slack.Messages(), 3)
}

func TestProgressIsAnEditAndALineInTheThread(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *slack.Options) { o.Buttons = true })
	n := specimen("rising_loss")
	ref, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	n.ID, n.Event, n.Told, n.News = "progress", store.MessageProgress, ref, []string{n.Commands[0].ID, store.NewsAcknowledged}
	n.Commands[0].ProposedBy, n.Commands[0].IssuedBy = "policy", "anna (slack U1)"
	n.Acknowledged = []store.Acknowledgement{{By: "ben <@U1>", At: n.CreatedAt}}
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	posts := b.slack.Messages()
	require.Len(t, posts, 2)
	require.Equal(t, 1, posts[0].Edits)
	require.Equal(t, posts[0].TS, posts[1].ThreadTS)
	require.False(t, posts[1].Loud)
	whole, news := string(posts[0].Blocks), string(posts[1].Blocks)
	for _, text := range []string{whole, news} {
		require.Contains(t, text, "Approved by anna (slack U1).")
		require.Contains(t, text, "Acknowledged by ben ")
		require.NotContains(t, text, "<@U1>")
	}
	require.NotContains(t, whole, `"acknowledge:`, "it is answered")
	require.NotContains(t, news, "Since")

	// A second try whose first one did arrive posts nothing.
	n.Again = true
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 2)

	// Of a message that somebody has deleted there is no progress.
	n.ID, n.Again = "more", false
	b.slack.FailEdits(notifytest.Answer{Error: "message_not_found"})
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 2)
}

func TestWhatMustBeHeardAgainIsShownInTheChannel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref, err := b.bot.Send(t.Context(), specimen("rising_loss"))
	require.NoError(t, err)
	critical := specimen("update")
	critical.Finding.Severity = "critical"
	for i, n := range []notice.Notice{specimen("repeat"), critical, specimen("run_failed")} {
		n.ID, n.Told = strconv.Itoa(i), ref
		_, err := b.bot.Send(t.Context(), n)
		require.NoError(t, err)
		m := b.slack.Messages()[i+1]
		require.True(t, m.Loud, i)
		require.NotEmpty(t, m.ThreadTS)
	}
	digest := specimen("digest")
	digest.Told = ref
	_, err = b.bot.Send(t.Context(), digest)
	require.NoError(t, err)
	require.Empty(t, b.slack.Messages()[4].ThreadTS, "a digest stands for itself")
}

func TestAMessageThatCannotBeEditedIsSaidInItsThread(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"message_not_found", "cant_update_message", "edit_window_closed"} {
		b := setup(t)
		ref, err := b.bot.Send(t.Context(), specimen("rising_loss"))
		require.NoError(t, err)
		b.slack.FailEdits(notifytest.Answer{Error: word})
		n := specimen("resolved")
		n.ID, n.Told = "second", ref
		_, err = b.bot.Send(t.Context(), n)
		require.NoError(t, err)
		got := b.slack.Messages()
		require.Len(t, got, 2)
		require.True(t, got[1].Loud)
		require.Contains(t, string(got[1].Blocks), "slack_file", "the whole of it")
	}
}

func TestAnEditThatFailsIsTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ref, err := b.bot.Send(t.Context(), specimen("rising_loss"))
	require.NoError(t, err)
	n := specimen("resolved")
	n.ID, n.Told = "second", ref
	b.slack.FailEdits(notifytest.Answer{Status: 429, RetryAfter: 7})
	_, err = b.bot.Send(t.Context(), n)
	notifytest.RequireOutcome(t, err, notifytest.After)
	require.Len(t, b.slack.Messages(), 1)
}

// A message is worth more than its picture.
func TestAMessageGoesWithoutItsPicture(t *testing.T) {
	t.Parallel()
	for _, a := range []notifytest.Answer{{Error: "missing_scope"}, {Status: 500}, {Status: 429, RetryAfter: 30}} {
		b := setup(t)
		b.slack.FailFiles(a)
		_, err := b.bot.Send(t.Context(), specimen("rising_loss"))
		require.NoError(t, err)
		require.Contains(t, string(b.slack.Messages()[0].Blocks), "▁", "the curve in characters in its place")
		require.Contains(t, b.log.String(), "without its picture")
		require.NotContains(t, b.log.String(), notifytest.SlackToken)
	}
}

func TestAPictureThatIsNotReadyHangsBelow(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.slack.Fail(notifytest.Answer{Error: "invalid_blocks"})
	_, err := b.bot.Send(t.Context(), specimen("rising_loss"))
	require.NoError(t, err)
	m := b.slack.Messages()
	require.Len(t, m, 1)
	f := b.slack.Files()
	require.Len(t, f, 2)
	require.Equal(t, m[0].TS, f[1].ThreadTS)
	require.Equal(t, notifytest.SlackChannelID, f[1].Channel)
}

func TestAStatusIsRetriedOrNot(t *testing.T) {
	t.Parallel()
	for _, c := range notifytest.Statuses() {
		if c.Status == 200 || c.RetryAfter != "" && c.RetryAfter != "7" && c.RetryAfter != "3" {
			continue // the other forms of Retry-After are the table's own test
		}
		b := setup(t)
		after := map[string]int{"7": 7, "3": 3}[c.RetryAfter]
		b.slack.Fail(notifytest.Answer{Status: c.Status, RetryAfter: after, Error: "said"})
		_, err := b.hook.Send(t.Context(), specimen("plateau"))
		c.Require(t, err)
		if c.Want == notifytest.Done || c.Status == 503 && after > 0 {
			continue // slack-go takes no other 2xx than 200, and no Retry-After but with 429
		}
		b.slack.Fail(notifytest.Answer{Status: c.Status, RetryAfter: after, Error: "said"})
		_, err = b.bot.Send(t.Context(), specimen("plateau"))
		c.Require(t, err)
	}
}

func TestAnErrorOfSlackIsRetriedOrNot(t *testing.T) {
	t.Parallel()
	for said, want := range map[string]notifytest.Outcome{
		"invalid_auth": notifytest.Never, "not_authed": notifytest.Never, "token_revoked": notifytest.Never,
		"account_inactive": notifytest.Never, "channel_not_found": notifytest.Never, "not_in_channel": notifytest.Never,
		"is_archived": notifytest.Never, "missing_scope": notifytest.Never, "invalid_blocks": notifytest.Never,
		"msg_too_long": notifytest.Never, "something_new": notifytest.Never,
		"ratelimited": notifytest.Again, "internal_error": notifytest.Again, "fatal_error": notifytest.Again,
		"service_unavailable": notifytest.Again, "request_timeout": notifytest.Again,
	} {
		b := setup(t)
		b.slack.FailAlways(notifytest.Answer{Error: said})
		_, err := b.bot.Send(t.Context(), specimen("plateau"))
		notifytest.RequireOutcome(t, err, want, said)
		require.ErrorContains(t, err, said)
	}
}

func TestAWrongTokenOrChannel(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *slack.Options) { o.Token = "xoxb-wrong-0000" })
	_, err := b.bot.Send(t.Context(), specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.ErrorContains(t, err, "invalid_auth (the token is not one of Slack's)")
	b = setup(t, func(o *slack.Options) { o.Channel = "#elsewhere" })
	_, err = b.bot.Send(t.Context(), specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.ErrorContains(t, err, "/invite the app")
	_, err = slack.New(slack.Options{Token: "xoxb-x"})
	require.Error(t, err)
}

func TestASlackThatHangsIsLeftAtTheDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.slack.FailAlways(notifytest.Answer{Hang: true})
	for _, c := range []notice.Channel{b.bot, b.hook} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := c.Send(ctx, specimen("plateau"))
		cancel()
		notifytest.RequireOutcome(t, err, notifytest.Again)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
}

func TestARepeatAfterALostAnswerPostsNothing(t *testing.T) {
	t.Parallel()
	for name, channel := range map[string]string{"by name": notifytest.SlackChannel, "by id": notifytest.SlackChannelID} {
		b := setup(t, func(o *slack.Options) { o.Channel = channel })
		n := specimen("rising_loss")
		b.slack.Fail(notifytest.Answer{Status: 502, Accept: true})
		_, err := b.bot.Send(t.Context(), n)
		notifytest.RequireOutcome(t, err, notifytest.Again, name)
		n.Again = true
		ref, err := b.bot.Send(t.Context(), n)
		require.NoError(t, err, name)
		got := b.slack.Messages()
		require.Len(t, got, 1, name)
		require.Equal(t, notifytest.SlackChannelID+":"+got[0].TS, ref, name)
	}
}

func TestARepeatLooksThroughAllPages(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := specimen("rising_loss")
	_, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	other := specimen("plateau")
	other.Epochs = nil // no picture to draw
	for range 450 {    // two pages of 200, newest first, before ours
		other.ID = "other"
		_, err := b.bot.Send(t.Context(), other)
		require.NoError(t, err)
	}
	n.Again = true
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 451)
}

func TestARepeatOfATryThatDidNotArriveIsPosted(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := specimen("rising_loss")
	n.Again = true
	_, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 1)
}

func TestARepeatThatMayNotReadPostsAndSaysSo(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *slack.Options) { o.Channel = notifytest.SlackChannelID })
	b.slack.FailHistory(notifytest.Answer{Error: "missing_scope"})
	n := specimen("rising_loss")
	n.Again = true
	_, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 1)
	require.Contains(t, b.log.String(), "a message may come twice")
	require.Contains(t, b.log.String(), "missing_scope")
}

func TestARepeatThatCannotReadNowWaits(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *slack.Options) { o.Channel = notifytest.SlackChannelID })
	b.slack.FailHistory(notifytest.Answer{Status: 429, RetryAfter: 9})
	n := specimen("rising_loss")
	n.Again = true
	_, err := b.bot.Send(t.Context(), n)
	notifytest.RequireOutcome(t, err, notifytest.After)
	require.Empty(t, b.slack.Messages())
}

func TestAWebhookHasNoMemory(t *testing.T) {
	t.Parallel()
	b := setup(t)
	n := specimen("rising_loss")
	b.slack.Fail(notifytest.Answer{Status: 500, Accept: true})
	_, err := b.hook.Send(t.Context(), n)
	notifytest.RequireOutcome(t, err, notifytest.Again)
	n.Again = true
	_, err = b.hook.Send(t.Context(), n)
	require.NoError(t, err)
	require.Len(t, b.slack.Messages(), 2, "the worst case that the documentation names")
}

func TestNoErrorShowsASecret(t *testing.T) {
	t.Parallel()
	for _, answer := range []notifytest.Answer{
		{Status: 404, Error: "no_service for /services/T00000000/B00000000/s3cr3tWebhookPath"},
		{Status: 403, Error: "invalid_token s3cr3tWebhookPath"},
		{Status: 500},
		{Hang: true},
		{Error: "invalid_auth: " + notifytest.SlackToken},
	} {
		b := setup(t)
		b.slack.FailAlways(answer)
		for _, c := range []notice.Channel{b.bot, b.hook} {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			_, err := c.Send(ctx, specimen("plateau"))
			cancel()
			if err == nil {
				continue // an error text with status 200 is none to a webhook
			}
			require.NotContains(t, err.Error(), notifytest.SlackToken)
			require.NotContains(t, err.Error(), "s3cr3tWebhookPath")
			require.NotContains(t, err.Error(), "/services/")
		}
	}
	c, err := slack.New(slack.Options{WebhookURL: "http://127.0.0.1:1/services/T0/B0/s3cr3tWebhookPath"})
	require.NoError(t, err)
	_, err = c.Send(t.Context(), specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.NotContains(t, err.Error(), "s3cr3t")
	require.ErrorContains(t, err, "127.0.0.1:1")
}
