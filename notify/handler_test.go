package notify_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// bundle is a notifier with one receiver on three stand-ins.
type bundle struct {
	n       *notify.Notifier
	memory  *memory
	slack   *notifytest.Slack
	mail    *notifytest.MailServer
	hook    *notifytest.Webhook
	clock   *clock
	log     *bytes.Buffer
	metrics *prometheus.Registry
	handle  store.JobFunc
}

const signingKey = "s1gning-key-hunter2"

func setup(t *testing.T) *bundle {
	t.Helper()
	b := &bundle{
		memory: newMemory(), slack: notifytest.NewSlack(t), mail: notifytest.NewMailServer(t, notifytest.MailOptions{Login: true}),
		hook: notifytest.NewWebhook(t), clock: newClock(), log: new(bytes.Buffer), metrics: prometheus.NewRegistry(),
	}
	c := parse(t, fmt.Sprintf(`
receivers:
  - name: team
    slack: {token: %s, channel: "%s", api_url: "%s"}
    email: {to: [team@example.org], from: watch@example.org, smtp: "%s"}
    webhook: {url: "%s", secret: %s}
  - name: other
    slack: {webhook_url: "%s"}
`, notifytest.SlackToken, notifytest.SlackChannel, b.slack.APIURL(), b.mail.URL(), b.hook.URL(), signingKey, b.slack.WebhookURL())+
		"route: {receiver: team, group_wait: 0s}")
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	var err error
	b.n, err = notify.New(*c, notify.Options{
		Log: slog.New(slog.NewTextHandler(b.log, nil)), HTTPClient: &http.Client{Transport: transport},
		Metrics: notify.NewMetrics(b.metrics), Timeout: 8 * time.Second, Now: b.clock.now, Base: "https://watch.example.org/runs/",
	})
	require.NoError(t, err)
	b.handle = b.n.Handler(b.memory)
	return b
}

// queue queues the message of an event of a specimen to a channel of the team.
func (b *bundle) queue(specimen, receiver, channel string, event store.MessageEvent) string {
	f := notifytest.Specimens()[specimen].Finding
	m := store.Message{
		ID: notify.MessageID(f.ID, receiver, channel, event), RunPK: 7, FindingID: f.ID, Receiver: receiver, Channel: channel,
		Event: event, State: store.MessageQueued, CreatedAt: b.clock.now(),
	}
	b.memory.add(specimen, m)
	return m.ID
}

func job(id string, attempt int) store.Job {
	return store.Job{Kind: store.JobSendMessage, MessageID: id, Attempt: attempt, MaxAttempts: 12}
}

func TestAMessageIsSentByEachChannelAndOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, channel := range []string{"slack", "email", "webhook"} {
		id := b.queue("rising_loss", "team", channel, store.MessageFiring)
		for attempt := 1; attempt <= 3; attempt++ { // the queue may call again after all is done
			require.NoError(t, b.handle(t.Context(), job(id, attempt)))
		}
		require.Equal(t, []store.MessageState{store.MessageSending, store.MessageSent}, b.memory.states(id), "before and after")
		require.NotEmpty(t, b.memory.message(id).Reference)
	}
	require.Len(t, b.slack.Messages(), 1)
	require.Len(t, b.mail.Mails(), 1)
	require.Len(t, b.hook.Calls(), 1)
	require.Contains(t, string(b.hook.Calls()[0].Body), "https://watch.example.org/runs/r-20260314")
}

func TestAMessageThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t)
	err := b.handle(t.Context(), job("nothing", 1))
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.ErrorIs(t, err, store.ErrNotFound)
}

func TestAChannelThatIsGoneFromTheConfig(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.queue("rising_loss", "former", "slack", store.MessageFiring)
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 1)), notifytest.Never)
	require.Equal(t, []store.MessageState{store.MessageDead}, b.memory.states(id))
	require.Contains(t, b.memory.message(id).LastError, `no channel slack of receiver "former"`)
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 2)), notifytest.Never)
}

