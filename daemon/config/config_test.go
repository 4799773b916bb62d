package config_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// env is an environment of its own.
func env(pairs ...string) func(string) (string, bool) {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) (string, bool) {
		v, ok := m[name]
		return v, ok
	}
}

func parse(t *testing.T, text string, pairs ...string) *config.Config {
	t.Helper()
	c, err := config.Parse("epochwatch.yml", []byte(text), env(pairs...))
	require.NoError(t, err)
	return c
}

func refuse(t *testing.T, text string, pairs ...string) string {
	t.Helper()
	_, err := config.Parse("epochwatch.yml", []byte(text), env(pairs...))
	require.Error(t, err, "accepted: %s", text)
	require.NotContains(t, err.Error(), "\n", "an error is one line")
	var all config.Errors
	require.ErrorAs(t, err, &all)
	return err.Error()
}

// The sample of the design, with its dots filled in.
const design = `
nats: embedded                     # or [nats://host:4222], with credentials: FILE
store: postgres://user@host/db     # or sqlite:///path
http: 127.0.0.1:8765
detectors: {plateau: {patience: 8}, oscillation: {enabled: false}}
control: {mode: auto, min_lr: 1e-6, factor: 0.5, hardest_factor: 0.01, cooldown_epochs: 3, max_cuts: 4}
receivers:
  - name: team
    slack: {token: xoxb-1, channel: "#training", app_token: xapp-1}
    email: {to: [team@example.org], from: watch@example.org, smtp: "smtp://user:password@host:587"}
    webhook: {url: https://hooks.example.org/x, secret: whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw}
route: {receiver: team, group_by: [run], group_wait: 10s, repeat_interval: 4h,
        routes: [{match: {project: mnist, severity: critical}, receiver: team}]}
`

func TestTheDesignsSampleLoads(t *testing.T) {
	t.Parallel()
	c := parse(t, design)
	require.True(t, c.NATS.Embedded())
	a, err := c.StoreAddress("/data")
	require.NoError(t, err)
	require.Equal(t, config.Postgres, a.Engine)
	require.Equal(t, "127.0.0.1:8765", c.HTTP)
	require.Equal(t, control.Policy{Limits: control.Limits{Mode: contract.ModeAuto, MinLR: 1e-6, Factor: 0.5, HardestFactor: 0.01, CooldownEpochs: 3, MaxCuts: 4}}, c.Control)
	d, err := c.Detectors.Config()
	require.NoError(t, err)
	off := false
	require.Equal(t, detectors.Config{
		detectors.KindPlateau: {Params: map[string]float64{"patience": 8}},
		"oscillation":         {Enabled: &off, Params: map[string]float64{}},
	}, d)
	require.Len(t, c.Receivers, 1)
	r := c.Receivers[0]
	require.Equal(t, "team", r.Name)
	require.Equal(t, "xoxb-1", r.Slack.Token.Reveal())
	require.Equal(t, "#training", r.Slack.Channel)
	require.Equal(t, []string{"team@example.org"}, r.Email.To)
	require.Equal(t, "smtp://user:password@host:587", r.Email.SMTP.Reveal())
	require.Equal(t, "https://hooks.example.org/x", r.Webhook.URL.Reveal())
	require.Equal(t, []string{"run"}, c.Route.GroupBy)
	require.Equal(t, 10*time.Second, c.Route.GroupWait.Std())
	require.Equal(t, 4*time.Hour, c.Route.RepeatInterval.Std())
	require.Equal(t, map[string]string{"project": "mnist", "severity": "critical"}, c.Route.Routes[0].Match)
}

func TestNothingIsADaemonWithDefaults(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "\n", "# only a comment\n", "---\n", "nats:\nstore:\ncontrol:\nreceivers:\n"} {
		c := parse(t, text)
		require.True(t, c.NATS.Embedded())
		a, err := c.StoreAddress("/data")
		require.NoError(t, err)
		require.Equal(t, config.StoreAddress{Engine: config.SQLite, Path: filepath.Join("/data", "store.db")}, a)
		require.Equal(t, 720*time.Hour, c.KeepRefused())
		s, err := c.UpkeepSchedule()
		require.NoError(t, err)
		require.Equal(t, config.DefaultSchedule, s.String())
		level, err := c.LogLevel()
		require.NoError(t, err)
		require.Equal(t, slog.LevelInfo, level)
	}
}

