package history

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// files that people hand in by mistake, by how they begin.
var magics = []struct{ magic, what string }{
	{"\x89HDF", "an HDF5 file (a saved model or its weights?)"},
	{"PK\x03\x04", "a zip archive (a .keras model?)"},
	{"\x1f\x8b", "a gzip file: unpack it first"},
	{"BZh", "a bzip2 file: unpack it first"},
	{"\xfd7zXZ", "an xz file: unpack it first"},
	{"\x28\xb5\x2f\xfd", "a zstd file: unpack it first"},
	{"\x89PNG", "a PNG picture"},
	{"\xff\xd8\xff", "a JPEG picture"},
	{"GIF8", "a GIF picture"},
	{"%PDF", "a PDF file"},
	{"\x7fELF", "a program"},
	{"\x80\x03", "a Python pickle"},
	{"\x80\x04", "a Python pickle"},
	{"\x80\x05", "a Python pickle"},
	{"SQLite format 3", "an SQLite database"},
}

// decoder returns r as text in UTF-8 or, byte for byte, in an eight-bit encoding (lines
// sort that out). When the head can be no text it returns what it is instead.
func decoder(r *bufio.Reader, head []byte) (text io.Reader, what string) {
	switch {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = r.Discard(3) // the bytes are in the buffer
		return r, ""
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		_, _ = r.Discard(2)
		return &utf16Reader{r: r, order: binary.LittleEndian}, ""
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		_, _ = r.Discard(2)
		return &utf16Reader{r: r, order: binary.BigEndian}, ""
	}
	for _, m := range magics {
		if bytes.HasPrefix(head, []byte(m.magic)) {
			return nil, m.what
		}
	}
	if order := guessUTF16(head); order != nil {
		return &utf16Reader{r: r, order: order}, ""
	}
	// A log that was cut while it was written to begins with zeros; they are no sign.
	control, n := 0, 0
	for _, c := range head {
		if c == 0 {
			continue
		}
		n++
		if c < ' ' && !bytes.ContainsRune([]byte("\t\n\v\f\r\b\a\x1b"), rune(c)) || c == 0x7f {
			control++
		}
	}
	if control*20 > n && n > 0 {
		return nil, "binary data"
	}
	return r, ""
}

// guessUTF16 recognises UTF-16 without its mark by the zeros in every other place.
func guessUTF16(head []byte) binary.ByteOrder {
	head = head[:min(len(head), 512)]
	if len(head) < 8 {
		return nil
	}
	var zeros [2]int
	for i, c := range head {
		if c == 0 {
			zeros[i%2]++
		}
	}
	half := len(head) / 2
	switch {
	case zeros[1]*10 > half*9 && zeros[0] == 0:
		return binary.LittleEndian
	case zeros[0]*10 > half*9 && zeros[1] == 0:
		return binary.BigEndian
	}
	return nil
}

// utf16Reader turns UTF-16 into UTF-8. An odd byte at the end is dropped.
type utf16Reader struct {
	r     *bufio.Reader
	order binary.ByteOrder
	out   []byte // decoded, not yet read
	high  rune   // the first half of a pair, 0 if none
	err   error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) fill() {
	var unit [2]byte
	u.out = u.out[:0:0]
	for len(u.out) < 4096 {
		if _, err := io.ReadFull(u.r, unit[:]); err != nil {
			if errors.Is(err, io.ErrUnexpectedEOF) {
				err = io.EOF
			}
			u.err = err
			return
		}
		c := rune(u.order.Uint16(unit[:]))
		switch {
		case u.high != 0:
			u.out = utf8.AppendRune(u.out, utf16.DecodeRune(u.high, c))
			u.high = 0
		case c >= 0xd800 && c < 0xdc00:
			u.high = c
		default:
			u.out = utf8.AppendRune(u.out, c)
		}
	}
}

// latin1 reads bytes that are no UTF-8 as ISO 8859-1, in which every byte is a letter.
func latin1(b []byte) []byte {
	out := make([]byte, 0, len(b)+16)
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return out
}
