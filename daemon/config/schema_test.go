package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify"
)

var update = flag.Bool("update", false, "write docs/config.schema.json")

var schemaFile = filepath.Join("..", "..", "docs", "config.schema.json")

// object is a piece of a JSON Schema.
type object = map[string]any

// docs describe every key; limits go beside it. A key without a line here fails the test.
var docs = map[string]object{
	"data":                    {"description": "The data folder. Default: the user's state folder."},
	"nats":                    {"description": "The broker: embedded, host:port to listen at, or a list of addresses of an outside NATS with JetStream."},
	"credentials":             {"description": "Path of a NATS credentials file, for an outside broker."},
	"token":                   {"description": "Token for an outside broker."},
	"token_file":              {"description": "File that holds the token."},
	"replicas":                {"description": "How many servers of an outside cluster keep each event. Default 1.", "minimum": 0, "maximum": 5},
	"store":                   {"description": "sqlite:///absolute/path, sqlite://relative or postgres://user@host/database. Default: store.db in the data folder."},
	"store_file":              {"description": "File that holds the address of the store."},
	"url":                     {"description": "Where people reach the page, for the links in messages: https://watch.example.org. Without it messages have no links."},
	"zone":                    {"description": "Time zone of every schedule that names none, and of until morning in Slack, as in Europe/Berlin. Default UTC."},
	"http":                    {"description": "host:port of the API and the page. Default 127.0.0.1:8765, or a free port when it is taken."},
	"detectors":               {"description": "Settings of detectors, by kind."},
	"rules":                   {"description": "Rules of your own, as expressions over the metrics: docs/rules.md."},
	"rules[].name":            {"description": "The kind of its findings.", "pattern": "^[a-z0-9_]{1,64}$"},
	"rules[].enabled":         {"description": "Whether it says anything. Default true."},
	"rules[].when":            {"description": "What must hold, as in last(\"val_loss\") > 2 * last(\"loss\")."},
	"rules[].for":             {"description": "Epochs in a row in which it must hold. Default 1.", "minimum": 0, "maximum": 1000},
	"rules[].severity":        {"description": "Default warning.", "enum": []string{"info", "warning", "critical"}},
	"rules[].metric":          {"description": "What it is about. Default: the first metric that when names."},
	"rules[].summary":         {"description": "The sentence that people read; an expression in braces is its value."},
	"rules[].advice":          {"description": "What to try, in order."},
	"control":                 {"description": "What the daemon may do to runs: it narrows what a run's owner allows and never widens it."},
	"control.mode":            {"description": "How far the daemon may go.", "enum": []string{"off", "shadow", "ask", "auto"}},
	"control.min_lr":          {"description": "Floor of the learning rate.", "minimum": 0},
	"control.factor":          {"description": "The gentlest step.", "minimum": 0, "exclusiveMaximum": 1},
	"control.hardest_factor":  {"description": "The hardest step at once.", "minimum": 0, "exclusiveMaximum": 1},
	"control.cooldown_epochs": {"description": "Epochs that must end between two cuts.", "minimum": 0},
	"control.max_cuts":        {"description": "Cuts a run may get, all attempts together.", "minimum": 0},

	"control.runs":                   {"description": "Limits for some runs, beside those for all."},
	"control.runs[].project":         {"description": "Runs of this project."},
	"control.runs[].tag":             {"description": "Runs with this tag."},
	"control.runs[].mode":            {"description": "How far the daemon may go.", "enum": []string{"off", "shadow", "ask", "auto"}},
	"control.runs[].min_lr":          {"description": "Floor of the learning rate.", "minimum": 0},
	"control.runs[].factor":          {"description": "The gentlest step.", "minimum": 0, "exclusiveMaximum": 1},
	"control.runs[].hardest_factor":  {"description": "The hardest step at once.", "minimum": 0, "exclusiveMaximum": 1},
	"control.runs[].cooldown_epochs": {"description": "Epochs that must end between two cuts.", "minimum": 0},
	"control.runs[].max_cuts":        {"description": "Cuts a run may get, all attempts together.", "minimum": 0},

	"receivers":                          {"description": "Who is told. Without receivers, findings go to the log and the page."},
	"receivers[].name":                   {"description": "The name that routes use."},
	"receivers[].send_resolved":          {"description": "Whether it is told that all is well again. Default true."},
	"receivers[].run_ended":              {"description": "Ends of runs that are told where the routes lead here; none unless given.", "items": object{"enum": []string{"completed", "stopped", "failed", "interrupted", "lost"}}},
	"receivers[].slack":                  {"description": "Slack: an incoming webhook, or a bot's token with a channel."},
	"receivers[].slack.webhook_url":      {"description": "Address of an incoming webhook."},
	"receivers[].slack.webhook_url_file": {"description": "File that holds the address of an incoming webhook."},
	"receivers[].slack.token":            {"description": "Token of a bot."},
	"receivers[].slack.token_file":       {"description": "File that holds the token of a bot."},
	"receivers[].slack.channel":          {"description": "Where the bot posts: \"#name\" or an id."},
	"receivers[].slack.app_token":        {"description": "Token of the app, for buttons."},
	"receivers[].slack.app_token_file":   {"description": "File that holds the token of the app."},
	"receivers[].slack.allow":            {"description": "Ids (U…) of those who may press the buttons; empty: the members of the channel."},
	"receivers[].slack.api_url":          {"description": "Address of a stand-in for Slack."},
	"receivers[].slack.send_resolved":    {"description": "Whether this channel is told that all is well again. Default: as the receiver says."},
	"receivers[].email":                  {"description": "E-mail."},
	"receivers[].email.to":               {"description": "Recipients."},
	"receivers[].email.from":             {"description": "Sender."},
	"receivers[].email.smtp":             {"description": "smtp://user:password@host:587 (STARTTLS where offered) or smtps:// (TLS from the start)."},
	"receivers[].email.smtp_file":        {"description": "File that holds the address of the mail server."},
	"receivers[].email.send_resolved":    {"description": "Whether this channel is told that all is well again. Default: as the receiver says."},
	"receivers[].webhook":                {"description": "An address that takes signed JSON, as Standard Webhooks says."},
	"receivers[].webhook.url":            {"description": "The address."},
	"receivers[].webhook.url_file":       {"description": "File that holds the address."},
	"receivers[].webhook.secret":         {"description": "Secret for the signature; without one nothing is signed."},
	"receivers[].webhook.secret_file":    {"description": "File that holds the secret."},
	"receivers[].webhook.send_resolved":  {"description": "Whether this channel is told that all is well again. Default: as the receiver says."},

	"route":                 {"description": "Which receiver hears of a finding: the first of the routes that matches, down the tree."},
	"route.receiver":        {"description": "Name of a receiver."},
	"route.group_by":        {"description": "What the findings of one message have in common; [run] unless given.", "items": object{"enum": []string{"project", "run", "kind", "severity", "tag", "metric"}}},
	"route.group_wait":      {"description": "How long a group waits for more before its first message; 3s unless given."},
	"route.group_interval":  {"description": "How long after a message of a group the next one may come; 1m unless given."},
	"route.repeat_interval": {"description": "After how long a problem that goes on, of a run that trains, is told again; 4h unless given, 0s: never."},
	"route.match":           {"description": "What must hold, all of it.", "propertyNames": object{"enum": []string{"project", "run", "tag", "kind", "severity", "metric"}}},
	"route.matchers":        {"description": "What must hold as well, each of the form key=\"value\", with =, !=, =~ or !~."},
	"route.continue":        {"description": "Look at the routes after this one too, when it matches."},
	"route.mute_times":      {"description": "Names of time_intervals in which nothing is told."},
	"route.active_times":    {"description": "Names of time_intervals outside of which nothing is told."},
	"route.routes":          {"description": "Routes below this one; what they leave out they take from it."},

	"digests":               {"description": "What happened since the last one, told again and again: what ended, what is healthy, what was cut and whether it helped, what trains."},
	"digests[].receiver":    {"description": "Who is told, by every channel of that receiver."},
	"digests[].schedule":    {"description": "When: a cron expression of five fields, by the clock on the wall."},
	"digests[].zone":        {"description": "Time zone, as in Europe/Berlin. Default: zone of the config."},
	"digests[].project":     {"description": "The project whose runs are told. Default: all."},
	"time_intervals":        {"description": "Times that mute_times and active_times name."},
	"time_intervals[].name": {"description": "The name that routes use."},
	"time_intervals[].from": {"description": "When it begins: a cron expression of five fields, by the clock on the wall."},
	"time_intervals[].to":   {"description": "When it ends: a cron expression of five fields, by the clock on the wall."},
	"time_intervals[].zone": {"description": "Time zone, as in Europe/Berlin. Default: zone of the config."},
	"inhibit":               {"description": "What is not told while something else fires."},
	"inhibit[].source":      {"description": "Matchers of what inhibits."},
	"inhibit[].target":      {"description": "Matchers of what is inhibited."},
	"inhibit[].equal":       {"description": "In what the two must be alike. Default [run]; without run among them a finding of another run that trains inhibits too.", "items": object{"enum": []string{"project", "run", "tag", "kind", "severity", "metric"}}},

	"upkeep":              {"description": "When the store is tidied up, and what is let go."},
	"upkeep.schedule":     {"description": "A cron expression of five fields. Default \"17 3 * * *\"."},
	"upkeep.zone":         {"description": "Time zone of the schedule, as in Europe/Berlin. Default: zone of the config."},
	"upkeep.keep_refused": {"description": "How long refused messages are kept. Default 30d."},
	"log":                 {"description": "What is logged, and how."},
	"log.level":           {"description": "Least level that is logged. Default info.", "enum": []string{"debug", "info", "warn", "warning", "error"}},
	"log.format":          {"description": "text for people, json for machines. Default text.", "enum": []string{"text", "json"}},
}