func TestOutsideBroker(t *testing.T) {
	t.Parallel()
	c := parse(t, "nats: [nats://a:4222, 'tls://b:4222']\ncredentials: /etc/epochwatch.creds\nreplicas: 3\n")
	require.Equal(t, []string{"nats://a:4222", "tls://b:4222"}, c.NATS.URLs)
	require.Equal(t, "/etc/epochwatch.creds", c.Credentials)
	require.Equal(t, 3, c.Replicas)

	c = parse(t, "nats: [nats://t0ken@a:4222]\n")
	require.Equal(t, []string{"nats://a:4222"}, c.NATS.URLs, "addresses never carry the token")
	require.Equal(t, "t0ken", c.Token.Reveal())

	c = parse(t, "nats: 0.0.0.0:5222\n")
	require.Equal(t, "0.0.0.0:5222", c.NATS.Listen)
	require.True(t, c.NATS.Embedded())
}

func TestErrorsSayWhereAndWhat(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"natz: embedded\n", `epochwatch.yml:1:1: unknown key "natz", did you mean "nats"?`},
		{"control:\n  polcy: auto\n", `epochwatch.yml:2:3: control: unknown key "polcy", known here: cooldown_epochs, factor`},
		{"control: {mode: auto, maxcuts: 3}\n", `:1:23: control: unknown key "maxcuts", did you mean "max_cuts"?`},
		{"\ncontrol:\n  max_cuts: 2.5\n", `:3:13: control.max_cuts: want a whole number, not "2.5" | max_cuts: 2.5`},
		{"control:\n  max_cuts: many\n", `:2:13: control.max_cuts: want a whole number, not "many"`},
		{"control:\n  min_lr: -1\n", `:2:3: control.min_lr:`},
		{"control:\n  min_lr: .nan\n", `:2:11: control.min_lr: want a number`},
		{"control:\n  mode: full\n", `:2:3: control.mode: "full" is none of off, shadow, ask, auto`},
		{"control: auto\n", `:1:10: control: want keys and values, not "auto"`},
		{"- a\n", `:1:1: want keys and values`},
		{"nats: 5\nnats: 6\n", `:2:1: not YAML: mapping key "nats" already defined`},
		{"control: {mode: auto\n", `not YAML: `},
		{"\tnats: embedded\n", `not YAML: `},
		{"a: *b\n", `:1:`},
		{"nats: embedded\n---\nhttp: 1\n", `a second document begins here`},
		{"nats: [a:4222]\n", `:1:7: nats: want a list of addresses such as nats://host:4222`},
		{"nats: {url: x}\n", `nats: want "embedded" or a list`},
		{"nats: http://x\n", `nats: `},
		{"store: mysql://user:hunter2@host/db\n", `:1:1: store: the store's address begins with "mysql://", want postgres://`},
		{"http: 8765:1:1\n", `:1:1: http: "8765:1:1" is not an address to listen at`},
		{"http: 127.0.0.1:99999\n", `the port is not within 0 to 65535`},
		{"token: abc\n", `:1:1: token: is for an outside broker`},
		{"nats: [nats://h:1]\nreplicas: 9\n", `:2:1: replicas: 9 is not within 1 to 5`},
		{"detectors: {nosuch: {enabled: true}}\n", `:1:13: detectors.nosuch: `},
		{"detectors:\n  plateau:\n    patience: -1\n", `:3:5: detectors.plateau.patience: `},
		{"detectors:\n  plateau:\n    patience: soon\n", `:3:15: detectors.plateau.patience: want a number, not "soon"`},
		{"detectors: {plateau: {enabled: 1}}\n", `detectors.plateau.enabled: want true or false`},
		{"receivers: [{name: a, slack: {tokne: x}}]\n", `receivers[0].slack: unknown key "tokne", did you mean "token"?`},
		{"receivers: [{name: a, slack: {}}]\n", `receivers[0].slack: neither webhook_url nor token`},
		{"receivers: {name: a}\n", `receivers: want a list`},
		{"receivers:\n  - name: a\nroute: {receiver: b}\n", `:3:9: route.receiver: there is no receiver "b"`},
		{"route: {group_wait: soon}\n", `:1:21: route.group_wait: "soon" is not a time span`},
		{"upkeep: {schedule: TZ=0}\n", `:1:10: upkeep.schedule: "TZ=0": the time zone does not belong into the expression`},
		{"upkeep: {zone: Mars/Base}\n", `time zone "Mars/Base" is unknown`},
		{"upkeep: {keep_refused: 30 days}\n", `:1:24: upkeep.keep_refused: "30 days" is not a time span such as 30s, 90m, 4h or 7d`},
		{"log: {level: loud}\n", `:1:7: log.level: "loud" is none of debug, info, warn, error`},
		{"log: {format: xml}\n", `log.format: "xml" is none of text, json`},
		{"store: ${NO_SUCH}\n", `:1:8: store: the variable "NO_SUCH" is not set`},
	} {
		require.Contains(t, refuse(t, c.text), c.want, "%q", c.text)
	}
}

