package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads a string, which is an error when it is longer than limit.
func (s *literal) text(limit int) (string, error) {
	quote, err := s.r.ReadByte()
	if err != nil {
		return "", err
	}
	var b []byte
	for len(b) <= limit {
		c, err := s.r.ReadByte()
		if err != nil {
			return "", s.ended(err)
		}
		switch c {
		case quote:
			return string(b), nil
		case '\\':
			if b, err = s.escape(b); err != nil {
				return "", s.ended(err)
			}
			continue
		case '\n':
			s.line++
		}
		b = append(b, c)
	}
	return "", s.fail(fmt.Sprintf("a text longer than %d MiB", limit>>20))
}

// escapes are those of one letter.
var escapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'b': '\b', 'f': '\f', 'v': '\v', 'a': '\a', '0': 0}

// escape reads what follows a backslash.
func (s *literal) escape(b []byte) ([]byte, error) {
	c, err := s.r.ReadByte()
	if err != nil {
		return nil, err
	}
	if e, ok := escapes[c]; ok {
		return append(b, e), nil
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits == 0 {
		return append(b, c), nil
	}
	r, err := s.hex(digits)
	if err != nil || !utf16.IsSurrogate(r) {
		return utf8.AppendRune(b, r), err
	}
	if more, err := s.r.Peek(2); err == nil && string(more) == `\u` {
		_, _ = s.r.Discard(2) // it was seen
		low, err := s.hex(4)
		return utf8.AppendRune(b, utf16.DecodeRune(r, low)), err
	}
	return utf8.AppendRune(b, utf8.RuneError), nil
}

func (s *literal) hex(digits int) (rune, error) {
	var b [8]byte
	if _, err := io.ReadFull(s.r, b[:digits]); err != nil {
		return 0, io.EOF
	}
	n, err := strconv.ParseUint(string(b[:digits]), 16, 32)
	if err != nil || n > math.MaxInt32 {
		return 0, s.fail("an escape that is none")
	}
	return rune(n), nil
}

// skip takes one value without keeping anything of it.
func (s *literal) skip() error {
	if _, err := s.next(); err != nil {
		return s.ended(err)
	}
	for open := 0; ; {
		c, err := s.r.ReadByte()
		if err != nil {
			return s.ended(err)
		}
		switch c {
		case '\n':
			s.line++
		case '"', '\'':
			if err := s.skipText(c); err != nil {
				return err
			}
		case '{', '[', '(':
			open++
		case '}', ']', ')', ',':
			if open == 0 {
				return s.r.UnreadByte()
			}
			if c != ',' {
				open--
			}
		}
	}
}

func (s *literal) skipText(quote byte) error {
	for {
		b, err := s.r.ReadSlice(quote)
		s.line += int64(bytes.Count(b, []byte("\n")))
		if errors.Is(err, bufio.ErrBufferFull) {
			// A backslash at the end of this piece hides the next piece's first byte.
			if backslashes(b)%2 == 1 {
				if _, err := s.r.Discard(1); err != nil {
					return s.ended(err)
				}
			}
			continue
		}
		if err != nil {
			return s.ended(err)
		}
		if backslashes(b[:len(b)-1])%2 == 0 {
			return nil
		}
	}
}

// backslashes counts those at the end of b.
func backslashes(b []byte) int {
	n := 0
	for n < len(b) && b[len(b)-1-n] == '\\' {
		n++
	}
	return n
}