func TestFailuresAreRecordedAndTriedAgain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.queue("rising_loss", "team", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Status: 500}, notifytest.Answer{Status: 429, RetryAfter: 40})
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 1)), notifytest.Again)
	require.Equal(t, store.MessageFailed, b.memory.message(id).State)

	var rests *store.NotYetError
	require.ErrorAs(t, b.handle(t.Context(), job(id, 2)), &rests, "slack rests after a failure")
	posts := 0
	for _, c := range b.slack.Calls() {
		if c.Method == "chat.postMessage" { // the picture goes before it
			posts++
		}
	}
	require.Equal(t, 1, posts)
	b.clock.pass(time.Second)
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 3)), notifytest.After)
	require.ErrorAs(t, b.handle(t.Context(), job(id, 1)), &rests)
	require.GreaterOrEqual(t, rests.After, 40*time.Second, "the pause holds for the channel")
	require.LessOrEqual(t, rests.After, 50*time.Second)

	b.clock.pass(40 * time.Second)
	require.NoError(t, b.handle(t.Context(), job(id, 4)))
	require.Len(t, b.slack.Messages(), 1)
	require.Equal(t, []store.MessageState{"sending", "failed", "sending", "failed", "sending", "sent"}, b.memory.states(id))
}

func TestAMessageIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer  notifytest.Answer
		attempt int
		age     time.Duration
	}{
		"refused for good":    {notifytest.Answer{Error: "channel_not_found"}, 1, 0},
		"the last try":        {notifytest.Answer{Status: 500}, 12, 0},
		"the last try, limit": {notifytest.Answer{Status: 429, RetryAfter: 5}, 12, 0},
		"older than a day":    {notifytest.Answer{Status: 429, RetryAfter: 5}, 2, 25 * time.Hour},
	} {
		b := setup(t)
		id := b.queue("rising_loss", "team", "slack", store.MessageFiring)
		b.clock.pass(c.age)
		b.slack.Fail(c.answer)
		notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, c.attempt)), notifytest.Never, name)
		require.Equal(t, store.MessageDead, b.memory.message(id).State, name)
		require.NotEmpty(t, b.memory.message(id).LastError, name)
		require.Contains(t, b.log.String(), "message not sent", name)
	}
}

func TestTheLastTryIsMadeThoughTheChannelRests(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.queue("plateau", "team", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Status: 429, RetryAfter: 600})
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(first, 1)), notifytest.After)
	require.NoError(t, b.handle(t.Context(), job(first, 12)))
}

func TestAResolutionIsToldAfterTheFiring(t *testing.T) {
	t.Parallel()
	b := setup(t)
	resolved := b.queue("resolved", "team", "slack", store.MessageResolved)
	firing := b.queue("rising_loss", "team", "slack", store.MessageFiring)
	// However often: it is not given up, and does not come later each time, while the firing is on its way.
	for _, attempt := range []int{1, 6, 12} {
		wait, ok := errors.AsType[*store.NotYetError](b.handle(t.Context(), job(resolved, attempt)))
		require.True(t, ok)
		require.GreaterOrEqual(t, wait.After, 2*time.Second)
		require.LessOrEqual(t, wait.After, 2500*time.Millisecond)
	}
	require.Empty(t, b.memory.states(resolved))
	require.NoError(t, b.handle(t.Context(), job(firing, 1)))
	require.NoError(t, b.handle(t.Context(), job(resolved, 2)))
	got := b.slack.Messages()
	require.Len(t, got, 2)
	require.Equal(t, got[0].TS, got[1].ThreadTS)
}

func TestAResolutionIsNotToldToWhoHeardNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.queue("resolved", "team", "slack", store.MessageResolved)
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 1)), notifytest.Never)
	require.Equal(t, store.MessageDead, b.memory.message(id).State)
	require.Contains(t, b.memory.message(id).LastError, "was not told")

	firing := b.queue("rising_loss", "other", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Status: 404})
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(firing, 1)), notifytest.Never)
	id = b.queue("resolved", "other", "slack", store.MessageResolved)
	notifytest.RequireOutcome(t, b.handle(t.Context(), job(id, 1)), notifytest.Never, "nor where the firing was given up")
	require.Empty(t, b.slack.Messages())
}

