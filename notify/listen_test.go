package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/slack"
)

// muter takes silences, and nothing else.
type muter struct {
	slack.Daemon

	muted chan slack.Mute
}

func (m muter) Silence(_ context.Context, mute slack.Mute, _ string) error {
	m.muted <- mute
	return nil
}

func TestUntilMorningIsInTheZoneOfTheConfig(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	service := notifytest.NewSlack(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := newClock() // 15:09 in UTC, a day later in Auckland
	n, err := notify.New(*parse(t, fmt.Sprintf(`
zone: Pacific/Auckland
receivers: [{name: team, slack: {token: %q, app_token: %q, channel: "#training", api_url: %q}}]
`, notifytest.SlackToken, notifytest.SlackAppToken, service.APIURL())), notify.Options{Now: c.now, HTTPClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	proofs, err := n.Prove(ctx, "team")
	require.NoError(t, err)
	require.NoError(t, proofs[0].Err)
	require.True(t, n.Listens())
	m := muter{muted: make(chan slack.Mute, 1)}
	listening, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- n.Listen(listening, m) }()
	require.NoError(t, service.Press(ctx, notifytest.SlackPress{
		User: notifytest.SlackMember, Name: "anna", TS: service.Messages()[0].TS, ActionID: "mute", Value: "run morning",
	}))
	select {
	case mute := <-m.muted:
		require.Equal(t, time.Date(2026, 3, 14, 19, 0, 0, 0, time.UTC), mute.Until.UTC(), "8 o'clock there")
	case <-ctx.Done():
		require.FailNow(t, "nothing was muted")
	}
	stop()
	require.NoError(t, <-ended)
}