const duration = `^([0-9.]+(ns|us|µs|ms|s|m|h))+$|^[0-9.]+d([0-9.]+(ns|us|µs|ms|s|m|h))*$|^0$`

// builder makes the schema out of the types.
type builder struct {
	t    *testing.T
	used map[string]bool
}

func (b *builder) property(typ reflect.Type, path string) object {
	doc, ok := docs[path]
	require.True(b.t, ok, "describe %s in docs", path)
	b.used[path] = true
	out := object{}
	maps.Copy(out, doc)
	for k, v := range b.schema(typ, path) {
		if _, given := out[k]; !given {
			out[k] = v
		}
	}
	return out
}

func (b *builder) schema(typ reflect.Type, path string) object {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ {
	case reflect.TypeFor[config.NATS]():
		return object{"oneOf": []object{{"type": "string"}, {"type": "integer"}, {"type": "array", "items": object{"type": "string", "pattern": "://"}, "minItems": 1}}}
	case reflect.TypeFor[config.Detectors]():
		return b.detectors()
	case reflect.TypeFor[secret.Value]():
		return object{"type": "string"}
	case reflect.TypeFor[notify.Duration]():
		return object{"type": "string", "pattern": duration}
	case reflect.TypeFor[notify.Route]():
		if path != "route" {
			return object{"$ref": "#/properties/route"}
		}
	case reflect.TypeFor[contract.Mode]():
		return object{"type": "string"}
	}
	switch typ.Kind() {
	case reflect.Struct:
		return b.structure(typ, path)
	case reflect.Slice:
		return object{"type": "array", "items": b.schema(typ.Elem(), path+"[]")}
	case reflect.Map:
		return object{"type": "object", "additionalProperties": b.schema(typ.Elem(), path+"{}")}
	case reflect.String:
		if path == "http" {
			return object{"type": []string{"string", "integer"}}
		}
		return object{"type": "string"}
	case reflect.Int:
		return object{"type": "integer"}
	case reflect.Float64:
		return object{"type": "number"}
	case reflect.Bool:
		return object{"type": "boolean"}
	}
	require.FailNow(b.t, "no schema", "%s: %s", path, typ)
	return nil
}

