package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// document reads what begins with a bracket: History.history, one training or several; a
// list of dicts or one dict a line, each an epoch; an executed notebook.
type document struct {
	p       *parse
	lit     *literal
	records int  // dicts that were an epoch each
	odd     int  // values that were nothing of all that
	cells   bool // it is a notebook
}

// errNoFigures is returned for a value without an epoch in it.
var errNoFigures = errors.New("without the figures of an epoch")

// document reads r to its end. When it is no document after all, or one that breaks off,
// it returns why, and nothing was added to the runs unless the error is the reader's.
func (p *parse) document(r *bufio.Reader) error {
	d := &document{p: p, lit: newLiteral(r)}
	for {
		c, err := d.lit.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if err := d.top(c); err != nil {
			return err
		}
	}
	if !d.cells && !p.runs.any() {
		return errNoFigures
	}
	if !d.cells {
		p.format = FormatHistory
	}
	if d.odd > 0 {
		p.notes.addN(0, d.odd, "values that are neither a History nor an epoch were left out")
	}
	return nil
}

// top reads one value that stands by itself.
func (d *document) top(c byte) error {
	switch c {
	case '{':
		return d.opened()
	case '[':
		return d.lit.sequence('[', ']', func() error {
			v, err := d.lit.value()
			if err == nil {
				d.item(v)
			}
			return err
		})
	case '"': // json.dump(str(history.history), f)
		text, err := d.lit.text(maxString)
		if err != nil {
			return err
		}
		inner := newLiteral(bufio.NewReader(strings.NewReader(text)))
		inner.line = d.lit.line
		v, err := inner.value()
		if err == nil {
			d.item(v)
		}
		return err
	}
	if d.odd == 0 && !d.p.runs.any() && !d.cells {
		v, err := d.lit.value()
		if err == nil {
			d.item(v)
		}
		return err
	}
	return d.lit.fail(fmt.Sprintf("%q stands behind the value", c))
}

// opened reads a dict. Notebooks are far larger than what is read of them.
func (d *document) opened() error {
	o := &object{}
	err := d.lit.object(func(key string) error {
		switch key {
		case "cells", "worksheets":
			d.cells, d.p.format = true, FormatNotebook
			return (&notebook{p: d.p, lit: d.lit}).list(key)
		case "metadata":
			return d.lit.skip()
		}
		v, err := d.lit.value()
		o.keys, o.values = append(o.keys, key), append(o.values, v)
		return err
	})
	if err == nil && !d.cells {
		d.item(o)
	}
	return err
}

// item takes one value: a History, an epoch, or a dict or list of them.
func (d *document) item(v any) {
	if d.history(v) {
		return
	}
	if o, ok := v.(*object); ok && d.record(o) {
		return
	}
	d.odd++
}

// history takes a History as its dict, as {"history": …, "epoch": …}, or several by name
// or in a list.
func (d *document) history(v any) bool {
	switch v := v.(type) {
	case []any:
		some := false
		for _, x := range v {
			some = d.history(x) || some
		}
		return some
	case *object:
		if c, ok := newColumns(v); ok {
			c.add(d.p, d.lit.line)
			return true
		}
		some := false
		for _, x := range v.values {
			if o, ok := x.(*object); ok {
				some = d.history(o) || some
			}
		}
		return some
	}
	return false
}

// record takes a dict that is an epoch: {"epoch": 3, "loss": 0.5, "val_loss": 0.6}.
func (d *document) record(o *object) bool {
	e := detectors.Epoch{
		Epoch: d.records, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(), Metrics: map[string]float64{},
	}
	numbered, loss := false, false
	for i, key := range o.keys {
		c, ok := figureOf(o.values[i])
		switch {
		case key == "epoch":
			if numbered = ok && c.there && whole(c.v); numbered {
				e.Epoch = int(c.v)
			}
		case !ok:
			d.p.notes.add(d.lit.line, fmt.Sprintf("values of %q that are no numbers were left out", clip(key, 40)))
		case !c.there:
		case isRate(key):
			e.LearningRate = c.v
		default:
			loss = loss || isLoss(key)
			e.Metrics[d.p.name([]byte(key))] = c.v
		}
	}
	if !loss {
		return false
	}
	d.records++
	d.p.runs.add(e, 0, true, d.lit.line)
	d.p.runs.cur.unnumbered = d.p.runs.cur.unnumbered || !numbered
	return true
}

func isLoss(name string) bool { return name == "loss" || strings.HasSuffix(name, "_loss") }

// whole reports whether v can be the number of an epoch.
func whole(v float64) bool { return v == math.Trunc(v) && v >= 0 && v <= math.MaxInt32 }

// figureOf returns a value as one figure: a number, nothing, a number in quotes as json.dump
// writes one with default=str, or an array of one.
func figureOf(v any) (cell, bool) {
	switch v := v.(type) {
	case cell:
		return v, true
	case string:
		n, _, rest, ok := number([]byte(v))
		return cell{n, true}, ok && len(rest) == 0
	case []any:
		if len(v) == 1 {
			return figureOf(v[0])
		}
	}
	return cell{}, false
}

