package folder

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/internal/secret"
)

// The variables that Find reads, beside those of the system for the user's state folder.
const (
	EnvURL   = "EPOCHWATCH_URL"
	EnvToken = "EPOCHWATCH_TOKEN"
	EnvCreds = "EPOCHWATCH_CREDS"
	EnvData  = "EPOCHWATCH_DATA"
)

// Target is where a command finds its daemon. Printing or logging one hides the token.
type Target struct {
	// URLs are the addresses of NATS, without secrets. There are none when no daemon was
	// named and none holds the data folder.
	URLs  []string
	Token string
	Creds string // path of a NATS credentials file
	// Dir is the data folder, absolute; it need not exist.
	Dir string
	// Named is true when URLs were named by --url or EPOCHWATCH_URL, false when they are
	// those of the daemon that holds Dir.
	Named bool
}

// String hides the token.
func (t Target) String() string {
	return fmt.Sprintf("urls %s, token %s, creds %s, dir %s", strings.Join(t.URLs, ","), secret.Value(t.Token), t.Creds, t.Dir)
}

// GoString is String: %#v must not show the token either.
func (t Target) GoString() string { return t.String() }

// LogValue hides the token.
func (t Target) LogValue() slog.Value {
	return slog.GroupValue(slog.String("urls", strings.Join(t.URLs, ",")), slog.String("creds", t.Creds), slog.String("dir", t.Dir))
}

// Find looks for the daemon in the order: addr (--url), EPOCHWATCH_URL, data (--data),
// EPOCHWATCH_DATA, the user's state folder. Addresses are nats://[token@]host:port[,…];
// EPOCHWATCH_TOKEN and EPOCHWATCH_CREDS count for an address that has no token of its own.
// That no daemon is there is no error: the target has no URLs then.
func Find(addr, data string, getenv func(string) string) (Target, error) {
	dir, err := DataDir(data, getenv)
	if err != nil {
		return Target{}, err
	}
	name := "--url"
	if addr == "" {
		name, addr = EnvURL, getenv(EnvURL)
	}
	if addr != "" {
		urls, token, err := ParseURLs(addr)
		if err != nil {
			return Target{}, fmt.Errorf("%s: %w", name, err)
		}
		if token == "" {
			token = getenv(EnvToken)
		}
		return Target{URLs: urls, Token: token, Creds: getenv(EnvCreds), Dir: dir, Named: true}, nil
	}
	e, live, err := ReadEndpoint(dir)
	if err != nil {
		return Target{}, err
	}
	if !live || e.NATS == "" {
		return Target{Dir: dir}, nil
	}
	urls, _, err := ParseURLs(e.NATS)
	if err != nil {
		return Target{}, fmt.Errorf("%s: %w", filepath.Join(dir, endpointName), err)
	}
	return Target{URLs: urls, Token: e.Token, Dir: dir}, nil
}

// DataDir is the data folder, absolute: data (--data), else EPOCHWATCH_DATA, else the
// user's state folder.
func DataDir(data string, getenv func(string) string) (string, error) {
	if data == "" {
		data = getenv(EnvData)
	}
	if data == "" {
		return defaultDir(getenv, runtime.GOOS)
	}
	dir, err := filepath.Abs(data)
	if err != nil {
		return "", fmt.Errorf("finding data folder %s: %w", data, err)
	}
	return dir, nil
}

// Default is the data folder in the user's state folder: $XDG_STATE_HOME/epochwatch, else
// ~/.local/state/epochwatch; on Windows %LOCALAPPDATA%\epochwatch.
func Default() (string, error) { return defaultDir(os.Getenv, runtime.GOOS) }

func defaultDir(getenv func(string) string, goos string) (string, error) {
	if goos == "windows" {
		if d := getenv("LOCALAPPDATA"); d != "" {
			return filepath.Join(d, "epochwatch"), nil
		}
		return "", errors.New("no data folder: LOCALAPPDATA is not set, name a folder with --data")
	}
	// The XDG specification has relative paths ignored.
	if d := getenv("XDG_STATE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "epochwatch"), nil
	}
	if d := getenv("HOME"); d != "" {
		return filepath.Join(d, ".local", "state", "epochwatch"), nil
	}
	return "", errors.New("no data folder: HOME is not set, name a folder with --data")
}

// ParseURLs reads comma-separated addresses of NATS, nats://[token@]host:port[,…], and
// gives them back without the token. The scheme may be left out or tls, the port is 4222
// when there is none. The error never shows what stands before an @.
func ParseURLs(text string) (urls []string, token string, err error) {
	for part := range strings.SplitSeq(text, ",") {
		u, t, err := parseURL(strings.TrimSpace(part))
		if err != nil {
			return nil, "", err
		}
		if t != "" && token != "" && t != token {
			return nil, "", errors.New("addresses of NATS name two different tokens, all of a cluster take the same")
		}
		if t != "" {
			token = t
		}
		urls = append(urls, u)
	}
	return urls, token, nil
}

func parseURL(text string) (address, token string, err error) {
	shown := text[strings.LastIndex(text, "@")+1:]
	bad := func(why string) (string, string, error) {
		return "", "", fmt.Errorf("%q is not an address of NATS: %s, want nats://[token@]host:port", shown, why)
	}
	if text == "" {
		return bad("it is empty")
	}
	if !strings.Contains(text, "://") {
		text = "nats://" + text
	}
	u, err := url.Parse(text)
	if err != nil {
		return bad("it cannot be read") // err quotes the text with the token
	}
	if u.Scheme != "nats" && u.Scheme != "tls" {
		return bad("the scheme is " + u.Scheme)
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return bad("something follows the port")
	}
	if u.Hostname() == "" {
		return bad("it has no host")
	}
	port := u.Port()
	if port == "" {
		port = "4222"
	}
	if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
		return bad("the port is not within 1 to 65535")
	}
	if _, has := u.User.Password(); has {
		return bad("user and password are not spoken, take a token or a credentials file (" + EnvCreds + ")")
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port), u.User.Username(), nil
}
