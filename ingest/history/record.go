package history

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// records reads the frames of a TFRecord file: the length, its checksum, the data, their
// checksum.
type records struct {
	r      io.Reader
	offset int64 // of the record that is being read
	end    int64
	buf    bytes.Buffer
	large  int // records that were left out
}

// maxRecord bounds what is kept of one record: those of scalars have a few hundred bytes.
const maxRecord = 16 << 20

const frame = 12 // bytes before the data

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the form in which TFRecord keeps a checksum.
func masked(sum uint32) uint32 { return (sum>>15 | sum<<17) + 0xa282ead8 }

// isRecords reports whether a file begins with a sound frame.
func isRecords(head []byte) bool {
	return len(head) >= frame && masked(crc32.Checksum(head[:8], castagnoli)) == binary.LittleEndian.Uint32(head[8:])
}

// errCut is returned where a file ends within a record.
var errCut = errors.New("the file ends in the middle of a record")

// next returns the next record, valid until the next call; nil for one that is too large.
// The error is io.EOF at the end, errCut if the last record is not whole.
func (s *records) next() ([]byte, error) {
	s.offset = s.end
	var head [frame]byte
	if _, err := io.ReadFull(s.r, head[:]); err != nil {
		return nil, cutOff(err, io.EOF)
	}
	if !isRecords(head[:]) {
		return nil, fmt.Errorf("record at byte %d: the checksum of its length is wrong", s.offset)
	}
	size := binary.LittleEndian.Uint64(head[:])
	if size > 1<<40 {
		return nil, fmt.Errorf("record at byte %d: %d bytes are none of an event", s.offset, size)
	}
	sum := crc32.New(castagnoli)
	into := io.Writer(sum)
	if s.buf.Reset(); size <= maxRecord {
		into = io.MultiWriter(&s.buf, sum) // the buffer grows as data come, whatever the length says
	} else {
		s.large++
	}
	if _, err := io.CopyN(into, s.r, int64(size)); err != nil {
		return nil, cutOff(err, errCut)
	}
	var foot [4]byte
	if _, err := io.ReadFull(s.r, foot[:]); err != nil {
		return nil, cutOff(err, errCut)
	}
	if masked(sum.Sum32()) != binary.LittleEndian.Uint32(foot[:]) {
		return nil, fmt.Errorf("record at byte %d: the checksum of its data is wrong", s.offset)
	}
	s.end += frame + int64(size) + int64(len(foot))
	if size > maxRecord {
		return nil, nil
	}
	return s.buf.Bytes(), nil
}

// cutOff makes of an end of the file what it means.
func cutOff(err, atEnd error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return errCut
	case errors.Is(err, io.EOF):
		return atEnd
	}
	return err
}
