package spool

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/internal/filelock"
)

const (
	suffix      = ".jsonl"
	ackedSuffix = ".acked"
	// unreadSuffix is for what is kept because it holds lines that are no events.
	unreadSuffix = ".unread"
	// maxLine is a whole event and a little: what is longer was never accepted.
	maxLine = contract.MaxMessageBytes + 1024
)

// errOwned says that the training process lives, or somebody else is delivering.
var errOwned = errors.New("its owner is alive")

// header is the first line of a spool.
type header struct {
	Spool   int    `json:"spool"`
	Project string `json:"project"`
	Run     string `json:"run"`
	Attempt string `json:"attempt"`
	// URL is the address the run was meant for; nil means the daemon of the data folder.
	URL *string `json:"url"`
}

func (h header) valid() error {
	if h.Spool != 1 {
		return fmt.Errorf("it is of version %d, this program reads 1", h.Spool)
	}
	if !contract.ValidName(h.Project) || !contract.ValidName(h.Run) || !contract.ValidName(h.Attempt) {
		return errors.New("its header names no run")
	}
	return nil
}

// file is one spool, locked.
type file struct {
	path   string
	f      *os.File
	in     *bufio.Reader
	header header
}

// open locks a spool and reads its header. It returns errOwned, or os.ErrNotExist when
// somebody else has delivered and removed it.
func open(path string) (*file, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	s := &file{path: path, f: f, in: bufio.NewReaderSize(f, 64<<10)}
	if err := s.begin(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

func (s *file) begin() error {
	if err := filelock.TryExclusive(s.f); errors.Is(err, filelock.ErrLocked) {
		return errOwned
	} else if err != nil {
		return err
	}
	// Between opening and locking another one may have delivered and removed it.
	mine, err := s.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	if !os.SameFile(mine, there) {
		return os.ErrNotExist
	}
	line, err := s.line()
	if err != nil {
		return fmt.Errorf("its header is not whole: %w", err)
	}
	if err := json.Unmarshal(line, &s.header); err != nil {
		return fmt.Errorf("its header is no JSON: %w", err)
	}
	return s.header.valid()
}

var (
	errTorn    = errors.New("a line without an end")
	errTooLong = fmt.Errorf("a line is longer than %d bytes", maxLine)
)

// line returns the next whole line. It returns io.EOF at the end, errTorn for a last line
// that was cut off, and errTooLong for one that is passed over.
func (s *file) line() ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := s.in.ReadSlice('\n')
		if !long {
			line = append(line, part...)
		}
		if len(line) > maxLine {
			line, long = nil, true
		}
		switch {
		case err == nil && long:
			return nil, errTooLong
		case err == nil:
			return bytes.TrimSuffix(line, []byte("\n")), nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && (len(line) > 0 || long):
			return nil, errTorn
		default:
			return nil, err
		}
	}
}

func (s *file) markerPath() string { return strings.TrimSuffix(s.path, suffix) + ackedSuffix }

// acked returns up to where everything is acknowledged; what cannot be read is 0: sending
// again is harmless.
func (s *file) acked() int64 {
	b, err := os.ReadFile(s.markerPath())
	if err != nil {
		return 0
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// mark keeps what has been acknowledged for the next one who tries.
func (s *file) mark(seq int64) error {
	return os.WriteFile(s.markerPath(), []byte(strconv.FormatInt(seq, 10)), 0o600)
}

// remove deletes both files while they are locked: the marker first, since a spool
// without one is only delivered again.
func (s *file) remove() error {
	if err := s.removeMarker(); err != nil {
		return err
	}
	return os.Remove(s.path)
}

// setAside takes the file out of the way, with what could not be read in it, and returns
// where it is now.
func (s *file) setAside() (string, error) {
	to := strings.TrimSuffix(s.path, suffix) + unreadSuffix
	if err := s.removeMarker(); err != nil {
		return "", err
	}
	return to, os.Rename(s.path, to)
}

func (s *file) removeMarker() error {
	if err := os.Remove(s.markerPath()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
