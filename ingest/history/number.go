package history

import (
	"bytes"
	"math"
	"strconv"
)

// number reads the number at the start of b, as Keras and Python print one, and returns
// what follows it; sh says how it was written.
func number(b []byte) (v float64, sh shape, rest []byte, ok bool) {
	i := 0
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		i++
	}
	for _, w := range []string{"nan", "infinity", "inf"} {
		if len(b)-i >= len(w) && bytes.EqualFold(b[i:i+len(w)], []byte(w)) {
			v = math.Inf(1)
			if w == "nan" {
				v = math.NaN()
			} else if b[0] == '-' {
				v = math.Inf(-1)
			}
			rest = b[i+len(w):]
			if len(rest) > 0 && (rest[0] >= 'a' && rest[0] <= 'z' || rest[0] == '_') {
				break // "information"
			}
			return v, shape{word: true}, rest, true
		}
	}
	start := i
	for i < len(b) && digit(b[i]) {
		i++
	}
	whole := i - start
	if i < len(b) && b[i] == '.' {
		i++
		for i < len(b) && digit(b[i]) {
			i++
			sh.decimals++
		}
	}
	if whole+sh.decimals == 0 {
		return 0, sh, b, false
	}
	if n := exponent(b[i:]); n > 0 {
		i += n
		sh.exponent = true
	}
	v, err := strconv.ParseFloat(string(b[:i]), 64)
	if err != nil && !math.IsInf(v, 0) { // out of range is infinite, which is said
		return 0, sh, b, false
	}
	return v, sh, b[i:], true
}

// shape is how a number was written.
type shape struct {
	word     bool // nan, inf
	decimals int
	exponent bool
}

// whole reports whether the number can be all of what Keras prints on its bars: four
// decimals, or a word.
func (s shape) whole() bool { return s.word || s.decimals == 4 }

// exponent returns the length of the exponent at the start of b.
func exponent(b []byte) int {
	if len(b) < 2 || b[0] != 'e' && b[0] != 'E' {
		return 0
	}
	i := 1
	if b[i] == '-' || b[i] == '+' {
		i++
	}
	start := i
	for i < len(b) && i < start+3 && digit(b[i]) {
		i++
	}
	if i == start {
		return 0
	}
	return i
}

// count reads a whole number at the start of b.
func count(b []byte) (n int64, rest []byte, ok bool) {
	i := 0
	for i < len(b) && digit(b[i]) {
		if n > math.MaxInt32 {
			return 0, b, false
		}
		n = n*10 + int64(b[i]-'0')
		i++
	}
	return n, b[i:], i > 0
}
