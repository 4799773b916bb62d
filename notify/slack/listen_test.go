package slack_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/slack"
)

// fakeDaemon writes down what it is asked for.
type fakeDaemon struct {
	mu     sync.Mutex
	asked  []string
	muted  []slack.Mute
	answer error
	begun  chan struct{} // nil, or a stop says here that it begins
	hold   chan struct{} // and then waits until this is closed
}

func (d *fakeDaemon) ask(words ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, strings.Join(words, " "))
	return d.answer
}

// held waits as long as work is to take.
func (d *fakeDaemon) held(ctx context.Context) error {
	if d.begun == nil {
		return nil
	}
	d.begun <- struct{}{}
	select {
	case <-d.hold:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *fakeDaemon) said() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string{}, d.asked...)
}

func (d *fakeDaemon) Approve(_ context.Context, r slack.Run, c, by string) error {
	return d.ask("approve", r.Project, r.ID, c, by)
}

func (d *fakeDaemon) Decline(_ context.Context, r slack.Run, c, by string) error {
	return d.ask("decline", r.Project, r.ID, c, by)
}

func (d *fakeDaemon) Revert(_ context.Context, r slack.Run, c, by string) error {
	return d.ask("revert", r.Project, r.ID, c, by)
}

func (d *fakeDaemon) Stop(ctx context.Context, r slack.Run, by string) error {
	if err := d.held(ctx); err != nil {
		return err
	}
	return d.ask("stop", r.Project, r.ID, by)
}

func (d *fakeDaemon) Acknowledge(_ context.Context, message, by string) error {
	return d.ask("acknowledge", message, by)
}

func (d *fakeDaemon) Silence(_ context.Context, m slack.Mute, by string) error {
	d.mu.Lock()
	d.muted = append(d.muted, m)
	d.mu.Unlock()
	return d.ask("mute", m.Run.Project, m.Run.ID, m.Kind, by)
}

// now is a night: until morning is the same day.
var now = time.Date(2026, 3, 14, 2, 0, 0, 0, time.UTC)

// desk is a message with buttons, and somebody who listens to them.
type desk struct {
	bundle
	daemon  *fakeDaemon
	end     func() // of listening
	ts      string
	command string
}

func listening(t *testing.T, change ...func(*slack.ListenOptions)) *desk {
	t.Helper()
	d := &desk{bundle: setup(t, func(o *slack.Options) { o.Buttons = true }), daemon: &fakeDaemon{}}
	n := specimen("rising_loss")
	n.Run.Started.Control.Mode = "ask"
	n.Commands[0].State, n.Commands[0].Bounds.Mode = "proposed", "ask"
	d.command = n.Commands[0].ID
	_, err := d.bot.Send(t.Context(), n)
	require.NoError(t, err)
	d.ts = d.slack.Messages()[0].TS
	transport := &http.Transport{}
	o := slack.ListenOptions{
		Token: notifytest.SlackToken, AppToken: notifytest.SlackAppToken, APIURL: d.slack.APIURL(),
		HTTPClient: &http.Client{Transport: transport}, Log: slog.New(slog.NewTextHandler(d.log, nil)), Now: func() time.Time { return now },
	}
	for _, c := range change {
		c(&o)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		slack.Listen(ctx, o, d.daemon)
	}()
	d.end = func() {
		cancel()
		<-ended
		transport.CloseIdleConnections()
	}
	t.Cleanup(d.end)
	return d
}

func (d *desk) press(t *testing.T, user, action, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, d.slack.Press(ctx, notifytest.SlackPress{User: user, Name: "anna", TS: d.ts, ActionID: action, Value: value}))
}

func (d *desk) until(t *testing.T, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	require.NoError(t, d.slack.Until(ctx, done))
}

func (d *desk) blocks() string {
	return strings.NewReplacer(`\u003c`, "<", `\u003e`, ">").Replace(string(d.slack.Messages()[0].Blocks))
}

func (d *desk) edits(n int) func() bool {
	return func() bool { return d.slack.Messages()[0].Edits == n }
}

func TestAPressDoesWhatItSays(t *testing.T) {
	t.Parallel()
	d := listening(t)
	require.Contains(t, d.blocks(), "Approve: rate to 0.0316")
	keepsTheLimits(t, d.slack.Messages()[0].Blocks)
	d.press(t, notifytest.SlackMember, "approve:"+d.command, d.command)
	d.until(t, d.edits(1))
	require.Equal(t, []string{"approve vision r-20260314 " + d.command + " anna (slack " + notifytest.SlackMember + ")"}, d.daemon.said())
	require.NotContains(t, d.blocks(), "approve:", "buttons of decided questions go away")
	require.NotContains(t, d.blocks(), "decline:")
	require.Contains(t, d.blocks(), "Approved by <@"+notifytest.SlackMember)
	require.Contains(t, d.blocks(), "Stop the run", "the others stay")
	require.Contains(t, d.blocks(), "slack_file", "and so does the curve")

	d.press(t, notifytest.SlackMember, "stop:r-20260314", "r-20260314")
	d.until(t, d.edits(2))
	d.press(t, notifytest.SlackMember, "acknowledge:x", "x")
	d.until(t, d.edits(3))
	require.Equal(t, "acknowledge x anna (slack "+notifytest.SlackMember+")", d.daemon.said()[2])
	require.Contains(t, d.blocks(), "Acknowledged by <@")
}

