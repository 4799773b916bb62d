package history

import (
	"cmp"
	"slices"
)

// notes counts what was not understood, a line of text for each kind of it.
type notes struct {
	byText map[string]*Note
	order  []*Note
	cell   int // of the notebook that is being read
}

// maxNotes bounds the kinds of notes; the texts with numbers in them are the only ones
// that could be many.
const maxNotes = 40

func newNotes() *notes { return &notes{byText: map[string]*Note{}} }

// add counts one occurrence at a line.
func (n *notes) add(line int64, text string) { n.addN(line, 1, text) }

// addN counts several at once.
func (n *notes) addN(line int64, count int, text string) {
	if have, ok := n.byText[text]; ok {
		have.Count += count
		return
	}
	if len(n.order) >= maxNotes {
		return
	}
	note := &Note{Cell: n.cell, Line: line, Count: count, Text: text}
	n.byText[text] = note
	n.order = append(n.order, note)
}

func (n *notes) list() []Note {
	out := make([]Note, 0, len(n.order))
	for _, x := range n.order {
		out = append(out, *x)
	}
	slices.SortStableFunc(out, func(a, b Note) int { return cmp.Or(a.Cell-b.Cell, int(a.Line-b.Line)) })
	return out
}
