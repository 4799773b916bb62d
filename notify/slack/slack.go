// Package slack sends notices to Slack: through an incoming webhook, or as a bot.
//
// # What is said twice in the worst case
//
// A bot marks each message with its id (metadata of type epochwatch_message) and, when an
// earlier try may have arrived, looks for that mark before it posts again. A message is
// doubled only when the bot may not read the channel's history (it says so in the log), or
// when Slack takes in a post after our look. An incoming webhook cannot be asked: a try
// whose answer was lost is sent again.
package slack

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// Timeout is how long Slack may take: its own limit for us to answer it is 3 s, and a
// loaded workspace takes a few.
const Timeout = 15 * time.Second

// Options say where to send. Either WebhookURL is set, or Token and Channel.
type Options struct {
	WebhookURL secret.Value
	// Token is xoxb-…, with chat:write, files:write for the curve, and channels:history to
	// look before a repeat.
	Token   secret.Value
	Channel string // #name or id
	// Buttons are put under messages when somebody listens to them: see Listen.
	Buttons    bool
	APIURL     string       // of a stand-in; empty: Slack
	HTTPClient *http.Client // nil: http.DefaultClient
	Log        *slog.Logger
}

// New returns the channel. It does not talk to Slack.
func New(o Options) (notice.Channel, error) {
	client := notice.Client(o.HTTPClient)
	if o.WebhookURL != "" {
		return &webhook{url: o.WebhookURL, client: client}, nil
	}
	if o.Token == "" || o.Channel == "" {
		return nil, errors.New("slack: neither a webhook nor a token with a channel")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	options := []slackapi.Option{slackapi.OptionHTTPClient(client)}
	if o.APIURL != "" {
		// slack-go joins the method's name to it as it stands.
		options = append(options, slackapi.OptionAPIURL(strings.TrimRight(o.APIURL, "/")+"/"))
	}
	return &bot{api: slackapi.New(o.Token.Reveal(), options...), token: o.Token, channel: o.Channel, log: o.Log, buttons: o.Buttons}, nil
}
