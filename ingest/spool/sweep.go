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
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// inFlight is how many events of one spool are on their way at once: the broker writes
// each to disk before it acknowledges.
const inFlight = 16

// PublishFunc publishes one event under its Nats-Msg-Id and returns when the broker has
// acknowledged it. It is called by several goroutines.
type PublishFunc func(ctx context.Context, subject, msgID string, data []byte) error

// Sweep delivers the spools in dir whose owners are dead. A spool that cannot be
// delivered stays, with the reason in the report; the error is that of the folder, or of a
// ctx that ended. A folder that does not exist holds nothing. When the broker refuses an
// event, the spools after it are counted and not tried: a broker that answers nothing
// would hold up each of them.
func Sweep(ctx context.Context, dir string, t Target, publish PublishFunc, log *slog.Logger) (Report, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("read spools: %w", err)
	}
	s := sweep{target: t, publish: publish}
	var report Report
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		f, there := s.deliver(ctx, filepath.Join(dir, e.Name()))
		if !there {
			continue
		}
		if f.Unread > 0 {
			log.WarnContext(ctx, "spool holds lines that are no events", "path", f.Path, "unread", f.Unread, "reason", f.Reason)
		}
		if f.Delivered > 0 {
			log.InfoContext(ctx, "spool delivered", "path", f.Path, "events", f.Delivered, "left", f.Left)
		}
		report.Files = append(report.Files, f)
	}
	return report, ctx.Err()
}

// sweep is one walk over a folder.
type sweep struct {
	target  Target
	publish PublishFunc
	away    error // why the broker takes nothing, once it has refused
}

// deliver handles one file. It returns false when the file is gone.
func (s *sweep) deliver(ctx context.Context, path string) (File, bool) {
	out := File{Path: path}
	f, err := open(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return out, false
	case err != nil:
		out.Reason = err.Error()
		return out, true
	}
	defer f.f.Close()
	if !s.target.takes(f.header) {
		// Not counted: a daemon comes by every few seconds, and it is not its business.
		out.Left, out.Reason = 1, meantFor(f.header)
		return out, true
	}
	err = s.send(ctx, f, &out)
	if err == nil {
		err = finish(f, &out)
	}
	if err != nil {
		out.Reason = err.Error()
	}
	return out, true
}

// finish removes what was delivered, or sets it aside when not all of it could be read.
func finish(f *file, out *File) error {
	if out.Unread == 0 {
		return f.remove()
	}
	to, err := f.setAside()
	if err != nil {
		return err
	}
	out.Reason = "lines that are no events: kept as " + filepath.Base(to)
	return nil
}

// send publishes what is not yet acknowledged, inFlight at a time. It returns nil when
// everything is acknowledged. What comes after a refusal is counted.
func (s *sweep) send(ctx context.Context, f *file, out *File) error {
	acked := f.acked()
	upTo := acked
	for {
		batch, err := f.batch(acked, out)
		if err != nil {
			return fmt.Errorf("reading it: %w", err)
		}
		switch {
		case len(batch) == 0 && out.Left > 0:
			return s.away
		case len(batch) == 0:
			return nil
		case s.away != nil:
			out.Left += len(batch)
			continue
		}
		if s.away = s.sendBatch(ctx, f.header, batch); s.away != nil {
			out.Left += len(batch)
			continue
		}
		out.Delivered += len(batch)
		if next := contiguous(upTo, batch); next > upTo {
			upTo = next
			if err := f.mark(upTo); err != nil {
				return fmt.Errorf("marking what is delivered: %w", err)
			}
		}
	}
}

// contiguous is up to where everything is acknowledged, once batch is. A number that a full
// disk cost the owner stops it there: what is behind is only sent again.
func contiguous(upTo int64, batch []event) int64 {
	for _, e := range batch {
		if e.seq == upTo+1 {
			upTo++
		}
	}
	return upTo
}

type event struct {
	seq  int64
	data []byte
}

// sendBatch publishes one batch and waits until all of it is acknowledged.
func (s *sweep) sendBatch(ctx context.Context, h header, batch []event) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, e := range batch {
		g.Go(func() error {
			return s.publish(ctx, contract.EventSubject(h.Project, h.Run), contract.MessageID(h.Run, h.Attempt, e.seq), e.data)
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
