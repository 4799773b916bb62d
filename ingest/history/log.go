package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf16"

	"github.com/epochwatch/epochwatch/detectors"
)

// ErrNotALog is returned for input in which no epoch was found. The error says what was
// looked for and what was there.
var ErrNotALog = errors.New("no training log")

// maxNotes is how many lines that were understood only in part are kept in words.
const maxNotes = 20

// Note is one line that was not, or only in part, understood.
type Note struct {
	Line int    // counted from 1; 0 for the whole file
	What string // what was passed over and why
}

// Log is one training as a file tells it.
type Log struct {
	Source string
	Epochs []detectors.Epoch // in order of training, numbered as the file numbers them
	// Declared is how many epochs were planned ("Epoch 3/180"); 0 when not said.
	Declared int
	// Skipped counts what was passed over; Notes holds the first of it in words.
	Skipped int
	Notes   []Note
	// Runs is how many trainings the file holds one after the other; the last of at least
	// longEnough epochs was taken, or else the longest.
	Runs int
}

// Read reads a log of any known form. It returns ErrNotALog, wrapped with the reason, or
// the error of the reader.
func Read(r io.Reader, source string) (Log, error) {
	in, err := decoded(r)
	if err != nil {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	head, err := in.Peek(peek)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	if len(bytes.TrimSpace(head)) == 0 {
		return Log{}, fmt.Errorf("%s: %w: it is empty", source, ErrNotALog)
	}
	if bytes.IndexByte(head, 0) >= 0 {
		return Log{}, fmt.Errorf("%s: %w: it is binary, not text", source, ErrNotALog)
	}
	c := &collector{log: Log{Source: source}}
	if delimiter, ok := looksLikeTable(head); ok {
		err = readTable(in, delimiter, c)
	} else {
		err = readConsole(in, c)
	}
	if err != nil {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	log := c.done()
	if len(log.Epochs) == 0 {
		return Log{}, fmt.Errorf("%s: %w: neither lines of Keras (“Epoch 3/20”, “loss: 0.5”) nor a CSVLogger table (a header with epoch or loss)", source, ErrNotALog)
	}
	return log, nil
}

const (
	peek = 64 << 10
	// longEnough is how many epochs make a training worth reading: shorter ones behind a
	// longer one are mostly trials or beginnings that were broken off.
	longEnough = 8
)

// decoded takes byte order marks off and turns UTF-16 into UTF-8.
func decoded(r io.Reader) (*bufio.Reader, error) {
	in := bufio.NewReaderSize(r, peek)
	mark, err := in.Peek(3)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		_, err = in.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")):
		return bufio.NewReaderSize(&utf16Reader{in: in, high: 1}, peek), nil
	case bytes.HasPrefix(mark, []byte("\xfe\xff")):
		return bufio.NewReaderSize(&utf16Reader{in: in, high: 0}, peek), nil
	default:
		err = nil
	}
	return in, err
}

// utf16Reader turns UTF-16 into UTF-8, one unit at a time.
type utf16Reader struct {
	in   *bufio.Reader
	high int // index of the high byte in a unit
	left []byte
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.left) < len(p) {
		var b [2]byte
		if _, err := io.ReadFull(u.in, b[:]); err != nil {
			if len(u.left) == 0 {
				return 0, io.EOF
			}
			break
		}
		unit := rune(b[u.high])<<8 | rune(b[1-u.high])
		switch {
		case unit == 0xfeff:
		case utf16.IsSurrogate(unit):
			u.left = append(u.left, '?') // no name or number of a log is outside the base plane
		default:
			u.left = append(u.left, string(unit)...)
		}
	}
	n := copy(p, u.left)
	u.left = u.left[n:]
	return n, nil
}

// collector gathers epochs, splits runs and keeps the last good one.
type collector struct {
	log  Log
	kept []detectors.Epoch // the run to take, of those read so far
}

func (c *collector) note(line int, format string, args ...any) {
	c.log.Skipped++
	if len(c.log.Notes) < maxNotes {
		c.log.Notes = append(c.log.Notes, Note{line, fmt.Sprintf(format, args...)})
	}
}

// newRun ends the training read so far.
func (c *collector) newRun() {
	if len(c.log.Epochs) == 0 {
		return
	}
	c.log.Runs++
	if n := len(c.log.Epochs); n >= longEnough || n > len(c.kept) {
		c.kept = c.log.Epochs
	}
	c.log.Epochs = nil
}

// add takes one epoch in; a number that does not go up begins another run.
func (c *collector) add(e detectors.Epoch) {
	if n := len(c.log.Epochs); n > 0 && e.Epoch <= c.log.Epochs[n-1].Epoch {
		c.newRun()
	}
	c.log.Epochs = append(c.log.Epochs, e)
}

func (c *collector) done() Log {
	c.newRun()
	c.log.Epochs = c.kept
	if c.log.Runs > 1 {
		c.log.Notes = append(c.log.Notes, Note{What: fmt.Sprintf("%d trainings stand in the file; one of %d epochs was read", c.log.Runs, len(c.kept))})
	}
	return c.log
}

// newEpoch returns an epoch of which nothing but its number is known.
func newEpoch(number int) detectors.Epoch {
	nan := math.NaN()
	return detectors.Epoch{Epoch: number, Seconds: nan, LearningRate: nan, FirstBatchLoss: nan, Metrics: map[string]float64{}}
}

// isRate reports whether Keras calls the learning rate so in its logs.
func isRate(name string) bool { return name == "lr" || name == "learning_rate" }
