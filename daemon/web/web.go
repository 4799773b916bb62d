// Package web is what the daemon answers over HTTP: health, metrics, the API, and a page
// that says what this is. openapi.json describes all of it, and is served at
// /api/v1/openapi.json.
//
// What lies under /api wants `Authorization: Bearer TOKEN`, the token of endpoint.json, but
// for that description. Errors are problem+json (RFC 9457).
package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Reader gives the documents of the API. What Runs and Run return marshals to the JSON
// that is fixed in the design. The errors are those of store.Store.
type Reader interface {
	Runs(ctx context.Context, f store.RunFilter) (any, error)
	Run(ctx context.Context, project, id string) (any, error)
	Quarantine(ctx context.Context, limit int) (RefusedList, error)
	Alerter
}

// Alerter gives the documents on who was told, and takes silences and acknowledgements.
// Silence and Acknowledge return a *WrongError when what is wanted is at fault, Acknowledge
// one of store.Store as well.
type Alerter interface {
	Alerts(ctx context.Context, project, run string, limit int) (any, error)
	Routing(ctx context.Context, project, run string) (any, error)
	Silences(ctx context.Context) (any, error)
	Silence(ctx context.Context, w WantedSilence) (any, error)
	EndSilence(ctx context.Context, id string) error
	Acknowledge(ctx context.Context, w WantedAcknowledgement) (Acknowledged, error)
}

// Check is one thing that must answer before the daemon is ready.
type Check struct {
	Name string
	Do   func(ctx context.Context) error
}

// Options are what the handler is made of.
type Options struct {
	Reader   Reader
	Actor    Actor // nil: runs cannot be changed over HTTP
	Checks   []Check
	Token    secret.Value
	Gatherer prometheus.Gatherer
	// Loopback is true when the listener is on loopback: then only its names are
	// answered to, so that a page elsewhere cannot reach it by a name of its own.
	Loopback bool
	Page     Page
	Log      *slog.Logger // nil: not logged
}

// checkWait is how long readiness waits for each answer.
const checkWait = 2 * time.Second

type server struct{ o Options }

// New returns the handler.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &server{o: o}
	mux := http.NewServeMux()
	allow := map[string][]string{} // by path
	for _, r := range s.routes() {
		mux.Handle(r.method+" "+r.path, r.h)
		allow[r.path] = append(allow[r.path], r.method)
		if r.method == http.MethodGet { // the mux answers both with it
			allow[r.path] = append(allow[r.path], http.MethodHead)
		}
	}
	for path, methods := range allow {
		methods := strings.Join(methods, ", ")
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", methods)
			problem(w, http.StatusMethodNotAllowed, "this is asked for with "+methods)
		})
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		problem(w, http.StatusNotFound, "there is nothing here; the API lies under /api/v1/")
	})
	return s.outer(mux)
}

// route is one way in. openapi.json describes each; a test holds that.
type route struct {
	method, path string
	h            http.Handler
}

func (s *server) routes() []route {
	out := []route{
		{http.MethodGet, "/healthz", http.HandlerFunc(s.health)},
		{http.MethodGet, "/readyz", http.HandlerFunc(s.ready)},
		{http.MethodGet, "/metrics", promhttp.HandlerFor(s.o.Gatherer, promhttp.HandlerOpts{})},
		{http.MethodGet, "/api/v1/openapi.json", http.HandlerFunc(s.description)},
		{http.MethodGet, "/api/v1/runs", s.guarded(s.runs)},
		{http.MethodGet, "/api/v1/runs/{id}", s.guarded(s.run)},
		{http.MethodGet, "/api/v1/runs/{id}/routing", s.guarded(s.routing)},
		{http.MethodGet, "/api/v1/alerts", s.guarded(s.alerts)},
		{http.MethodPost, "/api/v1/acknowledgements", s.guarded(s.acknowledge)},
		{http.MethodGet, "/api/v1/silences", s.guarded(s.silences)},
		{http.MethodPost, "/api/v1/silences", s.guarded(s.silence)},
		{http.MethodDelete, "/api/v1/silences/{id}", s.guarded(s.endSilence)},
		{http.MethodGet, "/api/v1/quarantine", s.guarded(s.quarantine)},
		{http.MethodGet, "/{$}", http.HandlerFunc(s.page)},
		{http.MethodGet, "/runs/{id}", http.HandlerFunc(s.page)}, // where the links in messages lead
	}
	if s.o.Actor != nil {
		out = append(out, route{http.MethodPost, "/api/v1/runs/{id}/commands", s.guarded(s.act)})
	}
	return out
}

// outer is what holds for every answer.
func (s *server) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("Cache-Control", "no-store")
		if s.o.Loopback && !localName(r.Host) {
			problem(w, http.StatusMisdirectedRequest, "this daemon answers to 127.0.0.1 and localhost only")
			return
		}
		defer s.caught(w, r)
		next.ServeHTTP(w, r)
	})
}

// caught turns a panic of a handler into an answer and a line of the log.
func (s *server) caught(w http.ResponseWriter, r *http.Request) {
	if p := recover(); p != nil {
		s.o.Log.ErrorContext(r.Context(), "answering a request panicked", "path", r.URL.Path, "panic", p)
		problem(w, http.StatusInternalServerError, "the daemon made a mistake; its log says which")
	}
}

func (s *server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, map[string]string{"status": "ok"})
}

func (s *server) ready(w http.ResponseWriter, r *http.Request) {
	status, checks := s.state(r.Context())
	if status != http.StatusOK {
		// A list of what answers and what does not is of more use here than a sentence.
		answerWith(w, status, "application/problem+json", map[string]any{
			"type": "about:blank", "title": http.StatusText(status), "status": status,
			"detail": "the daemon cannot take events now", "checks": checks,
		})
		return
	}
	answer(w, map[string]any{"status": "ready", "checks": checks})
}

// state runs the checks side by side.
func (s *server) state(ctx context.Context) (int, map[string]string) {
	ctx, cancel := context.WithTimeout(ctx, checkWait)
	defer cancel()
	type result struct {
		name string
		err  error
	}
	results := make(chan result, len(s.o.Checks))
	for _, c := range s.o.Checks {
		go func() { results <- result{c.Name, c.Do(ctx)} }()
	}
	status, out := http.StatusOK, map[string]string{}
	for range s.o.Checks {
		r := <-results
		out[r.name] = "ok"
		if r.err != nil {
			// The cause may name hosts and users: it goes to the log, not to a stranger.
			s.o.Log.WarnContext(ctx, "not ready", "part", r.name, "error", r.err)
			status, out[r.name] = http.StatusServiceUnavailable, "does not answer"
		}
	}
	return status, out
}