func (b *builder) structure(typ reflect.Type, path string) object {
	properties := object{}
	for f := range typ.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		if options == "inline" {
			inner, ok := b.structure(f.Type, path)["properties"].(object)
			require.True(b.t, ok, f.Name)
			maps.Copy(properties, inner)
			continue
		}
		require.NotEmpty(b.t, name, "%s.%s has no yaml tag", typ, f.Name)
		at := name
		if path != "" {
			at = path + "." + name
		}
		properties[name] = b.property(f.Type, at)
	}
	return object{"type": "object", "additionalProperties": false, "properties": properties}
}

// later are the kinds of the design that have no detector yet.
var later = []string{
	"generalization_gap", "constant_metric", "oscillation", "spike", "noisy_validation", "slow_progress", "lr_too_low",
	"val_better_than_train", "metric_mismatch", "head_loss_mismatch", "initial_loss", "slow_epoch", "resume_regression",
}

func (b *builder) detectors() object {
	enabled := object{"type": "boolean", "description": "Whether the detector says anything. Default true."}
	kinds := object{}
	for _, kind := range later {
		c := detectors.Config{detectors.Kind(kind): {}}
		require.NoError(b.t, c.Validate(), "%s is no kind of the design", kind)
		kinds[kind] = object{
			"type": "object", "additionalProperties": false, "properties": object{"enabled": enabled},
			"description": "Not built yet: it can be switched on or off ahead of the release that brings it.",
		}
	}
	for _, s := range detectors.Specs() {
		properties := object{"enabled": enabled}
		for _, p := range s.Params {
			doc := p.Doc
			if p.Unit != "" {
				doc += " In " + p.Unit + "."
			}
			properties[p.Name] = object{"type": "number", "description": doc, "default": p.Default, "minimum": p.Min, "maximum": p.Max}
		}
		kinds[string(s.Kind)] = object{"type": "object", "additionalProperties": false, "properties": properties, "description": s.Meaning}
	}
	return object{"type": "object", "additionalProperties": false, "properties": kinds}
}

