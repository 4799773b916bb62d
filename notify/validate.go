package notify

import (
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/internal/suggest"
	"github.com/epochwatch/epochwatch/notify/email"
	"github.com/epochwatch/epochwatch/notify/webhook"
)

// matchKeys are what a route can match on; groupKeys what messages can be grouped by.
var (
	matchKeys = []string{"project", "run", "tag", "kind", "severity", "metric"}
	groupKeys = []string{"project", "run", "kind", "severity", "tag", "metric"}
)

// Validate returns everything that is wrong, each by its path in the config, and no secret.
// Secrets that are still to come (…_file, ${NAME}) are not looked into: call Resolve first.
func (c *Config) Validate() error {
	v := &validation{names: map[string]bool{}, times: map[string]bool{}, kinds: kindsOf(c)}
	for i := range c.Receivers {
		v.receiver(fmt.Sprintf("receivers[%d]", i), &c.Receivers[i])
	}
	if len(c.Receivers) == 0 {
		v.names[logReceiver] = true
	}
	if _, err := cronspec.Zone(c.Zone); err != nil {
		v.bad("zone", "%v", err)
		c = new(*c)
		c.Zone = "" // said once
	}
	v.intervals(c)
	v.root(c)
	v.digests(c)
	return errors.Join(v.errs...)
}

type validation struct {
	errs  []error
	names map[string]bool
	times map[string]bool // intervals
	kinds []string
}

// kindsOf returns what a finding, or a run's end, can be of.
func kindsOf(c *Config) []string {
	out := append([]string{string(kindEnded)}, c.Rules...)
	for _, s := range detectors.Specs() {
		out = append(out, string(s.Kind))
	}
	return out
}

// kind refuses the name of a kind that nothing can be of: it would match nothing, or all.
func (v *validation) kind(path, name string) {
	if !slices.Contains(v.kinds, name) && !detectors.BuiltIn(detectors.Kind(name)) {
		v.bad(path, "there is no kind %.60q%s", name, suggest.Known(name, slices.Values(v.kinds)))
	}
}

func (v *validation) intervals(c *Config) {
	for i, t := range c.Intervals {
		path := fmt.Sprintf("time_intervals[%d]", i)
		switch {
		case t.Name == "":
			v.bad(path+".name", "missing")
		case v.times[t.Name]:
			v.bad(path+".name", "%q is there twice", t.Name)
		}
		v.times[t.Name] = true
		if _, err := cronspec.ParseInterval(t.From, t.To, c.zone(t.Zone)); err != nil {
			v.bad(path, "%v", err)
		}
	}
	for i, r := range c.Inhibit {
		path := fmt.Sprintf("inhibit[%d]", i)
		if len(r.Source) == 0 {
			v.bad(path+".source", "missing: say what inhibits")
		}
		if len(r.Target) == 0 {
			v.bad(path+".target", "missing: say what is inhibited")
		}
		v.matchers(path+".source", r.Source)
		v.matchers(path+".target", r.Target)
		for j, key := range r.Equal {
			switch {
			case !slices.Contains(matchKeys, key):
				v.bad(path+".equal", "%q is none of %s", key, strings.Join(matchKeys, ", "))
			case slices.Contains(r.Equal[:j], key):
				v.bad(path+".equal", "%q is there twice", key)
			case differ(key, r.Source, r.Target):
				v.bad(path+".equal", "source and target name different values of %s, so nothing is alike in it", key)
			}
		}
	}
}

// differ reports whether two lists of matchers name different values of a key that has one
// value alone.
func differ(key string, a, b []string) bool {
	if key == "run" || key == "tag" { // a run has an id and a name, and any number of tags
		return false
	}
	name := func(list []string) (value string, found bool) {
		for _, text := range list {
			if m, err := parseMatcher(text); err == nil && m.key == key && !m.not && m.regexp == nil {
				return m.exact, true
			}
		}
		return "", false
	}
	x, hasX := name(a)
	y, hasY := name(b)
	return hasX && hasY && x != y
}

