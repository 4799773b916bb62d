package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// stopFunc ends a part; it returns when the part has ended or ctx has.
type stopFunc func(ctx context.Context) error

// part is a running part of the daemon.
type part struct {
	name string
	stop stopFunc
}

// parts are the running ones in the order they were started. A background part that ends
// by itself ends the daemon.
type parts struct {
	log    *slog.Logger
	list   []part
	failed chan error // the first failure of a background part
}

func newParts(log *slog.Logger) *parts {
	return &parts{log: log, failed: make(chan error, 1)}
}

// add notes a part that was started.
func (p *parts) add(name string, stop stopFunc) {
	p.list = append(p.list, part{name, stop})
}

// background runs functions until the part is stopped.
func (p *parts) background(name string, run ...func(ctx context.Context) error) {
	// Parts outlive the context of the program: they end in order, each when those that
	// need it have ended.
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for _, f := range run {
		wg.Go(func() {
			err := f(ctx)
			if ctx.Err() != nil {
				return // it was told to
			}
			if err == nil {
				err = errors.New("it ended by itself")
			}
			select {
			case p.failed <- fmt.Errorf("%s: %w", name, err):
			default: // the first one counts
			}
		})
	}
	p.add(name, func(stopCtx context.Context) error {
		cancel()
		ended := make(chan struct{})
		go func() {
			wg.Wait()
			close(ended)
		}()
		select {
		case <-ended:
			return nil
		case <-stopCtx.Done():
			return stopCtx.Err()
		}
	})
}

// stop ends the parts in reverse, all within the time given, and returns what went wrong.
func (p *parts) stop(within time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	var errs []error
	for _, part := range slices.Backward(p.list) {
		begun := time.Now()
		err := part.stop(ctx)
		p.log.Debug("stopped", "part", part.name, "took", time.Since(begun))
		if err != nil {
			errs = append(errs, fmt.Errorf("stop %s: %w", part.name, err))
		}
	}
	p.list = nil
	return errors.Join(errs...)
}
