package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

const apiToken = "t0ken"

// api is the API on a real store, each answer held against its description.
type api struct {
	t      testing.TB
	st     store.Store
	h      http.Handler
	router routers.Router
	seen   map[string]bool // "GET /path 200", as the description has it
}

// act is an actor that answers with a command, or refuses.
type act struct{ refuse error }

func (a act) Act(_ context.Context, _, run string, w control.Wish) (any, error) {
	if run != "r1" {
		return nil, store.ErrNotFound
	}
	if a.refuse != nil {
		return nil, a.refuse
	}
	return report.CommandOf(aCommand(time.Now(), store.CommandSent, w.By)), nil
}

func newAPI(t testing.TB, actor web.Actor) *api {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	n, err := notify.New(notify.Config{
		Receivers: []notify.Receiver{{Name: "team", Webhook: &notify.Webhook{URL: "http://127.0.0.1:9/x"}, RunEnded: []string{"failed"}}},
		Route:     notify.Route{Routes: []notify.Route{{Match: map[string]string{"severity": "critical"}}}},
	}, notify.Options{})
	require.NoError(t, err)
	doc, err := openapi3.NewLoader().LoadFromData(web.OpenAPI())
	require.NoError(t, err)
	for _, s := range doc.Components.Schemas { // what is not described fails
		if s.Value.Type.Is("object") && s.Value.AdditionalProperties.Schema == nil {
			s.Value.AdditionalProperties.Has = new(bool)
		}
	}
	router, err := legacy.NewRouter(doc)
	require.NoError(t, err)
	return &api{
		t: t, st: st, router: router, seen: map[string]bool{},
		h: web.New(web.Options{
			Reader: daemon.Reader{Store: st, Notifier: n}, Actor: actor, Token: apiToken, Gatherer: prometheus.NewRegistry(), Loopback: true,
			Checks: []web.Check{{Name: "store", Do: st.Ping}},
		}),
	}
}

// ask sends a request and holds the answer against the description. change may spoil it.
func (a *api) ask(method, path, body string, want int, change ...func(*http.Request)) []byte {
	a.t.Helper()
	r := httptest.NewRequestWithContext(a.t.Context(), method, "http://127.0.0.1:8765"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+apiToken)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	route, params, err := a.router.FindRoute(r)
	require.NoError(a.t, err, path)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	a.h.ServeHTTP(w, r)
	require.Equal(a.t, want, w.Code, "%s %s: %s", method, path, w.Body)
	in := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 w.Code, Header: w.Header(),
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			ExcludeResponseBody: !strings.Contains(w.Header().Get("Content-Type"), "json"),
		},
	}
	in.SetBodyBytes(w.Body.Bytes())
	require.NoError(a.t, openapi3filter.ValidateResponse(a.t.Context(), in), "%s %s: %s", method, path, w.Body)
	a.seen[method+" "+route.Path+" "+http.StatusText(want)] = true
	return w.Body.Bytes()
}

func aCommand(at time.Time, state store.CommandState, by string) store.Command {
	from, to := contract.Number(0.1), contract.Number(math.Inf(1))
	return store.Command{
		Command: contract.Command{
			ID: "c-" + string(state), Kind: contract.KindReduceLR, Attempt: "a", CausedBy: int64(len(state)), Expected: &from, Wanted: &to,
			Bounds: contract.Control{Mode: contract.ModeAsk}, Reason: "rising_loss", IssuedBy: by, IssuedAt: at, ExpiresAt: at.Add(time.Hour), ExpiresEpoch: 9,
		},
		State: state, DecidedEpoch: 3, ProposedBy: contract.ByPolicy,
	}
}

