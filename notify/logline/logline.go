// Package logline writes notices to the daemon's log: the channel of those who configured
// none, and of findings too slight to disturb anyone.
package logline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/epochwatch/epochwatch/notify/notice"
)

// Timeout is how long writing may take: a log on a full pipe must not hold a worker.
const Timeout = 5 * time.Second

// Options say where to write.
type Options struct {
	Log *slog.Logger // one record a notice, the text as an attribute
	// Out, when there is one, gets the text in several lines instead, for a person at a
	// terminal: in one write, so that it stays together.
	Out io.Writer
}

type channel struct {
	o  Options
	mu sync.Mutex // of Out
}

// New returns the channel.
func New(o Options) notice.Channel {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &channel{o: o}
}

// Send writes the notice. The reference is empty.
func (c *channel) Send(ctx context.Context, n notice.Notice) (string, error) {
	s := notice.Tell(n)
	if c.o.Out != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, err := io.WriteString(c.o.Out, block(s)); err != nil {
			return "", fmt.Errorf("write the message: %w", err)
		}
		return "", nil
	}
	c.o.Log.LogAttrs(ctx, level(s.Mood), "message",
		slog.String("title", s.Title), slog.String("project", n.Run.Project), slog.String("run", n.Run.ID),
		slog.String("kind", string(n.Finding.Kind)), slog.String("message_id", n.ID), slog.String("text", s.Text()))
	return "", nil
}

// block is the notice with a rule at its left, so that it stands out among other lines.
func block(s notice.Story) string {
	var b strings.Builder
	b.WriteString("\n┏ " + s.Subject + "\n")
	for line := range strings.Lines(s.Text()) {
		b.WriteString(strings.TrimRight("┃ "+line, " \n") + "\n")
	}
	b.WriteString("\n")
	return b.String()
}

func level(mood string) slog.Level {
	switch mood {
	case "critical":
		return slog.LevelError
	case "warning":
		return slog.LevelWarn
	}
	return slog.LevelInfo
}
