package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

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
	FormatConsole     Format = "console"     // what Keras prints
	FormatCSVLogger   Format = "csvlogger"   // a file of keras.callbacks.CSVLogger, or a table like it
	FormatHistory     Format = "history"     // History.history, as JSON or as Python prints it
	FormatNotebook    Format = "notebook"    // an executed Jupyter notebook
	FormatTensorBoard Format = "tensorboard" // an event file, or a log folder of them
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
	Cell  int   // of a notebook, from 1; 0 if it is none
	Line  int64 // where it happened first, from 1, in a notebook that of the cell's output; 0 if it is about the whole
	Count int   // how often
	Text  string
}

// String returns the note for a person: "… (3 times, first in line 12)".
func (n Note) String() string {
	var where []string
	if n.Line > 0 {
		where = append(where, fmt.Sprintf("line %d", n.Line))
	}
	if n.Cell > 0 {
		where = append(where, fmt.Sprintf("of the output of cell %d", n.Cell))
	}
	at := strings.Join(where, " ")
	switch {
	case n.Count > 1 && at != "":
		at = fmt.Sprintf("%d times, first in %s", n.Count, at)
	case n.Count > 1:
		at = fmt.Sprintf("%d times", n.Count)
	}
	if at == "" {
		return n.Text
	}
	return n.Text + " (" + at + ")"
}

// ErrNotALog is wrapped by the error that Read returns when no epoch was found. The
// error's text says what was looked for and what was found.
var ErrNotALog = errors.New("not a training log")

const lookedFor = `looked for Keras console output ("Epoch 1/20", then "… - loss: 0.6931 …"), a CSVLogger table (a first line ` +
	`with "epoch" and "loss"), a History as JSON or as Python prints it, an executed notebook or TensorBoard events`

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
	p := newParse()
	if isRecords(head) {
		b := newBoard(p)
		if err := b.read(br, false); err != nil {
			return Log{}, fmt.Errorf("read %s: %w", source, err)
		}
		b.epochs("")
		return p.log(source, b.found())
	}
	text, what := decoder(br, head)
	if what != "" {
		return Log{}, notALog(source, what)
	}
	return readText(text, source)
}

// readText reads a log that is text: a value, or lines.
func readText(text io.Reader, source string) (Log, error) {
	br, ok := text.(*bufio.Reader)
	if !ok {
		br = bufio.NewReaderSize(text, 64<<10)
	}
	p := newParse()
	found := ""
	text = br
	if valued(br) {
		again := &rewind{r: br}
		err := p.document(bufio.NewReaderSize(again, 64<<10))
		switch {
		case again.err != nil:
			return Log{}, fmt.Errorf("read %s: %w", source, again.err)
		case err == nil:
			return p.log(source, "a notebook without the figures of an epoch in its outputs: was it run and saved?")
		}
		found = "a JSON or Python value: " + err.Error()
		if p.format == FormatNotebook {
			found = "a Jupyter notebook that is not whole: " + err.Error()
		}
		if again.over || p.format == FormatNotebook {
			return Log{}, notALog(source, found)
		}
		text = io.MultiReader(bytes.NewReader(again.kept), br)
		p = newParse()
	}
	ls := newLines(text)
	if err := p.all(ls); err != nil {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	p.long(ls)
	if found == "" {
		found = p.found(ls)
	}
	return p.log(source, found)
}

// valued reports whether a text begins like a value: a dict, a list, a text in quotes.
func valued(r *bufio.Reader) bool {
	head, _ := r.Peek(512) // an error comes again
	head = bytes.TrimLeft(head, " \t\r\n\x00")
	return len(head) > 0 && bytes.IndexByte([]byte(`{["`), head[0]) >= 0 ||
		bytes.HasPrefix(head, []byte("defaultdict(")) || bytes.HasPrefix(head, []byte("OrderedDict("))
}

// rewind keeps the beginning of what is read: a log may begin with a dict that was printed.
type rewind struct {
	r    io.Reader
	kept []byte
	over bool  // more was read than is kept
	err  error // the reader's own
}

const maxRewind = 4 << 20

func (w *rewind) Read(b []byte) (int, error) {
	n, err := w.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		w.err = err
	}
	if w.over = w.over || len(w.kept)+n > maxRewind; w.over {
		w.kept = nil
	} else {
		w.kept = append(w.kept, b[:n]...)
	}
	return n, err
}

// parse is the reading of one log.
type parse struct {
	format Format
	notes  *notes
	runs   runs
	names  map[string]string // metric names seen, so that each is stored once
	first  string            // the first line with anything on it, for the error
}

func newParse() *parse {
	p := &parse{notes: newNotes(), names: map[string]string{}}
	p.runs.notes = p.notes
	return p
}

// log returns what was read; found says what stands there instead of epochs.
func (p *parse) log(source, found string) (Log, error) {
	log := Log{Source: source, Format: p.format, Skipped: p.notes.list()}
	p.runs.finish(&log)
	if len(log.Epochs) == 0 {
		return Log{}, notALog(source, found)
	}
	return log, nil
}

// long says that lines were too long.
func (p *parse) long(ls *lines) {
	if ls.cut > 0 {
		p.notes.addN(ls.firstCut, ls.cut, fmt.Sprintf("a line is longer than %d KiB: its end was not read", maxLine>>10))
	}
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
