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
	return uuid.NewSHA1(namespace, []byte(strings.Join([]string{findingID, receiver, channel, string(event)}, "\x00"))).String()
}

// Announce says who is told of an event of a finding: one message for each channel of the
// receiver that the routes lead to. A finding below warning goes to the log alone. It has
// no side effects, and the same finding gives messages of the same ids.
//
// A resolution goes to each receiver that heard of the finding at any severity it may have
// had on its way up; the handler drops it where the firing was not told.
func (n *Notifier) Announce(run store.Run, event store.MessageEvent, f store.Finding, now time.Time) []store.Message {
	severities := []detectors.Severity{f.Severity}
	if event == store.MessageResolved && f.Severity == detectors.SeverityCritical {
		severities = []detectors.Severity{detectors.SeverityWarning, detectors.SeverityCritical}
	}
	var out []store.Message
	seen := map[string]bool{}
	for _, severity := range severities {
		receiver := n.receiverFor(subject{run: run, kind: f.Kind, metric: f.Metric, severity: severity})
		for _, channel := range n.channelsOf(receiver) {
			id := MessageID(f.ID, receiver, channel, event)
			if seen[id] {
				continue
			}
			seen[id] = true
			out = append(out, store.Message{
				ID: id, RunPK: run.PK, FindingID: f.ID, Receiver: receiver, Channel: channel,
				Event: event, State: store.MessageQueued, CreatedAt: now,
			})
		}
	}
	return out
}

// receiverFor returns the name of the receiver that hears of s.
func (n *Notifier) receiverFor(s subject) string {
	if s.severity.Rank() < detectors.SeverityWarning.Rank() {
		return logReceiver
	}
	return n.route.find(s).Receiver
}
