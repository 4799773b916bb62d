package history

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// maxFiles bounds the event files of one folder.
const maxFiles = 10_000

// ReadFolder reads a log folder of Keras' TensorBoard callback, with train/ and
// validation/ in it, or one that holds several such folders. The error wraps ErrNotALog
// when there is no epoch in it.
func ReadFolder(folder fs.FS, source string) (Log, error) {
	files, err := eventFiles(folder)
	if err != nil {
		return Log{}, fmt.Errorf("read %s: %w", source, err)
	}
	if len(files) == 0 {
		return Log{}, notALog(source, "a folder without TensorBoard event files: name the logs in it")
	}
	// The two sides of a training are the folders train and validation of its log folder.
	sides := map[string][]string{}
	for _, name := range files {
		log := path.Dir(name)
		if base := path.Base(log); base == "train" || base == "validation" {
			log = path.Dir(log)
		}
		sides[log] = append(sides[log], name)
	}
	p := newParse()
	found := ""
	for _, log := range slices.Sorted(maps.Keys(sides)) {
		b := newBoard(p)
		for _, name := range sides[log] {
			if err := b.file(folder, name); err != nil {
				return Log{}, fmt.Errorf("read %s: %s: %w", source, name, err)
			}
		}
		p.runs.closeRun() // each log folder is a training of its own
		if b.epochs(log); log == "." {
			p.runs.cur.name = "" // all of it
		}
		found = b.found()
	}
	return p.log(source, found)
}

// eventFiles returns the event files of a folder, in order of their names, which begin with
// the time at which they were made.
func eventFiles(folder fs.FS) ([]string, error) {
	var out []string
	err := fs.WalkDir(folder, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), "tfevents") {
			return err
		}
		if out = append(out, name); len(out) > maxFiles {
			return fmt.Errorf("more than %d event files", maxFiles)
		}
		return nil
	})
	return out, err
}

// file reads one event file of a folder.
func (b *board) file(folder fs.FS, name string) error {
	f, err := folder.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	r := bufio.NewReaderSize(f, 64<<10)
	head, err := r.Peek(frame)
	switch {
	case err != nil && !errors.Is(err, io.EOF):
		return err
	case len(head) == 0:
		return nil // made, and not yet written to
	case len(head) == frame && !isRecords(head):
		return errors.New("it is no event file: the checksum of its first record is wrong")
	}
	return b.read(r, path.Base(path.Dir(name)) == "validation")
}
