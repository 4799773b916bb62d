package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/store"
)

func newRegistry(version string) *prometheus.Registry {
	reg := prometheus.NewRegistry()
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "epochwatch_build_info", Help: "Always 1; the label says which version runs.",
		ConstLabels: prometheus.Labels{"version": version},
	})
	build.Set(1)
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), build)
	return reg
}

func (r *running) openFolder(context.Context) error {
	f, err := folder.Open(r.dir)
	if err != nil {
		return err
	}
	r.folder = f
	r.parts.add("data folder", func(context.Context) error { return f.Close() })
	r.token, err = f.Token()
	return err
}

func (r *running) listenHTTP(ctx context.Context) error {
	l, moved, err := listen(ctx, r.cfg.HTTP)
	if err != nil {
		return err
	}
	if moved {
		r.moved = append(r.moved, "http")
	}
	r.listener = l
	r.parts.add("port", func(context.Context) error {
		_ = l.Close() // the server has closed it already, when it got as far
		return nil
	})
	return nil
}

func (r *running) openStore(ctx context.Context) error {
	s, err := OpenStore(ctx, r.Daemon.store, false, r.log)
	if err != nil {
		return err
	}
	r.store = s
	r.parts.add("store", func(context.Context) error { return s.Close() })
	return nil
}

func (r *running) startBus(ctx context.Context) error {
	n := r.cfg.NATS
	o := bus.Options{
		Listen: n.Listen, Dir: filepath.Join(r.folder.Dir(), "nats"), Token: r.token,
		URLs: n.URLs, OutsideToken: r.cfg.Token.Reveal(), Creds: r.cfg.Credentials, Replicas: r.cfg.Replicas, Log: r.log,
	}
	if n.Embedded() && o.Listen == "" {
		o.MayMove = true
	}
	b, err := bus.Start(ctx, o)
	if err != nil {
		return fmt.Errorf("broker: %w", err)
	}
	r.bus = b
	if o.MayMove && b.URL() != "nats://"+bus.DefaultListen {
		r.moved = append(r.moved, "nats")
	}
	r.parts.add("broker", b.Close)
	return nil
}

// startIngest makes the notifier too: who is told is decided within ingest's transaction.
func (r *running) startIngest(context.Context) error {
	var err error
	r.notifier, err = notify.New(*r.cfg.Notify(), notify.Options{Log: r.log, Out: r.o.Terminal, Base: r.cfg.Page(), Metrics: notify.NewMetrics(r.registry)})
	if err != nil {
		return fmt.Errorf("receivers: %w", err)
	}
	policy := control.New(r.cfg.Control)
	service, err := ingest.New(ingest.Options{
		Store: r.store, Policy: policy, Announcer: r.notifier, Sender: r.bus, Observer: progress{log: r.log},
		Detectors: r.detectors, Metrics: ingest.NewMetrics(r.registry), Log: r.log,
	})
	if err != nil {
		return fmt.Errorf("ingest: %w", err)
	}
	r.actor = Actor{Runs: service, Control: policy}
	run := []func(context.Context) error{service.Watch}
	for _, c := range r.bus.Consumers() {
		run = append(run, func(ctx context.Context) error { return service.Work(ctx, c) })
	}
	r.parts.background("ingest", run...)
	return nil
}

func (r *running) startNotify(ctx context.Context) error {
	handlers := map[string]store.JobFunc{
		store.JobSendMessage: r.notifier.Handler(r.store),
		store.JobUpkeep: func(ctx context.Context, _ store.Job) error {
			return r.store.Upkeep(ctx, time.Now().Add(-r.cfg.KeepRefused()))
		},
	}
	stop, err := r.store.Work(ctx, handlers, []store.Periodic{{Kind: store.JobUpkeep, Next: r.upkeep.Next}})
	if err != nil {
		return fmt.Errorf("messages: %w", err)
	}
	r.parts.add("messages", stop)
	r.parts.background("groups", func(ctx context.Context) error { return r.notifier.Watch(ctx, r.store) })
	if r.notifier.HasDigests() {
		r.parts.background("digests", func(ctx context.Context) error { return r.notifier.WatchDigests(ctx, r.store) })
	}
	if r.notifier.Listens() {
		r.parts.background("buttons", func(ctx context.Context) error { return r.notifier.Listen(ctx, r.answers()) })
	}
	return nil
}

func (r *running) serveHTTP(context.Context) error {
	url, loopback := reachable(r.listener)
	server := &http.Server{
		Handler: web.New(web.Options{
			Reader: Reader{Store: r.store, Detectors: r.detectors, Notifier: r.notifier}, Actor: r.actor, Token: secret.Value(r.token), Gatherer: r.registry, Loopback: loopback,
			Checks: []web.Check{{Name: "store", Do: r.store.Ping}, {Name: "broker", Do: r.bus.Ready}},
			Page:   web.Page{Version: r.o.Version, NATS: r.bus.URL(), Data: r.folder.Dir()}, Log: r.log,
		}),
		ReadHeaderTimeout: 5 * time.Second, WriteTimeout: time.Minute, IdleTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(r.log.Handler(), slog.LevelDebug), // what clients do wrong
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(r.listener) }()
	r.parts.background("http", func(ctx context.Context) error {
		select {
		case err := <-failed:
			return err
		case <-ctx.Done():
			return nil
		}
	})
	r.parts.add("http connections", func(ctx context.Context) error {
		if err := server.Shutdown(ctx); err != nil {
			return errors.Join(err, server.Close())
		}
		return nil
	})
	if !loopback {
		r.log.Warn("the API can be reached from other machines; it is plain HTTP, and its token goes over the network", "http", url)
	}
	return nil
}

// announce says that events can be taken: in endpoint.json, and to whoever started us.
func (r *running) announce(context.Context) error {
	url, _ := reachable(r.listener)
	s := Status{NATS: r.bus.URL(), HTTP: url, Data: r.folder.Dir(), Store: r.Daemon.store.String(), PID: os.Getpid(), Moved: r.moved}
	err := r.folder.WriteEndpoint(folder.Endpoint{NATS: s.NATS, HTTP: s.HTTP, Token: r.token, PID: s.PID})
	if err != nil {
		return err
	}
	r.parts.add("endpoint", func(context.Context) error { return r.folder.RemoveEndpoint() })
	s.Took = time.Since(r.begun)
	r.log.Info("ready", "nats", s.NATS, "http", s.HTTP, "data", s.Data, "store", s.Store, "took", s.Took)
	if r.o.Ready != nil {
		r.o.Ready(s)
	}
	return nil
}
