package history

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// table reads a CSVLogger file.
type table struct {
	p       *parse
	sep     byte
	columns []string
	epoch   int // the column of the epoch number, -1 if there is none
	rows    int
	widths  []int // of the shortest value seen in each column
	fresh   bool  // the next row is the first below a header
}

// newTable returns a table when l is the header of one, else nil.
func newTable(p *parse, l line) *table {
	for _, sep := range []byte{',', ';', '\t'} {
		t := &table{p: p, sep: sep}
		if t.header(l) {
			return t
		}
	}
	return nil
}

// header takes the names of the columns. It wants a column "epoch" and another, or, as
// pandas writes a History, a "loss" and names alone.
func (t *table) header(l line) bool {
	fields := split(l.text, t.sep)
	if len(fields) < 2 {
		return false
	}
	columns, epoch, loss := make([]string, len(fields)), -1, false
	for i, f := range fields {
		name := strings.TrimSpace(f)
		if _, _, rest, ok := number([]byte(name)); ok && len(rest) == 0 {
			return false // a row, not a header
		}
		if len(name) > maxName {
			return false
		}
		switch {
		case strings.EqualFold(name, "epoch"), strings.EqualFold(name, "epochs"):
			epoch = i
		case name == "" && i == 0: // the index that pandas writes
			epoch = 0
		case name == "loss", strings.HasSuffix(name, "_loss"):
			loss = true
		case strings.ContainsAny(name, " ") && len(name) > 60:
			return false
		}
		columns[i] = t.p.name([]byte(name))
	}
	if !loss && (epoch < 0 || !strings.EqualFold(columns[epoch], "epoch")) {
		return false
	}
	t.columns, t.epoch, t.widths, t.fresh = columns, epoch, make([]int, len(columns)), true
	return true
}

// row reports whether l can be a row of the table.
func (t *table) row(l line) bool {
	fields := split(l.text, t.sep)
	if len(fields) != len(t.columns) {
		return false
	}
	at := max(t.epoch, 0)
	_, ok := t.value(fields[at])
	return ok
}

// take reads one row.
func (t *table) take(l line) {
	fields := split(l.text, t.sep)
	if t.repeated(fields) {
		t.header(l) // another run was appended with a header of its own
		return
	}
	if len(fields) != len(t.columns) {
		if l.open {
			t.p.notes.add(l.number, "the file ends in the middle of a row, which was left out")
		} else {
			t.p.notes.add(l.number, fmt.Sprintf("rows with %d fields under a header of %d were left out", len(fields), len(t.columns)))
		}
		return
	}
	e := detectors.Epoch{
		Epoch: t.rows, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(),
		Metrics: make(map[string]float64, len(fields)),
	}
	if t.epoch >= 0 {
		n, ok := t.value(fields[t.epoch])
		if !ok || n != math.Trunc(n) || n < 0 || n > math.MaxInt32 {
			t.p.notes.add(l.number, "rows without a readable epoch number were left out")
			return
		}
		e.Epoch = int(n)
	}
	for i, f := range fields {
		if i != t.epoch {
			t.cell(&e, i, f, l)
		}
	}
	t.rows++
	if len(e.Metrics) == 0 {
		t.p.notes.add(l.number, noFigures)
		return
	}
	fresh := t.fresh
	t.fresh = false
	if n := len(t.p.runs.cur.epochs); !fresh && t.epoch >= 0 && n > 0 && t.p.runs.cur.epochs[n-1].Epoch == e.Epoch {
		t.p.notes.add(l.number, "rows of the same epoch as the one before: the last one was taken")
		t.p.runs.cur.epochs[n-1] = e
		return
	}
	t.p.runs.add(e, 0, t.epoch >= 0, l.number)
}

// cell takes one value of a row.
func (t *table) cell(e *detectors.Epoch, i int, f string, l line) {
	f = strings.TrimSpace(f)
	if f == "" || f == "NA" || f == "None" || f == "null" {
		return // not measured in this epoch
	}
	v, ok := t.value(f)
	if !ok {
		t.p.notes.add(l.number, fmt.Sprintf("values of %q that are no numbers were left out", clip(t.columns[i], 40)))
		return
	}
	if l.open && i == len(t.columns)-1 && t.torn(i, f) {
		t.p.notes.add(l.number, "the file ends without a line end, perhaps in the middle of its last value, which was left out")
		return
	}
	if t.widths[i] == 0 || len(f) < t.widths[i] {
		t.widths[i] = len(f)
	}
	name := t.columns[i]
	switch {
	case isRate(name):
		e.LearningRate = v
	case name == "":
	default:
		e.Metrics[name] = v
	}
}

// torn reports whether the last value of a file can be the beginning of another number:
// 1.5e-0 of 1.5e-05, 12 of 12.5. What lacks some of its decimals is near enough.
func (t *table) torn(i int, f string) bool {
	_, sh, _, _ := number([]byte(f))
	switch {
	case sh.word:
		return false
	case sh.exponent:
		return exponentDigits([]byte(f)) < 2
	}
	return sh.decimals < 2 || len(f)+2 < t.widths[i]
}

// repeated reports whether a row is a header again.
func (t *table) repeated(fields []string) bool {
	return t.epoch >= 0 && t.columns[t.epoch] != "" && slices.ContainsFunc(fields, func(f string) bool {
		return strings.TrimSpace(f) == t.columns[t.epoch]
	})
}

// value reads a number. Where commas do not part the fields, one may be the decimal point.
func (t *table) value(f string) (float64, bool) {
	b := []byte(strings.TrimSpace(f))
	if t.sep != ',' && bytes.Count(b, []byte(",")) == 1 && !bytes.ContainsAny(b, ".") {
		b = bytes.Replace(b, []byte(","), []byte("."), 1)
	}
	// As Python prints a NumPy number inside a list.
	if rest, ok := bytes.CutSuffix(b, []byte(")")); ok {
		if i := bytes.IndexByte(rest, '('); i > 0 && bytes.HasPrefix(rest, []byte("np.float")) {
			b = rest[i+1:]
		}
	}
	v, _, rest, ok := number(b)
	return v, ok && len(rest) == 0
}

// split cuts a row into its fields; quoted ones may hold the separator.
func split(b []byte, sep byte) []string {
	var out []string
	var field []byte
	quoted, started := false, false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case quoted && c == '"' && i+1 < len(b) && b[i+1] == '"':
			field = append(field, '"')
			i++
		case quoted && c == '"':
			quoted = false
		case quoted:
			field = append(field, c)
		case c == '"' && !started:
			quoted, started = true, true
		case c == sep:
			out = append(out, string(field))
			field, started = field[:0], false
			if len(out) > 10_000 {
				return out
			}
		default:
			field = append(field, c)
			started = true
		}
	}
	return append(out, string(field))
}
