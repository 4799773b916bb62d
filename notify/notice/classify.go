package notice

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// maxRetryAfter is the longest pause a service may ask for: a message that comes hours
// later is of no use, and a wrong clock in the answer must not silence a channel.
const maxRetryAfter = 15 * time.Minute

// defaultRetryAfter is the pause after a 429 that names none.
const defaultRetryAfter = 30 * time.Second

// Classify turns an HTTP answer into the error of a [Channel]: nil for 2xx; another try for
// 408, 425, 429 and 5xx, not before the time that Retry-After names; never again for the rest,
// redirects included, since following one would hand the message to another address. said
// is what the service wrote, without secrets; it may be empty.
func Classify(status int, retryAfter string, now time.Time, said string) error {
	if status >= 200 && status < 300 {
		return nil
	}
	text := fmt.Sprintf("answered %d %s", status, http.StatusText(status))
	if said = clean(said, maxReason); said != "" {
		text += ": " + said
	}
	err := errors.New(text)
	switch {
	case status == http.StatusTooManyRequests, status == http.StatusServiceUnavailable && retryAfter != "":
		return &store.RetryAfterError{After: parseRetryAfter(retryAfter, now), Err: err}
	case status == http.StatusRequestTimeout, status == http.StatusTooEarly:
		return err
	case status >= 500 && status != http.StatusNotImplemented && status != http.StatusHTTPVersionNotSupported:
		return err
	}
	return &store.PermanentError{Err: err}
}

// parseRetryAfter reads both forms of the header, seconds and a date.
func parseRetryAfter(text string, now time.Time) time.Duration {
	after := defaultRetryAfter
	if seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64); err == nil && seconds >= 0 {
		after = time.Duration(min(seconds, maxRetryAfter.Seconds()) * float64(time.Second))
	} else if at, err := http.ParseTime(text); err == nil {
		after = at.Sub(now)
	}
	return min(max(after, time.Second), maxRetryAfter)
}
