package column

import "time"

// Span and Micros keep a time span as whole microseconds.
func Span(micros int64) time.Duration { return time.Duration(micros) * time.Microsecond }

// Micros is the way back of Span.
func Micros(d time.Duration) int64 { return d.Microseconds() }
