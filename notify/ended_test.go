package notify_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

const ends = `
receivers:
  - {name: team, slack: {webhook_url: "https://h/x"}, webhook: {url: "https://h/y"}, run_ended: [failed, lost]}
  - {name: all, webhook: {url: "https://h/z"}, run_ended: [completed, stopped, failed, interrupted, lost]}
  - {name: quiet, webhook: {url: "https://h/z"}}
route: {receiver: quiet}
`

func TestTheEndOfARunIsToldToWhoAsks(t *testing.T) {
	t.Parallel()
	n := notifier(t, ends)
	run := store.Run{PK: 7, Project: "vision", ID: "r", Attempts: 1, State: store.StateCompleted}
	require.Equal(t, []string{"all/webhook"}, where(n.Ended(run, notifytest.SpecimenTime), nil))
	run.State = store.StateLost
	lost := n.Ended(run, notifytest.SpecimenTime)
	require.Equal(t, []string{"team/slack", "team/webhook", "all/webhook"}, where(lost, nil))
	require.Equal(t, lost, notifier(t, ends).Ended(run, notifytest.SpecimenTime), "another daemon, the same messages")
	run.Attempts = 2
	require.NotEqual(t, lost[0].ID, n.Ended(run, notifytest.SpecimenTime)[0].ID)
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
		m := notifier(t, ends).Ended(run, b.clock.now())[1]
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