func TestMuting(t *testing.T) {
	t.Parallel()
	d := listening(t)
	for i, value := range []string{"run 1h", "run morning", "kind 1h", "kind morning"} {
		d.press(t, notifytest.SlackMember, "mute", value)
		d.until(t, d.edits(i+1))
	}
	run, kind := slack.Run{Project: "vision", ID: "r-20260314"}, slack.Run{Project: "vision"}
	morning := time.Date(2026, 3, 14, 8, 0, 0, 0, time.UTC)
	want := []slack.Mute{{Run: run, Until: now.Add(time.Hour)}, {Run: run, Until: morning}}
	for _, m := range want {
		want = append(want, slack.Mute{Run: kind, Kind: "rising_loss", Until: m.Until})
	}
	require.Equal(t, want, d.daemon.muted)
	require.Contains(t, d.blocks(), "Muted, this run until Sat 03:00 UTC by <@")
}

func TestAStrangersPressIsRefused(t *testing.T) {
	t.Parallel()
	for name, allow := range map[string][]string{"not in the channel": nil, "not in the list": {notifytest.SlackMember}} {
		d := listening(t, func(o *slack.ListenOptions) { o.Allow = map[string][]string{"team": allow, "other": {"U0STRANGER"}} })
		d.press(t, "U0STRANGER", "approve:"+d.command, d.command)
		d.until(t, func() bool { return len(d.slack.Whispers()) == 1 })
		require.Empty(t, d.daemon.said(), name)
		require.Equal(t, "U0STRANGER", d.slack.Whispers()[0].User)
		require.Contains(t, d.slack.Whispers()[0].Text, "Nothing was done")
		d.press(t, notifytest.SlackMember, "decline:"+d.command, d.command)
		d.until(t, func() bool { return len(d.daemon.said()) == 1 && d.slack.Messages()[0].Edits > 0 })
	}
}

func TestNobodyMayPressWhereMembersCannotBeRead(t *testing.T) {
	t.Parallel()
	d := listening(t)
	d.slack.FailHistory(notifytest.Answer{Error: "missing_scope"})
	d.press(t, notifytest.SlackMember, "stop:r", "r")
	d.until(t, func() bool { return len(d.slack.Whispers()) == 1 })
	require.Contains(t, d.slack.Whispers()[0].Text, "channels:read")
	require.Empty(t, d.daemon.said())
}

func TestAStaleButtonSaysSo(t *testing.T) {
	t.Parallel()
	d := listening(t)
	d.daemon.answer = &slack.RefusedError{Reason: "it is refused by now, decided by ben"}
	d.press(t, notifytest.SlackMember, "approve:"+d.command, d.command)
	d.until(t, d.edits(1))
	require.Equal(t, "Nothing was done: it is refused by now, decided by ben.", d.slack.Whispers()[0].Text)
	require.NotContains(t, d.blocks(), "approve:", "and goes")
}

func TestAnErrorIsNotShown(t *testing.T) {
	t.Parallel()
	d := listening(t)
	d.daemon.answer = errors.New("database at db.internal is away")
	d.press(t, notifytest.SlackMember, "approve:"+d.command, d.command)
	d.until(t, func() bool { return len(d.slack.Whispers()) == 1 })
	require.NotContains(t, d.slack.Whispers()[0].Text, "db.internal")
	require.Contains(t, d.blocks(), "approve:", "it can be pressed again")
}

// Slack shows to who pressed that a press failed which is not acknowledged in time.
func TestAPressIsAcknowledgedWhenItIsWorked(t *testing.T) {
	t.Parallel()
	d := listening(t)
	d.press(t, notifytest.SlackMember, "stop:r", "r")
	require.Len(t, d.daemon.said(), 1)

	slow := listening(t)
	slow.daemon.begun, slow.daemon.hold = make(chan struct{}, 1), make(chan struct{})
	slow.press(t, notifytest.SlackMember, "stop:r", "r")
	require.Empty(t, slow.daemon.said(), "it is acknowledged in time although it is still worked")
	close(slow.daemon.hold)
	slow.until(t, slow.edits(1))

	stopping := listening(t)
	stopping.daemon.begun, stopping.daemon.hold = make(chan struct{}), make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		failed <- stopping.slack.Press(t.Context(), notifytest.SlackPress{User: notifytest.SlackMember, TS: stopping.ts, ActionID: "stop:r", Value: "r"})
	}()
	select {
	case <-stopping.daemon.begun:
	case <-time.After(20 * time.Second):
		t.Fatalf("the press did not come\n%s", stopping.log)
	}
	stopping.end()
	require.ErrorIs(t, <-failed, notifytest.ErrUnheard)
	require.Empty(t, stopping.daemon.said())
}

func TestTheSocketIsOpenedAgain(t *testing.T) {
	t.Parallel()
	d := listening(t)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	require.NoError(t, d.slack.Connected(ctx))
	require.NoError(t, d.slack.Disconnect(ctx))
	d.press(t, notifytest.SlackMember, "approve:"+d.command, d.command)
	d.until(t, d.edits(1))
	require.Len(t, d.daemon.said(), 1)
}
