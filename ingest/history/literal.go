package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// literal reads JSON as Python writes it (NaN, Infinity) and what Python prints of a dict:
// single quotes, None, nan, tuples, np.float32(0.5), array([...]). It is a stream: what is
// skipped costs no memory.
type literal struct {
	r     *bufio.Reader
	line  int64 // from 1
	depth int
	left  int // values that may still be kept
}

const (
	maxDepth  = 64
	maxString = 64 << 20
)

func newLiteral(r *bufio.Reader) *literal {
	return &literal{r: r, line: 1, left: 2 * maxValues}
}

// What a value may be beside string, bool, []any and *object.
type (
	// cell is a number, or nothing: null, None.
	cell struct {
		v     float64
		there bool
	}
	// object is a dict, in its order.
	object struct {
		keys   []string
		values []any
	}
	// opaque is something that is no figure: <class 'list'>, a name.
	opaque struct{}
	// elided is the ... in place of figures that NumPy did not print.
	elided struct{}
)

// get returns the value of a key, the last one if there are several; nil if none.
func (o *object) get(key string) any {
	for i, k := range slices.Backward(o.keys) {
		if k == key {
			return o.values[i]
		}
	}
	return nil
}

var errTooMany = fmt.Errorf("more than %d values", 2*maxValues)

// fail says where the value stops being one.
func (s *literal) fail(text string) error {
	return fmt.Errorf("line %d: %s", s.line, text)
}

func (s *literal) ended(err error) error {
	if errors.Is(err, io.EOF) {
		return s.fail("it breaks off")
	}
	return err
}

// next returns the next byte that is no blank, without taking it; io.EOF at the end.
func (s *literal) next() (byte, error) {
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case '\n':
			s.line++
		case ' ', '\t', '\r', '\f', 0:
		default:
			return c, s.r.UnreadByte()
		}
	}
}

// take takes the next byte, which must be c.
func (s *literal) take(c byte) error {
	got, err := s.next()
	if err != nil {
		return s.ended(err)
	}
	if got != c {
		return s.fail(fmt.Sprintf("%q stands where %q should", got, c))
	}
	_, err = s.r.Discard(1)
	return err
}

// value reads one value.
func (s *literal) value() (any, error) {
	if s.left--; s.left < 0 {
		return nil, errTooMany
	}
	c, err := s.next()
	if err != nil {
		return nil, s.ended(err)
	}
	switch c {
	case '{':
		o := &object{}
		err := s.object(func(key string) error {
			v, err := s.value()
			o.keys, o.values = append(o.keys, key), append(o.values, v)
			return err
		})
		return o, err
	case '[':
		return s.list('[', ']')
	case '(':
		return s.list('(', ')')
	case '"', '\'':
		return s.text(maxString)
	case '<':
		return s.angle()
	}
	return s.word()
}

// list reads the values between two brackets.
func (s *literal) list(from, to byte) ([]any, error) {
	out := []any{}
	err := s.sequence(from, to, func() error {
		v, err := s.value()
		out = append(out, v)
		return err
	})
	return out, err
}

// sequence calls each for every value between two brackets; each must take the value.
func (s *literal) sequence(from, to byte, each func() error) error {
	if s.depth++; s.depth > maxDepth {
		return s.fail("more brackets in each other than are read")
	}
	defer func() { s.depth-- }()
	if err := s.take(from); err != nil {
		return err
	}
	for {
		c, err := s.next()
		if err != nil {
			return s.ended(err)
		}
		if c != to {
			if err := each(); err != nil {
				return err
			}
			if c, err = s.next(); err != nil {
				return s.ended(err)
			}
		}
		switch c {
		case to:
			_, err := s.r.Discard(1)
			return err
		case ',':
			_, _ = s.r.Discard(1) // it was seen
		default:
			return s.fail(fmt.Sprintf("%q stands where a comma or %q should", c, to))
		}
	}
}

