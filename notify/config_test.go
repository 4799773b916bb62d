package notify_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify"
)

func parse(t *testing.T, text string) *notify.Config {
	t.Helper()
	var c notify.Config
	require.NoError(t, yaml.NewDecoder(strings.NewReader(text), yaml.Strict()).Decode(&c))
	return &c
}

// The example of the design, with its dots filled in.
const example = `
receivers:
  - name: team
    slack: {token: "${SLACK_TOKEN}", channel: "#training", app_token_file: /run/app, api_url: "http://127.0.0.1:1"}
    email: {to: [team@example.org], from: watch@example.org, smtp: "smtp://user:${SMTP_PASSWORD}@host:587"}
    webhook: {url: "https://example.org/hook", secret_file: /run/key}
  - name: quiet
    slack: {webhook_url_file: /run/hook}
  - name: nobody
route: {receiver: team, group_by: [run], group_wait: 10s, repeat_interval: 4h,
        routes: [{match: {project: vision, severity: critical}, receiver: quiet}]}
`

func env(name string) string {
	return map[string]string{"SLACK_TOKEN": "xoxb-from-env", "SMTP_PASSWORD": "p@ss/word"}[name]
}

func files(name string) ([]byte, error) {
	text, ok := map[string]string{
		"/run/app": "xapp-from-file\n", "/run/key": "whsec_c2lnbmluZyBrZXk=\r\n", "/run/hook": "https://hooks.slack.com/services/T0/B0/x\n", "/run/empty": "\n",
	}[name]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", name, os.ErrNotExist)
	}
	return []byte(text), nil
}

func TestTheExampleOfTheDesign(t *testing.T) {
	t.Parallel()
	c := parse(t, example)
	require.NoError(t, c.Validate(), "secrets that are still to come are no fault")
	_, err := notify.New(*c, notify.Options{})
	require.ErrorContains(t, err, "receivers[0].slack.token: not filled in")
	for range 2 { // resolving twice changes nothing
		require.NoError(t, c.Resolve(env, files))
		require.NoError(t, c.Validate())
		require.Equal(t, "xoxb-from-env", c.Receivers[0].Slack.Token.Reveal())
		require.Equal(t, "xapp-from-file", c.Receivers[0].Slack.AppToken.Reveal())
		require.Equal(t, "smtp://user:p@ss/word@host:587", c.Receivers[0].Email.SMTP.Reveal())
		require.Equal(t, "whsec_c2lnbmluZyBrZXk=", c.Receivers[0].Webhook.Secret.Reveal())
		require.Equal(t, "https://hooks.slack.com/services/T0/B0/x", c.Receivers[1].Slack.WebhookURL.Reveal())
	}
	require.Equal(t, 10*time.Second, c.Route.GroupWait.Std())
	require.Equal(t, 4*time.Hour, c.Route.RepeatInterval.Std())
	_, err = notify.New(*c, notify.Options{})
	require.NoError(t, err)
}

func TestResolveSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	c := parse(t, `
receivers:
  - {name: a, slack: {token: "${NOT_SET}", channel: c}, email: {to: [a@b], from: a@b, smtp_file: /run/none}}
  - {name: b, webhook: {url_file: /run/empty, secret: "other", secret_file: /run/key}}
`)
	err := c.Resolve(env, files)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, want := range []string{
		"receivers[0].slack.token: the variable NOT_SET is not set",
		"receivers[0].email.smtp_file: open /run/none",
		"receivers[1].webhook.url_file: /run/empty is empty",
		"receivers[1].webhook.secret: given twice",
	} {
		require.ErrorContains(t, err, want)
	}
}

func TestResolveReadsRealFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(path, []byte("xoxb-real\n"), 0o600))
	c := &notify.Config{Receivers: []notify.Receiver{{Name: "a", Slack: &notify.Slack{TokenFile: path, Channel: "#c"}}}}
	require.NoError(t, c.Resolve(os.Getenv, os.ReadFile))
	require.Equal(t, "xoxb-real", c.Receivers[0].Slack.Token.Reveal())
}