// fill stores a run with all that a run can have.
func (a *api) fill() {
	a.t.Helper()
	ctx, now := a.t.Context(), time.Now().UTC().Truncate(time.Microsecond)
	require.NoError(a.t, a.st.Ingest(ctx, func(tx store.Tx) error {
		states, err := tx.LockRuns(ctx, []store.RunKey{{Project: "p", ID: "r1"}, {Project: "p", ID: "twice"}, {Project: "q", ID: "twice"}})
		if err != nil {
			return err
		}
		run := states[0].Run
		run.Name, run.Tags, run.State, run.StartedAt, run.LastSignAt = "one", []string{"x"}, store.StateFailed, now, now
		run.EndedAt, run.EndReason = &now, "ValueError: no"
		finding := func(id string, kind detectors.Kind, severity detectors.Severity) store.Finding {
			return store.Finding{ID: id, RunPK: run.PK, OpenedAt: now, Finding: detectors.Finding{
				Kind: kind, Metric: "loss", Severity: severity, OnsetEpoch: 1, FiredEpoch: 2, Confidence: 0.8, Reason: "above_noise",
				Summary: "It climbs.", Advice: []string{"Lower it."}, Evidence: map[string]contract.Number{"best": contract.Number(math.NaN())},
			}}
		}
		fires, over, waits := finding("f1", detectors.KindRisingLoss, detectors.SeverityWarning), finding("f2", detectors.KindLossNaN, detectors.SeverityCritical), finding("f3", detectors.KindPlateau, detectors.SeverityWarning)
		over.ResolvedEpoch = new(4)
		applied := aCommand(now, store.CommandApplied, "anna")
		applied.RunPK, applied.AppliedEpoch, applied.Before, applied.After = run.PK, new(4), new(0.1), new(0.05)
		applied.Effect, applied.AnsweredAt, applied.FindingID = store.EffectHelped, &now, "f1"
		proposed := aCommand(now, store.CommandProposed, contract.ByPolicy)
		proposed.RunPK = run.PK
		group := func(id string) store.Group {
			return store.Group{ID: id, Receiver: id, Labels: map[string]string{"run": "r1"}, OpenedAt: now, Head: "f1", FirstToldAt: &now, ToldAt: &now}
		}
		return tx.Write(ctx, store.Changes{
			Runs:     []store.Run{run},
			Attempts: []store.Attempt{{RunPK: run.PK, ID: "a", StartedAt: now, State: store.StateFailed}},
			Epochs: []store.Epoch{
				{RunPK: run.PK, Attempt: "a", Seq: 2, EndedAt: now, Seconds: new(1.5), LearningRate: new(0.1), Metrics: map[string]float64{"loss": math.NaN(), "val_loss": 1}},
				{RunPK: run.PK, Attempt: "a", Seq: 3, Epoch: 1, EndedAt: now, Metrics: map[string]float64{}},
			},
			Findings: []store.Finding{fires, over, waits}, Commands: []store.Command{applied, proposed},
			Groups: []store.Group{group("team"), group("oncall")},
			Grouped: []store.Grouped{
				{GroupID: "team", FindingID: "f1", RunPK: run.PK, JoinedAt: now, Told: store.MessageFiring},
				{GroupID: "oncall", FindingID: "f3", RunPK: run.PK, JoinedAt: now, Why: "silenced by ben"},
			},
			Messages: []store.Message{{
				ID: "m1", RunPK: run.PK, FindingID: "f1", Receiver: "team", Channel: "slack", Event: store.MessageFiring,
				State: store.MessageQueued, CreatedAt: now, GroupID: "team",
			}},
			Quarantined: []store.Quarantined{{ReceivedAt: now, Subject: "s", MessageID: "m", Reason: contract.ReasonMalformed, Detail: "cut short", Size: 3, Payload: []byte("{\xff")}},
		})
	}))
	for _, d := range []store.Delivery{{State: store.MessageSending}, {State: store.MessageFailed, Error: "503"}, {State: store.MessageSent, Reference: "C:1"}} {
		d.MessageID, d.At = "m1", now
		require.NoError(a.t, a.st.RecordDelivery(ctx, d))
	}
}

