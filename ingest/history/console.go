package history

import (
	"bytes"
	"fmt"
	"math"
	"strconv"

	"github.com/epochwatch/epochwatch/detectors"
)

// console reads what Keras prints. An epoch begins with its header; what is drawn until
// the next header belongs to it.
type console struct {
	p       *parse
	prog    progress
	open    bool // an epoch is open
	headed  bool // it began with a header
	epoch   int
	planned int
	line    int64
	bars    bars
	usual   int64   // batches an epoch, of the last one
	rate    float64 // as a callback announced it, in force
	next    float64 // in force from the next epoch on; NaN if it stays
	last    map[string]float64
	// styled is false once a finished figure had other than four decimals: then nobody
	// can tell a figure that was cut in two.
	styled bool
}

func newConsole(p *parse) *console {
	return &console{p: p, rate: math.NaN(), next: math.NaN(), last: map[string]float64{}, styled: true}
}

// take reads one drawing: headers may be glued to what stands before and behind them.
func (c *console) take(l line) {
	text := l.text
	for {
		at, epoch, planned, rest, ok := header(text, c.planned)
		if !ok {
			break
		}
		c.progress(text[:at], l, false)
		c.close(false)
		c.begin(epoch, planned, l.number)
		text = rest
	}
	c.progress(text, l, l.open)
}

// header finds "Epoch 3/20" in b: where, what it says, and what follows it.
func header(b []byte, known int) (at, epoch, planned int, rest []byte, ok bool) {
	for from := 0; ; {
		i := bytes.Index(b[from:], []byte("Epoch "))
		if i < 0 {
			return 0, 0, 0, nil, false
		}
		at = from + i
		from = at + len("Epoch ")
		n, tail, ok := count(b[from:])
		if !ok || len(tail) == 0 || tail[0] != '/' || at > 0 && letter(b[at-1]) {
			continue
		}
		m, rest, ok := count(tail[1:])
		if !ok {
			continue
		}
		if len(rest) > 0 && rest[0] == '/' {
			// "Epoch 1/1092/92 [": the bar is glued to the header.
			digits := tail[1 : len(tail)-len(rest)]
			cut := unglue(digits, rest[1:], known)
			if cut == 0 {
				continue
			}
			m, _, _ = count(digits[:cut])
			rest = tail[1+cut:]
		}
		return at, int(n), int(m), rest, true
	}
}

// unglue says how many of the digits are the header's: the rest of them is the counter
// of a bar whose total follows.
func unglue(digits, total []byte, known int) int {
	if k := strconv.Itoa(known); known > 0 && len(k) < len(digits) && bytes.HasPrefix(digits, []byte(k)) {
		return len(k)
	}
	t, _, ok := count(total)
	if s := strconv.FormatInt(t, 10); ok && len(s) < len(digits) && bytes.HasSuffix(digits, []byte(s)) {
		return len(digits) - len(s)
	}
	return 0
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }

const noFigures = "epochs without any figures were left out"

const otherBars = "bars that are not the training's own, such as evaluate draws them, were left out"

func (c *console) begin(epoch, planned int, number int64) {
	c.open, c.headed, c.epoch, c.planned, c.line = true, true, epoch, planned, number
	c.bars = bars{}
	if !math.IsNaN(c.next) {
		c.rate, c.next = c.next, math.NaN()
	}
}

// progress takes the part of a line that holds no header.
func (c *console) progress(b []byte, l line, open bool) {
	for len(b) > 0 {
		rest, ok := c.prog.read(b)
		if ok {
			c.draw(l, open && len(rest) == 0)
		} else {
			c.other(b, l)
		}
		b = rest
	}
}

// draw takes one drawing of a bar into the open epoch.
func (c *console) draw(l line, open bool) {
	p := &c.prog
	if open {
		c.torn(l)
	}
	for _, m := range p.metrics {
		c.styled = c.styled && m.shape.whole()
	}
	if p.odd {
		c.p.notes.add(l.number, "progress lines of which a part was not understood")
	}
	if len(p.metrics) == 0 {
		return
	}
	if !c.open {
		if c.headed { // the training has ended
			c.p.notes.add(l.number, otherBars)
			return
		}
		c.open, c.headed, c.epoch, c.line, c.bars = true, false, 1, l.number, bars{}
	}
	taken := c.bars.draw(p, l.over, c.p)
	if taken {
		return
	}
	if c.headed {
		c.p.notes.add(l.number, otherBars)
		return
	}
	// Without any header each finished bar is an epoch.
	epoch := c.epoch
	c.close(false)
	c.open, c.headed, c.epoch, c.line, c.bars = true, false, epoch+1, l.number, bars{}
	c.bars.draw(p, l.over, c.p)
}

