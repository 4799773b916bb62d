package notify_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

const ends = `
receivers:
  - {name: team, slack: {webhook_url: "https://h/x"}, webhook: {url: "https://h/y"}, run_ended: [failed, lost]}
  - {name: all, webhook: {url: "https://h/z"}, run_ended: [completed, stopped, failed, interrupted, lost]}
  - {name: quiet, webhook: {url: "https://h/z"}}
time_intervals: [{name: nights, from: "0 22 * * *", to: "0 7 * * *"}]
route:
  receiver: quiet
  routes:
    - {match: {project: other}, receiver: quiet}
    - {match: {kind: run_ended}, receiver: all, continue: true}
    - {match: {severity: warning}, receiver: team, mute_times: [nights]}
`

func TestTheEndOfARunIsToldWhereTheRoutesLead(t *testing.T) {
	t.Parallel()
	n := notifier(t, ends)
	run := store.Run{PK: 7, Project: "vision", ID: "r", Attempts: 1, State: store.StateCompleted}
	require.Equal(t, []string{"all/webhook"}, where(n.Ended(run, notifytest.SpecimenTime), nil), "info goes down the tree, and team asks for no such end")
	run.State = store.StateLost
	lost := n.Ended(run, notifytest.SpecimenTime)
	require.Equal(t, []string{"all/webhook", "team/slack", "team/webhook"}, where(lost, nil))
	require.Equal(t, lost, notifier(t, ends).Ended(run, notifytest.SpecimenTime), "another daemon, the same messages")
	again := run
	again.Attempts = 2
	require.NotEqual(t, lost[0].ID, n.Ended(again, notifytest.SpecimenTime)[0].ID)
	run.Project = "other"
	require.Empty(t, n.Ended(run, notifytest.SpecimenTime), "the tree leads elsewhere")
}

func TestAReceiverThatNoRouteLeadsToWouldHearOfNoEnd(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, parse(t, `
receivers: [{name: a}, {name: b, run_ended: [lost]}]
route: {receiver: a, routes: [{match: {kind: plateau}, receiver: a}]}
`).Validate(), `receivers[1].run_ended: no route leads to "b"`)
}

// The end of a run waits for the night and for silences to be over, with the reason on record.
func TestTheEndOfARunWaits(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	w := newWorld(t, onSQLite(t), ends)
	w.clock.pass(7 * time.Hour) // 22:09
	lose := func(id string) store.Message {
		w.happen(store.Run{ID: id, Attempts: 1}, store.MessageFiring)
		run, err := w.st.FindRun(ctx, "", id)
		require.NoError(t, err)
		run.State, run.EndReason, run.Attempts = store.StateLost, "", 1
		messages := w.n.Ended(run, w.clock.now())
		require.NoError(t, w.st.Ingest(ctx, func(tx store.Tx) error {
			return tx.Write(ctx, store.Changes{Runs: []store.Run{run}, Messages: messages})
		}))
		return messages[2] // team/webhook
	}
	try := func(m store.Message) (time.Duration, store.Message) {
		err := w.n.Handler(w.st)(ctx, store.Job{MessageID: m.ID, Attempt: 1, MaxAttempts: 12})
		d, findErr := w.st.FindMessage(ctx, m.ID)
		require.NoError(t, findErr)
		if wait, ok := errors.AsType[*store.NotYetError](err); ok {
			return wait.After, d.Message
		}
		return 0, d.Message
	}
	m := lose("r")
	wait, got := try(m)
	require.Equal(t, time.Minute, wait, "another config may hold by then")
	require.Equal(t, store.MessageQueued, got.State)
	require.Equal(t, "muted by nights (mute_times of route.routes[2]) until 15 Mar 07:00 UTC", got.LastError)
	require.Zero(t, got.Attempts)
	_, _ = try(m)
	deliveries, err := w.st.ListDeliveries(ctx, m.ID)
	require.NoError(t, err)
	require.Len(t, deliveries, 1, "the same reason is on record once")

	// A silence may be lifted, so it is asked for again and again.
	w.clock.pass(8*time.Hour + 51*time.Minute)
	silence, err := notify.NewSilence([]string{"kind=run_ended", "run=r"}, "anna", "", w.clock.now(), time.Hour)
	require.NoError(t, err)
	require.NoError(t, w.st.AddSilence(ctx, silence))
	wait, got = try(m)
	require.Equal(t, time.Minute, wait)
	require.Contains(t, got.LastError, "silenced by anna")
	run, err := w.st.FindRun(ctx, "", "r")
	require.NoError(t, err)
	all, err := w.n.Explain(ctx, w.st, run, w.clock.now())
	require.NoError(t, err)
	end := all[len(all)-1]
	require.Equal(t, []store.State{store.StateLost}, end.Ends)
	require.Equal(t, []string{"all", "team"}, []string{end.Heard[0].Receiver, end.Heard[1].Receiver})
	require.Contains(t, end.Heard[1].Why, "silenced by anna")

	// What was heard of again before it could be told was not lost.
	w.happen(store.Run{ID: "r", State: store.StateRunning}, store.MessageFiring)
	w.clock.pass(time.Hour)
	wait, got = try(m)
	require.Zero(t, wait)
	require.Equal(t, store.MessageDead, got.State)
	require.Equal(t, "not told: the run was heard of again", got.LastError)
	run.State = store.StateRunning
	all, err = w.n.Explain(ctx, w.st, run, w.clock.now())
	require.NoError(t, err)
	var states [][]store.State
	for _, e := range all {
		if len(e.Ends) > 0 {
			states = append(states, e.Ends)
		}
	}
	require.Equal(t, [][]store.State{{"completed", "stopped", "interrupted"}, {"failed", "lost"}}, states)
}

// The end of a run goes through the store and the queue to a service.
func TestTheEndOfARunArrives(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st := onSQLite(t)
	pk := b.commit(t, st, "rising_loss", store.MessageFiring)
	stop := b.work(t, st)
	defer stop()
	_, err := b.hook.Wait(ctx, 1)
	require.NoError(t, err)
	require.NoError(t, st.Ingest(ctx, func(tx store.Tx) error {
		run, err := st.FindRun(ctx, "", "r-20260314")
		if err != nil {
			return err
		}
		run.State = store.StateLost
		m := notifier(t, ends).Ended(run, b.clock.now())[2]
		m.Receiver = "team"
		return tx.Write(ctx, store.Changes{Runs: []store.Run{run}, Messages: []store.Message{m, m}})
	}))
	calls, err := b.hook.Wait(ctx, 2)
	require.NoError(t, err)
	require.Len(t, calls, 2)
	require.Contains(t, string(calls[1].Body), `"type":"run.ended"`)
	require.Contains(t, string(calls[1].Body), "lost")
	messages, err := st.ListMessages(ctx, pk)
	require.NoError(t, err)
	require.Equal(t, store.MessageRunEnded, messages[len(messages)-1].Event)
}
