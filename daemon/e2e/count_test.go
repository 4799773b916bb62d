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

// updates are how many a run may have had, at least and at most.
type updates struct{ least, most int }

func exactly(n int) updates { return updates{n, n} }

// wrong returns what is wrong with what people got about a run, held against what is on
// record: each message once. One may be there once more for each time that the daemon was
// killed, but in Slack: a mail server and a webhook cannot be asked whether they have it,
// and that is promised to be the worst.
func (a arrivals) wrong(list report.AlertList, u updates, kills int) []string {
	var bad []string
	say := func(format string, args ...any) { bad = append(bad, fmt.Sprintf(format, args...)) }
	events := map[string]int{}
	for _, m := range list.Messages {
		if m.State != store.MessageSent {
			say("%s %s is %s: %s", m.Channel, m.Event, m.State, m.LastError)
		}
		events[m.Channel+" "+string(m.Event)]++
		n, most := a[m.Channel][m.ID], 1
		if m.Channel != "slack" {
			most += kills
		}
		if m.Event == store.MessageUpdate && n == 0 && strings.HasPrefix(m.LastError, "left out") {
			continue // what came after it was told before it
		}
		if n < 1 || n > most {
			say("%s %s arrived %d times, not 1 to %d", m.Channel, m.Event, n, most)
		}
	}
	for _, c := range channels {
		for event, want := range map[store.MessageEvent]updates{store.MessageFiring: exactly(1), store.MessageUpdate: u, store.MessageResolved: exactly(1)} {
			if n := events[c+" "+string(event)]; n < want.least || n > want.most {
				say("%s: %d of event %s, not %d to %d", c, n, event, want.least, want.most)
			}
		}
	}
	for _, f := range list.Untold {
		say("%s is untold: %s", f.Kind, f.Why)
	}
	slices.Sort(bad)
	return bad
}

// strangers returns what arrived and is on no record.
func (a arrivals) strangers(known map[string]bool) []string {
	var bad []string
	for _, c := range channels {
		for id := range a[c] {
			if !known[id] {
				bad = append(bad, fmt.Sprintf("%s: message %q arrived and is not on record", c, id))
			}
		}
	}
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

// take holds what arrived about runs against the record, and adds it up.
func (c *count) take(t *testing.T, w *team, u updates, runs ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	known := map[string]bool{}
	for _, run := range runs {
		list := w.alerts(run, "nothing is on its way", func(l report.AlertList) bool {
			return len(l.Untold) == 0 && !slices.ContainsFunc(l.Messages, func(m report.Alert) bool {
				return m.State != store.MessageSent && m.State != store.MessageDead
			})
		})
		require.Empty(t, w.arrived().wrong(list, u, w.kills), "%s\n%s", run, w.d.log)
		for _, m := range list.Messages {
			known[m.ID] = true
		}
		doc, err := show(w.bin, w.dir, run)
		require.NoError(t, err)
		c.findings += len(doc.Findings)
	}
	a := w.arrived()
	require.Empty(t, a.strangers(known))
	// By what the services hold alone: one message a run in Slack's channel, all else in its
	// thread; of the webhook's ids one of each type.
	top := 0
	for _, m := range w.slack.Messages() {
		if m.ThreadTS == "" {
			top++
		}
	}
	require.Len(t, runs, top, "messages in the channel")
	types := w.hookTypes(t)
	require.Len(t, runs, types["finding.firing"])
	require.Len(t, runs, types["finding.resolved"])
	c.kills += w.kills
	c.messages += len(known)
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

func TestTheCheckerOfMessagesSeesEachFault(t *testing.T) {
	t.Parallel()
	sound := func() (arrivals, *report.AlertList) {
		a, list := arrivals{}, &report.AlertList{}
		for _, c := range channels {
			a[c] = map[string]int{}
			for _, e := range []store.MessageEvent{store.MessageFiring, store.MessageUpdate, store.MessageResolved} {
				id := c + " " + string(e)
				a[c][id] = 1
				list.Messages = append(list.Messages, report.Alert{Message: report.Message{Channel: c, ID: id, Event: e, State: store.MessageSent}})
			}
		}
		a["email"]["email firing"] = 2 // as promised, where the daemon was killed once
		return a, list
	}
	a, list := sound()
	require.Empty(t, a.wrong(*list, exactly(1), 1))
	for name, plant := range map[string]func(a arrivals, l *report.AlertList){
		"twice in Slack":        func(a arrivals, _ *report.AlertList) { a["slack"]["slack update"]++ },
		"a mail three times":    func(a arrivals, _ *report.AlertList) { a["email"]["email firing"]++ },
		"not there":             func(a arrivals, _ *report.AlertList) { delete(a["webhook"], "webhook resolved") },
		"told twice on record":  func(_ arrivals, l *report.AlertList) { l.Messages = append(l.Messages, l.Messages[0]) },
		"not on record":         func(_ arrivals, l *report.AlertList) { l.Messages = l.Messages[1:] },
		"given up":              func(_ arrivals, l *report.AlertList) { l.Messages[4].State = store.MessageDead },
		"a finding not told of": func(_ arrivals, l *report.AlertList) { l.Untold = append(l.Untold, report.Untold{}) },
	} {
		a, list := sound()
		plant(a, list)
		require.NotEmpty(t, a.wrong(*list, exactly(1), 1), name)
	}
	a, _ = sound()
	require.NotEmpty(t, a.strangers(map[string]bool{"slack firing": true}))
}