// torn drops the last figure of a log that ends in the middle of it.
func (c *console) torn(l line) {
	p := &c.prog
	if len(p.metrics) == 0 || !c.styled || len(p.metrics) == 1 && len(c.last) == 0 {
		return
	}
	for _, m := range p.metrics[:len(p.metrics)-1] {
		if !m.shape.whole() {
			return
		}
	}
	last := p.metrics[len(p.metrics)-1]
	end := bytes.TrimRight(l.text, "+-")
	stub := bytes.HasSuffix(end, []byte("e")) // of an exponent
	if !stub && !digit(l.text[len(l.text)-1]) {
		return // something stands behind the figure
	}
	before, seen := c.last[string(last.name)]
	cut := stub || !last.shape.whole() || last.shape.exponent && exponentDigits(l.text) < 2
	// 7.7209 may be what is left of 7.7209e-04.
	if !last.shape.exponent && seen && math.Abs(before) < 1e-3 && math.Abs(last.value) >= 1 {
		cut = true
	}
	if cut {
		p.metrics = p.metrics[:len(p.metrics)-1]
		c.p.notes.add(l.number, "the log ends in the middle of a figure, which was left out")
	}
}

// exponentDigits counts the digits at the end of b, behind "e-".
func exponentDigits(b []byte) int {
	n := 0
	for n < len(b) && digit(b[len(b)-1-n]) {
		n++
	}
	return n
}

// other takes a line that is no progress: most are noise, some announce a learning rate.
func (c *console) other(b []byte, l line) {
	if c.prog.lossy || c.prog.odd {
		c.p.notes.add(l.number, "lines that speak of a loss but are no progress lines of Keras were left out")
		return
	}
	who, rate, ok := bytes.Cut(b, []byte("learning rate to "))
	if !ok || !bytes.Contains(who, []byte("Epoch ")) {
		return
	}
	v, _, _, ok := number(rate)
	if !ok || !(v > 0) || math.IsInf(v, 0) {
		return
	}
	// A scheduler speaks before the epoch's first batch, ReduceLROnPlateau after its last.
	if c.open && !c.bars.any() && bytes.Contains(who, []byte("Scheduler")) {
		c.rate = v
	} else {
		c.next = v
	}
}

// close ends the open epoch; atEnd says that the log ends here.
func (c *console) close(atEnd bool) {
	if !c.open {
		return
	}
	c.open = false
	g := c.bars.choose(c.usual)
	if g == nil {
		if c.headed && !atEnd {
			c.p.notes.add(c.line, noFigures)
		}
		return
	}
	if !g.finished {
		if atEnd {
			c.p.notes.add(c.line, fmt.Sprintf("epoch %d had not ended when the log did (%s): left out", c.epoch, g.progress()))
			return
		}
		c.p.notes.add(c.line, "epochs whose last bar is missing: the figures of the one before it were taken")
	}
	if g.total > 0 {
		c.usual = g.total
	}
	if c.bars.others(g) {
		c.p.notes.add(c.line, otherBars)
	}
	e := detectors.Epoch{
		Epoch: c.epoch, Seconds: g.seconds, LearningRate: c.rate, FirstBatchLoss: math.NaN(),
		Metrics: make(map[string]float64, len(g.order)),
	}
	for _, name := range g.order {
		v := g.values[name]
		c.last[name] = v
		if isRate(name) {
			e.LearningRate = v
			continue
		}
		e.Metrics[name] = v
	}
	if len(e.Metrics) == 0 {
		c.p.notes.add(c.line, noFigures)
		return
	}
	if c.epoch == 1 {
		e.FirstBatchLoss = g.first
	}
	c.p.runs.add(e, c.planned, c.headed, c.line)
}

// end closes the last epoch.
func (c *console) end() { c.close(true) }

// isRate reports whether a column holds the learning rate.
func isRate(name string) bool { return name == "lr" || name == "learning_rate" }
