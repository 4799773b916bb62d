package notice

import (
	"strings"
	"unicode/utf8"

	"github.com/epochwatch/epochwatch/internal/oneline"
)

// The longest names that are shown; a metric name may have 512 bytes.
const (
	maxName   = 80
	maxReason = 300
)

func clean(text string, limit int) string { return Clean(text, limit) }

// Clean makes one line of text that a stranger chose: no control characters, no marks that
// turn the direction of what follows, at most limit runes.
func Clean(text string, limit int) string {
	text = strings.ReplaceAll(oneline.Printable(text), string(utf8.RuneError), "")
	return Shorten(strings.Join(strings.Fields(text), " "), limit)
}

// Shorten returns text with at most limit runes, its end replaced by an ellipsis when it
// is longer.
func Shorten(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return strings.TrimSpace(string(runes[:max(limit-1, 0)])) + "…"
}
