package daemon

import (
	"context"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/ingest/spool"
)

// sweepEvery is how often spools are looked for whose owners are dead.
const sweepEvery = 5 * time.Second

// startSweep delivers what training processes of this machine left behind, now and every
// few seconds.
func (r *running) startSweep(context.Context) error {
	s := &sweeper{running: r}
	r.parts.background("spools", func(ctx context.Context) error {
		t := time.NewTicker(sweepEvery)
		defer t.Stop()
		for {
			s.sweep(ctx)
			select {
			case <-ctx.Done():
				return nil
			case <-t.C:
			}
		}
	})
	return nil
}

type sweeper struct {
	*running
	failing string // the last error that was logged: one that stays is told once
}

func (s *sweeper) sweep(ctx context.Context) {
	_, err := spool.Sweep(ctx, s.folder.SpoolDir(), spool.Target{URLs: strings.Split(s.bus.URL(), ","), Daemon: true}, s.bus.Publish, s.log)
	if ctx.Err() != nil {
		return
	}
	if err != nil && err.Error() != s.failing {
		s.log.WarnContext(ctx, "spools not delivered", "error", err)
		s.failing = err.Error()
	}
	if err == nil {
		s.failing = ""
	}
}
