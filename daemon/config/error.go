package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a config. Its text is one line and holds no value
// of a key that may be secret.
type Error struct {
	File    string // or what stands in its place: --http, EPOCHWATCH_STORE
	Line    int    // from 1; 0 when it is not about a place in the file
	Column  int    // from 1
	Path    string // as in control.min_lr or receivers[0].slack.token; may be empty
	Problem string
	Excerpt string // the line, without values that may be secret; may be empty
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, e.Column)
	}
	b.WriteString(": ")
	if e.Path != "" {
		b.WriteString(e.Path + ": ")
	}
	b.WriteString(e.Problem)
	if e.Excerpt != "" {
		fmt.Fprintf(&b, " | %s", e.Excerpt)
	}
	return b.String()
}

// Errors is everything that is wrong with a config, in order of place. Its text is one
// line: the first, and where the others are.
type Errors []*Error

func (e Errors) Error() string {
	if len(e) == 0 {
		return "nothing is wrong"
	}
	text := e[0].Error()
	if len(e) == 1 {
		return text
	}
	var places []string
	for _, other := range e[1:] {
		place := other.Path
		if other.Line > 0 {
			place = fmt.Sprintf("line %d", other.Line)
		}
		if place != "" && !slices.Contains(places, place) {
			places = append(places, place)
		}
	}
	return fmt.Sprintf("%s (and %d more: %s)", text, len(e)-1, strings.Join(places, ", "))
}

// Unwrap returns the single errors.
func (e Errors) Unwrap() []error {
	out := make([]error, len(e))
	for i := range e {
		out[i] = e[i]
	}
	return out
}

// sorted orders by place and drops repeats; it is nil when there is nothing.
func (e Errors) sorted() error {
	if len(e) == 0 {
		return nil
	}
	slices.SortStableFunc(e, func(a, b *Error) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return slices.CompactFunc(e, func(a, b *Error) bool { return *a == *b })
}

// flatten takes joined errors apart.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if !errors.As(err, &joined) {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}
