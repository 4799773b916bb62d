package history

import (
	"bytes"
	"math"
)

// progress is one drawing of a progress bar, or the one line that Keras prints for an
// epoch at verbose=2.
type progress struct {
	counted bool  // "12/38" stands in it
	done    int64 // 12
	total   int64 // 38; 0 if Keras did not know
	eta     bool  // "ETA:" stands in it
	timed   bool  // it says how long something took
	seconds float64
	exact   float64 // seconds, from "358ms/epoch"; NaN if not said
	step    float64 // seconds a step or sample; NaN if not said
	metrics []metric
	// odd is set when something beside the figures was not understood.
	odd bool
	// lossy is set when "loss: …" was seen outside of any progress line.
	lossy bool
}

type metric struct {
	name  []byte // valid as long as the line
	value float64
	shape shape
}

func (p *progress) reset() {
	*p = progress{seconds: math.NaN(), exact: math.NaN(), step: math.NaN(), metrics: p.metrics[:0]}
}

// complete reports whether the epoch had ended when this was drawn, as far as the bar
// alone can tell.
func (p *progress) complete() bool {
	if p.eta {
		return false
	}
	return !p.counted || p.total > 0 && p.done >= p.total
}

// duration returns how long the epoch took, NaN if that is not said.
func (p *progress) duration() float64 {
	switch {
	case !math.IsNaN(p.exact):
		return p.exact
	case p.seconds > 0:
		return p.seconds
	case p.counted && !math.IsNaN(p.step): // "0s 569us/step": better than nothing
		return float64(p.done) * p.step
	}
	return math.NaN()
}

// read parses one drawing and returns what stands behind it where another bar follows
// without a gap. It reports false when b is not progress.
func (p *progress) read(b []byte) (rest []byte, ok bool) {
	p.reset()
	b = bytes.TrimSpace(b)
	b = bytes.TrimPrefix(b, []byte("- "))
	for at := 0; at < len(b); {
		part, next := b[at:], len(b)
		if i := bytes.Index(part, separator); i >= 0 {
			part, next = part[:i], at+i+len(separator)
		}
		end := at + len(part)
		at = next
		name, value, pair := bytes.Cut(part, []byte(": "))
		name = bytes.TrimSpace(name)
		if pair = pair && string(name) != "ETA" && validName(name); pair && p.started() {
			after, ok := p.figure(name, value)
			if !ok {
				break
			}
			if !blank(after) {
				// A second bar may be glued on; whatever else it is ends the drawing.
				if glued(after) {
					return b[end-len(after):], p.sound()
				}
				p.odd = p.odd || at < len(b)
				break
			}
			continue
		}
		if pair && string(name) == "loss" {
			p.lossy = true
		}
		if len(p.metrics) == 0 {
			p.head(part)
		} else if !p.times(part) {
			p.odd = true
			break
		}
	}
	return nil, p.sound()
}

var separator = []byte(" - ")

// started reports whether what was read so far begins like progress.
func (p *progress) started() bool { return p.counted || p.timed || p.eta }

// sound reports whether it is progress of a training: prose may say "waited 10s - tries: 3".
func (p *progress) sound() bool {
	if p.counted {
		return len(p.metrics) > 0
	}
	for _, m := range p.metrics {
		if bytes.HasSuffix(m.name, []byte("loss")) {
			return true
		}
	}
	return false
}

