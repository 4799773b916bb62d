package history

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// enough is how many epochs a training needs to be preferred to an earlier, longer one
// in the same file: with fewer there is little to say about it.
const enough = 8

// runs sorts epochs into the trainings that a log holds one after the other, and keeps
// the one that will be returned beside the one being read.
type runs struct {
	notes *notes
	cur   run
	best  run
	sizes []int // of all runs, in order; the first maxSizes
	count int
}

const maxSizes = 1000

// run is one training.
type run struct {
	number  int // its place in the log, from 1
	cell    int // of the notebook
	line    int64
	epochs  []detectors.Epoch
	planned int
	headed  bool // its epochs had numbers
	looped  bool // every header says "Epoch 1/1"
	// unnumbered means that it has epochs whose order is known, but not their numbers.
	unnumbered bool
	twin       bool   // exact figures were taken from a History
	name       string // of the log folder
	values     int
	resumed    int // the epoch it started again at; 0 if it did not
	full       bool
}

// add takes the next epoch. planned is 0 and headed false when the log does not say.
func (r *runs) add(e detectors.Epoch, planned int, headed bool, line int64) {
	if n := len(r.cur.epochs); n > 0 {
		first, last := r.cur.epochs[0].Epoch, r.cur.epochs[n-1].Epoch
		switch {
		case headed != r.cur.headed:
			r.closeRun()
		case planned == 1 && r.cur.planned == 1 && e.Epoch == 1:
			// fit(epochs=1) in a loop: the log does not number them.
			r.cur.looped = true
			e.Epoch = last + 1
		case e.Epoch > last:
		case e.Epoch <= first:
			r.closeRun()
		default:
			r.cur.resumeAt(e.Epoch)
		}
	}
	if len(r.cur.epochs) == 0 && !r.cur.full {
		r.count++
		r.cur = run{number: r.count, cell: r.notes.cell, line: line, headed: headed}
	}
	if r.cur.full || len(r.cur.epochs) >= maxEpochs || r.cur.values+len(e.Metrics) > maxValues {
		r.cur.full = true
		r.notes.add(line, fmt.Sprintf("more epochs than are read of one training: those after %d were left out", len(r.cur.epochs)))
		return
	}
	r.cur.planned = max(planned, 0)
	r.cur.values += len(e.Metrics)
	r.cur.epochs = append(r.cur.epochs, e)
}

// resumeAt drops what a training that starts again at an earlier epoch replaces.
func (r *run) resumeAt(epoch int) {
	i := slices.IndexFunc(r.epochs, func(e detectors.Epoch) bool { return e.Epoch >= epoch })
	r.epochs = r.epochs[:i]
	r.resumed = epoch
	r.values = 0
	for _, e := range r.epochs {
		r.values += len(e.Metrics)
	}
}

// closeRun ends the current run and keeps it if it is the one to return so far.
func (r *runs) closeRun() {
	n := len(r.cur.epochs)
	if n == 0 {
		return
	}
	if len(r.sizes) < maxSizes {
		r.sizes = append(r.sizes, n)
	}
	switch {
	case r.cur.headed != r.best.headed && len(r.best.epochs) > 0:
		if r.cur.headed {
			r.best = r.cur
		}
	case n >= enough, len(r.best.epochs) < enough && n >= len(r.best.epochs):
		r.best = r.cur
	}
	r.cur = run{}
}

// any reports whether there is a training.
func (r *runs) any() bool { return len(r.cur.epochs)+len(r.best.epochs) > 0 }

// finish writes the chosen run into the log, and why it was chosen.
func (r *runs) finish(log *Log) {
	r.closeRun()
	b := r.best
	log.Epochs, log.Declared, log.Runs = b.epochs, b.planned, r.count
	say := func(text string) {
		log.Notes = append(log.Notes, Note{Cell: b.cell, Line: b.line, Count: 1, Text: text})
	}
	if r.count > 1 {
		say(r.choice())
	}
	if b.looped {
		log.Declared = 0
		say("every header reads Epoch 1/1: the epochs were numbered in order")
	}
	if (!b.headed || b.unnumbered) && len(b.epochs) > 0 {
		say("the log does not number its epochs: they were numbered in order")
	}
	if b.twin {
		say("the History of the training stands behind it: the exact figures were taken from there")
	}
	if b.resumed != 0 {
		say(fmt.Sprintf("the training started again at epoch %d: what came before from there on was replaced", b.resumed))
	}
}

// choice says which of several runs was read.
func (r *runs) choice() string {
	why := "the last"
	if r.best.number != r.count {
		why = fmt.Sprintf("the last with at least %d", enough)
		if len(r.best.epochs) < enough {
			why = "the longest"
		}
	}
	sizes := make([]string, 0, 12)
	for _, n := range r.sizes[:min(len(r.sizes), 12)] {
		sizes = append(sizes, strconv.Itoa(n))
	}
	if r.count > len(sizes) {
		sizes = append(sizes, "…")
	}
	name := ""
	if r.best.name != "" {
		name = " (" + r.best.name + ")"
	}
	return fmt.Sprintf("%d trainings stand in this log one after the other (%s epochs): training %d%s was read, %s",
		r.count, strings.Join(sizes, ", "), r.best.number, name, why)
}

// alone adds the epochs of a training that stands by itself, whatever surrounds it.
func (r *runs) alone(epochs []detectors.Epoch, planned int, unnumbered bool, line int64) {
	if r.exact(epochs) {
		return
	}
	r.closeRun()
	for _, e := range epochs {
		if len(e.Metrics) == 0 {
			r.notes.add(line, noFigures)
			continue
		}
		r.add(e, planned, true, line)
	}
	r.cur.unnumbered = unnumbered
	r.closeRun()
}

// exact takes the figures of a History for the training before it when they are the same
// but for the digits that a console does not show.
func (r *runs) exact(epochs []detectors.Epoch) bool {
	if len(epochs) != len(r.cur.epochs) {
		return false
	}
	shared := false
	for i, e := range epochs {
		for name, shown := range r.cur.epochs[i].Metrics {
			if v, ok := e.Metrics[name]; ok {
				shared = true
				if !rounded(v, shown) {
					return false
				}
			}
		}
	}
	if !shared {
		return false
	}
	for i, e := range epochs {
		maps.Copy(r.cur.epochs[i].Metrics, e.Metrics)
	}
	r.cur.twin = true
	return true
}

// rounded reports whether a console can have shown v so.
func rounded(v, shown float64) bool {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return v == shown || math.IsNaN(v) && math.IsNaN(shown)
	}
	off := 0.6e-4
	if math.Abs(v) < 1e-3 { // shown with an exponent
		off = 1e-4 * math.Abs(v)
	}
	return math.Abs(v-shown) <= off
}
