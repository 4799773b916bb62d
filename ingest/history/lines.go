package history

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// line is what was written to a terminal between two moves of its cursor to the left: a
// progress bar draws itself many times over one line, and each drawing is one of these.
type line struct {
	text   []byte // without colours; valid until the next call
	number int64  // of the line in the file, from 1
	// open means that the log ends here without a line end: the last figure may be cut.
	open bool
	// over means that it was drawn over what stood in the line before it.
	over bool
}

// lines cuts a stream into drawings.
type lines struct {
	r        *bufio.Reader
	buf      []byte
	number   int64 // of the current line
	over     bool
	done     bool
	cut      int // lines longer than maxLine
	firstCut int64
}

func newLines(r io.Reader) *lines {
	br, ok := r.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(r, 64<<10)
	}
	return &lines{r: br}
}

// next returns the next drawing that holds anything, and io.EOF after the last.
func (s *lines) next() (line, error) {
	for !s.done {
		started := s.number == 0
		if started {
			s.number = 1
		}
		l := line{number: s.number, over: s.over}
		end, err := s.fill()
		if err != nil {
			return line{}, err
		}
		switch end {
		case '\n':
			s.number++
			s.over = false
		case '\r', '\b':
			s.over = true
		default:
			s.done, l.open = true, true
		}
		if len(s.buf) == 0 {
			if s.done && s.number > 1 && !s.over {
				s.number-- // the line after the last line end is none
			}
			continue
		}
		l.text = plain(s.buf)
		if !utf8.Valid(l.text) {
			l.text = latin1(l.text)
		}
		return l, nil
	}
	return line{}, io.EOF
}

// fill reads up to the next line end, carriage return or backspace, which it returns; 0
// at the end of the stream.
func (s *lines) fill() (byte, error) {
	s.buf = s.buf[:0]
	long := false
	for {
		// What is buffered is looked at as a whole: going byte by byte is slow.
		if _, err := s.r.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				return 0, nil
			}
			return 0, err
		}
		b, _ := s.r.Peek(s.r.Buffered())
		i := bytes.IndexAny(b, "\n\r\b")
		part := b
		if i >= 0 {
			part = b[:i]
		}
		if len(s.buf) == 0 { // there can be more zeros than fit
			part = bytes.TrimLeft(part, "\x00")
		}
		if room := maxLine - len(s.buf); len(part) > room {
			s.buf = append(s.buf, trimRune(part[:room])...)
			if !long {
				long = true
				if s.cut++; s.cut == 1 {
					s.firstCut = s.number
				}
			}
		} else {
			s.buf = append(s.buf, part...)
		}
		if i >= 0 {
			end := b[i]
			_, _ = s.r.Discard(i + 1) // within what was peeked
			return end, nil
		}
		_, _ = s.r.Discard(len(b))
	}
}

// trimRune drops a letter that was cut in two at the end of b.
func trimRune(b []byte) []byte {
	for i := 1; i <= min(3, len(b)); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

// plain takes colours and other control sequences out of b, in place: those that begin
// with an escape character, and colours whose escape character was lost in copying.
func plain(b []byte) []byte {
	if bytes.IndexByte(b, 0x1b) < 0 && bytes.IndexByte(b, '[') < 0 && bytes.IndexByte(b, 0) < 0 {
		return b
	}
	out := b[:0]
	for len(b) > 0 {
		i := bytes.IndexAny(b, "\x1b[^\x00")
		if i < 0 {
			i = len(b)
		}
		out, b = append(out, b[:i]...), b[i:]
		if len(b) == 0 {
			break
		}
		n := control(b)
		if n == 0 {
			out = append(out, b[0])
			n = 1
		}
		b = b[n:]
	}
	return out
}

// control returns the length of the control sequence at the start of b, 0 if none.
func control(b []byte) int {
	switch {
	case b[0] == 0:
		return 1
	case b[0] == '[':
		return colour(b)
	case b[0] == '^' && len(b) > 2 && b[1] == '[' && b[2] == '[': // as `cat -v` writes it
		if n := colour(b[2:]); n > 0 {
			return 2 + n
		}
		return 0
	case b[0] != 0x1b:
		return 0
	case len(b) == 1:
		return 1
	}
	switch b[1] {
	case '[': // up to its final letter
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
			if b[i] < 0x20 || b[i] > 0x3f {
				return i
			}
		}
		return len(b)
	case ']': // up to the bell or an escape
		for i := 2; i < len(b); i++ {
			if b[i] == '\a' {
				return i + 1
			}
			if b[i] == 0x1b {
				return i
			}
		}
		return len(b)
	}
	return 2
}

// colour returns the length of "[1;32m" at the start of b, 0 if it is not there.
func colour(b []byte) int {
	for i := 1; i < min(len(b), 16); i++ {
		switch c := b[i]; {
		case c == 'm':
			if i == 1 {
				return 0
			}
			return i + 1
		case c != ';' && !digit(c):
			return 0
		}
	}
	return 0
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func blank(b []byte) bool { return len(bytes.TrimSpace(b)) == 0 }

// clip returns at most n letters of s, on one line.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}
