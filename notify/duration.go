package notify

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span that is written as "10s", "4h" or "7d".
type Duration time.Duration

// Std returns the span as a time.Duration.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes the span as it is read.
func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText writes the span as it is read.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a span: Go's units, and d for 24 hours. It must not be negative.
func (d *Duration) UnmarshalText(text []byte) error {
	s := strings.TrimSpace(string(text))
	v, err := time.ParseDuration(s)
	if days, isDays := strings.CutSuffix(s, "d"); isDays {
		var n float64
		n, err = strconv.ParseFloat(days, 64)
		v = time.Duration(n * float64(24*time.Hour))
	}
	if err != nil || v < 0 {
		return fmt.Errorf("%q is not a time span such as 30s, 10m, 4h or 7d", s)
	}
	*d = Duration(v)
	return nil
}
