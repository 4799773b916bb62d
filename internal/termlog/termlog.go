// Package termlog writes log records for a person at a terminal: time, level, message,
// then the attributes.
package termlog

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
)

// Options say how records are written.
type Options struct {
	Level  slog.Leveler // nil: info and above
	Colour bool
}

// Handler is a slog.Handler. It is safe for concurrent use and writes each record with
// one Write.
type Handler struct {
	o      Options
	mu     *sync.Mutex
	w      io.Writer
	prefix string // of the attributes of open groups, with its dot
	attrs  string // already written out
}

// New returns a handler that writes to w.
func New(w io.Writer, o Options) *Handler {
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return &Handler{o: o, mu: new(sync.Mutex), w: w}
}

// Enabled reports whether records of the level are written.
func (h *Handler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.o.Level.Level() }

// WithAttrs returns a handler that adds the attributes to each record.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	var b bytes.Buffer
	for _, a := range attrs {
		h.attr(&b, h.prefix, a)
	}
	c := *h
	c.attrs += b.String()
	return &c
}

// WithGroup returns a handler that puts the name before the keys that follow.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.prefix += name + "."
	return &c
}

// The colours of a terminal.
const (
	reset  = "\x1b[0m"
	faint  = "\x1b[2m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

// Handle writes one record.
func (h *Handler) Handle(_ context.Context, r slog.Record) error {
	var b bytes.Buffer
	if !r.Time.IsZero() {
		h.paint(&b, faint, r.Time.Format(time.TimeOnly))
		b.WriteByte(' ')
	}
	h.paint(&b, levelColour(r.Level), fmt.Sprintf("%-5s", r.Level))
	b.WriteByte(' ')
	b.WriteString(oneLine(r.Message))
	b.WriteString(h.attrs)
	r.Attrs(func(a slog.Attr) bool {
		h.attr(&b, h.prefix, a)
		return true
	})
	b.WriteByte('\n')
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.w.Write(b.Bytes())
	return err
}

func levelColour(l slog.Level) string {
	switch {
	case l >= slog.LevelError:
		return red
	case l >= slog.LevelWarn:
		return yellow
	case l >= slog.LevelInfo:
		return green
	}
	return faint
}

func (h *Handler) paint(b *bytes.Buffer, colour, text string) {
	if !h.o.Colour {
		b.WriteString(text)
		return
	}
	b.WriteString(colour + text + reset)
}

// attr writes one attribute with the space before it, a group as its members.
func (h *Handler) attr(b *bytes.Buffer, prefix string, a slog.Attr) {
	v := a.Value.Resolve()
	if a.Equal(slog.Attr{}) {
		return
	}
	if v.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, m := range v.Group() {
			h.attr(b, prefix, m)
		}
		return
	}
	b.WriteByte(' ')
	h.paint(b, faint, prefix+a.Key+"=")
	b.WriteString(valueText(v))
}

func valueText(v slog.Value) string {
	var text string
	switch v.Kind() {
	case slog.KindFloat64:
		text = strconv.FormatFloat(v.Float64(), 'g', 6, 64)
	case slog.KindDuration:
		text = v.Duration().Round(time.Microsecond).String()
	case slog.KindTime:
		text = v.Time().Format(time.RFC3339)
	default:
		text = v.String()
	}
	if text == "" || strings.ContainsFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(text)
	}
	return text
}

// oneLine keeps a record on its line, and a terminal from being steered by what a
// stranger sent.
func oneLine(text string) string {
	if !strings.ContainsFunc(text, unprintable) {
		return text
	}
	runes := []rune(text)
	for i, r := range runes {
		if unprintable(r) {
			runes[i] = ' '
		}
	}
	return strings.TrimSpace(string(slices.Clip(runes)))
}

func unprintable(r rune) bool { return !unicode.IsPrint(r) }
