// Package config is the daemon's config: one typed value out of a YAML file, the
// environment and flags, in rising order of precedence. Unknown keys are refused, and
// every error says where it stands.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/rules"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify"
)

// Config is everything a daemon can be told. The zero value is a daemon with an embedded
// broker, SQLite, and the defaults of every part.
type Config struct {
	Data string `yaml:"data"` // the data folder; empty: the user's state folder

	NATS        NATS         `yaml:"nats"`
	Credentials string       `yaml:"credentials"` // path of a NATS credentials file, for an outside broker
	Token       secret.Value `yaml:"token"`       // for an outside broker
	TokenFile   string       `yaml:"token_file"`
	Replicas    int          `yaml:"replicas"` // of the stream on an outside cluster, 1 to 5; 0: one

	Store     secret.Value `yaml:"store"` // as ParseStore; empty: SQLite in the data folder
	StoreFile string       `yaml:"store_file"`

	HTTP string `yaml:"http"` // host:port; empty: 127.0.0.1:8765, or a free port when it is taken
	// URL is where people reach the page, for the links in messages: https://watch.example.org.
	// Empty: messages have no links.
	URL string `yaml:"url"`
	// Zone is the time zone of every schedule that names none, as in Europe/Berlin; empty: UTC.
	Zone string `yaml:"zone"`

	Detectors Detectors         `yaml:"detectors"`
	Rules     []rules.Rule      `yaml:"rules"`
	Control   control.Policy    `yaml:"control"`
	Receivers []notify.Receiver `yaml:"receivers"`
	Route     notify.Route      `yaml:"route"`
	Intervals []notify.Interval `yaml:"time_intervals"`
	Inhibit   []notify.Inhibit  `yaml:"inhibit"`
	Digests   []notify.Digest   `yaml:"digests"`
	Upkeep    Upkeep            `yaml:"upkeep"`
	Log       Log               `yaml:"log"`
}

// Upkeep says when the store is tidied up and what is let go.
type Upkeep struct {
	Schedule    string          `yaml:"schedule"`     // a cron expression of five fields
	Zone        string          `yaml:"zone"`         // of the schedule, as in Europe/Berlin; empty: that of the config
	KeepRefused notify.Duration `yaml:"keep_refused"` // how long refused messages are kept
}

// Log says what is logged and how.
type Log struct {
	Level  string `yaml:"level"`  // debug, info, warn, error
	Format string `yaml:"format"` // text for people, json for machines
}

// The defaults of what is not left to a part.
const (
	DefaultHTTP        = "127.0.0.1:8765"
	DefaultSchedule    = "17 3 * * *"
	DefaultKeepRefused = 30 * 24 * time.Hour
)

// Setting is what a config says of one key of a detector: a number, or for `enabled`
// true or false.
type Setting struct {
	Bool   *bool
	Number *float64
}

// UnmarshalYAML reads a number, true or false.
func (s *Setting) UnmarshalYAML(node ast.Node) error {
	if b, ok := node.(*ast.BoolNode); ok {
		*s = Setting{Bool: &b.Value}
		return nil
	}
	v, err := number(node)
	if err != nil {
		return err
	}
	*s = Setting{Number: &v}
	return nil
}

// Detectors are the settings of detectors by kind and key.
type Detectors map[string]map[string]Setting