func (v *validation) digests(c *Config) {
	for i, d := range c.Digests {
		path := fmt.Sprintf("digests[%d]", i)
		switch {
		case d.Receiver == "":
			v.bad(path+".receiver", "missing: say who is told")
		case !v.names[d.Receiver]:
			v.bad(path+".receiver", "there is no receiver %q", d.Receiver)
		}
		if _, err := cronspec.Zone(d.Zone); err != nil {
			v.bad(path+".zone", "%v", err)
		} else if _, err := cronspec.ParseClock(d.Schedule, d.Zone); err != nil {
			v.bad(path+".schedule", "%v", err)
		}
		if slices.Contains(c.Digests[:i], d) {
			v.bad(path, "it is there twice")
		}
	}
}

func (v *validation) matchers(path string, texts []string) {
	for i, text := range texts {
		m, err := parseMatcher(text)
		switch at := fmt.Sprintf("%s[%d]", path, i); {
		case err != nil:
			v.bad(at, "%v", err)
		case m.key == "kind" && m.regexp == nil:
			v.kind(at, m.exact)
		}
	}
}

func (v *validation) bad(path, format string, args ...any) {
	v.errs = append(v.errs, fmt.Errorf("%s: %s", path, fmt.Sprintf(format, args...)))
}

func (v *validation) receiver(path string, r *Receiver) {
	switch {
	case r.Name == "":
		v.bad(path+".name", "missing")
	case r.Name == logReceiver:
		v.bad(path+".name", "%q is the log itself; choose another name", r.Name)
	case v.names[r.Name]:
		v.bad(path+".name", "%q is there twice", r.Name)
	}
	v.names[r.Name] = true
	for i, state := range r.RunEnded {
		if !slices.Contains(endedStates, state) {
			v.bad(fmt.Sprintf("%s.run_ended[%d]", path, i), "%q is none of %s", state, strings.Join(endedStates, ", "))
		}
	}
	if r.Slack != nil {
		v.slack(path+".slack", r.Slack)
	}
	if r.Email != nil {
		v.email(path+".email", r.Email)
	}
	if r.Webhook != nil {
		v.webhook(path+".webhook", r.Webhook)
	}
}

func (v *validation) slack(path string, s *Slack) {
	hook, token := s.WebhookURL != "" || s.WebhookURLFile != "", s.Token != "" || s.TokenFile != ""
	switch {
	case hook && token:
		v.bad(path, "both webhook_url and token; keep one")
	case !hook && !token:
		v.bad(path, "neither webhook_url nor token")
	case token && s.Channel == "":
		v.bad(path+".channel", "missing: a bot needs to be told where to post")
	case hook && s.Channel != "":
		v.bad(path+".channel", "an incoming webhook has its own channel; remove it, or use token")
	}
	if hook && (s.AppToken != "" || s.AppTokenFile != "") {
		v.bad(path+".app_token", "only with token: an incoming webhook cannot be answered")
	}
	for i, id := range s.Allow {
		if !userID.MatchString(id) {
			v.bad(fmt.Sprintf("%s.allow[%d]", path, i), "%.40q is not the id of a person: it begins with U and stands in the profile, under the dots", id)
		}
	}
	v.address(path+".webhook_url", s.WebhookURL)
	v.address(path+".api_url", secret.Value(s.APIURL))
	if t := s.Token.Reveal(); t != "" && pending(s.Token) == "" && strings.ContainsAny(t, " \t\r\n") {
		v.bad(path+".token", "has a space or a line end in it")
	}
}

// userID is what Slack calls a person.
var userID = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)

func (v *validation) email(path string, e *Email) {
	if len(e.To) == 0 {
		v.bad(path+".to", "missing")
	}
	for i, to := range e.To {
		if _, err := mail.ParseAddress(to); err != nil {
			v.bad(fmt.Sprintf("%s.to[%d]", path, i), "%q is not a mail address", to)
		}
	}
	if _, err := mail.ParseAddress(e.From); err != nil {
		v.bad(path+".from", "%q is not a mail address", e.From)
	}
	switch {
	case e.SMTP == "" && e.SMTPFile == "":
		v.bad(path+".smtp", "missing: want smtp://user:password@host:587")
	case e.SMTP != "" && pending(e.SMTP) == "":
		if _, err := email.ParseServer(e.SMTP); err != nil {
			v.bad(path+".smtp", "%v", err)
		}
	}
}