// columns is History.history: a list for each metric, all as long as there were epochs.
type columns struct {
	values  *object
	numbers []any // of the epochs, as History.epoch has them; nil if not said
	planned int
	n       int
}

// newColumns recognises a History by a loss that is a list.
func newColumns(o *object) (*columns, bool) {
	c := &columns{values: o}
	if inner, ok := o.get("history").(*object); ok {
		c.values = inner
		c.numbers, _ = o.get("epoch").([]any)
		if params, ok := o.get("params").(*object); ok {
			if n, ok := params.get("epochs").(cell); ok && n.there && whole(n.v) {
				c.planned = int(n.v)
			}
		}
	} else if e, ok := o.get("epoch").([]any); ok {
		c.numbers = e
	}
	for i, key := range c.values.keys {
		if list := listOf(c.values.values[i]); list != nil && isLoss(key) {
			c.n = max(c.n, len(list))
		}
	}
	if list := listOf(c.values.get("loss")); len(list) > 0 {
		c.n = len(list)
	}
	return c, c.n > 0
}

// listOf returns a list, or what pandas writes for one: {"0": 0.5, "1": 0.4}.
func listOf(v any) []any {
	switch v := v.(type) {
	case []any:
		return v
	case *object:
		for i, key := range v.keys {
			if key != strconv.Itoa(i) {
				return nil
			}
		}
		return v.values
	}
	return nil
}

// add adds the epochs as a training of their own.
func (c *columns) add(p *parse, line int64) {
	epochs := make([]detectors.Epoch, c.n)
	for i := range epochs {
		epochs[i] = detectors.Epoch{
			Epoch: i, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(), Metrics: map[string]float64{},
		}
	}
	numbered := c.number(epochs, p, line)
	for i, key := range c.values.keys {
		if key == "epoch" {
			continue
		}
		if list := listOf(c.values.values[i]); list != nil {
			c.column(p.name([]byte(clip(key, maxName))), list, epochs, p, line)
		} else {
			p.notes.add(line, "values beside the lists of a History were left out")
		}
	}
	p.runs.alone(epochs, c.planned, !numbered, line)
}

// number gives the epochs their numbers where the History has them.
func (c *columns) number(epochs []detectors.Epoch, p *parse, line int64) bool {
	if c.numbers == nil {
		return false
	}
	if len(c.numbers) != c.n {
		p.notes.add(line, fmt.Sprintf("%d epoch numbers stand beside %d epochs and were left out", len(c.numbers), c.n))
		return false
	}
	for _, v := range c.numbers {
		if n, ok := figureOf(v); !ok || !n.there || !whole(n.v) {
			p.notes.add(line, "epoch numbers that are no whole numbers were left out")
			return false
		}
	}
	for i, v := range c.numbers {
		n, _ := figureOf(v)
		epochs[i].Epoch = int(n.v)
	}
	return true
}

// column spreads the values of one metric over the epochs.
func (c *columns) column(name string, list []any, epochs []detectors.Epoch, p *parse, line int64) {
	called := clip(name, 40)
	if slices.ContainsFunc(list, func(v any) bool { _, ok := v.(elided); return ok }) {
		p.notes.add(line, fmt.Sprintf("%q was shortened with ... when it was printed: it was left out", called))
		return
	}
	step := 1
	if len(list) != c.n {
		said := fmt.Sprintf("%q has %d values for %d epochs", called, len(list), c.n)
		if first, ok := contiguous(epochs); ok && strings.HasPrefix(name, "val_") {
			step = every(first, c.n, len(list))
		}
		if step < 2 {
			p.notes.add(line, said+", and nothing says which epochs they are of: it was left out")
			return
		}
		p.notes.add(line, fmt.Sprintf("%s: read as validation_freq=%d gives them", said, step))
	}
	for i := range epochs {
		e := &epochs[i]
		if (e.Epoch+1)%step != 0 && step > 1 {
			continue
		}
		v := list[0]
		list = list[1:]
		switch n, ok := figureOf(v); {
		case !ok:
			p.notes.add(line, fmt.Sprintf("values of %q that are no numbers were left out", called))
		case !n.there:
		case isRate(name):
			e.LearningRate = n.v
		default:
			e.Metrics[name] = n.v
		}
	}
}

// contiguous returns the number of the first epoch if each is one more than the one before.
func contiguous(epochs []detectors.Epoch) (int, bool) {
	for i := range epochs {
		if epochs[i].Epoch != epochs[0].Epoch+i {
			return 0, false
		}
	}
	return epochs[0].Epoch, true
}

// every returns the one k for which so many of n epochs, numbered from first, are those that
// validation_freq=k validates; 0 if none or several are.
func every(first, n, values int) int {
	found := 0
	for k := 2; k <= n && values > 0; k++ {
		if (first+n)/k-first/k != values {
			continue
		}
		if found != 0 {
			return 0
		}
		found = k
	}
	return found
}