func TestAllErrorsAreCounted(t *testing.T) {
	t.Parallel()
	text := refuse(t, "natz: 1\ncontrol:\n  polcy: 1\n  max_cuts: x\n")
	require.Contains(t, text, "epochwatch.yml:1:1:")
	require.Contains(t, text, "(and 2 more: line 3, line 4)")
}

func TestErrorsHoldNoSecret(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"store: mysql://user:hunter2@host/db\n",
		"store: postgres://user:hunter2%zz@host/db\n",
		"store: hunter2://x\nstore: hunter2\n",
		"nats: [nats://hunter2@h:1/path]\n",
		"nats: hunter2@h:1\n",
		"http: hunter2@h:1\n",
		"tokne: hunter2\n",
		"token: hunter2\n",
		"token: [hunter2]\n",
		"control: {token: hunter2}\n",
		"control:\n  token: hunter2\n",
		"receivers: [{name: a, slack: {tokne: hunter2}}]\n",
		"receivers: [{name: a, slack: hunter2}]\n",
		"receivers:\n  - name: a\n    webhook: {url: 'hunter2 x'}\n",
		"receivers:\n  - name: a\n    email: {to: [a@b.c], from: a@b.c, smtp: 'ftp://hunter2@h'}\n",
		"receivers:\n  - name: a\n    slack: {token: hunter2\n",
		"token: \"hunter2\n",
		"\ttoken: hunter2\n",
	} {
		require.NotContains(t, refuse(t, text), "hunter2", "%q", text)
	}
}

func TestSecretsFromVariablesAndFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "secret")
	require.NoError(t, os.WriteFile(file, []byte("postgres://u:fr0mfile@h/d\n"), 0o600))

	require.Equal(t, "postgres://u:pw@h/d", parse(t, "store: postgres://u:${PW}@h/d\n", "PW", "pw").Store.Reveal())
	c := parse(t, "nats: [nats://h:1]\ncredentials: ${F}\n", "F", "a: b # c\nhttp: 9")
	require.Equal(t, "a: b # c\nhttp: 9", c.Credentials, "a value brings no keys of its own")
	require.Empty(t, c.HTTP)
	require.Equal(t, "postgres://u:fr0mfile@h/d", parse(t, "store_file: "+file+"\n").Store.Reveal())
	require.Equal(t, "xoxb-9", parse(t, "receivers: [{name: a, slack: {token: '${TOK}', channel: x}}]\n", "TOK", "xoxb-9").Receivers[0].Slack.Token.Reveal())

	require.Contains(t, refuse(t, "store_file: "+file+"x\n"), ":1:1: store_file: reading the secret")
	require.Contains(t, refuse(t, "store: sqlite://x\nstore_file: "+file+"\n"), "store_file: store is given too")
	require.Contains(t, refuse(t, "receivers: [{name: a, slack: {token: '${TOK}', channel: x}}]\n"), "TOK")
	require.Contains(t, refuse(t, "receivers: [{name: a, slack: {token_file: '"+file+"x', channel: x}}]\n"), "receivers[0].slack.token_file")
}

