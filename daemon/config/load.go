package config

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/epochwatch/epochwatch/internal/secret"
)

// The variables that Load reads, beside those that the file names.
const (
	EnvConfig    = "EPOCHWATCH_CONFIG"
	EnvNATS      = "EPOCHWATCH_NATS"
	EnvHTTP      = "EPOCHWATCH_HTTP"
	EnvStore     = "EPOCHWATCH_STORE"
	EnvLogLevel  = "EPOCHWATCH_LOG_LEVEL"
	EnvLogFormat = "EPOCHWATCH_LOG_FORMAT"
)

// maxFile is the largest config read, in bytes: more than that is another file.
const maxFile = 1 << 20

// Flags are what the command line says; empty ones say nothing.
type Flags struct {
	Config, Data, NATS, HTTP, Store, LogLevel, LogFormat string
}

// Load reads the file that the flags or EPOCHWATCH_CONFIG name, lays environment and
// flags over it, and validates the whole. What is wrong is an Errors.
func Load(flags Flags, lookup func(string) (string, bool)) (*Config, error) {
	getenv := func(name string) string {
		v, _ := lookup(name)
		return v
	}
	path := flags.Config
	if path == "" {
		path = getenv(EnvConfig)
	}
	c, t := &Config{}, &tree{}
	if path != "" {
		text, err := readFile(path)
		if err != nil {
			return nil, Errors{{File: path, Problem: err.Error()}}
		}
		if c, t, err = parse(path, text, lookup); err != nil {
			return nil, err
		}
	}
	if err := c.override(flags, getenv); err != nil {
		return nil, err
	}
	return c, c.finish(t, getenv)
}

// Parse reads and validates the text of a config file; name stands in its errors.
func Parse(name string, text []byte, lookup func(string) (string, bool)) (*Config, error) {
	c, t, err := parse(name, text, lookup)
	if err != nil {
		return nil, err
	}
	getenv := func(name string) string {
		v, _ := lookup(name)
		return v
	}
	if err := c.finish(t, getenv); err != nil {
		return nil, err
	}
	return c, nil
}

func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errors.New("there is no such file")
	case err != nil:
		return nil, pathless(err)
	case info.IsDir():
		return nil, errors.New("is a folder, want a YAML file")
	case info.Size() > maxFile:
		return nil, fmt.Errorf("has %d bytes, a config has %d at most", info.Size(), maxFile)
	}
	text, err := os.ReadFile(path)
	return text, pathless(err)
}

// pathless takes the path off an error: it stands before it already.
func pathless(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

func parse(name string, text []byte, lookup func(string) (string, bool)) (_ *Config, _ *tree, err error) {
	defer func() {
		if p := recover(); p != nil { // the YAML library's own
			err = Errors{{File: name, Problem: fmt.Sprintf("not YAML: %v", p)}}
		}
	}()
	t, err := parseTree(name, text, lookup)
	if err != nil {
		return nil, nil, err
	}
	c := &Config{}
	if t.root == nil {
		return c, t, nil
	}
	t.check(t.root, reflect.TypeFor[Config](), "")
	if err := t.errs.sorted(); err != nil {
		return nil, nil, err
	}
	if err := yaml.NodeToValue(t.root, c, yaml.Strict()); err != nil {
		return nil, nil, t.syntaxError(err)
	}
	return c, t, nil
}

// override lays environment and flags over the file.
func (c *Config) override(flags Flags, getenv func(string) string) error {
	var errs Errors
	pick := func(flag, name, env string, set func(string) error) {
		text, from := flag, name
		if text == "" {
			text, from = getenv(env), env
		}
		if text == "" {
			return
		}
		if err := set(text); err != nil {
			errs = append(errs, &Error{File: from, Problem: err.Error()})
		}
	}
	put := func(into *string) func(string) error {
		return func(v string) error { *into = v; return nil }
	}
	pick(flags.Data, "--data", "EPOCHWATCH_DATA", put(&c.Data))
	pick(flags.NATS, "--nats", EnvNATS, func(v string) (err error) {
		c.NATS, err = ParseNATS(v)
		return err
	})
	pick(flags.HTTP, "--http", EnvHTTP, func(v string) (err error) {
		c.HTTP, err = ParseListen(v)
		return err
	})
	pick(flags.Store, "--store", EnvStore, func(v string) error {
		_, err := ParseStore(v)
		c.Store, c.StoreFile = secret.Value(v), ""
		return err
	})
	pick(flags.LogLevel, "--log-level", EnvLogLevel, put(&c.Log.Level))
	pick(flags.LogFormat, "--log-format", EnvLogFormat, put(&c.Log.Format))
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// finish reads secrets out of their files and validates.
func (c *Config) finish(t *tree, getenv func(string) string) error {
	t.errs = nil
	for _, err := range append(flatten(c.resolve(getenv)), flatten(c.Validate())...) {
		path, problem, found := strings.Cut(err.Error(), ": ")
		if !found || strings.ContainsAny(path, " \"") {
			path, problem = "", err.Error()
		}
		tk := t.find(path)
		if tk == nil { // not in the file: a flag, a variable, or something that is missing
			t.errs = append(t.errs, &Error{File: t.name(), Path: path, Problem: problem})
			continue
		}
		t.fail(t.within(tk, err), path, "%s", problem)
	}
	return t.errs.sorted()
}

func (t *tree) name() string {
	if t.file == "" {
		return "config"
	}
	return t.file
}
