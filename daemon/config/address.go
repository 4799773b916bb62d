package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/internal/secret"
)

// NATS says which broker is used: one embedded at Listen, or an outside one at URLs.
type NATS struct {
	// Listen is host:port of the embedded server when it was named; empty for the
	// default, which moves when it is taken.
	Listen string
	URLs   []string // without tokens; none: embedded
	// Token is what an address carried before its @.
	Token secret.Value
}

// Embedded reports whether the daemon brings its own broker.
func (n NATS) Embedded() bool { return len(n.URLs) == 0 }

// embedded is the word for the broker within the daemon.
const embedded = "embedded"

// ParseNATS reads "embedded", an address to listen at (host:port), or one or more
// comma-separated addresses of an outside broker (nats://host:port).
func ParseNATS(text string) (NATS, error) {
	text = strings.TrimSpace(text)
	if text == embedded {
		return NATS{}, nil
	}
	if !strings.Contains(text, "://") {
		listen, err := ParseListen(text)
		if err != nil {
			return NATS{}, fmt.Errorf("%w; an outside broker is named nats://host:4222, the daemon's own %q", err, embedded)
		}
		return NATS{Listen: listen}, nil
	}
	urls, token, err := folder.ParseURLs(text)
	if err != nil {
		return NATS{}, err
	}
	return NATS{URLs: urls, Token: secret.Value(token)}, nil
}

// UnmarshalYAML reads a text as ParseNATS, or a list of addresses of an outside broker.
func (n *NATS) UnmarshalYAML(node ast.Node) error {
	switch v := node.(type) {
	case *ast.StringNode:
		parsed, err := ParseNATS(v.Value)
		*n = parsed
		return err
	case *ast.IntegerNode: // a bare port
		parsed, err := ParseNATS(v.GetToken().Value)
		*n = parsed
		return err
	case *ast.SequenceNode:
		var all []string
		for _, item := range v.Values {
			s, ok := item.(*ast.StringNode)
			if !ok || !strings.Contains(s.Value, "://") {
				return errors.New("want a list of addresses such as nats://host:4222")
			}
			all = append(all, s.Value)
		}
		parsed, err := ParseNATS(strings.Join(all, ","))
		*n = parsed
		return err
	}
	return fmt.Errorf("want %q or a list of addresses such as [nats://host:4222]", embedded)
}

// ParseListen reads an address to listen at: host:port, :port or port, the latter two on
// loopback. Port 0 is a free one.
func ParseListen(text string) (string, error) {
	shown := text[strings.LastIndex(text, "@")+1:] // a token could stand before it
	bare := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "http://"), "/")
	if _, err := strconv.Atoi(bare); err == nil {
		bare = ":" + bare
	}
	host, port, err := net.SplitHostPort(bare)
	if err != nil {
		return "", fmt.Errorf("%.80q is not an address to listen at, want host:port", shown)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return "", fmt.Errorf("%.80q is not an address to listen at: the port is not within 0 to 65535", shown)
	}
	if strings.ContainsAny(host, "/@? ") {
		return "", fmt.Errorf("%.80q is not an address to listen at, want host:port", shown)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}

// Engine is a kind of store.
type Engine string

// The engines.
const (
	SQLite   Engine = "sqlite"
	Postgres Engine = "postgres"
)

// StoreAddress says where the store is.
type StoreAddress struct {
	Engine Engine
	Path   string       // of the file, absolute; for SQLite
	URL    secret.Value // as given; for Postgres
}

// ParseStore reads postgres://…, sqlite:///absolute/path or sqlite://relative; a relative
// path begins at the working directory. The error shows nothing that may be a password.
func ParseStore(text string) (StoreAddress, error) {
	text = strings.TrimSpace(text)
	if path, ok := strings.CutPrefix(text, "sqlite://"); ok {
		if drive.MatchString(path) { // sqlite:///C:/folder/store.db
			path = path[1:]
		}
		if path == "" || strings.HasSuffix(path, "/") {
			return StoreAddress{}, errors.New("the address of the store names no file, want sqlite:///absolute/path or sqlite://relative")
		}
		abs, err := filepath.Abs(filepath.FromSlash(path))
		if err != nil {
			return StoreAddress{}, fmt.Errorf("finding the store's file: %w", err)
		}
		return StoreAddress{Engine: SQLite, Path: abs}, nil
	}
	u, err := url.Parse(text)
	if err != nil { // err quotes the text with the password
		return StoreAddress{}, errors.New("the address of the store cannot be read, want postgres://user@host/database or sqlite:///path (a password with special characters is written percent-encoded)")
	}
	if u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return StoreAddress{}, fmt.Errorf("the store's address begins with %q, want postgres://user@host/database, sqlite:///absolute/path or sqlite://relative", scheme(text))
	}
	return StoreAddress{Engine: Postgres, URL: secret.Value(text)}, nil
}

// drive is an absolute path of Windows as a URL has it.
var drive = regexp.MustCompile(`^/[A-Za-z]:/`)

// scheme is what of an unknown address may be shown: a password could stand anywhere else.
func scheme(text string) string {
	before, _, found := strings.Cut(text, "://")
	if !found || len(before) > 20 {
		return "…"
	}
	return before + "://"
}

// String is the address without its password.
func (a StoreAddress) String() string {
	if a.Engine != Postgres {
		return "sqlite://" + filepath.ToSlash(a.Path)
	}
	u, err := url.Parse(a.URL.Reveal())
	if err != nil {
		return "postgres://" + secret.Hidden
	}
	q := u.Query()
	for key := range q {
		if strings.Contains(strings.ToLower(key), "password") {
			q.Set(key, "xxxxx")
		}
	}
	u.RawQuery = q.Encode()
	return u.Redacted()
}
