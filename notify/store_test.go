package notify_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// patience bounds every wait: long enough for a busy machine.
const patience = 90 * time.Second

const attempt = "01957f2a-0000-7000-8000-00000000000a"

// commit stores a specimen's run and finding with the messages that are announced of it, as
// ingest does.
func (b *bundle) commit(t *testing.T, st store.Store, specimen string, event store.MessageEvent) int64 {
	t.Helper()
	n := notifytest.Specimens()[specimen]
	var pk int64
	require.NoError(t, st.Ingest(t.Context(), func(tx store.Tx) error {
		runs, err := tx.LockRuns(t.Context(), []store.RunKey{{Project: n.Run.Project, ID: n.Run.ID}})
		if err != nil {
			return err
		}
		run := n.Run
		run.PK, run.Revision = runs[0].Run.PK, runs[0].Run.Revision+1
		pk = run.PK
		f := n.Finding
		f.RunPK = pk
		messages, joins := b.n.Announce(run, event, f, b.clock.now())
		c := store.Changes{
			Runs: []store.Run{run}, Findings: []store.Finding{f}, Messages: messages, Joins: joins,
			Attempts: []store.Attempt{{RunPK: pk, ID: attempt, StartedAt: run.StartedAt, NextSeq: int64(len(n.Epochs)) + 2, State: store.StateRunning, Started: run.Started}},
		}
		for _, e := range n.Epochs {
			e.RunPK, e.Attempt = pk, attempt
			c.Epochs = append(c.Epochs, e)
		}
		return tx.Write(t.Context(), c)
	}))
	_, err := b.n.Look(t.Context(), st)
	require.NoError(t, err)
	return pk
}

// work runs the queue's workers until the returned function is called.
func (b *bundle) work(t *testing.T, st store.Store) (stop func()) {
	t.Helper()
	end, err := st.Work(t.Context(), map[string]store.JobFunc{store.JobSendMessage: b.n.Handler(st)}, nil)
	require.NoError(t, err)
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		require.NoError(t, end(ctx))
	}
}

func TestFromTheTransactionToThePeople(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()

	pk := b.commit(t, st, "rising_loss", store.MessageFiring)
	require.Equal(t, pk, b.commit(t, st, "rising_loss", store.MessageFiring), "the same event delivered twice")
	stop := b.work(t, st)
	posts, err := b.slack.Wait(ctx, 1)
	require.NoError(t, err)
	mails, err := b.mail.Wait(ctx, 1)
	require.NoError(t, err)
	_, err = b.hook.Wait(ctx, 1)
	require.NoError(t, err)
	require.Contains(t, posts[0].Text, "loss rising since epoch 17 (0.740 → 0.758)")
	require.Contains(t, string(posts[0].Blocks), `"type":"image"`, "the curve came out of the store")
	require.Equal(t, notifytest.MailUser, mails[0].User)

	b.commit(t, st, "resolved", store.MessageResolved)
	posts, err = b.slack.Wait(ctx, 2)
	require.NoError(t, err)
	require.Equal(t, posts[0].TS, posts[1].ThreadTS)
	_, err = b.mail.Wait(ctx, 2)
	require.NoError(t, err)
	_, err = b.hook.Wait(ctx, 2)
	require.NoError(t, err)
	stop()

	messages, err := st.ListMessages(ctx, pk)
	require.NoError(t, err)
	require.Len(t, messages, 6)
	for _, m := range messages {
		require.Equal(t, store.MessageSent, m.State, m)
		require.Equal(t, 1, m.Attempts, m)
		require.NotEmpty(t, m.Reference, m)
		require.Empty(t, m.LastError, m)
	}
	require.Len(t, b.slack.Messages(), 2)
	require.Len(t, b.mail.Mails(), 2)
	require.Len(t, b.hook.Calls(), 2)
}

// The workers are stopped while Slack holds the request, and the message is there all the
// same: the next workers find it and do not post again.
func TestWorkersStoppedInTheMiddleOfACall(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	st, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, st.Close()) }()
	b.slack.Fail(notifytest.Answer{Hang: true, Accept: true})
	pk := b.commit(t, st, "rising_loss", store.MessageFiring)

	end, err := st.Work(ctx, map[string]store.JobFunc{store.JobSendMessage: b.n.Handler(st)}, nil)
	require.NoError(t, err)
	_, err = b.slack.Wait(ctx, 1)
	require.NoError(t, err)
	now, hurry := context.WithCancel(ctx)
	hurry()
	_ = end(now) // at once: jobs in progress are cancelled

	stop := b.work(t, st)
	require.Eventually(t, func() bool {
		messages, err := st.ListMessages(ctx, pk)
		require.NoError(t, err)
		for _, m := range messages {
			if m.State != store.MessageSent {
				return false
			}
		}
		return len(messages) == 3
	}, patience, 20*time.Millisecond)
	stop()
	require.Len(t, b.slack.Messages(), 1)
}
