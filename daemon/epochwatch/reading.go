package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// reading passes a file on and says on a terminal how far it has come, once that takes long.
type reading struct {
	io.Reader
	out   io.Writer // nil where nobody watches
	name  string
	size  int64 // bytes; 0 if not known
	read  int64
	next  time.Time
	shown bool
}

// The first line comes after a while, the next ones a few times a second.
const (
	quietFor = time.Second
	showEach = 200 * time.Millisecond
)

func newReading(r io.Reader, out io.Writer, name string, size int64) *reading {
	p := &reading{Reader: r, name: name, size: size, next: time.Now().Add(quietFor)}
	if f, ok := out.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.out = out
	}
	return p
}

func (p *reading) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	p.read += int64(n)
	if p.out == nil || n == 0 {
		return n, err
	}
	if now := time.Now(); now.After(p.next) {
		p.next, p.shown = now.Add(showEach), true
		of := ""
		if p.size > 0 {
			of = fmt.Sprintf(" of %d", p.size>>20)
		}
		fmt.Fprintf(p.out, "\r%s: %d%s MiB read\x1b[K", called(p.name), p.read>>20, of)
	}
	return n, err
}

// done takes the line away.
func (p *reading) done() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}
