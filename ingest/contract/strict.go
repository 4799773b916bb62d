package contract

import (
	"bytes"
	"encoding/json"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays of a message may nest. Version 1 itself
// needs five levels; the bound keeps readers that recurse safe.
const MaxDepth = 32

// strict holds what encoding/json lets pass and two readers would read differently:
// one object, valid UTF-8, bounded nesting, no key twice, no U+0000 (which Postgres
// cannot store). It returns the bytes to decode: encoding/json matches field names
// whatever their case, so a key that no field of the contract can have ("Seq") is
// renamed in a copy, and thereby ignored as the unknown field it is. Keys directly
// in an object called "metrics" are the user's and are left alone.
func strict(b []byte) ([]byte, error) {
	if !utf8.Valid(b) {
		return nil, refuse(ReasonMalformed, "not valid UTF-8")
	}
	if !json.Valid(b) {
		// Unmarshal says where; Valid only whether.
		var any json.RawMessage
		return nil, refuse(ReasonMalformed, "%v", json.Unmarshal(b, &any))
	}
	if b = bytes.TrimSpace(b); b[0] != '{' {
		return nil, refuse(ReasonMalformed, "not a JSON object")
	}
	w := walker{in: b, out: b}
	if err := w.walk(); err != nil {
		return nil, err
	}
	return w.out, nil
}

// walker goes once over bytes that are known to be valid JSON.
type walker struct {
	in, out []byte // the same array until a key must be renamed
	stack   []level
}

// level is one open object or array.
type level struct {
	keys    map[string]struct{} // nil for an array
	key     string              // the key whose value is being read
	users   bool                // keys are metric names
	wantKey bool
}

func (w *walker) walk() error {
	for i := 0; i < len(w.in); i++ {
		switch w.in[i] {
		case '{', '[':
			if err := w.open(w.in[i] == '{'); err != nil {
				return err
			}
		case '}', ']':
			w.stack = w.stack[:len(w.stack)-1]
		case ',':
			top := &w.stack[len(w.stack)-1]
			top.wantKey = top.keys != nil
		case '"':
			end := stringEnd(w.in, i)
			if err := w.text(i, end); err != nil {
				return err
			}
			i = end - 1
		}
	}
	return nil
}

func (w *walker) open(object bool) error {
	if len(w.stack) == MaxDepth {
		return refuse(ReasonMalformed, "nested deeper than %d levels", MaxDepth)
	}
	l := level{}
	if object {
		l.keys, l.wantKey = map[string]struct{}{}, true
		l.users = len(w.stack) > 0 && w.stack[len(w.stack)-1].key == "metrics"
	}
	w.stack = append(w.stack, l)
	return nil
}

// text handles the string in[start:end], quotes included: a key or a value.
func (w *walker) text(start, end int) error {
	s := string(w.in[start+1 : end-1])
	if bytes.IndexByte(w.in[start:end], '\\') >= 0 {
		if err := json.Unmarshal(w.in[start:end], &s); err != nil {
			return refuse(ReasonMalformed, "%v", err)
		}
		if bytes.IndexByte([]byte(s), 0) >= 0 {
			return refuse(ReasonInvalid, "a string holds U+0000")
		}
	}
	top := &w.stack[len(w.stack)-1]
	if !top.wantKey {
		return nil
	}
	top.wantKey, top.key = false, s
	if _, twice := top.keys[s]; twice {
		return refuse(ReasonMalformed, "the key %.80q stands twice", s)
	}
	top.keys[s] = struct{}{}
	if top.users || fieldName(s) || s == "" {
		return nil
	}
	if &w.out[0] == &w.in[0] {
		w.out = bytes.Clone(w.in)
	}
	// Whatever the first character was, the name now begins as no field does.
	for j := start + 1; j == start+1 || j < end-1 && !utf8.RuneStart(w.in[j]); j++ {
		w.out[j] = '~'
	}
	return nil
}

// stringEnd returns the index behind the closing quote of the string at start.
func stringEnd(b []byte, start int) int {
	for i := start + 1; ; i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
}

// fieldName reports whether s could be the name of a field of the contract.
func fieldName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return false
		}
	}
	return s != ""
}
