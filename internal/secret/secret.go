// Package secret holds text that must not be seen: tokens, passwords, addresses with either.
package secret

import "log/slog"

// Hidden is what stands in the place of a secret wherever it is printed.
const Hidden = "<secret>"

// Value is a secret. Printing, logging or encoding it gives Hidden; only Reveal gives the
// text itself.
type Value string

// Reveal returns the text.
func (v Value) Reveal() string { return string(v) }

// String returns Hidden, or nothing when there is no secret.
func (v Value) String() string {
	if v == "" {
		return ""
	}
	return Hidden
}

// GoString is String: %#v must not show it either.
func (v Value) GoString() string { return v.String() }

// LogValue is String.
func (v Value) LogValue() slog.Value { return slog.StringValue(v.String()) }

// MarshalText is String, for JSON and YAML.
func (v Value) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