func (v *validation) webhook(path string, w *Webhook) {
	if w.URL == "" && w.URLFile == "" {
		v.bad(path+".url", "missing")
	}
	v.address(path+".url", w.URL)
	if pending(w.Secret) == "" {
		if _, err := webhook.Key(w.Secret); err != nil {
			v.bad(path+".secret", "%v", err)
		}
	}
}

// address checks an http or https address without showing it.
func (v *validation) address(path string, a secret.Value) {
	if a == "" || pending(a) != "" {
		return
	}
	u, err := url.Parse(a.Reveal())
	switch {
	case err != nil:
		v.bad(path, "not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		v.bad(path, "want an address that begins with https:// or http://")
	case u.Host == "":
		v.bad(path, "there is no host in it")
	}
}

// pending returns the first ${NAME} that a secret still waits for.
func pending(s secret.Value) string { return variable.FindString(s.Reveal()) }

func (v *validation) root(c *Config) {
	if len(c.Route.Match)+len(c.Route.Matchers) > 0 {
		v.bad("route.match", "the outermost route takes everything; put matchers into route.routes")
	}
	if c.Route.Receiver == "" && len(c.Receivers) > 1 {
		v.bad("route.receiver", "missing: say which receiver hears of what no other route takes")
	}
	v.route("route", &c.Route)
	for i, r := range c.Receivers {
		if len(r.RunEnded) > 0 && len(c.Receivers) > 1 && !c.Route.leadsTo(r.Name) {
			v.bad(fmt.Sprintf("receivers[%d].run_ended", i), "no route leads to %q, so it would hear of none: add one such as {match: {kind: %s}, receiver: %s}", r.Name, kindEnded, r.Name)
		}
	}
}

// leadsTo reports whether a receiver stands in the tree.
func (r *Route) leadsTo(receiver string) bool {
	return r.Receiver == receiver || slices.ContainsFunc(r.Routes, func(below Route) bool { return below.leadsTo(receiver) })
}

func (v *validation) route(path string, r *Route) {
	if r.Receiver != "" && !v.names[r.Receiver] {
		v.bad(path+".receiver", "there is no receiver %q", r.Receiver)
	}
	for _, g := range r.GroupBy {
		if !slices.Contains(groupKeys, g) {
			v.bad(path+".group_by", "%q is none of %s", g, strings.Join(groupKeys, ", "))
		}
	}
	keys := make([]string, 0, len(r.Match))
	for k := range r.Match {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		if !slices.Contains(matchKeys, k) {
			v.bad(path+".match", "%q is none of %s", k, strings.Join(matchKeys, ", "))
		} else if k == "severity" && rank(r.Match[k]) == 0 {
			v.bad(path+".match.severity", "%q is none of info, warning, critical", r.Match[k])
		} else if k == "kind" {
			v.kind(path+".match.kind", r.Match[k])
		}
	}
	v.matchers(path+".matchers", r.Matchers)
	for _, list := range []struct {
		key   string
		names []string
	}{{"mute_times", r.MuteTimes}, {"active_times", r.ActiveTimes}} {
		for _, name := range list.names {
			if !v.times[name] {
				v.bad(path+"."+list.key, "there is no %q under time_intervals", name)
			}
		}
	}
	for i := range r.Routes {
		at := fmt.Sprintf("%s.routes[%d]", path, i)
		if len(r.Routes[i].Match)+len(r.Routes[i].Matchers) == 0 && !r.Routes[i].Continue {
			v.bad(at+".match", "missing: a route without it hides those after it")
		}
		v.route(at, &r.Routes[i])
	}
}
