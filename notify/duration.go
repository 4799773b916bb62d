package notify

import (
	"time"

	"github.com/epochwatch/epochwatch/internal/timespan"
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
	v, err := timespan.Parse(string(text))
	if err != nil {
		return err
	}
	*d = Duration(v)
	return nil
}
