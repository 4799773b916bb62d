package notify_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

var _ ingest.Announcer = (*notify.Notifier)(nil)

func notifier(t *testing.T, text string) *notify.Notifier {
	t.Helper()
	n, err := notify.New(*parse(t, text), notify.Options{})
	require.NoError(t, err)
	return n
}

// where lists receiver/channel of messages.
func where(messages []store.Message) []string {
	out := []string{}
	for _, m := range messages {
		out = append(out, m.Receiver+"/"+m.Channel)
	}
	return out
}

const tree = `
receivers:
  - name: team
    slack: {webhook_url: "https://h/x"}
    email: {to: [a@b], from: a@b, smtp: "smtp://h"}
    webhook: {url: "https://h/y"}
  - {name: oncall, email: {to: [a@b], from: a@b, smtp: "smtp://h"}}
  - {name: nlp, slack: {webhook_url: "https://h/z"}}
  - {name: nobody}
route:
  receiver: team
  routes:
    - match: {project: nlp}
      receiver: nlp
      routes:
        - {match: {severity: critical}, receiver: oncall}
        - {match: {kind: plateau, tag: sweep}, receiver: nobody}
    - {match: {severity: critical, project: vision}, receiver: oncall}
    - {match: {run: scratch}, receiver: nobody}
    - {match: {metric: val_loss}, receiver: nlp}
`

func TestRoutes(t *testing.T) {
	t.Parallel()
	n := notifier(t, tree)
	team := []string{"team/slack", "team/email", "team/webhook"}
	for name, c := range map[string]struct {
		run  store.Run
		f    detectors.Finding
		want []string
	}{
		"nothing matches":                   {store.Run{Project: "x"}, detectors.Finding{Kind: "plateau", Severity: "warning"}, team},
		"a project":                         {store.Run{Project: "nlp"}, detectors.Finding{Kind: "plateau", Severity: "warning"}, []string{"nlp/slack"}},
		"deeper":                            {store.Run{Project: "nlp"}, detectors.Finding{Kind: "plateau", Severity: "critical"}, []string{"oncall/email"}},
		"kind and tag, to nobody":           {store.Run{Project: "nlp", Tags: []string{"a", "sweep"}}, detectors.Finding{Kind: "plateau", Severity: "warning"}, []string{}},
		"only one of two holds":             {store.Run{Project: "nlp", Tags: []string{"sweep"}}, detectors.Finding{Kind: "loss_nan", Severity: "warning"}, []string{"nlp/slack"}},
		"both hold":                         {store.Run{Project: "vision"}, detectors.Finding{Severity: "critical"}, []string{"oncall/email"}},
		"the first match wins":              {store.Run{Project: "nlp", Name: "scratch"}, detectors.Finding{Severity: "warning", Metric: "val_loss"}, []string{"nlp/slack"}},
		"a run by its name":                 {store.Run{Project: "x", ID: "1", Name: "scratch"}, detectors.Finding{Severity: "warning"}, []string{}},
		"a run by its id":                   {store.Run{Project: "x", ID: "scratch"}, detectors.Finding{Severity: "warning"}, []string{}},
		"a metric":                          {store.Run{Project: "x"}, detectors.Finding{Severity: "warning", Metric: "val_loss"}, []string{"nlp/slack"}},
		"information goes to the log alone": {store.Run{Project: "nlp"}, detectors.Finding{Severity: "info"}, []string{"log/log"}},
	} {
		got := n.Announce(c.run, store.MessageFiring, store.Finding{ID: "f", Finding: c.f}, notifytest.SpecimenTime)
		require.Equal(t, c.want, where(got), name)
	}
}

func TestWithoutReceiversTheLogHears(t *testing.T) {
	t.Parallel()
	n := notifier(t, "{}")
	f := store.Finding{ID: "f", Finding: detectors.Finding{Severity: detectors.SeverityCritical}}
	require.Equal(t, []string{"log/log"}, where(n.Announce(store.Run{}, store.MessageFiring, f, notifytest.SpecimenTime)))
}

func TestAnOnlyReceiverNeedsNoRoute(t *testing.T) {
	t.Parallel()
	n := notifier(t, `receivers: [{name: team, slack: {webhook_url: "https://h/x"}}]`)
	f := store.Finding{ID: "f", Finding: detectors.Finding{Severity: detectors.SeverityWarning}}
	require.Equal(t, []string{"team/slack"}, where(n.Announce(store.Run{}, store.MessageFiring, f, notifytest.SpecimenTime)))
}

func TestAnnouncingAgainGivesTheSameMessages(t *testing.T) {
	t.Parallel()
	run := store.Run{PK: 7, Project: "vision"}
	f := store.Finding{ID: "finding-1", Finding: detectors.Finding{Severity: detectors.SeverityWarning}}
	first := notifier(t, tree).Announce(run, store.MessageFiring, f, notifytest.SpecimenTime)
	again := notifier(t, tree).Announce(run, store.MessageFiring, f, notifytest.SpecimenTime)
	require.Equal(t, first, again, "another daemon, the same messages")
	ids := map[string]bool{}
	other := f
	other.ID = "finding-2"
	for _, m := range append(append(first, notifier(t, tree).Announce(run, store.MessageResolved, f, notifytest.SpecimenTime)...),
		notifier(t, tree).Announce(run, store.MessageFiring, other, notifytest.SpecimenTime)...) {
		require.False(t, ids[m.ID], "two messages with one id")
		ids[m.ID] = true
		require.Equal(t, int64(7), m.RunPK)
		require.Equal(t, store.MessageQueued, m.State)
		require.Equal(t, notifytest.SpecimenTime, m.CreatedAt)
	}
	require.Len(t, ids, 9)
	// Fixed for ever: a daemon of a later version must know what an earlier one has told.
	require.Equal(t, "6fa08347-8020-5644-95a9-3ec269f12ead", notify.MessageID("finding-1", "team", "slack", store.MessageFiring))
}

func TestAResolutionGoesToAllWhoHeardOnTheWayUp(t *testing.T) {
	t.Parallel()
	n := notifier(t, tree)
	run := store.Run{Project: "vision"}
	f := store.Finding{ID: "f", Finding: detectors.Finding{Severity: detectors.SeverityCritical}}
	require.Equal(t, []string{"oncall/email"}, where(n.Announce(run, store.MessageFiring, f, notifytest.SpecimenTime)))
	require.Equal(t, []string{"team/slack", "team/email", "team/webhook", "oncall/email"}, where(n.Announce(run, store.MessageResolved, f, notifytest.SpecimenTime)))
}