func TestEveryAnswerIsAsDescribed(t *testing.T) {
	t.Parallel()
	a := newAPI(t, act{})
	a.fill()
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/", "/runs/r1"} {
		a.ask(http.MethodGet, path, "", http.StatusOK)
	}
	a.ask(http.MethodGet, "/api/v1/runs", "", http.StatusOK)
	a.ask(http.MethodGet, "/api/v1/runs?limit=x", "", http.StatusBadRequest)
	require.Contains(t, string(a.ask(http.MethodGet, "/api/v1/runs/r1?project=p", "", http.StatusOK)), `"effect":"helped"`)
	for _, path := range []string{"/api/v1/runs/", "/api/v1/alerts?run="} {
		a.ask(http.MethodGet, path+"nothing", "", http.StatusNotFound)
		a.ask(http.MethodGet, path+"twice", "", http.StatusConflict)
		a.ask(http.MethodGet, path+"a%20b", "", http.StatusBadRequest)
	}
	require.Contains(t, string(a.ask(http.MethodGet, "/api/v1/runs/r1/routing", "", http.StatusOK)), `"receiver":"team"`)
	a.ask(http.MethodGet, "/api/v1/runs/nothing/routing", "", http.StatusNotFound)
	a.ask(http.MethodGet, "/api/v1/quarantine", "", http.StatusOK)

	a.ask(http.MethodPost, "/api/v1/runs/r1/commands", `{"action": "set", "rate": 0.01, "by": "anna"}`, http.StatusOK)
	a.ask(http.MethodPost, "/api/v1/runs/nothing/commands", `{"action": "stop", "by": "anna"}`, http.StatusNotFound)
	a.ask(http.MethodPost, "/api/v1/runs/r1/commands", `{"action": "fly", "by": "anna"}`, http.StatusBadRequest)

	require.JSONEq(t, `{"problems": 1}`, string(a.ask(http.MethodPost, "/api/v1/acknowledgements", `{"message": "m1", "author": "anna"}`, http.StatusOK)))
	require.JSONEq(t, `{"problems": 1}`, string(a.ask(http.MethodPost, "/api/v1/acknowledgements", `{"run": "r1", "author": "ben"}`, http.StatusOK)))
	require.JSONEq(t, `{"problems": 0}`, string(a.ask(http.MethodPost, "/api/v1/acknowledgements", `{"message": "other", "author": "ben"}`, http.StatusOK)))
	a.ask(http.MethodPost, "/api/v1/acknowledgements", `{"run": "nothing", "author": "ben"}`, http.StatusNotFound)
	a.ask(http.MethodPost, "/api/v1/acknowledgements", `{"run": "twice", "author": "ben"}`, http.StatusConflict)
	for _, wrong := range []string{`{"author": "ben"}`, `{"run": "r1"}`, `{"run": "r1", "message": "m1", "author": "ben"}`, `{"run": "a b", "author": "ben"}`, `{"run": "r1", "author": "` + strings.Repeat("x", 201) + `"}`} {
		a.ask(http.MethodPost, "/api/v1/acknowledgements", wrong, http.StatusBadRequest)
	}
	var alerts report.AlertList
	require.NoError(t, json.Unmarshal(a.ask(http.MethodGet, "/api/v1/alerts?run=r1", "", http.StatusOK), &alerts))
	require.Len(t, alerts.Messages[0].Acknowledged, 2)
	require.Len(t, alerts.Messages[0].Tries, 3)
	require.Equal(t, "silenced by ben", alerts.Untold[0].Why)

	var made report.SilenceList
	require.NoError(t, json.Unmarshal(a.ask(http.MethodPost, "/api/v1/silences", `{"matchers": ["kind=plateau"], "author": "anna", "comment": "known", "for": "1d"}`, http.StatusOK), &made))
	a.ask(http.MethodPost, "/api/v1/silences", `{"matchers": ["tag!=x"], "author": "anna", "until": "morning"}`, http.StatusOK)
	for _, wrong := range []string{
		`{}`, `{"matchers": [], "author": "a", "for": "1h"}`, `{"matchers": ["nonsense"], "author": "a", "for": "1h"}`, `{"matchers": ["kind=~\"(\""], "author": "a", "for": "1h"}`,
		`{"matchers": ["kind=x"], "author": "a"}`, `{"matchers": ["kind=x"], "author": "a", "for": "soon"}`, `{"matchers": ["kind=x"], "author": "a", "for": "-1h"}`,
		`{"matchers": ["kind=x"], "author": "a", "for": "1h", "until": "morning"}`, `{"matchers": ["kind=x"], "for": "1h"}`, `{"matcher": ["kind=x"], "author": "a", "for": "1h"}`,
		`{"matchers": ["kind=x"], "author": "a", "for": "1h"} {}`, `[`,
	} {
		a.ask(http.MethodPost, "/api/v1/silences", wrong, http.StatusBadRequest)
	}
	require.NoError(t, json.Unmarshal(a.ask(http.MethodGet, "/api/v1/silences", "", http.StatusOK), &made))
	require.Len(t, made.Silences, 2)
	a.ask(http.MethodDelete, "/api/v1/silences/"+made.Silences[0].ID, "", http.StatusOK)
	a.ask(http.MethodDelete, "/api/v1/silences/"+made.Silences[0].ID, "", http.StatusNotFound)

	for path, body := range map[string]string{
		"/api/v1/silences": `{"matchers": ["kind=x"], "author": "a", "for": "1h"}`, "/api/v1/acknowledgements": `{"run": "r1", "author": "a"}`,
		"/api/v1/runs/r1/commands": `{"action": "stop", "by": "anna"}`,
	} {
		a.ask(http.MethodPost, path, body, http.StatusUnsupportedMediaType, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") })
		a.ask(http.MethodPost, path, `{"author": "`+strings.Repeat("x", 20<<10)+`"}`, http.StatusRequestEntityTooLarge)
		a.ask(http.MethodPost, path, body, http.StatusUnauthorized, func(r *http.Request) { r.Header.Del("Authorization") })
		a.ask(http.MethodPost, path, body, http.StatusMisdirectedRequest, func(r *http.Request) { r.Host = "evil.example" })
	}
	refused := newAPI(t, act{refuse: &control.RefusedError{Reason: "the owner's mode is off"}})
	refused.ask(http.MethodPost, "/api/v1/runs/r1/commands", `{"action": "stop", "by": "anna"}`, http.StatusUnprocessableEntity)
}

