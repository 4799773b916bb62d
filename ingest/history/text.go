package history

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// tableWithin is how many lines may stand before the header of a table.
const tableWithin = 20

// text is a log that is read line by line. Both readers look at its beginning; the first to
// find an epoch reads on alone.
type text struct {
	p      *parse
	tab    *table
	screen *console
	seen   int
	dict   pasted
	format Format
}

// all reads every line.
func (p *parse) all(ls *lines) error {
	t := &text{p: p, screen: newConsole(p)}
	for {
		l, err := ls.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if !blank(l.text) && !t.value(l) {
			t.take(l)
		}
	}
	t.release()
	if t.format == FormatConsole {
		t.screen.end()
	}
	if p.format == "" {
		p.format = t.format
	}
	return nil
}

// take reads one line that is no part of a value.
func (t *text) take(l line) {
	if t.seen++; t.seen == 1 && t.p.first == "" {
		t.p.first = clip(string(l.text), 60)
	}
	switch {
	case t.format == FormatCSVLogger:
		t.tab.take(l)
	case t.format == FormatConsole:
		t.screen.take(l)
	case t.tab != nil && t.tab.row(l):
		t.format = FormatCSVLogger
		t.tab.take(l)
	default:
		if tab := newTable(t.p, l); tab != nil && t.seen <= tableWithin {
			t.tab = tab
		}
		if t.screen.take(l); t.screen.open {
			t.format = FormatConsole
		}
	}
}

// pasted gathers a dict that was printed among other lines: History.history, as a notebook
// or a prompt shows it.
type pasted struct {
	held  []line // the lines it stands in; none when there is no dict
	from  int    // where it begins in the first of them
	size  int
	depth int
	quote byte // the text in the dict that is open, 0 if none
}

// The bounds of a dict among other lines.
const (
	maxPasted       = 4 << 20
	maxPastedPrefix = 60 // bytes before it: "Out[12]: ", "history = "
)

// value takes a line that is part of a dict of a History, and reports whether it was one.
func (t *text) value(l line) bool {
	d := &t.dict
	if len(d.held) == 0 {
		if d.from = dictAt(l); d.from < 0 || t.format == FormatCSVLogger {
			return false
		}
		d.depth, d.quote, d.size = 0, 0, 0
	}
	part := l.text
	if len(d.held) == 0 {
		part = l.text[d.from:]
	}
	d.size += len(part)
	end := d.scan(part)
	// A dict that goes on over more lines than this one must outlive the buffer.
	l.text = slices.Clone(l.text)
	d.held = append(d.held, l)
	_, _, _, _, headed := header(part, 0)
	switch {
	case end >= 0:
		if t.history(end) {
			d.held = nil
			return true
		}
	case !headed && !l.over && d.size < maxPasted:
		return true
	}
	t.release()
	return true
}

// dictAt returns where a dict with a name for a key begins in a line; -1 if none does.
func dictAt(l line) int {
	i := bytes.IndexByte(l.text, '{')
	if i < 0 || i > maxPastedPrefix || l.over {
		return -1
	}
	rest := bytes.TrimLeft(l.text[i+1:], " \t")
	if len(rest) > 1 && (rest[0] == '\'' || rest[0] == '"' || rest[0] == 'u' && rest[1] == '\'') {
		return i
	}
	return -1
}

// scan looks for the end of the dict in the next part of it, and returns where the part
// goes on behind it; -1 if the dict does not end there.
func (d *pasted) scan(part []byte) int {
	for i := 0; i < len(part); i++ {
		c := part[i]
		switch {
		case d.quote != 0 && c == '\\':
			i++
		case d.quote != 0:
			if c == d.quote {
				d.quote = 0
			}
		case c == '\'' || c == '"':
			d.quote = c
		case c == '{' || c == '[' || c == '(':
			d.depth++
		case c == '}' || c == ']' || c == ')':
			if d.depth--; d.depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// history reads the gathered dict, which ends in the last line.
func (t *text) history(end int) bool {
	var b bytes.Buffer
	for i, l := range t.dict.held {
		part := l.text
		if i == 0 {
			part = part[t.dict.from:]
		}
		if i == len(t.dict.held)-1 {
			part = part[:end]
		}
		b.Write(part)
		b.WriteByte('\n')
	}
	lit := newLiteral(bufio.NewReader(&b))
	lit.line = t.dict.held[0].number
	v, err := lit.value()
	o, ok := v.(*object)
	if err != nil || !ok {
		return false
	}
	c, ok := newColumns(o)
	if !ok {
		return false
	}
	t.screen.end()
	c.add(t.p, lit.line)
	if t.format == "" {
		t.format = FormatConsole // a dict may be followed by console output, never by a table
		if t.p.format == "" {
			t.p.format = FormatHistory
		}
	}
	return true
}

// release reads what was gathered as lines after all.
func (t *text) release() {
	held := t.dict.held
	t.dict.held = nil
	for _, l := range held {
		t.take(l)
	}
}