// Config returns the settings as the detectors take them; the errors name their place as
// "plateau.enabled: …".
func (d Detectors) Config() (detectors.Config, error) {
	var errs []error
	out := detectors.Config{}
	for _, kind := range slices.Sorted(maps.Keys(d)) {
		s := detectors.Settings{Params: map[string]float64{}}
		for _, key := range slices.Sorted(maps.Keys(d[kind])) {
			v := d[kind][key]
			switch {
			case key == "enabled" && v.Bool != nil:
				s.Enabled = v.Bool
			case key == "enabled":
				errs = append(errs, fmt.Errorf("%s.enabled: want true or false", kind))
			case v.Number != nil:
				s.Params[key] = *v.Number
			case v.Bool != nil:
				errs = append(errs, fmt.Errorf("%s.%s: want a number", kind, key))
			}
		}
		out[detectors.Kind(kind)] = s
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return out, out.Validate()
}

// Watch is what a monitor is made with: the settings of detectors, and the rules that
// stand beside them.
func (c *Config) Watch() (detectors.Config, error) {
	out, err := c.Detectors.Config()
	if err != nil {
		return nil, err
	}
	return out, rules.AddTo(out, c.Rules)
}

// Validate returns everything that is out of its range, each as "path: problem".
func (c *Config) Validate() error {
	var errs []error
	bad := func(path string, err error) {
		for _, e := range flatten(err) {
			errs = append(errs, fmt.Errorf("%s: %w", path, e))
		}
	}
	if _, err := c.StoreAddress("."); err != nil {
		bad("store", err)
	}
	if c.HTTP != "" {
		_, err := ParseListen(c.HTTP)
		bad("http", err)
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			bad("url", errors.New("is not a plain address: https://watch.example.org"))
		}
	}
	if c.NATS.Embedded() {
		for name, given := range map[string]bool{"credentials": c.Credentials != "", "token": c.Token != "", "replicas": c.Replicas != 0} {
			if given {
				bad(name, errors.New("is for an outside broker: the daemon's own makes its token itself"))
			}
		}
	}
	if c.Replicas < 0 || c.Replicas > 5 {
		bad("replicas", fmt.Errorf("%d is not within 1 to 5", c.Replicas))
	}
	_, err := c.Detectors.Config()
	for _, e := range flatten(err) {
		errs = append(errs, fmt.Errorf("detectors.%w", e))
	}
	errs = append(errs, flatten(rules.AddTo(detectors.Config{}, c.Rules))...)
	errs = append(errs, flatten(c.Control.Validate())...)
	errs = append(errs, flatten(c.Notify().Validate())...)
	if c.Upkeep.Schedule != "" || c.Upkeep.Zone != "" {
		_, err := c.UpkeepSchedule()
		bad("upkeep.schedule", err)
	}
	if c.Upkeep.KeepRefused < 0 {
		bad("upkeep.keep_refused", fmt.Errorf("%s is below 0", c.Upkeep.KeepRefused))
	}
	_, err = c.LogLevel()
	bad("log.level", err)
	if f := c.Log.Format; f != "" && f != "text" && f != "json" {
		bad("log.format", fmt.Errorf("%.40q is none of text, json", f))
	}
	return errors.Join(errs...)
}

// Notify is what concerns messages to people.
func (c *Config) Notify() *notify.Config {
	n := &notify.Config{Receivers: c.Receivers, Route: c.Route, Intervals: c.Intervals, Inhibit: c.Inhibit, Digests: c.Digests, Zone: c.Zone}
	for _, r := range c.Rules {
		n.Rules = append(n.Rules, r.Name)
	}
	return n
}

// Page is what leads to the page of a run when its id is put behind it; empty when the
// config does not say where people reach the page.
func (c *Config) Page() string {
	if c.URL == "" {
		return ""
	}
	return strings.TrimRight(c.URL, "/") + "/runs/"
}

// StoreAddress is where the store is, of a daemon on the data folder dir.
func (c *Config) StoreAddress(dir string) (StoreAddress, error) {
	if c.Store == "" {
		return StoreAddress{Engine: SQLite, Path: filepath.Join(dir, "store.db")}, nil
	}
	return ParseStore(c.Store.Reveal())
}

// UpkeepSchedule is when the store is tidied up.
func (c *Config) UpkeepSchedule() (cronspec.Schedule, error) {
	text := c.Upkeep.Schedule
	if text == "" {
		text = DefaultSchedule
	}
	return cronspec.Parse(text, cmp.Or(c.Upkeep.Zone, c.Zone))
}

// KeepRefused is how long refused messages are kept.
func (c *Config) KeepRefused() time.Duration {
	if c.Upkeep.KeepRefused == 0 {
		return DefaultKeepRefused
	}
	return c.Upkeep.KeepRefused.Std()
}

// LogLevel is the least level that is logged.
func (c *Config) LogLevel() (slog.Level, error) {
	switch strings.ToLower(c.Log.Level) {
	case "debug":
		return slog.LevelDebug, nil
	case "", "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%.40q is none of debug, info, warn, error", c.Log.Level)
}

// secretFile reads a secret that stands in a file, without the newline at its end.
func secretFile(path string) (secret.Value, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the secret: %w", err)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	return secret.Value(text), nil
}

// resolve puts secrets in their place: what stands in files, and in variables.
func (c *Config) resolve(getenv func(string) string) error {
	var errs []error
	read := func(name string, value *secret.Value, path string) {
		if path == "" {
			return
		}
		if *value != "" {
			errs = append(errs, fmt.Errorf("%s_file: %s is given too, one of them must go", name, name))
			return
		}
		v, err := secretFile(path)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s_file: %w", name, err))
		}
		*value = v
	}
	read("store", &c.Store, c.StoreFile)
	read("token", &c.Token, c.TokenFile)
	n := c.Notify()
	errs = append(errs, flatten(n.Resolve(getenv, os.ReadFile))...)
	if t := c.NATS.Token; t != "" && c.Token == "" {
		c.Token = t
	}
	return errors.Join(errs...)
}