func TestAStoreThatIsAwayIsAnAnswerAsDescribed(t *testing.T) {
	t.Parallel()
	a := newAPI(t, act{})
	a.fill()
	require.NoError(t, a.st.Close())
	for _, path := range []string{"/api/v1/runs", "/api/v1/runs/r1", "/api/v1/runs/r1/routing", "/api/v1/alerts", "/api/v1/silences", "/api/v1/quarantine"} {
		a.ask(http.MethodGet, path, "", http.StatusInternalServerError)
	}
	a.ask(http.MethodGet, "/readyz", "", http.StatusServiceUnavailable)
}

// Whatever is sent, the answer is one of those described.
func FuzzTheAPITakesAnything(f *testing.F) {
	for _, seed := range []string{
		`{"matchers": ["kind=plateau"], "author": "anna", "for": "1h"}`, `{"matchers": ["kind=~\".*\""], "author": "\u0000", "until": "2099-01-01"}`,
		`{"run": "r1", "author": "anna"}`, `{"message": "m1", "author": "anna"}`, `null`, `[]`, `{"matchers": null}`,
	} {
		f.Add(seed, "limit=1&project=p")
	}
	a := newAPI(f, act{})
	f.Fuzz(func(t *testing.T, body, query string) {
		for _, path := range []string{"/api/v1/silences", "/api/v1/acknowledgements"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://127.0.0.1:8765"+path, bytes.NewReader([]byte(body)))
			r.Header.Set("Authorization", "Bearer "+apiToken)
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			a.h.ServeHTTP(w, r)
			require.Contains(t, []int{200, 400, 404, 409, 413}, w.Code, "%s", w.Body)
			require.True(t, json.Valid(w.Body.Bytes()))
		}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1:8765/api/v1/alerts", http.NoBody)
		r.URL.RawQuery = query
		r.Header.Set("Authorization", "Bearer "+apiToken)
		w := httptest.NewRecorder()
		a.h.ServeHTTP(w, r)
		require.Contains(t, []int{200, 400, 404, 409}, w.Code, "%s", w.Body)
	})
}
