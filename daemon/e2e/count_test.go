package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/sql/store"
)

// channels are those of a team.
var channels = []string{"slack", "email", "webhook"}

// arrivals are how often each service took a message in, by its id.
type arrivals map[string]map[string]int

// arrived reads what each service took in. A Slack message is known by its metadata, a mail
// by its Message-ID, a webhook by its webhook-id: whoever keeps those sees each once.
func (w *team) arrived() arrivals {
	a := arrivals{"slack": {}, "email": {}, "webhook": {}}
	for _, m := range w.slack.Messages() {
		a["slack"][m.ID]++
	}
	for _, m := range w.mail.Mails() {
		id, _, _ := strings.Cut(strings.TrimPrefix(m.Message.Header.Get("Message-ID"), "<epochwatch."), "@")
		a["email"][id]++
	}
	for _, c := range w.hook.Calls() {
		if c.Taken {
			a["webhook"][c.Header.Get("webhook-id")]++
		}
	}
	return a
}

// wrong returns what is wrong with what people got about one run, held against what is on
// record. There are to be as many updates as given. A message may be there once more
// than it should, but by Slack, for each time that the daemon was killed while the service
// had it: such a service has no way to be asked, and that is promised to be the worst.
func (a arrivals) wrong(list report.AlertList, updates, kills int) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	events, rows := map[string]int{}, map[string]bool{}
	for _, m := range list.Messages {
		if m.State != store.MessageSent {
			say("%s %s is %s: %s", m.Channel, m.Event, m.State, m.LastError)
		}
		events[m.Channel+" "+string(m.Event)]++
		rows[m.ID] = true
		n := a[m.Channel][m.ID]
		most := 1
		if m.Channel != "slack" {
			most += kills
		}
		if n < 1 || n > most {
			say("%s %s arrived %d times, not 1 to %d", m.Channel, m.Event, n, most)
		}
	}
	for _, c := range channels {
		for event, want := range map[store.MessageEvent]int{store.MessageFiring: 1, store.MessageUpdate: updates, store.MessageResolved: 1} {
			if n := events[c+" "+string(event)]; n != want {
				say("%s: %d of event %s, not %d", c, n, event, want)
			}
		}
		for id := range a[c] {
			if !rows[id] {
				say("%s: message %q arrived and is not on record", c, id)
			}
		}
	}
	for _, u := range list.Untold {
		say("%s is untold: %s", u.Kind, u.Why)
	}
	slices.Sort(bad)
	return bad
}

// count sums up what the parts of a test did.
type count struct {
	mu                        sync.Mutex
	kills, findings, messages int
	copies, distinct, twice   map[string]int
}

// newCount logs the sums when the test and all its parts are over.
func newCount(t *testing.T) *count {
	t.Helper()
	c := &count{copies: map[string]int{}, distinct: map[string]int{}, twice: map[string]int{}}
	t.Cleanup(func() { t.Log(c) })
	return c
}

func (c *count) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for _, name := range channels {
		parts = append(parts, fmt.Sprintf("%s %d arrived %d times (%d more than once)", name, c.distinct[name], c.copies[name], c.twice[name]))
	}
	return fmt.Sprintf("%d kills, %d findings, %d messages: %s", c.kills, c.findings, c.messages, strings.Join(parts, ", "))
}

// take holds what arrived about a run against the record, and adds it up.
func (c *count) take(t *testing.T, w *team, updates int, run string) {
	t.Helper()
	list := w.alerts(run, "nothing is on its way", func(l report.AlertList) bool {
		return len(l.Untold) == 0 && !slices.ContainsFunc(l.Messages, func(m report.Alert) bool {
			return m.State != store.MessageSent && m.State != store.MessageDead
		})
	})
	a := w.arrived()
	require.Empty(t, a.wrong(list, updates, w.kills), "%s", w.d.log)
	// By what the services hold alone: one message in Slack's channel, all else in its thread.
	top := 0
	for _, m := range w.slack.Messages() {
		if m.ThreadTS == "" {
			top++
		}
	}
	require.Equal(t, 1, top, "messages in the channel")
	require.Equal(t, map[string]int{"finding.firing": 1, "finding.update": updates, "finding.resolved": 1}, w.hookTypes(t))
	doc, err := show(w.bin, w.dir, run)
	require.NoError(t, err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kills += w.kills
	c.findings += len(doc.Findings)
	c.messages += len(list.Messages)
	for name, got := range a {
		c.distinct[name] += len(got)
		for n := range maps.Values(got) {
			c.copies[name] += n
			if n > 1 {
				c.twice[name]++
			}
		}
	}
}

// hookTypes counts what the webhook was told, each id once.
func (w *team) hookTypes(t *testing.T) map[string]int {
	t.Helper()
	out, seen := map[string]int{}, map[string]bool{}
	for _, call := range w.hook.Calls() {
		id := call.Header.Get("webhook-id")
		if !call.Taken || seen[id] {
			continue
		}
		seen[id] = true
		var body struct {
			Type string `json:"type"`
		}
		require.NoError(t, json.Unmarshal(call.Body, &body))
		out[body.Type]++
	}
	return out
}
