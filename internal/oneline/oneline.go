// Package oneline puts errors of several lines, such as errors.Join and drivers make them,
// on one.
package oneline

import (
	"slices"
	"strings"
)

// Text joins the lines of a text with semicolons, each line once.
func Text(text string) string {
	var lines []string
	for l := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if l = strings.Join(strings.Fields(l), " "); l != "" && !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	out := strings.Join(lines, "; ")
	return strings.ReplaceAll(out, ":; ", ": ") // a heading and its first line
}

// Error returns err with its text on one line; nil stays nil. errors.Is and errors.As see
// through it.
func Error(err error) error {
	if err == nil || !strings.ContainsAny(err.Error(), "\n\r\t") {
		return err
	}
	return &lined{err}
}

type lined struct{ err error }

func (e *lined) Error() string { return Text(e.err.Error()) }
func (e *lined) Unwrap() error { return e.err }
