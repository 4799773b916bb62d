// Package daemon wires the program together: New takes a config, Run starts every part in
// order, says when it is ready, and stops them in reverse.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/internal/oneline"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/store"
)

// stopWithin bounds a clean stop: jobs in progress included.
const stopWithin = 5 * time.Second

// Options are what a daemon is given besides its config.
type Options struct {
	Log     *slog.Logger // nil: not logged
	Version string
	// Terminal, when there is one, gets messages to people that go to the log in several
	// lines, as a person reads them.
	Terminal io.Writer
	// Ready is called once, when events can be taken and endpoint.json is written.
	Ready func(Status)
}

// Status says where a daemon that is ready can be found. It holds no token.
type Status struct {
	NATS  string        `json:"nats"`
	HTTP  string        `json:"http"`
	Data  string        `json:"data"`
	Store string        `json:"store"`
	PID   int           `json:"pid"`
	Took  time.Duration `json:"-"` // from the start of Run
	// Moved names the default ports that were taken, so that another one is used.
	Moved []string `json:"moved,omitempty"`
}

// Daemon is a daemon that can be run once.
type Daemon struct {
	cfg       *config.Config
	o         Options
	log       *slog.Logger
	dir       string
	store     config.StoreAddress
	detectors detectors.Config
	upkeep    cronspec.Schedule
}

// New resolves the config; nothing is started or written yet.
func New(cfg *config.Config, o Options) (*Daemon, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	d := &Daemon{cfg: cfg, o: o, log: o.Log}
	var err error
	if d.dir = cfg.Data; d.dir == "" {
		if d.dir, err = folder.Default(); err != nil {
			return nil, err
		}
	}
	if d.dir, err = filepath.Abs(d.dir); err != nil {
		return nil, fmt.Errorf("finding data folder %s: %w", cfg.Data, err)
	}
	if d.store, err = cfg.StoreAddress(d.dir); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	if d.detectors, err = cfg.Watch(); err != nil {
		return nil, fmt.Errorf("detectors: %w", err)
	}
	if d.upkeep, err = cfg.UpkeepSchedule(); err != nil {
		return nil, fmt.Errorf("upkeep: %w", err)
	}
	return d, nil
}

// running is what Run has started.
type running struct {
	*Daemon
	parts    *parts
	begun    time.Time
	folder   *folder.Folder
	token    string
	listener net.Listener
	moved    []string
	registry *prometheus.Registry
	store    store.Store
	bus      *bus.Bus
	notifier *notify.Notifier
	actor    Actor
}

// Run starts the daemon and returns when ctx ended, everything having been stopped, or
// with an error when a part could not be started or ended by itself. The error is one
// line and names the part.
func (d *Daemon) Run(ctx context.Context) error {
	r := &running{Daemon: d, parts: newParts(d.log), begun: time.Now(), registry: newRegistry(d.o.Version)}
	err := r.start(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
			d.log.Info("stopping")
		case err = <-r.parts.failed:
		}
	} else if ctx.Err() != nil {
		err = nil // told to stop while starting: what was in the way of that is no error
	}
	return oneline.Error(errors.Join(err, r.parts.stop(stopWithin)))
}

// start starts the parts in order. The port comes before the store: when it is taken,
// nothing was written.
func (r *running) start(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		r.openFolder, r.listenHTTP, r.openStore, r.startBus, r.startIngest, r.startNotify, r.startSweep, r.serveHTTP, r.announce,
	} {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}
