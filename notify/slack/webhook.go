package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// webhook is an incoming webhook: one address, one channel, no editing and no reading.
type webhook struct {
	url    secret.Value
	client *http.Client
}

// Send posts the notice. The reference is empty: Slack does not say what it calls it.
func (w *webhook) Send(ctx context.Context, n notice.Notice) (string, error) {
	m := compose(notice.Tell(n), picture{})
	no := false
	body, err := json.Marshal(slackapi.WebhookMessage{
		Text: m.text, Blocks: &slackapi.Blocks{BlockSet: m.blocks}, UnfurlLinks: &no, UnfurlMedia: &no,
	})
	if err != nil {
		return "", fmt.Errorf("write the message as JSON: %w", err)
	}
	return "", notice.Post(ctx, w.client, w.url, nil, body)
}
