// Package oneline puts text that others wrote on one line that cannot steer a terminal:
// names, and errors of several lines such as errors.Join and drivers make them.
package oneline

import (
	"slices"
	"strings"
	"unicode"
)

// Printable returns text as it may go to a terminal: a space for each control character and
// each kind of white space, nothing for the marks that are not seen, such as those that turn
// the direction of what follows. Spaces are left as many as there are.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r) || unicode.IsControl(r):
			return ' '
		case unicode.Is(unicode.Cf, r) && !unicode.In(r, unicode.Join_Control, unicode.Prepended_Concatenation_Mark):
			return -1 // joiners hold words and emoji together, and the last are seen
		}
		return r
	}, text)
}

// Text joins the lines of a text with semicolons, each line once, as Printable has them.
func Text(text string) string {
	var lines []string
	for l := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if l = strings.Join(strings.Fields(Printable(l)), " "); l != "" && !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	out := strings.Join(lines, "; ")
	return strings.ReplaceAll(out, ":; ", ": ") // a heading and its first line
}

// Error returns err with its text on one line; nil stays nil. errors.Is and errors.As see
// through it.
func Error(err error) error {
	if err == nil || Printable(err.Error()) == err.Error() {
		return err
	}
	return &lined{err}
}

type lined struct{ err error }

func (e *lined) Error() string { return Text(e.err.Error()) }
func (e *lined) Unwrap() error { return e.err }
