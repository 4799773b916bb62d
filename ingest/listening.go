package ingest

import (
	"sync"
	"time"
)

// maxPause is how long the watch may go without a look at the clock before it concludes
// that the machine slept and nobody listened.
const maxPause = 10 * time.Second

// listening knows since when every partition has been heard: that a run was silent is a
// fact only for that time.
type listening struct {
	mu    sync.Mutex
	next  int
	parts map[int]time.Time // zero: not heard now
	look  time.Time
}

func newListening() *listening { return &listening{parts: map[int]time.Time{}} }

// join adds a partition, not heard yet, and returns what to call it.
func (l *listening) join() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	l.parts[l.next] = time.Time{}
	return l.next
}

func (l *listening) leave(part int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.parts, part)
}

// heard says that a partition is heard and its events are stored as they come.
func (l *listening) heard(part int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.parts[part].IsZero() {
		l.parts[part] = now
	}
}

// deaf says that it is not: the broker or the database is away, or there is much to
// catch up with.
func (l *listening) deaf(part int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts[part] = time.Time{}
}

// since returns since when all partitions have been heard, false when one is not or
// there is none. It is to be called about every second.
func (l *listening) since(now time.Time) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.look.IsZero() && now.Sub(l.look) > maxPause {
		for part, t := range l.parts {
			if !t.IsZero() {
				l.parts[part] = now
			}
		}
	}
	l.look = now
	var since time.Time
	for _, t := range l.parts {
		if t.IsZero() {
			return time.Time{}, false
		}
		if t.After(since) {
			since = t
		}
	}
	return since, len(l.parts) > 0
}
