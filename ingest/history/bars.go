package history

import (
	"fmt"
	"math"
	"strings"
)

// bars are the progress bars drawn during one epoch, by how many batches they count: the
// training's own, and perhaps those of an evaluation that a callback started.
type bars struct {
	all []*bar
}

// maxBars bounds the bars of one epoch; an evaluation seldom has more than one.
const maxBars = 8

// uncounted is the total of lines without a counter.
const uncounted = -1

// bar holds what one bar last showed.
type bar struct {
	total    int64 // uncounted, or 0: Keras did not know
	done     int64
	order    []string
	values   map[string]float64
	seconds  float64
	first    float64 // the loss after the first batch; NaN if not shown
	finished bool
	val      bool // a val_ metric was shown
}

func (b *bars) any() bool { return len(b.all) > 0 }

// draw takes one drawing. It reports false when that belongs to no epoch: its bar had
// been finished before.
func (b *bars) draw(p *progress, over bool, names *parse) bool {
	g := b.find(p, over)
	switch {
	case g == nil && len(b.all) > 0 && b.valued():
		return false // the epoch's validation is over; this is something else
	case g == nil && len(b.all) >= maxBars:
		return false
	case g == nil:
		g = &bar{total: uncounted, values: map[string]float64{}, seconds: math.NaN(), first: math.NaN()}
		if p.counted {
			g.total = p.total
		}
		b.all = append(b.all, g)
	case g.finished && !over && !g.adds(p):
		return false
	}
	g.take(p, names)
	return true
}

// find returns the bar that a drawing belongs to, nil if it is a new one. One without a
// counter that was drawn over a bar is what the terminal kept of that bar.
func (b *bars) find(p *progress, over bool) *bar {
	if !p.counted && over && len(b.all) > 0 {
		return b.all[len(b.all)-1]
	}
	total := int64(uncounted)
	if p.counted {
		total = p.total
	}
	for _, g := range b.all {
		if g.total == total {
			return g
		}
	}
	return nil
}

// valued reports whether a bar has shown its validation.
func (b *bars) valued() bool {
	for _, g := range b.all {
		if g.val {
			return true
		}
	}
	return false
}

// adds reports whether a drawing shows all that the bar has shown, and more: Keras draws
// a finished bar again when the validation has ended.
func (g *bar) adds(p *progress) bool {
	known := 0
	for _, m := range p.metrics {
		if _, ok := g.values[string(m.name)]; ok {
			known++
		}
	}
	return known == len(g.order) && len(p.metrics) > known
}

func (g *bar) take(p *progress, names *parse) {
	for _, m := range p.metrics {
		name := names.name(m.name)
		if _, ok := g.values[name]; !ok {
			g.order = append(g.order, name)
		}
		g.values[name] = m.value
		g.val = g.val || strings.HasPrefix(name, "val_")
		if name == "loss" && p.counted && p.done == 1 && p.total != 1 {
			g.first = m.value
		}
	}
	if d := p.duration(); !math.IsNaN(d) && !p.eta {
		g.seconds = d
	}
	if p.counted {
		g.done = p.done
	}
	g.finished = g.finished || p.complete() || g.val
}

// others reports whether there are bars that are no earlier form of g.
func (b *bars) others(g *bar) bool {
	for _, o := range b.all {
		if o != g && o.total > 0 {
			return true
		}
	}
	return false
}

// choose returns the bar of the training: the one with a validation, else the one that
// counts as many batches as the epoch before, else the first that was finished: evaluations
// come after it.
func (b *bars) choose(usual int64) *bar {
	var best *bar
	rank := -1
	for _, g := range b.all {
		r := 0
		if g.finished {
			r++
		}
		if g.total == usual && usual > 0 {
			r += 2
		}
		if g.val {
			r += 4
		}
		if r > rank || r == rank && best.total <= 0 && g.total > 0 {
			best, rank = g, r
		}
	}
	return best
}

// progress says how far the bar had come.
func (g *bar) progress() string {
	if g.total > 0 {
		return fmt.Sprintf("step %d of %d", g.done, g.total)
	}
	return fmt.Sprintf("step %d", g.done)
}
