package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const token = "t0ps3cret"

// reader is a Reader of function fields.
type reader struct {
	web.Alerter

	filter store.RunFilter
	err    error
}

func (r *reader) Runs(_ context.Context, f store.RunFilter) (any, error) {
	r.filter = f
	return map[string]any{"runs": []string{}}, r.err
}

func (r *reader) Run(_ context.Context, project, id string) (any, error) {
	return map[string]any{"project": project, "id": id}, r.err
}

func (r *reader) Quarantine(_ context.Context, limit int) (web.RefusedList, error) {
	return web.NewRefusedList([]store.Quarantined{{
		ID: 7, ReceivedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Subject: "epochwatch.v1.p.r.event\x1b[2J", Reason: contract.ReasonMalformed,
		Detail: "cut short", Size: limit, Payload: []byte(strings.Repeat("x", 511) + "é\xff"),
	}}), r.err
}

type server struct {
	reader *reader
	actor  *actor
	broken error
	h      http.Handler
}

func setup(loopback bool) *server {
	s := &server{reader: &reader{}, actor: &actor{}}
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "epochwatch_test"}))
	s.h = web.New(web.Options{
		Reader: s.reader, Actor: s.actor, Token: token, Gatherer: reg, Loopback: loopback,
		Page: web.Page{Version: "1.2.3", NATS: "nats://127.0.0.1:4222", Data: "/data/<here>"},
		Checks: []web.Check{
			{Name: "store", Do: func(context.Context) error { return s.broken }},
			{Name: "broker", Do: func(context.Context) error { return nil }},
		},
	})
	return s
}

// reply is an answer, read whole.
type reply struct {
	StatusCode int
	Header     http.Header
	text       string
}

// ask sends one request; auth is the Authorization header, empty for none.
func (s *server) ask(t *testing.T, method, target, auth string) reply {
	t.Helper()
	r := httptest.NewRequest(method, target, http.NoBody)
	if auth != "" {
		r.Header.Set("Authorization", auth)
	}
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

const base = "http://127.0.0.1:8765"

func TestTheAPIWantsTheToken(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/api/v1/runs", "/api/v1/runs/r1", "/api/v1/quarantine"} {
		s := setup(true)
		for _, auth := range []string{"", "Bearer", "Bearer wrong", "Bearer " + token + "x", "Basic " + token, token} {
			r := s.ask(t, http.MethodGet, base+path, auth)
			require.Equal(t, http.StatusUnauthorized, r.StatusCode, "%s %q", path, auth)
			require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))
			require.Contains(t, r.Header.Get("WWW-Authenticate"), "Bearer")
			require.NotContains(t, r.text, token)
		}
		for _, auth := range []string{"Bearer " + token, "bearer " + token} {
			r := s.ask(t, http.MethodGet, base+path, auth)
			require.Equal(t, http.StatusOK, r.StatusCode)
			require.Equal(t, "application/json", r.Header.Get("Content-Type"))
		}
	}
}

func TestADaemonWithoutATokenLetsNobodyIn(t *testing.T) {
	t.Parallel()
	h := web.New(web.Options{Reader: &reader{}, Gatherer: prometheus.NewRegistry()})
	r := httptest.NewRequest(http.MethodGet, base+"/api/v1/runs", http.NoBody)
	r.Header.Set("Authorization", "Bearer ")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusUnauthorized, w.Code)
}

func TestQueriesReachTheReaderOrAreRefused(t *testing.T) {
	t.Parallel()
	s := setup(true)
	s.ask(t, http.MethodGet, base+"/api/v1/runs?project=mnist&limit=3", "Bearer "+token)
	require.Equal(t, store.RunFilter{Project: "mnist", Limit: 3}, s.reader.filter)
	require.JSONEq(t, `{"id": "r1", "project": "mnist"}`, s.ask(t, http.MethodGet, base+"/api/v1/runs/r1?project=mnist", "Bearer "+token).text)

	for _, bad := range []string{"/api/v1/runs?limit=0", "/api/v1/runs?limit=x", "/api/v1/runs?project=a/b", "/api/v1/runs/a%20b", "/api/v1/quarantine?limit=-1"} {
		r := s.ask(t, http.MethodGet, base+bad, "Bearer "+token)
		require.Equal(t, http.StatusBadRequest, r.StatusCode, bad)
	}
}

func TestErrorsOfTheStoreBecomeStatuses(t *testing.T) {
	t.Parallel()
	for err, status := range map[error]int{
		store.ErrNotFound:  http.StatusNotFound,
		store.ErrAmbiguous: http.StatusConflict,
		errors.New("dial postgres://user:hunter2@host"): http.StatusInternalServerError,
	} {
		s := setup(true)
		s.reader.err = err
		r := s.ask(t, http.MethodGet, base+"/api/v1/runs/r1", "Bearer "+token)
		require.Equal(t, status, r.StatusCode)
		var p map[string]any
		text := r.text
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		require.InEpsilon(t, status, p["status"], 0)
		require.NotEmpty(t, p["title"])
		require.NotEmpty(t, p["detail"])
		require.NotContains(t, text, "hunter2")
	}
}

