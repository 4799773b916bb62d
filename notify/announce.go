package notify

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// namespace is that of the ids of messages: a random UUID, the same for ever.
var namespace = uuid.MustParse("6f0a1d1e-0b7c-4d8a-9a53-5d5a1f3f6c2b")

// logReceiver and channelLog name where findings go that nobody is to be disturbed with.
const (
	logReceiver = "log"

	channelSlack   = "slack"
	channelEmail   = "email"
	channelWebhook = "webhook"
	channelLog     = "log"
)

// MessageID returns the id of the message about an event of a finding to a channel of a
// receiver: always the same.
func MessageID(findingID, receiver, channel string, event store.MessageEvent) string {
	return idOf(findingID, receiver, channel, string(event))
}

// idOf returns the id of what the parts name: always the same, in each daemon.
func idOf(parts ...string) string {
	return uuid.NewSHA1(namespace, []byte(strings.Join(parts, "\x00"))).String()
}

// Announce says who is told of an event of a finding: which group of each receiver the
// finding joins, or that those who have it are to look again. A finding below warning is a
// message to the log alone, as is every one without receivers. It has no side effects, and
// the same finding gives the same ids.
func (n *Notifier) Announce(run store.Run, event store.MessageEvent, f store.Finding, now time.Time) ([]store.Message, []store.Join) {
	severities := []detectors.Severity{f.Severity}
	if event == store.MessageResolved && f.Severity == detectors.SeverityCritical {
		severities = []detectors.Severity{detectors.SeverityWarning, detectors.SeverityCritical}
	}
	var messages []store.Message
	var joins []store.Join
	joined := map[string]bool{} // a finding is in one group of a receiver
	for _, severity := range severities {
		s := subject{run: run, kind: f.Kind, metric: f.Metric, severity: severity}
		for _, r := range n.routesOf(s) {
			switch {
			case r.receiver == logReceiver && len(messages) == 0:
				messages = append(messages, store.Message{
					ID: MessageID(f.ID, logReceiver, channelLog, event), RunPK: run.PK, FindingID: f.ID, Receiver: logReceiver,
					Channel: channelLog, Event: event, State: store.MessageQueued, CreatedAt: now,
				})
			case len(n.channelsOf(r.receiver)) > 0 && !joined[r.receiver]:
				joined[r.receiver] = true
				g := r.group(s, now)
				if event == store.MessageResolved {
					g.DueAt = &now
				}
				joins = append(joins, store.Join{Group: g, Finding: f.ID, RunPK: run.PK, At: now, Resolved: event == store.MessageResolved})
			}
		}
	}
	return messages, joins
}

// routesOf returns the routes that s takes.
func (n *Notifier) routesOf(s subject) []*node {
	if s.severity.Rank() < detectors.SeverityWarning.Rank() && s.kind != kindEnded {
		return []*node{{path: "information", receiver: logReceiver}}
	}
	return n.root.find(s)
}
