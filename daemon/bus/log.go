package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// repeatAfter is how long a complaint of the server that comes again is kept down to the
// debug level: a trainer with a wrong token knocks several times a second.
const repeatAfter = time.Minute

// maxKinds bounds how many kinds of complaint are remembered.
const maxKinds = 256

// serverLog hands what the embedded server says to slog. The server's notices tell of its
// start and stop, which the daemon tells of itself: they are debug. Its own debugging and
// tracing stay off; they would cost on every message.
type serverLog struct {
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	last  map[string]time.Time // by kind of complaint: when it was last shown
	fatal error
}

var _ server.Logger = (*serverLog)(nil)

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, now: time.Now, last: map[string]time.Time{}}
}

// Noticef implements server.Logger.
func (l *serverLog) Noticef(format string, args ...any) { l.say(slog.LevelDebug, format, args) }

// Warnf implements server.Logger.
func (l *serverLog) Warnf(format string, args ...any) {
	l.say(l.level(slog.LevelWarn, format), format, args)
}

// Errorf implements server.Logger. Most errors of a server are those of its clients.
func (l *serverLog) Errorf(format string, args ...any) {
	l.say(l.level(slog.LevelWarn, format), format, args)
}

// Fatalf implements server.Logger. The server's own logger would end the process here;
// this one keeps the reason for whoever starts the server.
func (l *serverLog) Fatalf(format string, args ...any) {
	l.mu.Lock()
	if l.fatal == nil {
		l.fatal = fmt.Errorf(format, args...)
	}
	l.mu.Unlock()
	l.say(slog.LevelError, format, args)
}

// Debugf implements server.Logger.
func (l *serverLog) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *serverLog) Tracef(string, ...any) {}

// failed is the reason why the server did not start, nil when it did.
func (l *serverLog) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fatal
}

// level is the level of a complaint, lowered when the like was shown a short while ago.
func (l *serverLog) level(first slog.Level, format string) slog.Level {
	l.mu.Lock()
	defer l.mu.Unlock()
	kind, now := kindOf(format), l.now()
	if last, ok := l.last[kind]; ok && now.Sub(last) < repeatAfter {
		return slog.LevelDebug
	}
	if len(l.last) >= maxKinds {
		clear(l.last)
	}
	l.last[kind] = now
	return first
}

// kindOf is what a complaint is about. The server puts address and number of the client
// before the format, and often what the client said behind it.
func kindOf(format string) string {
	if _, rest, ok := strings.Cut(format, " - cid:"); ok {
		_, format, _ = strings.Cut(rest, " - ")
	}
	words := strings.Fields(format)
	return strings.Join(words[:min(len(words), 2)], " ")
}

func (l *serverLog) say(level slog.Level, format string, args []any) {
	ctx := context.Background()
	if l.log.Enabled(ctx, level) {
		l.log.Log(ctx, level, "nats server", "said", fmt.Sprintf(format, args...))
	}
}