func TestReadiness(t *testing.T) {
	t.Parallel()
	s := setup(true)
	r := s.ask(t, http.MethodGet, base+"/readyz", "")
	require.Equal(t, http.StatusOK, r.StatusCode)
	require.JSONEq(t, `{"status": "ready", "checks": {"store": "ok", "broker": "ok"}}`, r.text)

	s.broken = errors.New("dial postgres://user:hunter2@host")
	r = s.ask(t, http.MethodGet, base+"/readyz", "")
	require.Equal(t, http.StatusServiceUnavailable, r.StatusCode)
	text := r.text
	require.Contains(t, text, `"store":"does not answer"`)
	require.NotContains(t, text, "hunter2")

	r = s.ask(t, http.MethodGet, base+"/healthz", "") // alive all the same
	require.Equal(t, http.StatusOK, r.StatusCode)
}

func TestOnlyLocalNamesAreAnsweredOnLoopback(t *testing.T) {
	t.Parallel()
	for host, ok := range map[string]bool{
		"127.0.0.1:8765": true, "127.0.0.1": true, "127.3.2.1:1": true, "localhost:8765": true, "LocalHost": true, "[::1]:8765": true, "[::1]": true,
		"evil.example:8765": false, "127.0.0.1.evil.example": false, "localhost.evil.example": false, "192.168.0.7:8765": false, "": false,
	} {
		for _, loopback := range []bool{true, false} {
			r := httptest.NewRequest(http.MethodGet, base+"/healthz", http.NoBody)
			r.Host = host
			w := httptest.NewRecorder()
			setup(loopback).h.ServeHTTP(w, r)
			if ok || !loopback {
				require.Equal(t, http.StatusOK, w.Code, host)
			} else {
				require.Equal(t, http.StatusMisdirectedRequest, w.Code, host)
			}
		}
	}
}

func TestThePageMetricsAndWhatIsNotThere(t *testing.T) {
	t.Parallel()
	s := setup(true)
	r := s.ask(t, http.MethodGet, base+"/", "")
	text := r.text
	require.Equal(t, "text/html; charset=utf-8", r.Header.Get("Content-Type"))
	require.Contains(t, r.Header.Get("Content-Security-Policy"), "default-src 'none'")
	for _, want := range []string{"Ready to take events", "nats://127.0.0.1:4222", "/data/&lt;here&gt;", "1.2.3"} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, token)

	require.Contains(t, s.ask(t, http.MethodGet, base+"/metrics", "").text, "epochwatch_test 0")

	r = s.ask(t, http.MethodGet, base+"/nothing", "")
	require.Equal(t, http.StatusNotFound, r.StatusCode)
	require.Equal(t, "application/problem+json", r.Header.Get("Content-Type"))

	r = s.ask(t, http.MethodPost, base+"/api/v1/runs", "Bearer "+token)
	require.Equal(t, http.StatusMethodNotAllowed, r.StatusCode)
	require.Equal(t, "GET, HEAD", r.Header.Get("Allow"))
}

func TestRefusedMessagesAreShownSafely(t *testing.T) {
	t.Parallel()
	s := setup(true)
	var l web.RefusedList
	require.NoError(t, json.Unmarshal([]byte(s.ask(t, http.MethodGet, base+"/api/v1/quarantine", "Bearer "+token).text), &l))
	require.Len(t, l.Refused, 1)
	require.Equal(t, 100, l.Refused[0].Size, "the limit unless asked otherwise")
	require.Equal(t, strings.Repeat("x", 511), l.Refused[0].Beginning, "not cut through a letter")

	var b strings.Builder
	require.NoError(t, l.WriteText(&b))
	require.Contains(t, b.String(), "2026-01-02 03:04:05")
	require.Contains(t, b.String(), "malformed")
	require.NotContains(t, b.String(), "\x1b")
	l.Refused[0].Detail = "turned \u202e"
	b.Reset()
	require.NoError(t, l.WriteText(&b))
	require.NotContains(t, b.String(), "\u202e")
	b.Reset()
	require.NoError(t, web.RefusedList{}.WriteText(&b))
	require.Equal(t, "No message was refused.\n", b.String())
}

func TestAPanicIsAnAnswer(t *testing.T) {
	t.Parallel()
	h := web.New(web.Options{Token: token, Gatherer: prometheus.NewRegistry()}) // no reader
	r := httptest.NewRequest(http.MethodGet, base+"/api/v1/runs", http.NoBody)
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	require.Equal(t, http.StatusInternalServerError, w.Code)
}
