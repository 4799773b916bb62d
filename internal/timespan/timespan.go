// Package timespan reads how long something is to last, as people write it: the one parser
// of the config, the commands and the API.
package timespan

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// form is days, or days and what Go's own parser reads, or that alone.
var form = regexp.MustCompile(`^(?:(\d+(?:\.\d+)?|\.\d+)d)?(.*)$`)

// Parse reads a span such as 90s, 90m, 4h, 1d or 1d12h: Go's units, and d for 24 hours. It
// must not be negative, and fit into a time.Duration: 292 years.
func Parse(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	wrong := fmt.Errorf("%.80q is not a time span such as 30s, 90m, 4h or 7d", text)
	parts := form.FindStringSubmatch(text)
	if text == "" || parts == nil {
		return 0, wrong
	}
	days, rest := 0.0, time.Duration(0)
	var err error
	if parts[1] != "" {
		if days, err = strconv.ParseFloat(parts[1], 64); err != nil {
			return 0, wrong
		}
	}
	if parts[2] != "" {
		if rest, err = time.ParseDuration(parts[2]); err != nil || rest < 0 || strings.HasPrefix(parts[2], "+") || strings.HasPrefix(parts[2], "-") {
			return 0, wrong
		}
	}
	if total := days*float64(24*time.Hour) + float64(rest); total >= math.MaxInt64 {
		return 0, fmt.Errorf("%.80q is too long", text)
	}
	return time.Duration(days*float64(24*time.Hour)) + rest, nil
}

// clocks are the ways to write a time, by the clock on the wall.
var clocks = []string{"2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly}

// Until reads a time to come, by the clock of the zone that now is in: "morning" for the next
// 8 o'clock, "08:00" for the next time that the clock shows that, "2026-03-14T08:00", or
// "2026-03-14" for the beginning of a day. A time with a zone of its own (RFC 3339) is taken
// as it is.
func Until(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if text == "morning" {
		return Morning(now), nil
	}
	if at, err := time.Parse("15:04", text); err == nil {
		return next(now, at.Hour(), at.Minute()), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	for i := 0; err != nil && i < len(clocks); i++ {
		at, err = time.ParseInLocation(clocks[i], text, now.Location())
	}
	switch {
	case err != nil:
		return time.Time{}, fmt.Errorf("%.80q is not a time such as morning, 08:00 or %s", text, now.AddDate(0, 0, 1).Format("2006-01-02T08:00"))
	case !at.After(now):
		return time.Time{}, fmt.Errorf("%s is over: it is %s now", text, now.Format("2006-01-02 15:04 MST"))
	}
	return at, nil
}

// Morning is the next 8 o'clock, by the clock of the zone that now is in.
func Morning(now time.Time) time.Time { return next(now, 8, 0) }

func next(now time.Time, hour, minute int) time.Time {
	at := time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 0, 0, now.Location())
	if !at.After(now) {
		at = time.Date(now.Year(), now.Month(), now.Day()+1, hour, minute, 0, 0, now.Location())
	}
	return at
}

// errBoth and errNeither are what End returns where it is not said once how long.
var (
	errBoth    = errors.New("both for and until; keep one")
	errNeither = errors.New("neither for nor until: say how long, as in 30m, 1d or until morning")
)

// End returns when something that begins now ends: after a span, or at a time. A span may be
// written "until morning" too.
func End(span, until string, now time.Time) (time.Time, error) {
	if at, ok := strings.CutPrefix(strings.TrimSpace(span), "until "); ok && until == "" {
		span, until = "", at
	}
	switch {
	case span != "" && until != "":
		return time.Time{}, errBoth
	case span == "" && until == "":
		return time.Time{}, errNeither
	case until != "":
		at, err := Until(until, now)
		if err != nil {
			return at, fmt.Errorf("until: %w", err)
		}
		return at, nil
	}
	during, err := Parse(span)
	if err == nil && during == 0 {
		err = errors.New("it is over at once: give a time span such as 30m, 2h or 1d")
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("for: %w", err)
	}
	return now.Add(during), nil
}
