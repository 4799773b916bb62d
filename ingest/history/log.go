package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"github.com/epochwatch/epochwatch/detectors"
)

// The limits that keep memory bounded whatever is read.
const (
	maxLine   = 256 << 10 // bytes of one rendering of a line; the rest of it is dropped and counted
	maxEpochs = 100_000   // epochs of one run
	maxValues = 2_000_000 // values of one run
	maxName   = 256       // bytes of a metric's name, as the contract has it
)

// Format is what kind of log was read.
type Format string

// The formats.
const (
	FormatConsole   Format = "console"   // what Keras prints
	FormatCSVLogger Format = "csvlogger" // a file of keras.callbacks.CSVLogger, or a table like it
)

// Log is one training as it was read.
type Log struct {
	Source string // as given to Read
	Format Format
	// Epochs are those of the run that was chosen, in order, numbered as the log numbers
	// them. Seconds and LearningRate are NaN where the log does not say; the learning rate
	// is never among the metrics.
	Epochs []detectors.Epoch
	// Declared is how many epochs were planned ("Epoch 3/20": 20); 0 if not said.
	Declared int
	// Skipped says which lines were not or only in part understood.
	Skipped []Note
	// Runs is how many trainings stand in the log, one after the other. Epochs holds the
	// last one that has at least 8 epochs, or the longest when none has.
	Runs int
	// Notes says what was decided in reading, such as which run was chosen.
	Notes []Note
}

// Note is one thing to know about how a log was read.
type Note struct {
	Line  int64 // where it happened first, from 1; 0 if it is about the whole
	Count int   // how often
	Text  string
}

// String returns the note for a person: "3 lines … (first at line 12)".
func (n Note) String() string {
	switch {
	case n.Line == 0:
		return n.Text
	case n.Count <= 1:
		return fmt.Sprintf("%s (line %d)", n.Text, n.Line)
	default:
		return fmt.Sprintf("%s (%d times, first in line %d)", n.Text, n.Count, n.Line)
	}
}

// ErrNotALog is wrapped by the error that Read returns when no epoch was found. The
// error's text says what was looked for and what was found.
var ErrNotALog = errors.New("not a training log")

const lookedFor = `looked for Keras console output ("Epoch 1/20", then "… - loss: 0.6931 …") or a CSVLogger table (a first line with "epoch" and "loss")`

func notALog(source, found string) error {
	return fmt.Errorf("%s: %w: %s, found %s", source, ErrNotALog, lookedFor, found)
}

// Read reads one log to its end. The source is only a name. The error wraps ErrNotALog
// when there is no epoch in it, and otherwise is the reader's own.
func Read(r io.Reader, source string) (Log, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, err := br.Peek(8 << 10)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	text, what := decoder(br, head)
	if what != "" {
		return Log{}, notALog(source, what)
	}
	ls := newLines(text)
	p := &parse{notes: newNotes(), names: map[string]string{}}
	p.runs.notes = p.notes
	if err := p.all(ls); err != nil {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	log := Log{Source: source, Format: p.format, Skipped: p.notes.list()}
	if ls.cut > 0 {
		log.Skipped = append(log.Skipped, Note{
			Line: ls.firstCut, Count: ls.cut, Text: fmt.Sprintf("a line is longer than %d KiB: its end was not read", maxLine>>10),
		})
	}
	p.runs.finish(&log)
	if len(log.Epochs) == 0 {
		return Log{}, notALog(source, p.found(ls))
	}
	return log, nil
}

// parse is the reading of one log.
type parse struct {
	format Format
	notes  *notes
	runs   runs
	names  map[string]string // metric names seen, so that each is stored once
	first  string            // the first line with anything on it, for the error
}

// tableWithin is how many lines may stand before the header of a table.
const tableWithin = 20

// all reads every line. Both readers look at the beginning; the first to find an epoch
// reads on alone.
func (p *parse) all(ls *lines) error {
	var tab *table
	screen := newConsole(p)
	for seen := 0; ; {
		l, err := ls.next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if blank(l.text) {
			continue
		}
		if seen++; seen == 1 {
			p.first = clip(string(l.text), 60)
		}
		switch {
		case p.format == FormatCSVLogger:
			tab.take(l)
		case p.format == FormatConsole:
			screen.take(l)
		case tab != nil && tab.row(l):
			p.format = FormatCSVLogger
			tab.take(l)
		default:
			if t := newTable(p, l); t != nil && seen <= tableWithin {
				tab = t
			}
			if screen.take(l); screen.open {
				p.format = FormatConsole
			}
		}
	}
	if p.format == FormatConsole {
		screen.end()
	}
	return nil
}

// found says what stands there instead of a log.
func (p *parse) found(ls *lines) string {
	if p.first == "" {
		return "nothing: it is empty or blank"
	}
	n := ls.number
	return fmt.Sprintf("%d %s of text, beginning with %q, without any figures of an epoch", n, plural(n, "line", "lines"), p.first)
}

// name returns one shared string for a metric's name.
func (p *parse) name(b []byte) string {
	if s, ok := p.names[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(p.names) < 10_000 {
		p.names[s] = s
	}
	return s
}

func plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
