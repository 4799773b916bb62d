package history

import "slices"

// notes counts what was not understood, a line of text for each kind of it.
type notes struct {
	byText map[string]*Note
	order  []*Note
}

// maxNotes bounds the kinds of notes; the texts with numbers in them are the only ones
// that could be many.
const maxNotes = 40

func newNotes() *notes { return &notes{byText: map[string]*Note{}} }

// add counts one occurrence at a line.
func (n *notes) add(line int64, text string) {
	if have, ok := n.byText[text]; ok {
		have.Count++
		return
	}
	if len(n.order) >= maxNotes {
		return
	}
	note := &Note{Line: line, Count: 1, Text: text}
	n.byText[text] = note
	n.order = append(n.order, note)
}

func (n *notes) list() []Note {
	out := make([]Note, 0, len(n.order))
	for _, x := range n.order {
		out = append(out, *x)
	}
	slices.SortStableFunc(out, func(a, b Note) int { return int(a.Line - b.Line) })
	return out
}
