package history

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// notebook reads the outputs of an executed notebook, cell by cell: of nbformat 4, which
// has "cells", and of nbformat 3, which has them in "worksheets".
type notebook struct {
	p     *parse
	lit   *literal
	cells int
}

// maxCell bounds the text of one cell; the rest of it is dropped and said.
const maxCell = maxString

// list reads the cells, or the worksheets and their cells.
func (n *notebook) list(key string) error {
	return n.lit.sequence('[', ']', func() error {
		if key == "cells" {
			return n.cell()
		}
		return n.lit.object(func(key string) error {
			if key == "cells" {
				return n.list(key)
			}
			return n.lit.skip()
		})
	})
}

// output is what a cell has written.
type output struct {
	bytes.Buffer
	aside []byte // of standard error: kept until standard output has ended its line
	cut   bool
}

func (o *output) stdout(text string) {
	if room := maxCell - o.Len(); len(text) > room {
		text, o.cut = text[:max(room, 0)], true
	}
	o.WriteString(text)
	if o.ended() {
		o.flush()
	}
}

func (o *output) stderr(text string) {
	if len(o.aside)+len(text) > maxCell {
		o.cut = true
		return
	}
	o.aside = append(o.aside, text...)
	if o.ended() {
		o.flush()
	}
}

func (o *output) ended() bool { return o.Len() == 0 || o.Bytes()[o.Len()-1] == '\n' }

// flush writes what was kept aside, and ends its line.
func (o *output) flush() {
	if len(o.aside) == 0 {
		return
	}
	o.line()
	o.Write(o.aside)
	o.aside = o.aside[:0]
	o.line()
}

// line ends a line that was begun.
func (o *output) line() {
	if !o.ended() {
		o.WriteByte('\n')
	}
}

// cell reads one cell, and the log that it has written.
func (n *notebook) cell() error {
	n.cells++
	var out output
	err := n.lit.object(func(key string) error {
		if key == "outputs" {
			return n.lit.sequence('[', ']', func() error { return n.output(&out) })
		}
		return n.lit.skip()
	})
	if err != nil {
		return err
	}
	out.flush()
	n.p.notes.cell = n.cells
	defer func() { n.p.notes.cell = 0 }()
	if out.cut {
		n.p.notes.add(1, fmt.Sprintf("the output of a cell is longer than %d MiB: its end was not read", maxCell>>20))
	}
	ls := newLines(&out.Buffer)
	if err := n.p.all(ls); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	n.p.long(ls)
	return nil
}

// output reads one of a cell's outputs, whose keys come in any order.
func (n *notebook) output(out *output) error {
	var kind, stream, text string
	err := n.lit.object(func(key string) (err error) {
		switch key {
		case "output_type":
			kind, err = n.joined()
		case "name", "stream":
			stream, err = n.joined()
		case "text":
			text, err = n.joined()
		case "data":
			return n.lit.object(func(key string) (err error) {
				if key == "text/plain" {
					text, err = n.joined()
					return err
				}
				return n.lit.skip()
			})
		default:
			return n.lit.skip()
		}
		return err
	})
	if err != nil || text == "" {
		return err
	}
	switch {
	case kind == "stream" && stream == "stderr":
		out.stderr(text)
	case kind == "stream":
		out.stdout(text)
	default: // a value that was shown stands on lines of its own
		out.line()
		out.stdout(text)
		out.line()
	}
	return nil
}

// joined reads a text, which may be cut into a list of its lines.
func (n *notebook) joined() (string, error) {
	c, err := n.lit.next()
	if err != nil {
		return "", n.lit.ended(err)
	}
	switch c {
	case '"':
		return n.lit.text(maxString)
	case '[':
		var b bytes.Buffer
		err := n.lit.sequence('[', ']', func() error {
			if c, err := n.lit.next(); err != nil || c != '"' {
				return n.lit.skip()
			}
			s, err := n.lit.text(maxString)
			if b.Len()+len(s) > maxCell+1 {
				s = s[:maxCell+1-b.Len()] // stdout says that it is too long
			}
			b.WriteString(s)
			return err
		})
		return b.String(), err
	}
	return "", n.lit.skip()
}