func schemaText(t *testing.T) []byte {
	t.Helper()
	b := &builder{t: t, used: map[string]bool{}}
	s := b.structure(reflect.TypeFor[config.Config](), "")
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["title"] = "Config of the epochwatch daemon"
	for path := range docs {
		require.True(t, b.used[path], "%s is described, and is no key", path)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	require.NoError(t, e.Encode(s))
	return out.Bytes()
}

func TestThePublishedSchemaIsThatOfTheTypes(t *testing.T) {
	t.Parallel()
	text := schemaText(t)
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, text, 0o644))
	}
	published, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	require.Equal(t, string(text), string(published), "go test ./daemon/config -run Schema -update")
}

func compile(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText(t)))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("config.schema.json", doc))
	s, err := c.Compile("config.schema.json")
	require.NoError(t, err)
	return s
}

// exponent is a number that the YAML library takes for a text where no type asks for one.
var exponent = regexp.MustCompile(`^[0-9]+e-?[0-9]+$`)

func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k := range v {
			v[k] = numbers(v[k])
		}
	case []any:
		for i := range v {
			v[i] = numbers(v[i])
		}
	case string:
		if exponent.MatchString(v) {
			f, _ := strconv.ParseFloat(v, 64)
			return f
		}
	}
	return v
}

func instance(t *testing.T, text string) any {
	t.Helper()
	var v any
	require.NoError(t, yaml.Unmarshal([]byte(text), &v))
	b, err := json.Marshal(numbers(v))
	require.NoError(t, err)
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	require.NoError(t, err)
	return out
}

