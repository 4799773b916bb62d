package history

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// looksLikeTable reports whether the first line is the header of a table of epochs, and
// what separates its columns.
func looksLikeTable(head []byte) (rune, bool) {
	line, _, _ := bytes.Cut(bytes.TrimLeft(head, "\r\n \t"), []byte("\n"))
	for _, delimiter := range []rune{',', ';', '\t'} {
		names := split(string(line), delimiter)
		if len(names) < 2 {
			continue
		}
		if isHeader(names) {
			return delimiter, true
		}
	}
	return 0, false
}

func split(line string, delimiter rune) []string {
	r := csv.NewReader(strings.NewReader(line))
	r.Comma, r.LazyQuotes = delimiter, true
	names, err := r.Read()
	if err != nil {
		return nil
	}
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return names
}

// isHeader holds that a row names columns: one is the epoch or a loss, and none a number.
func isHeader(names []string) bool {
	known := false
	for _, n := range names {
		if _, err := strconv.ParseFloat(n, 64); err == nil {
			return false
		}
		n = strings.ToLower(n)
		known = known || n == "epoch" || n == "loss" || strings.HasSuffix(n, "_loss")
	}
	return known
}

// readTable reads what CSVLogger writes. A header in the middle begins another run.
func readTable(in *bufio.Reader, delimiter rune, c *collector) error {
	r := csv.NewReader(in)
	r.Comma, r.LazyQuotes, r.FieldsPerRecord, r.ReuseRecord = delimiter, true, -1, true
	var t table
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		line, _ := r.FieldPos(0)
		if bad, ok := errors.AsType[*csv.ParseError](err); ok {
			c.note(bad.Line, "not a row of a table: %v", bad.Err)
			continue
		}
		if err != nil {
			return err
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		if isHeader(row) {
			c.newRun()
			t = table{names: slices.Clone(row), epoch: slices.IndexFunc(row, func(n string) bool { return strings.EqualFold(n, "epoch") }), delimiter: delimiter}
			continue
		}
		if e, ok := t.row(row, line, c); ok {
			c.add(e)
		}
	}
}

type table struct {
	names     []string
	epoch     int // column of the epoch, -1 when there is none
	delimiter rune
	rows      int
	told      bool // that a column is not numeric
}

func (t *table) row(row []string, line int, c *collector) (detectors.Epoch, bool) {
	number := t.rows
	if t.epoch >= 0 {
		if t.epoch >= len(row) {
			c.note(line, "the row has %d of %d columns", len(row), len(t.names))
			return detectors.Epoch{}, false
		}
		f, err := strconv.ParseFloat(row[t.epoch], 64)
		if err != nil || f != math.Trunc(f) || math.Abs(f) > math.MaxInt32 {
			c.note(line, "%.40q is no epoch", row[t.epoch])
			return detectors.Epoch{}, false
		}
		number = int(f)
	}
	if len(row) != len(t.names) {
		c.note(line, "the row has %d of %d columns", len(row), len(t.names))
	}
	t.rows++
	e := newEpoch(number)
	for i, text := range row[:min(len(row), len(t.names))] {
		if i == t.epoch || text == "" || strings.EqualFold(text, "NA") || strings.EqualFold(text, "null") || t.names[i] == "" {
			continue
		}
		v, err := t.number(text)
		switch {
		case err != nil:
			if !t.told {
				c.note(line, "%.40q in column %.40q is no number", text, t.names[i])
				t.told = true
			}
		case isRate(t.names[i]):
			e.LearningRate = v
		default:
			e.Metrics[t.names[i]] = v
		}
	}
	return e, len(e.Metrics) > 0
}

// number reads a value; where columns are not separated by commas, one may be the decimal.
func (t *table) number(text string) (float64, error) {
	if t.delimiter != ',' && strings.Count(text, ",") == 1 {
		text = strings.Replace(text, ",", ".", 1)
	}
	v, err := strconv.ParseFloat(text, 64)
	if errors.Is(err, strconv.ErrRange) {
		return v, nil
	}
	return v, err
}
