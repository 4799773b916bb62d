package notify

import (
	"cmp"

	"github.com/epochwatch/epochwatch/internal/secret"
)

// Config says who is told, and of what. The zero value sends everything to the log.
type Config struct {
	Receivers []Receiver `yaml:"receivers"`
	Route     Route      `yaml:"route"`
	// Intervals are times that mute_times and active_times of routes name.
	Intervals []Interval `yaml:"time_intervals"`
	Inhibit   []Inhibit  `yaml:"inhibit"`
	Digests   []Digest   `yaml:"digests"`
	// Rules are the names of the rules of one's own, which are kinds to match as well.
	Rules []string `yaml:"-"`
	// Zone is that of digests and intervals that name none, of "until morning", and what
	// times in messages are written in, as in Europe/Berlin; empty: UTC.
	Zone string `yaml:"zone"`
}

// zone is the name of a zone of its own, or of that of all.
func (c *Config) zone(own string) string { return cmp.Or(own, c.Zone) }

// Digest tells a receiver, again and again, what happened since the last one: what ended,
// what is healthy, what was cut and whether it helped, what trains.
type Digest struct {
	Receiver string `yaml:"receiver"`
	Schedule string `yaml:"schedule"` // a cron expression of five fields, by the clock on the wall
	Zone     string `yaml:"zone"`     // of the clock, as in Europe/Berlin; empty: that of the config
	Project  string `yaml:"project"`  // whose runs are told; empty: all
}

// Interval is a time that comes again and again: from one cron expression to another, by the
// clock of a zone, that of the config unless named.
type Interval struct {
	Name string `yaml:"name"`
	From string `yaml:"from"`
	To   string `yaml:"to"`
	Zone string `yaml:"zone"`
}

// Inhibit keeps findings that match Target from being told while another finding fires that
// matches Source and is alike in all that Equal names.
type Inhibit struct {
	Source []string `yaml:"source"`
	Target []string `yaml:"target"`
	// Equal names what the two have in common: run, project, tag (all tags of the run), kind,
	// severity, metric. Unset: run. Without run among them a finding of another run inhibits
	// too, while that run trains.
	Equal []string `yaml:"equal"`
}

// Receiver is one set of channels under a name. One without channels hears nothing, which
// is how a route says "nobody".
type Receiver struct {
	Name    string   `yaml:"name"`
	Slack   *Slack   `yaml:"slack"`
	Email   *Email   `yaml:"email"`
	Webhook *Webhook `yaml:"webhook"`
	// SendResolved is whether it is told that all is well again, true unless set. What a
	// channel says of itself goes before it.
	SendResolved *bool `yaml:"send_resolved"`
	// RunEnded names the ends of runs that are told where the routes lead here: completed,
	// stopped, failed, interrupted, lost. Unset: none. Routes see an end as of kind
	// run_ended, with severity warning for failed and lost and info for the others.
	RunEnded []string `yaml:"run_ended"`
}

// Slack is either an incoming webhook or a bot with a channel.
type Slack struct {
	WebhookURL     secret.Value `yaml:"webhook_url"`
	WebhookURLFile string       `yaml:"webhook_url_file"`
	Token          secret.Value `yaml:"token"`
	TokenFile      string       `yaml:"token_file"`
	Channel        string       `yaml:"channel"` // "#name" or id
	// AppToken opens the socket by which buttons answer; without it there are none.
	AppToken     secret.Value `yaml:"app_token"`
	AppTokenFile string       `yaml:"app_token_file"`
	// Allow are the ids (U…) of those who may press the buttons; empty: the members of the
	// channel.
	Allow        []string `yaml:"allow"`
	APIURL       string   `yaml:"api_url"`       // of a stand-in; empty: Slack
	SendResolved *bool    `yaml:"send_resolved"` // unset: as the receiver says
}

// Email is a list of recipients and the server that takes their mail.
type Email struct {
	To   []string `yaml:"to"`
	From string   `yaml:"from"`
	// SMTP is smtp://user:password@host:587 (STARTTLS where offered, no login without a
	// user) or smtps://user:password@host:465 (TLS from the start).
	SMTP     secret.Value `yaml:"smtp"`
	SMTPFile string       `yaml:"smtp_file"`
	// SendResolved is whether a mail says that all is well again; unset: as the receiver says.
	SendResolved *bool `yaml:"send_resolved"`
}

// Webhook is an address that takes signed JSON. The address may hold a secret of its own.
type Webhook struct {
	URL        secret.Value `yaml:"url"`
	URLFile    string       `yaml:"url_file"`
	Secret     secret.Value `yaml:"secret"` // without one nothing is signed
	SecretFile string       `yaml:"secret_file"`
	// SendResolved is whether it is called when all is well again; unset: as the receiver says.
	SendResolved *bool `yaml:"send_resolved"`
}

// Route says which receiver hears of a finding: the first of Routes that matches, and so on
// down the tree, else Receiver. What a route leaves out it takes from the one above it.
type Route struct {
	Receiver string `yaml:"receiver"`
	// GroupBy names what the findings of one message have in common: run, project, kind,
	// severity, tag (all tags of the run), metric. Unset: run.
	GroupBy []string `yaml:"group_by"`
	// GroupWait is how long the first message of a group waits for more findings, 3 s
	// unless set.
	GroupWait *Duration `yaml:"group_wait"`
	// GroupInterval is how long after a message of a group the next one may come, 1m
	// unless set. Not held back by it: that all is well again, and what is graver than
	// what was told.
	GroupInterval *Duration `yaml:"group_interval"`
	// RepeatInterval is when it is said again that a problem of a run that still trains
	// goes on, 4h unless set; 0: never.
	RepeatInterval *Duration `yaml:"repeat_interval"`
	// Match names what must hold, all of it: project, run (id or name), tag (one of the
	// run's), kind, severity, metric. The outermost route matches everything.
	Match map[string]string `yaml:"match"`
	// Matchers must hold as well: project="x", !=, and with regular expressions that take
	// the whole of a name, =~ and !~.
	Matchers []string `yaml:"matchers"`
	// Continue has the routes after this one looked at too, when it matches.
	Continue bool    `yaml:"continue"`
	Routes   []Route `yaml:"routes"`
	// MuteTimes name intervals in which nothing is told, ActiveTimes those outside of which
	// nothing is. What fires then and still does afterwards is told afterwards. The routes
	// below do not take them over, so that a route for what is critical can stay awake.
	MuteTimes   []string `yaml:"mute_times"`
	ActiveTimes []string `yaml:"active_times"`
}
