package email

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/internal/secret"
)

// Server is where mail is handed over.
type Server struct {
	Host     string
	Port     int
	TLS      bool // from the start; else STARTTLS where it is offered
	User     string
	Password secret.Value
}

// The ports of submission.
const (
	portSubmission    = 587
	portSubmissionTLS = 465
)

// ParseServer reads smtp://user:password@host:port. User and password may be
// percent-encoded and may also hold characters that an address should not: they come from
// variables and files. Its errors do not show the address.
func ParseServer(address secret.Value) (Server, error) {
	scheme, rest, ok := strings.Cut(strings.TrimSpace(address.Reveal()), "://")
	s := Server{TLS: scheme == "smtps", Port: portSubmission}
	if !ok || scheme != "smtp" && scheme != "smtps" {
		return s, errors.New(`want smtp://user:password@host:587 or smtps://user:password@host:465`)
	}
	if s.TLS {
		s.Port = portSubmissionTLS
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		s.User, s.Password = unescape(user), secret.Value(unescape(password))
		rest = rest[at+1:]
		if s.User == "" {
			return s, errors.New("there is an @ but no user before it")
		}
	}
	rest = strings.TrimSuffix(rest, "/")
	s.Host = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(port)
		if err != nil || n < 1 || n > 65535 {
			return s, errors.New("the port is not a number from 1 to 65535")
		}
		s.Host, s.Port = host, n
	}
	s.Host = strings.Trim(s.Host, "[]")
	if s.Host == "" || strings.ContainsAny(s.Host, "/?# ") {
		return s, errors.New("there is no host in it")
	}
	return s, nil
}

// unescape returns text decoded, or as it is when it was not encoded.
func unescape(text string) string {
	if out, err := url.PathUnescape(text); err == nil {
		return out
	}
	return text
}
