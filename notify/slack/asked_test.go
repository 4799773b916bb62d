package slack_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/slack"
	"github.com/epochwatch/epochwatch/sql/store"
)

// TestAQuestionFromItsButtonsToItsAnswer pins a message whose run asks before it is changed:
// as it is posted, as it stands once somebody has approved, and its thread.
func TestAQuestionFromItsButtonsToItsAnswer(t *testing.T) {
	t.Parallel()
	b := setup(t, func(o *slack.Options) { o.Buttons = true })
	pin := func(name string, posts ...notifytest.SlackMessage) {
		var all []byte
		for _, p := range posts {
			var out bytes.Buffer
			require.NoError(t, json.Indent(&out, p.Blocks, "", "  "))
			all = append(all, p.Text+"\n\n"+out.String()+"\n"...)
			keepsTheLimits(t, p.Blocks)
		}
		notifytest.Golden(t, *update, name+".json", all)
	}
	n := specimen("rising_loss")
	started := *n.Run.Started
	started.Control.Mode = contract.ModeAsk
	n.Run.Started = &started
	c := &n.Commands[0]
	c.State, c.Bounds.Mode, c.ProposedBy = store.CommandProposed, contract.ModeAsk, contract.ByPolicy
	ref, err := b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	pin("asked", b.slack.Messages()[0])

	applied, from, to := 23, 0.1, 0.0316
	c.State, c.IssuedBy, c.AppliedEpoch, c.Before, c.After, c.Effect = store.CommandApplied, "anna (slack U0123ABCD)", &applied, &from, &to, store.EffectPending
	n.Acknowledged = []store.Acknowledgement{{By: "anna (slack U0123ABCD)", At: n.CreatedAt.Add(time.Minute)}}
	n.ID, n.Event, n.Told, n.News = "progress", store.MessageProgress, ref, []string{store.NewsAcknowledged, c.ID}
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	c.Effect, n.ID, n.News = store.EffectHelped, "more", []string{c.ID}
	_, err = b.bot.Send(t.Context(), n)
	require.NoError(t, err)
	posts := b.slack.Messages()
	pin("approved", posts[0])
	pin("approved_thread", posts[1:]...)
}