// The daemon dies at each step of a delivery; another one goes on from what was recorded.
func TestADaemonThatDiesTellsOnce(t *testing.T) {
	t.Parallel()
	for name, refuse := range map[string]store.MessageState{
		"before the call is on record": store.MessageSending,
		"after the call":               store.MessageSent,
	} {
		for _, channel := range []string{"slack", "email", "webhook"} {
			b := setup(t)
			id := b.queue("rising_loss", "team", channel, store.MessageFiring)
			b.memory.refuse = func(d store.Delivery) bool { return d.State == refuse }
			require.ErrorIs(t, b.handle(t.Context(), job(id, 1)), errAway, name)
			b.memory.refuse = nil
			require.NoError(t, b.handle(t.Context(), job(id, 2)), name)
			require.Equal(t, store.MessageSent, b.memory.message(id).State, name)
			switch channel {
			case "slack":
				require.Len(t, b.slack.Messages(), 1, name)
			case "email":
				ids := map[string]bool{}
				for _, m := range b.mail.Mails() {
					ids[m.Message.Header.Get("Message-ID")] = true
				}
				require.Len(t, ids, 1, name)
			case "webhook":
				ids := map[string]bool{}
				for _, c := range b.hook.Calls() {
					ids[c.Header.Get("webhook-id")] = true
				}
				require.Len(t, ids, 1, name)
			}
		}
	}
}

func TestADaemonThatStopsLeavesTheMessageInDoubt(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.queue("rising_loss", "team", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Hang: true, Accept: true})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_, _ = b.slack.Wait(t.Context(), 1)
	}()
	require.ErrorIs(t, b.handle(ctx, job(id, 1)), context.Canceled)
	require.Equal(t, []store.MessageState{store.MessageSending}, b.memory.states(id))
	require.NoError(t, b.handle(t.Context(), job(id, 2)))
	require.Len(t, b.slack.Messages(), 1)
}

func TestAnAnswerAfterTheTimeoutDoublesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	id := b.queue("rising_loss", "team", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Hang: true, Accept: true})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second) // the queue's limit
	defer cancel()
	notifytest.RequireOutcome(t, b.handle(ctx, job(id, 1)), notifytest.Again)
	require.Equal(t, store.MessageFailed, b.memory.message(id).State)
	b.clock.pass(time.Minute)
	require.NoError(t, b.handle(t.Context(), job(id, 2)))
	require.Len(t, b.slack.Messages(), 1)
}

func TestAReceiverThatHangsDoesNotDelayAnother(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.hook.FailAlways(notifytest.Answer{Hang: true})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	done := make(chan error, 8)
	for _, specimen := range []string{"rising_loss", "plateau", "loss_nan", "conflict"} {
		f := notifytest.Specimens()[specimen]
		m := store.Message{ID: specimen, FindingID: f.Finding.ID, Receiver: "team", Channel: "webhook", Event: store.MessageFiring, State: store.MessageQueued, CreatedAt: b.clock.now()}
		b.memory.add(specimen, m)
	}
	for _, id := range []string{"rising_loss", "plateau", "loss_nan", "conflict"} {
		go func() { done <- b.handle(ctx, job(id, 1)) }()
	}
	_, err := b.hook.Wait(t.Context(), 2)
	require.NoError(t, err)
	for range 2 { // the third and fourth go back to the queue while the first two hang
		var busy *store.NotYetError // which is no try
		require.ErrorAs(t, <-done, &busy)
	}
	require.Len(t, b.hook.Calls(), 2)
	id := b.queue("rising_loss", "team", "slack", store.MessageFiring)
	require.NoError(t, b.handle(t.Context(), job(id, 1)))
	cancel()
	for range 2 {
		require.Error(t, <-done)
	}
}