// figure takes one "name: value". It returns what follows the value, and false when the
// drawing ends before it.
func (p *progress) figure(name, value []byte) (after []byte, ok bool) {
	for _, m := range p.metrics {
		if bytes.Equal(m.name, name) {
			p.odd = true // what an earlier, longer drawing left over
			return nil, false
		}
	}
	value = bytes.TrimLeft(value, " ")
	v, sh, after, ok := number(value)
	if !ok {
		p.odd = true
		return nil, true // "[0.1 0.2]": this one is left out, the others stand
	}
	// "0.161319/35" is 0.1613 and a new bar, "0.73401s" is 0.7340 and what an earlier,
	// longer drawing left over: Keras prints four decimals.
	if sh.decimals > 4 && !sh.exponent && len(after) > 0 && after[0] != ' ' {
		cut := bytes.IndexByte(value, '.') + 5
		v, sh, _, ok = number(value[:cut])
		p.metrics = append(p.metrics, metric{name, v, sh})
		return value[cut:], ok
	}
	if len(after) > 0 && bytes.IndexByte([]byte(".,:/%"), after[0]) >= 0 {
		p.odd = true
		return nil, true // "0,5", "5%", "1:23": no number that Keras prints
	}
	p.metrics = append(p.metrics, metric{name, v, sh})
	return bytes.TrimLeft(after, " "), ok
}

// glued reports whether another progress bar begins at b: "20/35 [==".
func glued(b []byte) bool {
	_, rest, ok := count(b)
	if !ok || len(rest) < 2 || rest[0] != '/' {
		return false
	}
	_, rest, ok = count(rest[1:])
	return ok && (bytes.HasPrefix(rest, []byte(" [")) || bytes.HasPrefix(rest, []byte(" ━")))
}

// head looks at what stands before the first figure: counter, bar, times, or a prefix
// that some logger has put there.
func (p *progress) head(part []byte) {
	eta := false
	for tok := range bytes.FieldsSeq(part) {
		switch {
		case eta:
			eta = false
		case string(tok) == "ETA:":
			eta, p.eta = true, true
		case p.counter(tok), p.time(tok):
		}
	}
}

// times takes what Keras puts behind the figures: "5s/epoch", "43ms/step".
func (p *progress) times(part []byte) bool {
	any := false
	for tok := range bytes.FieldsSeq(part) {
		if !p.time(tok) {
			return false
		}
		any = true
	}
	return any
}

// counter takes "12/38", "12/Unknown" and "55000/55000====]".
func (p *progress) counter(tok []byte) bool {
	done, rest, ok := count(tok)
	if !ok || len(rest) < 2 || rest[0] != '/' {
		return false
	}
	rest = rest[1:]
	total, tail, ok := count(rest)
	switch {
	case ok && (len(tail) == 0 || bytes.IndexByte([]byte("=[.>"), tail[0]) >= 0):
	case bytes.HasPrefix(rest, []byte("Unknown")), bytes.HasPrefix(rest, []byte("None")):
		total = 0
	default:
		return false
	}
	p.counted, p.done, p.total = true, done, total
	return true
}

// time takes "191s", "863ms/step", "60us/sample", "2s/step", "5s/epoch".
func (p *progress) time(tok []byte) bool {
	tok = bytes.TrimLeft(tok, "]") // "[====]191s"
	if len(tok) == 0 || !digit(tok[0]) {
		return false
	}
	v, _, rest, ok := number(tok)
	for ok && len(rest) > 1 && rest[0] == ':' { // "1:02:03s"
		var next float64
		next, _, rest, ok = number(rest[1:])
		v = v*60 + next
	}
	if !ok {
		return false
	}
	unit, per, _ := bytes.Cut(rest, []byte("/"))
	switch string(unit) {
	case "s":
	case "ms":
		v /= 1e3
	case "us", "µs":
		v /= 1e6
	case "ns":
		v /= 1e9
	default:
		return false
	}
	switch string(per) {
	case "":
		p.seconds = v
	case "epoch":
		// "5s/epoch" is no better than "5s", "358ms/epoch" is.
		if string(unit) != "s" || v > 0 {
			p.exact = v
		}
	case "step", "sample", "batch":
		p.step = v
	default:
		return false
	}
	p.timed = true
	return true
}

// validName holds that b can be the name of a metric.
func validName(b []byte) bool {
	if len(b) == 0 || len(b) > maxName {
		return false
	}
	for _, c := range b {
		if c < ' ' || c == 0x7f {
			return false
		}
	}
	return true
}