func TestFlagsGoBeforeEnvironmentBeforeFile(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yml")
	require.NoError(t, os.WriteFile(file, []byte("http: 127.0.0.1:1\nstore: sqlite:///a\nnats: 127.0.0.1:3\nlog: {level: error}\n"), 0o600))
	c, err := config.Load(config.Flags{Config: file, HTTP: ":7"}, env("EPOCHWATCH_HTTP", "127.0.0.1:2", "EPOCHWATCH_STORE", "sqlite:///b", "EPOCHWATCH_DATA", "/d", "EPOCHWATCH_LOG_LEVEL", "debug"))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:7", c.HTTP)
	require.Equal(t, "sqlite:///b", c.Store.Reveal())
	require.Equal(t, "127.0.0.1:3", c.NATS.Listen)
	require.Equal(t, "/d", c.Data)
	require.Equal(t, "debug", c.Log.Level)

	c, err = config.Load(config.Flags{}, env("EPOCHWATCH_CONFIG", file))
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1:1", c.HTTP)

	c, err = config.Load(config.Flags{NATS: "nats://s3cret@h:1,nats://g:2"}, env())
	require.NoError(t, err)
	require.Equal(t, []string{"nats://h:1", "nats://g:2"}, c.NATS.URLs)
	require.Equal(t, "s3cret", c.Token.Reveal())

	for _, bad := range []struct {
		flags config.Flags
		want  string
	}{
		{config.Flags{Config: file + "x"}, "there is no such file"},
		{config.Flags{Config: filepath.Dir(file)}, "is a folder"},
		{config.Flags{HTTP: "x"}, `--http: "x" is not an address to listen at`},
		{config.Flags{NATS: "nats:/x"}, "--nats: "},
		{config.Flags{Store: "mysql://u:hunter2@h"}, "--store: "},
		{config.Flags{LogLevel: "loud"}, "log.level: "},
	} {
		_, err := config.Load(bad.flags, env())
		require.ErrorContains(t, err, bad.want)
		require.NotContains(t, err.Error(), "\n")
		require.NotContains(t, err.Error(), "hunter2")
	}
	_, err = config.Load(config.Flags{}, env("EPOCHWATCH_HTTP", "x"))
	require.ErrorContains(t, err, "EPOCHWATCH_HTTP: ")
}

func TestStoreAddresses(t *testing.T) {
	t.Parallel()
	here, err := os.Getwd()
	require.NoError(t, err)
	for text, path := range map[string]string{
		"sqlite:///absolute/path.db": "/absolute/path.db",
		"sqlite://relative.db":       filepath.Join(here, "relative.db"),
		"sqlite://a/b.db":            filepath.Join(here, "a", "b.db"),
		" sqlite:///x ":              "/x",
	} {
		a, err := config.ParseStore(text)
		require.NoError(t, err, text)
		require.Equal(t, path, a.Path)
		require.Equal(t, "sqlite://"+path, a.String())
	}
	for _, text := range []string{"postgres://user:hunter2@host:5432/db?sslmode=disable", "postgresql://host/db?password=hunter2&user=u"} {
		a, err := config.ParseStore(text)
		require.NoError(t, err)
		require.Equal(t, config.Postgres, a.Engine)
		require.NotContains(t, a.String(), "hunter2")
		require.Contains(t, a.String(), "host")
	}
	for _, text := range []string{"", "store.db", "sqlite://", "sqlite:///folder/", "file:///x", "host=/tmp user=u password=hunter2"} {
		_, err := config.ParseStore(text)
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestListenAddresses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"127.0.0.1:8765": "127.0.0.1:8765", "8765": "127.0.0.1:8765", ":8765": "127.0.0.1:8765", "0.0.0.0:0": "0.0.0.0:0",
		"[::1]:80": "[::1]:80", "http://localhost:9/": "localhost:9", " 7 ": "127.0.0.1:7",
	} {
		got, err := config.ParseListen(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"", "x", "host", "host:", "host:x", "host:-1", "host:65536", "a@b:1", "-1"} {
		_, err := config.ParseListen(text)
		require.Error(t, err, text)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(design)
	for _, text := range []string{"", "a: &x [*x]\n", "control: !!int 5\n", "? a\n: b\n", "<<: {nats: 1}\n", "nats: |\n  x\n", "detectors: {plateau: {patience: !!float x}}\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := config.Parse("f.yml", []byte(text), env())
		if err == nil {
			require.NoError(t, c.Validate(), "what loads is valid")
			return
		}
		require.NotContains(t, err.Error(), "\n")
		var all config.Errors
		require.True(t, errors.As(err, &all) && len(all) > 0)
		require.NotEmpty(t, strings.TrimSpace(all[0].Problem))
	})
}

func TestThePageOfARun(t *testing.T) {
	t.Parallel()
	require.Empty(t, (&config.Config{}).Page(), "without an address messages have no links")
	for _, address := range []string{"https://watch.example.org", "https://watch.example.org/"} {
		c := config.Config{URL: address}
		require.NoError(t, c.Validate())
		require.Equal(t, "https://watch.example.org/runs/", c.Page())
	}
	for _, address := range []string{"watch.example.org", "ftp://host", "https://user:password@host", "https://host/?token=x", "https://host/#x", "javascript:alert(1)"} {
		c := config.Config{URL: address}
		require.ErrorContains(t, c.Validate(), "url: is not a plain address", address)
	}
}
