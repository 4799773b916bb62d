package e2e_test

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// buttons returns the values of the buttons of a Slack message, by action_id.
func buttons(t *testing.T, m notifytest.SlackMessage) map[string]string {
	t.Helper()
	var blocks []struct {
		Type     string `json:"type"`
		Elements []struct {
			ActionID string `json:"action_id"`
			Value    string `json:"value"`
		} `json:"elements"`
	}
	require.NoError(t, json.Unmarshal(m.Blocks, &blocks))
	out := map[string]string{}
	for _, b := range blocks {
		if b.Type == "actions" {
			for _, e := range b.Elements {
				out[e.ActionID] = e.Value
			}
		}
	}
	return out
}

// channelMessage is the one message that stands in Slack's channel as it is now.
func (w *team) channelMessage() (notifytest.SlackMessage, bool) {
	for _, m := range w.slack.Messages() {
		if m.ThreadTS == "" {
			return m, true
		}
	}
	return notifytest.SlackMessage{}, false
}

// await waits for something that a service sees.
func (w *team) await(what string, done func() bool) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	require.NoError(w.t, w.slack.Until(ctx, done), "%s\n%s", what, w.d.log)
}

// press presses a button of the message in the channel.
func (w *team) press(user, action, value string) {
	w.t.Helper()
	m, ok := w.channelMessage()
	require.True(w.t, ok)
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	require.NoError(w.t, w.slack.Press(ctx, notifytest.SlackPress{User: user, Name: "anna", TS: m.TS, ActionID: action, Value: value}), "%s", w.d.log)
}

// whispered waits for the n-th whisper and returns it.
func (w *team) whispered(n int) notifytest.SlackWhisper {
	w.t.Helper()
	w.await("a whisper", func() bool { return len(w.slack.Whispers()) >= n })
	return w.slack.Whispers()[n-1]
}

// ask runs a command of the program that answers with JSON.
func (w *team) ask(into any, args ...string) {
	w.t.Helper()
	out, err := exec.CommandContext(w.t.Context(), w.bin, append(args, "--json", "--data", w.dir)...).Output()
	require.NoError(w.t, err, "%v: %s", args, out)
	require.NoError(w.t, json.Unmarshal(out, into), "%s", out)
}

// TestPressedButtonsReachALiveRun answers a message in Slack about a real training.
func TestPressedButtonsReachALiveRun(t *testing.T) {
	t.Parallel()
	python(t)
	w := newTeam(t, binary, grouped("200ms", "200ms"))
	w.start()
	tr, r := asking(t, w.dir, "pressed", "4000"), newRecord()
	shown := func() map[string]string {
		m, ok := w.channelMessage()
		if !ok {
			return nil
		}
		return buttons(t, m)
	}
	var id string
	w.await("the message asks", func() bool {
		for action, value := range shown() {
			if strings.HasPrefix(action, "approve:") {
				id = value
			}
		}
		return id != ""
	})
	require.Contains(t, shown(), "decline:"+id)

	// A stranger is refused, and nothing happens.
	w.press("U0STRANGER", "approve:"+id, id)
	require.Equal(t, notifytest.SlackWhisper{User: "U0STRANGER", Text: "Nothing was done: only members of this channel may press these buttons."}, w.whispered(1))
	doc, err := show(w.bin, w.dir, "pressed")
	require.NoError(t, err)
	i := slices.IndexFunc(doc.Commands, func(c report.Command) bool { return c.ID == id })
	require.GreaterOrEqual(t, i, 0)
	require.Equal(t, store.CommandProposed, doc.Commands[i].State)

	// A member approves: the rate of the live run falls, and the question is gone.
	w.press(notifytest.SlackMember, "approve:"+id, id)
	var c report.Command
	until(t, "the run has answered", func() bool {
		doc, err := show(w.bin, w.dir, "pressed")
		require.NoError(t, err)
		c = doc.Commands[slices.IndexFunc(doc.Commands, func(c report.Command) bool { return c.ID == id })]
		return c.State == store.CommandApplied
	})
	const who = "anna (slack " + notifytest.SlackMember + ")"
	require.Equal(t, who, c.IssuedBy)
	require.Less(t, float64(*c.After), float64(*c.Before))
	w.await("the question is gone", func() bool {
		now := shown()
		return now["approve:"+id] == "" && now["decline:"+id] == ""
	})

	// Pressed again, by somebody whose window is old.
	w.press(notifytest.SlackMember, "approve:"+id, id)
	again := w.whispered(2)
	require.Equal(t, notifytest.SlackMember, again.User)
	require.Contains(t, again.Text, "Nothing was done: ")
	t.Logf("a second press is told: %s", again.Text)

	// Muted for an hour.
	w.press(notifytest.SlackMember, "mute", "run 1h")
	var silences report.SilenceList
	until(t, "a silence holds", func() bool {
		w.ask(&silences, "silence", "list")
		return len(silences.Silences) > 0
	})
	require.Len(t, silences.Silences, 1)
	require.Equal(t, who, silences.Silences[0].Author)
	require.Contains(t, strings.Join(silences.Silences[0].Matchers, " "), "pressed")

	// Stopped.
	w.press(notifytest.SlackMember, "stop:pressed", "pressed")
	tr.finish(t, r)
	doc = settledRun(t, w, store.StateStopped)
	require.Less(t, len(r.losses), 4000)
	require.Equal(t, 1, r.falls, "the training saw the rate fall")
	require.Empty(t, r.wrong(doc, nil), "%s", w.d.log)
	var list report.CommandList
	w.ask(&list, "lr", "show", "pressed")
	of := func(what string, is func(report.Command) bool) string {
		i := slices.IndexFunc(list.Commands, is)
		require.GreaterOrEqual(t, i, 0, what)
		return list.Commands[i].IssuedBy
	}
	require.Equal(t, who, of("the stop", func(c report.Command) bool { return c.Kind == contract.KindStop }))
	require.Equal(t, who, of("the approved change", func(c report.Command) bool { return c.ID == id }))
	w.d.stop(t)
}

// settledRun waits until the run has ended.
func settledRun(t *testing.T, w *team, state store.State) report.RunDocument {
	t.Helper()
	var doc report.RunDocument
	var err error
	until(t, "the run is "+string(state), func() bool {
		doc, err = show(w.bin, w.dir, "pressed")
		require.NoError(t, err)
		return doc.Run.State == state
	})
	return doc
}