func TestTheSchemaAcceptsWhatLoads(t *testing.T) {
	t.Parallel()
	s := compile(t)
	for _, text := range []string{
		design, sample(t), uncommented(t),
		"nats: [nats://a:4222]\ncredentials: x\n", "nats: 4222\n", "http: 8765\n", "upkeep: {keep_refused: 1h30m}\n",
		"route: {routes: [{match: {kind: plateau}, routes: [{match: {tag: x}}]}], group_wait: 7d}\n",
	} {
		require.NoError(t, s.Validate(instance(t, text)), text)
	}
}

func TestTheSchemaRefusesWhatDoesNotLoad(t *testing.T) {
	t.Parallel()
	s := compile(t)
	for _, text := range []string{
		"natz: x\n", "control: {polcy: x}\n", "control: {mode: full}\n", "control: {max_cuts: 2.5}\n", "control: {factor: 1}\n",
		"nats: {a: b}\n", "detectors: {nosuch: {}}\n", "detectors: {plateau: {nosuch: 1}}\n", "detectors: {spike: {size: 1}}\n",
		"receivers: [{slack: {tokne: x}}]\n", "route: {group_wait: soon}\n", "route: {routes: [{match: {colour: red}}]}\n",
		"log: {level: loud}\n", "upkeep: {keep_refused: 30 days}\n", "replicas: 9\n",
		"rules: [{name: A, when: 'true'}]\n", "rules: [{name: a, wen: 'true'}]\n", "rules: [{name: a, when: 'true', severity: bad}]\n",
	} {
		require.Error(t, s.Validate(instance(t, text)), text)
		refuse(t, text)
	}
}

func sample(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", "..", "deploy", "epochwatch.yml"))
	require.NoError(t, err)
	return string(b)
}

// uncommented is the sample with its commented lines put into force, those that stand
// there a second time left out.
func uncommented(t *testing.T) string {
	t.Helper()
	text := regexp.MustCompile(`(?m)^(nats: embedded|receivers: \[\])\n`).ReplaceAllString(sample(t), "")
	commented := regexp.MustCompile(`(?m)^# ((?:data|nats|credentials|replicas|store|http|receivers|route|time_intervals|inhibit|digests|min_lr|factor|hardest_factor|cooldown_epochs|max_cuts|runs|rules):.*|  .*)$`)
	text = commented.ReplaceAllString(text, "$1")
	// Keys of control stand one step out, so that the comment signs make a column.
	return regexp.MustCompile(`(?m)^(min_lr|factor|hardest_factor|cooldown_epochs|max_cuts|runs):`).ReplaceAllString(text, "  $1:")
}

func TestTheSampleLoads(t *testing.T) {
	t.Parallel()
	c := parse(t, sample(t))
	require.True(t, c.NATS.Embedded())
	require.Empty(t, c.Receivers)
	require.Equal(t, config.DefaultSchedule, c.Upkeep.Schedule)
	require.Equal(t, config.DefaultKeepRefused, c.KeepRefused())
}

func TestTheSamplesExamplesLoad(t *testing.T) {
	t.Parallel()
	text := strings.Replace(uncommented(t), "smtp_file: /etc/epochwatch/smtp", "smtp: smtp://mail.example.org:587", 1)
	c := parse(t, text, "PGPASSWORD", "p", "SLACK_TOKEN", "xoxb-1", "SLACK_APP_TOKEN", "xapp-1", "WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "SMTP_PASSWORD", "s")
	require.Len(t, c.NATS.URLs, 3)
	require.Equal(t, "/var/lib/epochwatch", c.Data)
	require.Equal(t, 4, c.Control.MaxCuts)
	require.Len(t, c.Rules, 1)
	require.Len(t, c.Receivers, 2)
	require.Equal(t, "oncall", c.Route.Routes[0].Receiver)
	require.Equal(t, "127.0.0.1:8765", c.HTTP)
}