func TestValidateNamesThePath(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`receivers: [{name: a, run_ended: [failed, dead]}]`:                                      `receivers[0].run_ended[1]: "dead" is none of completed`,
		`digests: [{schedule: "0 8 * * 1"}]`:                                                     "digests[0].receiver: missing",
		`digests: [{receiver: team, schedule: "0 8 * * 1"}]`:                                     `digests[0].receiver: there is no receiver "team"`,
		`digests: [{receiver: log, schedule: "TZ=0"}]`:                                           "digests[0].schedule:",
		`digests: [{receiver: log}]`:                                                             "digests[0].schedule: a cron expression is missing",
		`digests: [{receiver: log, schedule: "@every 1h"}]`:                                      "digests[0].schedule:",
		`{zone: Mars, digests: [{receiver: log, schedule: "@daily"}]}`:                           `zone: time zone "Mars" is unknown`,
		`digests: [{receiver: log, schedule: "@daily", zone: Mars}]`:                             `digests[0].zone: time zone "Mars"`,
		`digests: [{receiver: log, schedule: "@daily"}, {receiver: log, schedule: "@daily"}]`:    "digests[1]: it is there twice",
		`route: {mute_times: [nights]}`:                                                          `route.mute_times: there is no "nights"`,
		`time_intervals: [{name: a, from: "TZ=0", to: "@daily"}]`:                                "time_intervals[0]: from:",
		`time_intervals: [{name: a, from: "@hourly", to: "@daily", zone: Mars}]`:                 `time zone "Mars"`,
		`inhibit: [{source: [kind=plateau], target: ["x"], equal: [colour]}]`:                    `inhibit[0].equal: "colour"`,
		`inhibit: [{source: [kind=plateau], target: [kind=spike], equal: [run, run]}]`:           `inhibit[0].equal: "run" is there twice`,
		`inhibit: [{source: [kind=plateau], target: [kind=spike], equal: [project, kind]}]`:      `inhibit[0].equal: source and target name different values of kind`,
		`inhibit: [{source: [kind=plateau]}]`:                                                    "inhibit[0].target: missing",
		`route: {routes: [{matchers: ["colour=red"]}]}`:                                          `route.routes[0].matchers[0]: "colour" is none of project`,
		`route: {routes: [{matchers: ["kind=plateau", "project"]}]}`:                             `route.routes[0].matchers[1]: "project" is not a matcher`,
		`route: {routes: [{matchers: ['project=~"("']}]}`:                                        `"(" is not a regular expression`,
		`route: {routes: [{matchers: ['project="x']}]}`:                                          `the quotes do not fit`,
		`route: {routes: [{matchers: ['severity=bad']}]}`:                                        `"bad" is none of info, warning, critical`,
		`route: {routes: [{matchers: ["kind==plateau"]}]}`:                                       `route.routes[0].matchers[0]: "kind==plateau" has one = too many: want kind=plateau;`,
		`route: {routes: [{matchers: ["run!==x"]}]}`:                                             `"run!==x" has one = too many: want run!=x;`,
		`route: {routes: [{matchers: ["kind!=losnan"]}]}`:                                        `route.routes[0].matchers[0]: there is no kind "losnan", did you mean "loss_nan"?`,
		`route: {routes: [{match: {kind: losnan}}]}`:                                             `route.routes[0].match.kind: there is no kind "losnan", did you mean "loss_nan"?`,
		`inhibit: [{source: [kind=run_endet], target: [kind=spike]}]`:                            `inhibit[0].source[0]: there is no kind "run_endet", did you mean "run_ended"?`,
		`route: {matchers: [kind=plateau]}`:                                                      "route.match: the outermost route",
		`receivers: [{slack: {token: x, channel: c}}]`:                                           "receivers[0].name: missing",
		`receivers: [{name: log}]`:                                                               `receivers[0].name: "log" is the log itself`,
		`receivers: [{name: a}, {name: a}]`:                                                      `receivers[1].name: "a" is there twice`,
		`receivers: [{name: a}, {name: b}]`:                                                      "route.receiver: missing",
		`receivers: [{name: a, slack: {}}]`:                                                      "receivers[0].slack: neither webhook_url nor token",
		`receivers: [{name: a, slack: {token: x, webhook_url: "https://x"}}]`:                    "receivers[0].slack: both webhook_url and token",
		`receivers: [{name: a, slack: {token: x}}]`:                                              "receivers[0].slack.channel: missing",
		`receivers: [{name: a, slack: {webhook_url: "https://x", channel: c}}]`:                  "receivers[0].slack.channel: an incoming webhook has its own channel",
		`receivers: [{name: a, slack: {webhook_url: "https://x", app_token: c}}]`:                "receivers[0].slack.app_token: only with token",
		`receivers: [{name: a, slack: {webhook_url: "hooks.slack.com/hunter2"}}]`:                "receivers[0].slack.webhook_url: want an address that begins with https://",
		`receivers: [{name: a, slack: {webhook_url: "https://:hunter2 x"}}]`:                     "receivers[0].slack.webhook_url: not a URL",
		`receivers: [{name: a, slack: {token: "hunter2 x", channel: c}}]`:                        "receivers[0].slack.token: has a space",
		`receivers: [{name: a, slack: {token: x, channel: c, api_url: "ftp://x"}}]`:              "receivers[0].slack.api_url: want an address",
		`receivers: [{name: a, email: {}}]`:                                                      "receivers[0].email.to: missing",
		`receivers: [{name: a, email: {to: [nobody], from: a@b, smtp: "smtp://h"}}]`:             `receivers[0].email.to[0]: "nobody" is not a mail address`,
		`receivers: [{name: a, email: {to: [a@b], smtp: "smtp://h"}}]`:                           `receivers[0].email.from: "" is not a mail address`,
		`receivers: [{name: a, email: {to: [a@b], from: a@b}}]`:                                  "receivers[0].email.smtp: missing",
		`receivers: [{name: a, email: {to: [a@b], from: a@b, smtp: "http://u:hunter2@h"}}]`:      "receivers[0].email.smtp: want smtp://user:password@host:587",
		`receivers: [{name: a, email: {to: [a@b], from: a@b, smtp: "smtp://u:hunter2@h:mail"}}]`: "receivers[0].email.smtp: the port",
		`receivers: [{name: a, webhook: {secret: x}}]`:                                           "receivers[0].webhook.url: missing",
		`receivers: [{name: a, webhook: {url: "https://h", secret: "whsec_hunter2!"}}]`:          "receivers[0].webhook.secret: what follows whsec_ is not base64",
		`route: {match: {project: p}}`:                                                           "route.match: the outermost route takes everything",
		`route: {receiver: team}`:                                                                `route.receiver: there is no receiver "team"`,
		`route: {group_by: [colour]}`:                                                            `route.group_by: "colour" is none of`,
		`route: {routes: [{match: {project: p}}, {match: {projekt: p}}]}`:                        `route.routes[1].match: "projekt" is none of`,
		`route: {routes: [{match: {severity: bad}}]}`:                                            `route.routes[0].match.severity: "bad" is none of`,
		`route: {routes: [{match: {kind: a}, routes: [{receiver: log}]}]}`:                       "route.routes[0].routes[0].match: missing",
		`route: {routes: [{match: {kind: a}, routes: [{match: {run: a}, receiver: x}]}]}`:        `route.routes[0].routes[0].receiver: there is no receiver "x"`,
	} {
		err := parse(t, text).Validate()
		require.ErrorContains(t, err, want, text)
		require.NotContains(t, err.Error(), "hunter2", text)
	}
	require.NoError(t, (&notify.Config{}).Validate(), "the zero config sends to the log")
	own := parse(t, `route: {routes: [{matchers: [kind=heat, "kind!=run_ended", 'kind=~"los.*"', 'project="=x"']}]}`)
	require.ErrorContains(t, own.Validate(), `there is no kind "heat"`)
	own.Rules = []string{"heat"}
	require.NoError(t, own.Validate(), "a rule of one's own is a kind; patterns and other keys are free")
}

