package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// inFlight is how many events of one spool are on their way at once: the broker writes
// each to disk before it acknowledges.
const inFlight = 16

// PublishFunc publishes one event under its Nats-Msg-Id and returns when the broker has
// acknowledged it.
type PublishFunc func(ctx context.Context, subject, msgID string, data []byte) error

// Target says whose spools are delivered.
type Target struct {
	// URLs are the addresses of the broker that PublishFunc speaks to, without secrets.
	URLs []string
	// Daemon is true for the daemon of the data folder: spools that name no address are
	// meant for it.
	Daemon bool
}

// takes reports whether a spool was meant for the target.
func (t Target) takes(h header) bool {
	if h.URL == nil {
		return t.Daemon
	}
	for u := range strings.SplitSeq(*h.URL, ",") {
		if slices.Contains(t.URLs, strings.TrimRight(strings.TrimSpace(u), "/")) {
			return true
		}
	}
	return false
}

// File is what became of one spool.
type File struct {
	Path      string `json:"path"`
	Delivered int    `json:"delivered"` // events acknowledged now
	Left      int    `json:"left"`      // events that still wait
	Unread    int    `json:"unread"`    // lines that are no events and were passed over
	Reason    string `json:"reason,omitempty"`
}

// Report is what became of all spools of a folder.
type Report struct {
	Files []File `json:"files"`
}

// Left counts the events, and the spools that could not be looked into, that still wait.
func (r Report) Left() int {
	n := 0
	for _, f := range r.Files {
		n += f.Left
		if f.Left == 0 && f.Reason != "" {
			n++
		}
	}
	return n
}

// Delivered counts the events that were acknowledged now.
func (r Report) Delivered() int {
	n := 0
	for _, f := range r.Files {
		n += f.Delivered
	}
	return n
}

// Sweep delivers the spools in dir whose owners are dead. A spool that cannot be
// delivered stays, with the reason in the report; the error is that of the folder. A
// folder that does not exist holds nothing.
func Sweep(ctx context.Context, dir string, t Target, publish PublishFunc, log *slog.Logger) (Report, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("read spools: %w", err)
	}
	var report Report
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		f := deliver(ctx, filepath.Join(dir, e.Name()), t, publish)
		if f.Reason == "" && f.Path == "" {
			continue
		}
		if f.Delivered > 0 || f.Unread > 0 {
			log.InfoContext(ctx, "spool delivered", "path", f.Path, "events", f.Delivered, "left", f.Left, "unread", f.Unread)
		}
		report.Files = append(report.Files, f)
	}
	return report, ctx.Err()
}

// deliver handles one file. The zero File says that it is gone.
func deliver(ctx context.Context, path string, t Target, publish PublishFunc) File {
	out := File{Path: path}
	s, err := open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return File{}
	case err != nil:
		out.Reason = err.Error()
		return out
	}
	defer s.f.Close()
	if !t.takes(s.header) {
		out.Reason = "it is meant for the daemon of its data folder"
		if s.header.URL != nil {
			out.Reason = "it is meant for " + *s.header.URL
		}
		out.Left = 1
		return out
	}
	if err := s.send(ctx, publish, &out); err != nil {
		out.Reason = err.Error()
		return out
	}
	if err := s.remove(); err != nil {
		out.Reason = err.Error()
	}
	return out
}

// send publishes what is not yet acknowledged, in order, inFlight at a time.
func (s *file) send(ctx context.Context, publish PublishFunc, out *File) error {
	acked := s.acked()
	var failed error
	for {
		batch, err := s.batch(acked, out)
		if err != nil {
			return err
		}
		if len(batch) == 0 {
			return failed
		}
		if failed != nil { // only counted: the rest waits behind the one that failed
			out.Left += len(batch)
			continue
		}
		if failed = s.publish(ctx, publish, batch); failed != nil {
			out.Left += len(batch)
			continue
		}
		out.Delivered += len(batch)
		acked = batch[len(batch)-1].seq
		if err := s.mark(acked); err != nil {
			return err
		}
	}
}

type event struct {
	seq  int64
	data []byte
}

func (s *file) publish(ctx context.Context, publish PublishFunc, batch []event) error {
	g, ctx := errgroup.WithContext(ctx)
	h := s.header
	for _, e := range batch {
		g.Go(func() error {
			return publish(ctx, contract.EventSubject(h.Project, h.Run), contract.MessageID(h.Run, h.Attempt, e.seq), e.data)
		})
	}
	return g.Wait()
}

// batch returns the next events after acked; none at the end.
func (s *file) batch(acked int64, out *File) ([]event, error) {
	var batch []event
	for len(batch) < inFlight {
		line, err := s.line()
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, errTorn):
			return batch, nil // a torn last line was never accepted
		case errors.Is(err, errTooLong):
			out.Unread++
			continue
		case err != nil:
			return nil, err
		}
		var e struct {
			Seq int64 `json:"seq"`
		}
		if json.Unmarshal(line, &e) != nil || e.Seq < 1 {
			if len(line) > 0 {
				out.Unread++
			}
			continue
		}
		if e.Seq > acked {
			batch = append(batch, event{e.Seq, line})
		}
	}
	return batch, nil
}
