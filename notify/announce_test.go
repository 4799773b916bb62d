package notify_test

import (
	"testing"
	"time"

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

// where lists who hears: receivers whose group is joined, and the log.
func where(messages []store.Message, joins []store.Join) []string {
	out := []string{}
	for _, j := range joins {
		out = append(out, j.Group.Receiver)
	}
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
	team := []string{"team"}
	for name, c := range map[string]struct {
		run  store.Run
		f    detectors.Finding
		want []string
	}{
		"nothing matches":                   {store.Run{Project: "x"}, detectors.Finding{Kind: "plateau", Severity: "warning"}, team},
		"a project":                         {store.Run{Project: "nlp"}, detectors.Finding{Kind: "plateau", Severity: "warning"}, []string{"nlp"}},
		"deeper":                            {store.Run{Project: "nlp"}, detectors.Finding{Kind: "plateau", Severity: "critical"}, []string{"oncall"}},
		"kind and tag, to nobody":           {store.Run{Project: "nlp", Tags: []string{"a", "sweep"}}, detectors.Finding{Kind: "plateau", Severity: "warning"}, []string{}},
		"only one of two holds":             {store.Run{Project: "nlp", Tags: []string{"sweep"}}, detectors.Finding{Kind: "loss_nan", Severity: "warning"}, []string{"nlp"}},
		"both hold":                         {store.Run{Project: "vision"}, detectors.Finding{Severity: "critical"}, []string{"oncall"}},
		"the first match wins":              {store.Run{Project: "nlp", Name: "scratch"}, detectors.Finding{Severity: "warning", Metric: "val_loss"}, []string{"nlp"}},
		"a run by its name":                 {store.Run{Project: "x", ID: "1", Name: "scratch"}, detectors.Finding{Severity: "warning"}, []string{}},
		"a run by its id":                   {store.Run{Project: "x", ID: "scratch"}, detectors.Finding{Severity: "warning"}, []string{}},
		"a metric":                          {store.Run{Project: "x"}, detectors.Finding{Severity: "warning", Metric: "val_loss"}, []string{"nlp"}},
		"information goes to the log alone": {store.Run{Project: "nlp"}, detectors.Finding{Severity: "info"}, []string{"log/log"}},
	} {
		require.Equal(t, c.want, where(n.Announce(c.run, store.MessageFiring, store.Finding{ID: "f", Finding: c.f}, notifytest.SpecimenTime)), name)
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
	require.Equal(t, []string{"team"}, where(n.Announce(store.Run{}, store.MessageFiring, f, notifytest.SpecimenTime)))
}

func TestAnnouncingAgainGivesTheSame(t *testing.T) {
	t.Parallel()
	run := store.Run{PK: 7, Project: "vision", ID: "r"}
	f := store.Finding{ID: "finding-1", Finding: detectors.Finding{Severity: detectors.SeverityWarning}}
	_, first := notifier(t, tree).Announce(run, store.MessageFiring, f, notifytest.SpecimenTime)
	_, again := notifier(t, tree).Announce(run, store.MessageFiring, f, notifytest.SpecimenTime)
	require.Equal(t, first, again, "another daemon, the same group")
	require.Len(t, first, 1)
	g := first[0].Group
	require.Equal(t, map[string]string{"project": "vision", "run": "r"}, g.Labels)
	require.Equal(t, []time.Duration{3 * time.Second, time.Minute, 4 * time.Hour}, []time.Duration{g.Wait, g.Every, g.Repeat})
	require.Equal(t, notifytest.SpecimenTime.Add(3*time.Second), *g.DueAt)
	require.Equal(t, int64(7), first[0].RunPK)
	require.False(t, first[0].Resolved)
	other := run
	other.ID = "s"
	_, joins := notifier(t, tree).Announce(other, store.MessageFiring, f, notifytest.SpecimenTime)
	require.NotEqual(t, g.ID, joins[0].Group.ID)
	_, joins = notifier(t, tree).Announce(run, store.MessageResolved, f, notifytest.SpecimenTime)
	require.True(t, joins[0].Resolved)
	require.Equal(t, notifytest.SpecimenTime, *joins[0].Group.DueAt, "at once")
	// Fixed for ever: a daemon of a later version must know what an earlier one has told.
	require.Equal(t, "6fa08347-8020-5644-95a9-3ec269f12ead", notify.MessageID("finding-1", "team", "slack", store.MessageFiring))
	require.Equal(t, "11361bc0-32cd-5885-9c3d-09aa1fc5652c", g.ID)
}

func TestGroupsAreWhatTheRouteSays(t *testing.T) {
	t.Parallel()
	n := notifier(t, `
receivers: [{name: team, slack: {webhook_url: "https://h/x"}}]
route:
  group_by: [project, kind, tag]
  group_wait: 0s
  group_interval: 5m
  repeat_interval: 0s
  routes: [{match: {project: nlp}, group_by: [severity, metric], group_wait: 1m}]
`)
	f := store.Finding{ID: "f", Finding: detectors.Finding{Kind: "plateau", Metric: "loss", Severity: detectors.SeverityCritical}}
	_, joins := n.Announce(store.Run{Project: "vision", ID: "r", Tags: []string{"b", "a"}}, store.MessageFiring, f, notifytest.SpecimenTime)
	g := joins[0].Group
	require.Equal(t, map[string]string{"project": "vision", "kind": "plateau", "tag": "a,b"}, g.Labels)
	require.Equal(t, []time.Duration{0, 5 * time.Minute, 0}, []time.Duration{g.Wait, g.Every, g.Repeat})
	_, joins = n.Announce(store.Run{Project: "nlp", ID: "r"}, store.MessageFiring, f, notifytest.SpecimenTime)
	g = joins[0].Group
	require.Equal(t, map[string]string{"severity": "critical", "metric": "loss"}, g.Labels)
	require.Equal(t, []time.Duration{time.Minute, 5 * time.Minute, 0}, []time.Duration{g.Wait, g.Every, g.Repeat})
}

func TestMatchersAndRoutesThatGoOn(t *testing.T) {
	t.Parallel()
	n := notifier(t, `
receivers:
  - {name: team, slack: {webhook_url: "https://h/x"}}
  - {name: archive, slack: {webhook_url: "https://h/y"}}
  - {name: vision, slack: {webhook_url: "https://h/z"}}
  - {name: nlp, slack: {webhook_url: "https://h/n"}}
route:
  receiver: team
  routes:
    - {continue: true, receiver: archive}
    - {matchers: ['project=~"vision.*"', 'tag != sweep', severity=critical], receiver: vision}
    - {match: {project: nlp}, matchers: ['metric!~"val_.*"', 'run!="scratch"'], receiver: nlp, continue: true}
    - {matchers: ['kind=plateau'], receiver: nlp}
`)
	for name, c := range map[string]struct {
		run  store.Run
		f    detectors.Finding
		want []string
	}{
		"one goes on, none takes it": {store.Run{Project: "x"}, detectors.Finding{Severity: "warning"}, []string{"archive"}},
		"all hold":                   {store.Run{Project: "vision-2"}, detectors.Finding{Severity: "critical"}, []string{"archive", "vision"}},
		"the whole name":             {store.Run{Project: "my-vision"}, detectors.Finding{Severity: "critical"}, []string{"archive"}},
		"not with the tag":           {store.Run{Project: "vision", Tags: []string{"a", "sweep"}}, detectors.Finding{Severity: "critical"}, []string{"archive"}},
		"both forms":                 {store.Run{Project: "nlp"}, detectors.Finding{Severity: "warning", Metric: "loss"}, []string{"archive", "nlp"}},
		"a receiver once":            {store.Run{Project: "nlp"}, detectors.Finding{Severity: "warning", Metric: "loss", Kind: "plateau"}, []string{"archive", "nlp"}},
		"not the metric":             {store.Run{Project: "nlp"}, detectors.Finding{Severity: "warning", Metric: "val_loss"}, []string{"archive"}},
		"not the name":               {store.Run{Project: "nlp", Name: "scratch"}, detectors.Finding{Severity: "warning", Metric: "loss"}, []string{"archive"}},
	} {
		require.Equal(t, c.want, where(n.Announce(c.run, store.MessageFiring, store.Finding{ID: "f", Finding: c.f}, notifytest.SpecimenTime)), name)
	}
}