// A daemon may have had other rules, so a silence may be of a kind that is unknown.
func TestASilenceTakesAnyKind(t *testing.T) {
	t.Parallel()
	_, err := notify.NewSilence([]string{"kind=losnan"}, "anna", "", time.Now(), time.Hour)
	require.NoError(t, err)
	_, err = notify.NewSilence([]string{"kind==plateau"}, "anna", "", time.Now(), time.Hour)
	require.ErrorContains(t, err, "want kind=plateau;")
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{"10s": 10 * time.Second, "4h": 4 * time.Hour, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "0s": 0} {
		var d notify.Duration
		require.NoError(t, d.UnmarshalText([]byte(text)))
		require.Equal(t, want, d.Std())
	}
	for _, text := range []string{"", "10", "-1s", "-1d", "d", "soon", "1.5.d"} {
		var d notify.Duration
		require.Error(t, d.UnmarshalText([]byte(text)), text)
	}
	var c notify.Config
	require.Error(t, yaml.Unmarshal([]byte("route: {group_wait: 10}"), &c), "ten of what?")
}

func TestAConfigShowsNoSecret(t *testing.T) {
	t.Parallel()
	c := parse(t, example)
	require.NoError(t, c.Resolve(env, files))
	y, err := yaml.Marshal(c)
	require.NoError(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "config", c, "error", errors.New(fmt.Sprint(c.Receivers[0].Slack)))
	for _, text := range []string{string(y), fmt.Sprintf("%v %+v %#v", c.Receivers[0].Slack, c.Receivers[0].Email, c.Receivers[0].Webhook), log.String()} {
		for _, secret := range []string{"xoxb-from-env", "xapp-from-file", "p@ss/word", "c2lnbmluZyBrZXk", "T0/B0"} {
			require.NotContains(t, text, secret)
		}
	}
}
