package config

import (
	"errors"
	"strings"
	"unicode"

	"github.com/goccy/go-yaml/token"

	"github.com/epochwatch/epochwatch/daemon/rules"
)

// within moves the place of a key to that in its text which the error of a rule is about.
// YAML writes one text in many ways (quoted, folded, over several lines), so it goes along
// the file and the text together and skips what only the file has.
func (t *tree) within(key *token.Token, err error) *token.Token {
	e, ok := errors.AsType[*rules.Error](err)
	if !ok || e.Text == "" || !strings.HasSuffix(e.Path, "."+key.Value) {
		return key
	}
	at := *key.Position
	at.Column += len(key.Value) + 1 // the colon
	ahead := func() (rune, bool) {
		for at.Line <= len(t.lines) {
			line := []rune(t.lines[at.Line-1])
			if at.Column <= len(line) {
				return line[at.Column-1], true
			}
			at.Line, at.Column = at.Line+1, 1
		}
		return 0, false
	}
	skip := func(until func(rune) bool) bool {
		for r, more := ahead(); more; r, more = ahead() {
			if until(r) {
				return true
			}
			at.Column++
		}
		return false
	}
	for i, want := range e.Text {
		if unicode.IsSpace(want) {
			continue
		}
		if i > 0 {
			at.Column++
		}
		if !skip(func(r rune) bool { return r == want }) {
			return key
		}
	}
	moved := *key
	moved.Position = &at
	return &moved
}
