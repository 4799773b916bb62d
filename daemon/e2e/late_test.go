package e2e_test

import (
	"os/exec"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// TestSlackAnswersAfterTheTimeout has Slack take a message in and say so too late: the daemon
// gives up waiting, tries again, finds the message and does not post another.
func TestSlackAnswersAfterTheTimeout(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	w := newTeam(t, binary, grouped("200ms", "200ms"))
	w.start()
	w.slack.Fail(notifytest.Answer{Hang: true, Accept: true})
	tr := newTrainer(t, w.dir, "r")
	tr.started()
	began := time.Now()
	tr.shows(2, 0)
	w.told("r", store.MessageFiring)
	t.Logf("Slack's answer was lost, and the message on record as sent after %s", time.Since(began).Round(time.Second))
	list := w.alerts("r", "the try is on record", func(report.AlertList) bool { return true })
	i := slices.IndexFunc(list.Messages, func(m report.Alert) bool { return m.Channel == "slack" })
	var states []store.MessageState
	for _, try := range list.Messages[i].Tries {
		states = append(states, try.State)
	}
	require.Equal(t, []store.MessageState{store.MessageSending, store.MessageFailed, store.MessageSending, store.MessageSent}, states)
	tr.shows(0, 0)
	w.told("r", store.MessageResolved)
	count.take(t, w, exactly(0), "r")
	w.d.stop(t)
}

// TestServicesThatRefuseAreGivenUpVisibly has three services of one receiver in trouble, each
// in its own way. Another receiver is told at once, and `epochwatch alerts` says what each
// service said.
func TestServicesThatRefuseAreGivenUpVisibly(t *testing.T) {
	t.Parallel()
	w := newTeam(t, binary, "")
	well := notifytest.NewWebhook(t)
	w.configure("  - name: other\n    webhook: {url: " + well.URL() + `}
route:
  receiver: team
  group_by: [run]
  group_wait: 100ms
  routes:
    - {match: {project: default}, receiver: team, continue: true}
    - {match: {project: default}, receiver: other}
` + twoRules)
	w.start()
	w.slack.FailAlways(notifytest.Answer{Error: "invalid_auth"})
	w.mail.FailRcpt("team@example.org", 452, "mailbox full")
	w.hook.FailAlways(notifytest.Answer{Status: 503})
	tr := newTrainer(t, w.dir, "r")
	tr.started()
	tr.shows(2, 0)
	list := w.alerts("r", "Slack is given up, the mail taken at the second try, the webhook tried again", func(l report.AlertList) bool {
		return state(l, "team", "slack") == store.MessageDead && state(l, "team", "email") == store.MessageSent &&
			state(l, "team", "webhook") == store.MessageFailed && state(l, "other", "webhook") == store.MessageSent
	})
	sent := map[string]time.Duration{}
	for _, m := range list.Messages {
		if m.SentAt != nil {
			sent[m.Receiver+" "+m.Channel] = m.SentAt.Sub(m.CreatedAt)
		}
	}
	require.Less(t, sent["other webhook"], sent["team email"], "who is well does not wait")
	require.Len(t, well.Calls(), 1)
	require.Len(t, w.mail.Mails(), 1)
	require.Empty(t, w.slack.Messages())

	out, err := exec.CommandContext(t.Context(), w.bin, "alerts", "--data", w.dir).Output()
	require.NoError(t, err)
	for _, said := range []string{"invalid_auth", "452", "mailbox full", "503"} {
		require.Contains(t, string(out), said)
	}
	t.Logf("\n%s", out)
	w.d.stop(t)
}

func state(l report.AlertList, receiver, channel string) store.MessageState {
	for _, m := range l.Messages {
		if m.Receiver == receiver && m.Channel == channel {
			return m.State
		}
	}
	return ""
}

// TestAnIncomingWebhookTellsTwiceInTheWorstCase counts what is promised of a service that has
// no key to know a message by and cannot be asked: the one that it had when the daemon was
// killed is sent again, and no other.
func TestAnIncomingWebhookTellsTwiceInTheWorstCase(t *testing.T) {
	t.Parallel()
	w := newTeam(t, binary, "")
	w.configure("  - name: plain\n    slack: {webhook_url: \"" + w.slack.WebhookURL() + "\"}\nroute: {receiver: plain, group_wait: 100ms, group_interval: 100ms}\n" + twoRules)
	w.start()
	kill, gone := w.deadly()
	w.slack.Trap("/services/", notifytest.Worked, func(string) { kill() })
	tr := newTrainer(t, w.dir, "r")
	tr.started()
	tr.shows(2, 0)
	gone()
	w.start()
	sent := func(event store.MessageEvent) {
		w.alerts("r", string(event), func(l report.AlertList) bool {
			return slices.ContainsFunc(l.Messages, func(m report.Alert) bool { return m.Event == event && m.State == store.MessageSent })
		})
	}
	sent(store.MessageFiring)
	tr.shows(0, 0)
	sent(store.MessageResolved)
	got := w.slack.Messages()
	require.Len(t, got, 3, "%s", w.d.log)
	require.Equal(t, got[0].Text, got[1].Text)
	require.NotEqual(t, got[1].Text, got[2].Text)
	t.Logf("%d kill, 2 messages: %d arrived, one of them twice", w.kills, len(got))
	w.d.stop(t)
}
