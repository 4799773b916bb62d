package notice

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/sql/store"
)

// shortestSecret is the shortest part of a secret that is looked for: replacing every "a"
// would leave an unreadable error, and a secret that short is none.
const shortestSecret = 4

// scrubbed is an error whose text holds no secret. What it came from is not kept, because
// printing the chain would show it again; only its nature is.
type scrubbed struct {
	text  string
	cause error // context.Canceled, context.DeadlineExceeded or nil
}

func (e *scrubbed) Error() string { return e.text }
func (e *scrubbed) Unwrap() error { return e.cause }

// Scrub returns err with every secret in its text replaced, whole or in part (of an
// address: path, query, user and password; as it is, percent-encoded and in base64), and
// with the kind of error kept: permanent, retry after, cancelled, timed out. It returns nil
// for nil.
func Scrub(err error, secrets ...secret.Value) error {
	if err == nil {
		return nil
	}
	clean := &scrubbed{text: ScrubText(err.Error(), secrets...)}
	for _, cause := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, cause) {
			clean.cause = cause
		}
	}
	var permanent *store.PermanentError
	var later *store.RetryAfterError
	switch {
	case errors.As(err, &permanent):
		return &store.PermanentError{Err: clean}
	case errors.As(err, &later):
		return &store.RetryAfterError{After: later.After, Err: clean}
	}
	return clean
}

// ScrubText returns text with every secret in it replaced, as Scrub does.
func ScrubText(text string, secrets ...secret.Value) string {
	var forms []string
	for _, s := range secrets {
		for _, p := range partsOf(s.Reveal()) {
			forms = append(forms, p, url.QueryEscape(p), url.PathEscape(p),
				base64.StdEncoding.EncodeToString([]byte(p)), base64.RawURLEncoding.EncodeToString([]byte(p)))
		}
	}
	// The longest first, of all secrets: what is left of one after a part of it is replaced is not found.
	slices.SortStableFunc(forms, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, form := range forms {
		text = strings.ReplaceAll(text, form, secret.Hidden)
	}
	return text
}

// partsOf returns a secret and, when it is an address, what in it is secret.
func partsOf(text string) []string {
	if len(text) < shortestSecret {
		return nil
	}
	parts := []string{text}
	_, rest, isURL := strings.Cut(text, "://")
	if !isURL {
		return parts
	}
	if at := strings.LastIndex(rest, "@"); at >= 0 {
		user, password, _ := strings.Cut(rest[:at], ":")
		plainUser, err1 := url.PathUnescape(user)
		plainPassword, err2 := url.PathUnescape(password)
		if err1 == nil && err2 == nil {
			parts = append(parts, "\x00"+plainUser+"\x00"+plainPassword, plainPassword)
		}
		parts = append(parts, rest[:at], password)
		rest = rest[at+1:]
	}
	if slash := strings.IndexAny(rest, "/?#"); slash >= 0 {
		parts = append(parts, rest[slash:])
		for _, p := range strings.FieldsFunc(rest[slash:], func(r rune) bool { return strings.ContainsRune("/?#&=", r) }) {
			if len(p) >= 16 || len(p) >= 8 && strings.ContainsAny(p, "0123456789") { // not words such as "services"
				parts = append(parts, p)
			}
		}
	}
	return longEnough(parts)
}

func longEnough(parts []string) []string {
	var out []string
	for _, p := range parts {
		if len(strings.Trim(p, "/\x00")) >= shortestSecret {
			out = append(out, p)
		}
	}
	return out
}
