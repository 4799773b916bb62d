package notify

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/email"
	"github.com/epochwatch/epochwatch/notify/logline"
	"github.com/epochwatch/epochwatch/notify/slack"
	"github.com/epochwatch/epochwatch/notify/webhook"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Options are what a Notifier needs beside its config; all may be left out.
type Options struct {
	Log *slog.Logger
	// Out, when there is one, gets the messages of the log channel in several lines, for a
	// person at a terminal.
	Out        io.Writer
	HTTPClient *http.Client
	Metrics    *Metrics
	// Base, when there is one, leads to a run with the run's id put behind it:
	// "https://watch.example.org/runs/".
	Base string
	// Timeout, when above 0, is how long any channel may take, in place of its own.
	Timeout time.Duration
	Now     func() time.Time
}

// Notifier tells people. It is safe for concurrent use.
type Notifier struct {
	root      *node
	inhibit   []inhibition
	ends      map[string][]string // by receiver: the ends of runs that it asks for
	digests   []digest
	receivers map[string][]*line // by name; lines in the order slack, email, webhook
	o         Options
	secrets   []secret.Value // all of the config, kept out of every error
	listeners []slack.ListenOptions
	zone      *time.Location
	stored    chan struct{} // has room for one: groups are to be looked at
}

// line is one channel of one receiver.
type line struct {
	channel string
	// resolved is whether it is told that all is well again.
	resolved bool
	// edits is whether it can bring up to date what it told.
	edits bool
	// proveButtons asks whether the buttons below its messages can be heard; nil: there are none.
	proveButtons func(ctx context.Context) error
	to           Channel
	timeout      time.Duration
	gate         *gate
}

// New returns a notifier for a config that was resolved. It talks to no service.
func New(c Config, o Options) (*Notifier, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var secrets []secret.Value
	for _, s := range c.secrets() {
		if p := pending(*s.value); p != "" || s.file != "" && *s.value == "" {
			return nil, fmt.Errorf("%s: not filled in", s.path)
		}
		secrets = append(secrets, *s.value)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	zone, err := cronspec.Zone(c.Zone)
	if err != nil {
		return nil, err
	}
	n := &Notifier{zone: zone, root: rootOf(&c), inhibit: inhibitionsOf(&c), ends: map[string][]string{}, receivers: map[string][]*line{}, o: o, secrets: secrets, stored: make(chan struct{}, 1)}
	n.receivers[logReceiver] = []*line{n.line(channelLog, logline.New(logline.Options{Log: o.Log, Out: o.Out}), logline.Timeout)}
	for i, r := range c.Receivers {
		lines, err := n.lines(r)
		if err != nil {
			return nil, fmt.Errorf("receivers[%d]: %w", i, err)
		}
		n.receivers[r.Name] = lines
		n.ends[r.Name] = r.RunEnded
	}
	n.digests, err = digestsOf(&c)
	return n, err
}

func (n *Notifier) line(name string, to Channel, timeout time.Duration) *line {
	if n.o.Timeout > 0 {
		timeout = n.o.Timeout
	}
	return &line{channel: name, resolved: true, to: to, timeout: timeout, gate: newGate(n.o.Now)}
}

func (n *Notifier) lines(r Receiver) ([]*line, error) {
	var out []*line
	if s := r.Slack; s != nil {
		c, err := slack.New(slack.Options{
			WebhookURL: s.WebhookURL, Token: s.Token, Channel: s.Channel, APIURL: s.APIURL, Buttons: s.AppToken != "",
			HTTPClient: n.o.HTTPClient, Log: n.o.Log,
		})
		if err != nil {
			return nil, err
		}
		l := n.line(channelSlack, c, slack.Timeout)
		l.edits, l.resolved = s.Token != "", sendResolved(s.SendResolved, r.SendResolved)
		if s.AppToken != "" {
			o := slack.ListenOptions{AppToken: s.AppToken, APIURL: s.APIURL, HTTPClient: n.o.HTTPClient}
			l.proveButtons = func(ctx context.Context) error { return slack.ProveButtons(ctx, o) }
		}
		out = append(out, l)
		n.listen(r.Name, s)
	}
	if e := r.Email; e != nil {
		c, err := email.New(email.Options{To: e.To, From: e.From, SMTP: e.SMTP, Log: n.o.Log})
		if err != nil {
			return nil, fmt.Errorf("email: %w", err)
		}
		out = append(out, n.line(channelEmail, c, email.Timeout))
		out[len(out)-1].resolved = sendResolved(e.SendResolved, r.SendResolved)
	}
	if w := r.Webhook; w != nil {
		c, err := webhook.New(webhook.Options{URL: w.URL, Secret: w.Secret, HTTPClient: n.o.HTTPClient, Now: n.o.Now})
		if err != nil {
			return nil, fmt.Errorf("webhook: %w", err)
		}
		out = append(out, n.line(channelWebhook, c, webhook.Timeout))
		out[len(out)-1].resolved = sendResolved(w.SendResolved, r.SendResolved)
	}
	return out, nil
}

// sendResolved returns what the first that is set says; true where none is.
func sendResolved(channel, receiver *bool) bool {
	if channel == nil {
		channel = receiver
	}
	return channel == nil || *channel
}

// channelsOf returns the names of a receiver's channels.
func (n *Notifier) channelsOf(receiver string) []string {
	var out []string
	for _, l := range n.receivers[receiver] {
		out = append(out, l.channel)
	}
	return out
}

// lineOf returns a channel of a receiver; nil when the config has no such one (any more).
func (n *Notifier) lineOf(receiver, channel string) *line {
	lines := n.receivers[receiver]
	if i := slices.IndexFunc(lines, func(l *line) bool { return l.channel == channel }); i >= 0 {
		return lines[i]
	}
	return nil
}

// Zone is the time zone of the config.
func (n *Notifier) Zone() *time.Location { return n.zone }

// link returns the address of a run; empty without a base.
func (n *Notifier) link(r store.Run) string {
	if !strings.HasPrefix(n.o.Base, "http://") && !strings.HasPrefix(n.o.Base, "https://") {
		return ""
	}
	return n.o.Base + url.PathEscape(r.ID)
}
