package notify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
)

func TestAChannelIsProved(t *testing.T) {
	t.Parallel()
	slack, mail, hook := notifytest.NewSlack(t), notifytest.NewMailServer(t, notifytest.MailOptions{}), notifytest.NewWebhook(t)
	n, err := notify.New(notify.Config{Receivers: []notify.Receiver{{
		Name:    "team",
		Slack:   &notify.Slack{Token: notifytest.SlackToken, Channel: notifytest.SlackChannel, APIURL: slack.APIURL(), AppToken: notifytest.SlackAppToken},
		Email:   &notify.Email{To: []string{"team@example.org"}, From: "watch@example.org", SMTP: secret.Value(mail.URL())},
		Webhook: &notify.Webhook{URL: secret.Value(hook.URL()), Secret: "key"},
	}, {Name: "nobody"}}, Route: notify.Route{Receiver: "team"}}, notify.Options{Base: "https://watch.example.org/runs/"})
	require.NoError(t, err)
	proofs, err := n.Prove(t.Context(), "team")
	require.NoError(t, err)
	require.Len(t, proofs, 4)
	for _, p := range proofs {
		require.NoError(t, p.Err, p.Channel)
		require.Equal(t, p.Buttons, p.Reference == "", p.Channel)
	}
	require.True(t, proofs[1].Buttons)
	require.Contains(t, slack.Messages()[0].Text, "specimen")
	require.Contains(t, string(slack.Messages()[0].Blocks), "slack_file", "the curve is part of what is proved")
	require.Len(t, mail.Mails(), 1)
	require.Contains(t, string(hook.Calls()[0].Body), "a test of the channel")

	slack.FailAlways(notifytest.Answer{Error: "not_in_channel"})
	proofs, err = n.Prove(t.Context(), "team")
	require.NoError(t, err)
	require.ErrorContains(t, proofs[0].Err, "not_in_channel (/invite the app to the channel)")
	require.NoError(t, proofs[1].Err, "the others are tried all the same")
	slack.FailOpening(notifytest.Answer{Error: "missing_scope"})
	proofs, err = n.Prove(t.Context(), "team")
	require.NoError(t, err)
	require.ErrorContains(t, proofs[1].Err, "missing_scope (give the app this scope")
	require.Len(t, mail.Mails(), 3)

	proofs, err = n.Prove(t.Context(), "nobody")
	require.NoError(t, err)
	require.Empty(t, proofs)
	_, err = n.Prove(t.Context(), "tema")
	require.EqualError(t, err, `the config has no receiver "tema"; it has nobody, team`)
}
