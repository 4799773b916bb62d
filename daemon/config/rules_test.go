package config_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

func TestRulesStandBesideTheDetectors(t *testing.T) {
	t.Parallel()
	c := parse(t, `
detectors: {plateau: {patience: 8}}
rules:
  - name: val_worse_than_twice_train
    when: last("val_loss") > 2 * last("loss") && epoch >= 5
    for: 3
    severity: critical
    metric: val_loss
    summary: 'val_loss is {last("val_loss") / last("loss")} x loss'
    advice: ["look at the split"]
  - {name: short, when: 'not has("val_loss") and epochs > 2', enabled: false}
`)
	w, err := c.Watch()
	require.NoError(t, err)
	require.Len(t, w, 3)
	r := w["val_worse_than_twice_train"].Custom
	require.Equal(t, detectors.SeverityCritical, r.Severity)
	require.Equal(t, []string{"loss", "val_loss"}, r.Metrics)
	require.Equal(t, 3, r.For)
	require.Equal(t, []string{"look at the split"}, r.Advice)
	require.False(t, *w["short"].Enabled)
	require.Equal(t, detectors.SeverityWarning, w["short"].Custom.Severity)
	require.Equal(t, "val_loss", w["short"].Custom.Metric, "the first that it names")
	require.NoError(t, w.Validate())
	_, err = detectors.NewMonitor(w)
	require.NoError(t, err)
}

func TestErrorsOfDigestsSayWhere(t *testing.T) {
	t.Parallel()
	const receivers = "receivers: [{name: team, webhook: {url: \"https://h/x\"}}]\n"
	c := parse(t, receivers+"digests: [{receiver: team, schedule: \"0 8 * * 1\", zone: Europe/Berlin, project: vision}]\n")
	require.Len(t, c.Notify().Digests, 1)
	for _, c := range []struct{ text, want string }{
		{"digests:\n  - receiver: team\n    schedule: CRON_TZ=UTC\n", `:4:5: digests[0].schedule: "CRON_TZ=UTC": the time zone does not belong into the expression`},
		{"digests:\n  - receiver: team\n    schedule: 0 8 * * 1\n    zone: Mars\n", `:5:5: digests[0].zone: time zone "Mars" is unknown`},
		{"digests:\n  - receiver: teem\n    schedule: 0 8 * * 1\n", `:3:5: digests[0].receiver: there is no receiver "teem"`},
		{"digests: [{receiver: team}]\n", `digests[0].schedule: a cron expression is missing`},
		{"digests: [{receiver: team, shedule: '@daily'}]\n", `digests[0]: unknown key "shedule", did you mean "schedule"?`},
	} {
		require.Contains(t, refuse(t, receivers+c.text), c.want, "%q", c.text)
	}
}

func TestErrorsOfRulesSayWhere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"rules:\n  - name: a\n    when: lst(\"loss\") > 1\n", `epochwatch.yml:3:11: rules[0].when: unknown function "lst", did you mean "last"? | when: lst("loss") > 1`},
		{"rules:\n  - name: a\n    when: last(\"loss\") > 1 && epoch >= epohc\n", `:3:40: rules[0].when: unknown name "epohc", did you mean "epoch"?`},
		{"rules:\n  - name: a\n    when: 'last(\"loss\") > vall_loss'\n", `:3:27: rules[0].when: unknown name "vall_loss"; of a metric: last("vall_loss")`},
		{"rules:\n  - name: a\n    when: \"last(\\\"loss\\\") > epohc\"\n", `:3:29: rules[0].when: unknown name`},
		{"rules:\n  - name: a\n    when: >-\n      last(\"loss\") > 1\n      and epohc > 2\n", `:5:11: rules[0].when: unknown name`},
		{"rules:\n  - name: a\n    when: |\n      last(\"loss\") > 1\n      and epohc > 2\n", `:5:11: rules[0].when: unknown name`},
		{"rules: [{name: a, when: last(loss) > 1}]\n", `:1:30: rules[0].when: want the name of a metric in quotes, as in last("loss")`},
		{"rules: [{name: a, when: 'last(\"vall_loss\") > 1'}]\n", `metric "vall_loss", did you mean "val_loss"? If not, say so with metric: vall_loss`},
		{"rules: [{name: a, when: 'last(\"loss\") > 1', summary: 'loss {last(\"loss\") > 1}'}]\n", `:1:74: rules[0].summary: this holds or does not; want a number`},
		{"rules: [{name: a, when: 'last(\"loss\")'}]\n", `rules[0].when: this is a number; want what holds or does not`},
		{"rules: [{name: a, when: 'last(\"loss\") >'}]\n", `rules[0].when: unexpected`},
		{"rules: [{name: a}]\n", `rules[0].when: is missing`},
		{"rules: [{when: 'true'}]\n", `rules[0].name: "": want 1 to 64 of a-z`},
		{"rules: [{name: Big, when: 'true'}]\n", `:1:10: rules[0].name: "Big": want 1 to 64 of a-z`},
		{"rules: [{name: plateau, when: 'true'}]\n", `rules[0].name: "plateau" is the name of a detector`},
		{"rules: [{name: healthy, when: 'true'}]\n", `rules[0].name: "healthy" is the name of a detector`},
		{"rules: [{name: a, when: 'true'}, {name: a, when: 'true'}]\n", `:1:35: rules[1].name: "a" is there twice`},
		{"rules: [{name: a, when: 'true', severity: bad}]\n", `rules[0].severity: "bad" is none of info, warning, critical`},
		{"rules: [{name: a, when: 'true', for: -1}]\n", `rules[0].for: -1 is not within 1 to 1000`},
		{"rules: [{name: a, wen: 'true'}]\n", `rules[0]: unknown key "wen", did you mean "when"?`},
		{"rules: {a: 'true'}\n", `rules: want a list`},
		{"rules: [{name: a, when: 'true', summary: 'x {'}]\n", `rules[0].summary: a brace is not closed`},
	} {
		require.Contains(t, refuse(t, c.text), c.want, "%q", c.text)
	}
}
