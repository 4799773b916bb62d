package ingest

import (
	"context"
	"log/slog"
	"time"
)

// trouble logs the first of a row of failures, each change of what is said, and the end;
// not every attempt in between.
type trouble struct {
	log   *slog.Logger
	what  string // what cannot be done
	since time.Time
	said  string
	tries int
}

// failed notes one failure.
func (t *trouble) failed(ctx context.Context, err error, now time.Time) {
	if t.since.IsZero() {
		t.since = now
	}
	t.tries++
	if said := err.Error(); said != t.said {
		t.said = said
		t.log.ErrorContext(ctx, "trying again until it works", "task", t.what, "since", t.since, "tries", t.tries, "error", said)
	}
}

// over notes that it worked again.
func (t *trouble) over(ctx context.Context, now time.Time) {
	if t.since.IsZero() {
		return
	}
	t.log.InfoContext(ctx, "works again", "task", t.what, "after", now.Sub(t.since), "tries", t.tries)
	t.since, t.said, t.tries = time.Time{}, "", 0
}