// Chaos: Slack answers at random, the database is away at random, and still each message is
// there once.
func TestChaosDoublesAndLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	random := rand.New(rand.NewPCG(3, 14))
	b.memory.refuse = func(store.Delivery) bool { return random.IntN(6) == 0 }
	answers := []notifytest.Answer{
		{Status: 500},
		{Status: 502, Accept: true},
		{Status: 429, RetryAfter: 2},
		{Error: "internal_error"},
		{Error: "fatal_error", Accept: true},
		{Status: 503, Accept: true},
	}
	const messages = 60
	tries := 0
	for i := range messages {
		n := notifytest.Specimens()["rising_loss"]
		m := store.Message{ID: fmt.Sprintf("m-%02d", i), FindingID: n.Finding.ID, Receiver: "team", Channel: "slack", Event: store.MessageFiring, State: store.MessageQueued, CreatedAt: b.clock.now()}
		b.memory.add("rising_loss", m)
		for range random.IntN(5) {
			b.slack.Fail(answers[random.IntN(len(answers))])
		}
		for {
			tries++
			err := b.handle(t.Context(), job(m.ID, 1))
			if err == nil {
				break
			}
			var permanent *store.PermanentError
			require.NotErrorAs(t, err, &permanent)
			b.clock.pass(2 * time.Minute)
		}
		b.slack.Mend()
	}
	got := map[string]int{}
	for _, m := range b.slack.Messages() {
		got[m.ID]++
	}
	require.Len(t, got, messages)
	for id, count := range got {
		require.Equal(t, 1, count, id)
	}
	t.Logf("%d messages in %d tries", messages, tries)
	require.Greater(t, tries, 2*messages, "too little went wrong for this to say anything")
}

func TestNoSecretInAnyErrorOrLog(t *testing.T) {
	t.Parallel()
	b := setup(t)
	secrets := []string{notifytest.SlackToken, notifytest.MailPassword, signingKey, "s3cr3tWebhookPath"}
	leak := strings.Join(secrets, " ")
	b.slack.FailAlways(notifytest.Answer{Status: 400, Error: leak})
	b.hook.FailAlways(notifytest.Answer{Status: 400, Error: leak})
	var seen []string
	for i, to := range [][2]string{{"team", "slack"}, {"other", "slack"}, {"team", "webhook"}, {"team", "email"}} {
		if i == 3 {
			b.mail.FailMail(550, leak)
		}
		id := b.queue("rising_loss", to[0], to[1], store.MessageFiring)
		err := b.handle(t.Context(), job(id, 1))
		require.Error(t, err, to)
		for wrapped := err; wrapped != nil; wrapped = errors.Unwrap(wrapped) {
			seen = append(seen, wrapped.Error(), fmt.Sprintf("%+v %#v", wrapped, wrapped))
		}
		seen = append(seen, b.memory.message(id).LastError)
	}
	seen = append(seen, b.log.String())
	for i, text := range seen {
		for j, s := range secrets {
			require.NotContains(t, text, s, "text %d shows secret %d", i, j)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	b := setup(t)
	sent := b.queue("rising_loss", "team", "webhook", store.MessageFiring)
	require.NoError(t, b.handle(t.Context(), job(sent, 1)))
	dead := b.queue("plateau", "other", "slack", store.MessageFiring)
	b.slack.Fail(notifytest.Answer{Status: 404})
	require.Error(t, b.handle(t.Context(), job(dead, 1)))
	families, err := b.metrics.Gather()
	require.NoError(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := []string{f.GetName()}
			for _, l := range m.GetLabel() {
				key = append(key, l.GetValue())
			}
			got[strings.Join(key, " ")] = m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	require.Equal(t, map[string]float64{
		"epochwatch_messages_total webhook sent": 1, "epochwatch_messages_total slack dead": 1,
		"epochwatch_message_delivery_seconds webhook": 1, "epochwatch_message_delivery_seconds slack": 1,
	}, got)
}
