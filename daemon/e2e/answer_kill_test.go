package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// answerStep is where the daemon is killed while somebody says that a problem is known: by a
// press in Slack, or on the command line.
type answerStep struct {
	pressed bool
	at      service
	moment  notifytest.Moment
}

func (s answerStep) String() string {
	by := "said"
	if s.pressed {
		by = "pressed"
	}
	return fmt.Sprintf("%s, %s, %s", by, s.at.name, s.moment)
}

// answerSteps are the moments; without all, those that differ most. A press is first held
// against the members of the channel, then put on record, then marked in the message, which
// is an edit; then what is new on record is told, an edit and a line in the thread.
func answerSteps(all bool) []answerStep {
	members := slackMethod("conversations.members")
	if !all {
		return []answerStep{
			{true, members, notifytest.Arrived},
			{true, edit, notifytest.Arrived},
			{false, edit, notifytest.Worked},
			{false, post, notifytest.Worked},
		}
	}
	steps := []answerStep{{true, members, notifytest.Arrived}, {true, members, notifytest.Worked}}
	for _, at := range []notifytest.Moment{notifytest.Arrived, notifytest.Worked, notifytest.Answered} {
		steps = append(steps, answerStep{true, edit, at}, answerStep{false, edit, at}, answerStep{false, post, at})
	}
	return steps
}

// TestTheDaemonIsKilledWhileItIsAnswered kills it in the work of an answer and while that is
// told. The answer is on record or whoever pressed sees that it failed; in the end it stands
// in the message, once, and once in its thread.
func TestTheDaemonIsKilledWhileItIsAnswered(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	for _, s := range answerSteps(thorough()) {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			w := newTeam(t, binary, grouped("200ms", "200ms"))
			w.start()
			tr := newTrainer(t, w.dir, "r")
			tr.started()
			tr.shows(2, 0)
			w.told("r", store.MessageFiring)
			_, button := w.seenButton()
			require.NotEmpty(t, button)

			kill, gone := w.deadly()
			s.at.set(w, s.moment, func(string) { kill() })
			answer := func() error {
				if s.pressed {
					m, _ := w.channelMessage()
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					return w.slack.Press(ctx, notifytest.SlackPress{
						User: notifytest.SlackMember, Name: "anna", TS: m.TS, ActionID: "acknowledge:" + button, Value: button,
					})
				}
				var done web.Acknowledged
				w.ask(&done, "alerts", "ack", "r", "--author", "anna")
				return nil
			}
			failed := answer()
			gone()
			w.start()
			acknowledged := func(l report.AlertList) bool { return len(l.Messages) > 0 && len(l.Messages[0].Acknowledged) > 0 }
			var list report.AlertList
			require.NoError(t, w.get("/api/v1/alerts?run=r", &list))
			if !acknowledged(list) {
				require.ErrorIs(t, failed, notifytest.ErrUnheard, "what Slack was told is done is on record")
				require.NoError(t, answer())
			}
			w.alerts("r", "it is told that somebody knows", func(l report.AlertList) bool {
				told := 0
				for _, m := range l.Messages {
					if m.Event == store.MessageProgress && m.State == store.MessageSent {
						told++
					}
				}
				return told == 1 && acknowledged(l)
			})
			m, button := w.seenButton()
			require.Empty(t, button, "a decided question has no button")
			require.Equal(t, 1, strings.Count(string(m.Blocks), "cknowledged by"), "%s", m.Blocks)
			lines := 0
			for _, m := range w.slack.Messages() {
				if m.ThreadTS != "" {
					require.Contains(t, m.Text, "Acknowledged by anna")
					lines++
				}
			}
			require.Equal(t, 1, lines, "in the thread")

			tr.shows(0, 0)
			w.told("r", store.MessageResolved)
			count.take(t, w, exactly(0), "r")
			w.d.stop(t)
		})
	}
}

// seenButton returns the message in the channel and what its button says that somebody has
// seen; empty without such a button.
func (w *team) seenButton() (notifytest.SlackMessage, string) {
	w.t.Helper()
	m, ok := w.channelMessage()
	require.True(w.t, ok)
	for action, value := range buttons(w.t, m) {
		if strings.HasPrefix(action, "acknowledge:") {
			return m, value
		}
	}
	return m, ""
}