// object calls each for every key of a dict; each must take the value.
func (s *literal) object(each func(key string) error) error {
	return s.sequence('{', '}', func() error {
		k, err := s.value()
		if err != nil {
			return err
		}
		key, ok := k.(string)
		if c, number := k.(cell); number && c.there {
			key, ok = strconv.FormatFloat(c.v, 'g', -1, 64), true
		}
		if !ok {
			return s.fail("a key that is no name")
		}
		if err := s.take(':'); err != nil {
			return err
		}
		return each(key)
	})
}

// word reads a number, a name such as None, or a call such as np.float32(0.5).
func (s *literal) word() (any, error) {
	w, err := s.bare()
	if err != nil {
		return nil, err
	}
	switch w {
	case "None", "null":
		return cell{}, nil
	case "True", "true":
		return true, nil
	case "False", "false":
		return false, nil
	case "...":
		return elided{}, nil
	}
	if v, _, rest, ok := number([]byte(w)); ok && len(rest) == 0 {
		return cell{v, true}, nil
	}
	c, err := s.r.Peek(1)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return nil, err
	case len(c) == 1 && c[0] == '(' && wraps(w):
		return s.call()
	case len(c) == 1 && (c[0] == '\'' || c[0] == '"') && (w == "u" || w == "b"):
		return s.text(maxString)
	}
	return nil, s.fail(fmt.Sprintf("%.40q is no value", w))
}

// wraps reports whether a call of that name stands for what is in its brackets.
func wraps(name string) bool {
	switch name[strings.LastIndexByte(name, '.')+1:] {
	case "float16", "float32", "float64", "bfloat16", "int32", "int64", "float", "int", "array", "Array", "tensor", "Tensor",
		"list", "dict", "defaultdict", "OrderedDict":
		return true
	}
	return false
}

// bare reads a number or name.
func (s *literal) bare() (string, error) {
	var w []byte
	for len(w) <= maxName {
		c, err := s.r.ReadByte()
		if err != nil && !errors.Is(err, io.EOF) {
			return "", err
		}
		if err == nil && (letter(c) || digit(c) || c == '.' || c == '-' || c == '+') {
			w = append(w, c)
			continue
		}
		if err == nil {
			_ = s.r.UnreadByte() // it was just read
		}
		if len(w) == 0 {
			return "", s.fail(fmt.Sprintf("%q is no value", c))
		}
		return string(w), nil
	}
	return "", s.fail("a name without end")
}

// call reads what stands in the brackets behind a name: the first figure, list or dict.
func (s *literal) call() (any, error) {
	var out any
	err := s.sequence('(', ')', func() error {
		c, err := s.next()
		if err != nil {
			return s.ended(err)
		}
		var v any
		if c >= 'a' && c <= 'z' { // dtype=float32
			w, err := s.bare()
			if err != nil {
				return err
			}
			if c, err = s.next(); err == nil && c == '=' {
				_, _ = s.r.Discard(1) // it was seen
				return s.skip()
			}
			if n, _, rest, ok := number([]byte(w)); ok && len(rest) == 0 {
				v = cell{n, true}
			}
		} else if v, err = s.value(); err != nil {
			return err
		}
		if _, no := v.(opaque); out == nil && !no {
			out = v
		}
		return nil
	})
	if out == nil {
		out = opaque{}
	}
	return out, err
}

// angle reads <tf.Tensor: shape=(), dtype=float32, numpy=0.5> and the like.
func (s *literal) angle() (any, error) {
	var b []byte
	for open := 0; ; {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil, s.ended(err)
		}
		if c == '\n' {
			s.line++
		}
		switch b = append(b, c); {
		case c == '<':
			open++
		case c == '>':
			open--
		case len(b) > 4096:
			return nil, s.fail("a < without end")
		}
		if open == 0 {
			break
		}
	}
	if _, n, ok := strings.Cut(string(b), "shape=(), "); ok {
		if _, n, ok = strings.Cut(n, "numpy="); ok {
			if v, _, rest, ok := number([]byte(n)); ok && string(rest) == ">" {
				return cell{v, true}, nil
			}
		}
	}
	return opaque{}, nil
}
