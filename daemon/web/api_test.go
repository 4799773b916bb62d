package web_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
)

// TestEveryAnswerIsAsDescribed asks every route of a store that has all there can be.
func TestEveryAnswerIsAsDescribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, path := range []string{
		"/healthz", "/readyz", "/metrics", "/", "/runs/full", "/api/v1/openapi.json", "/api/v1/runs", "/api/v1/runs?project=p&limit=2", "/api/v1/runs/full",
		"/api/v1/runs/new", "/api/v1/runs/twin?project=q", "/api/v1/runs/full/routing", "/api/v1/runs/new/routing", "/api/v1/runs/twin/routing?project=p",
		"/api/v1/alerts", "/api/v1/alerts?run=full", "/api/v1/alerts?run=new&limit=1", "/api/v1/silences", "/api/v1/quarantine", "/api/v1/quarantine?limit=1",
	} {
		require.Equal(t, http.StatusOK, w.do(t, http.MethodGet, path, "").StatusCode, path)
		require.Equal(t, http.StatusOK, w.do(t, http.MethodHead, path, "").StatusCode, path)
	}

	// Not in vain: the answers have in them what is to be held against the description.
	var d report.RunDocument
	w.do(t, http.MethodGet, "/api/v1/runs/full", "").into(t, &d)
	require.Len(t, d.Epochs, 4)
	require.Len(t, d.Findings, 3)
	require.Len(t, d.Commands, 5)
	require.Equal(t, "c2", d.Commands[0].RevertedBy)
	require.Len(t, d.Messages, 3)
	var l report.AlertList
	w.do(t, http.MethodGet, "/api/v1/alerts", "").into(t, &l)
	require.Len(t, l.Messages, 3)
	require.Len(t, l.Messages[2].Tries, 2)
	require.Len(t, l.Untold, 1)
	require.Contains(t, l.Untold[0].Why, "anna")
	var r report.Routing
	w.do(t, http.MethodGet, "/api/v1/runs/full/routing", "").into(t, &r)
	require.Len(t, r.Findings, 3)
	require.Equal(t, []string{"webhook"}, r.Findings[0].Heard[0].Channels)
	var q web.RefusedList
	w.do(t, http.MethodGet, "/api/v1/quarantine", "").into(t, &q)
	require.Len(t, q.Refused, 1)
}

func TestErrorsAreAsDescribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const silence, acks, act = "/api/v1/silences", "/api/v1/acknowledgements", "/api/v1/runs/new/commands"
	good := `{"matchers":["run=new"],"author":"anna","for":"1h"}`
	long := `{"author":"` + strings.Repeat("x", 17<<10) + `"}`
	for name, tc := range map[string]struct {
		method, path, body string
		status             int
		says               string
	}{
		"no such path":               {"GET", "/api/v1/nothing", "", 404, "nothing here"},
		"no such run":                {"GET", "/api/v1/runs/none", "", 404, "no such run"},
		"no run's id":                {"GET", "/api/v1/runs/a%20b", "", 400, "1 to 64"},
		"a run's id of nul":          {"GET", "/api/v1/runs/a%00b/routing", "", 400, "1 to 64"},
		"routing of no such run":     {"GET", "/api/v1/runs/none/routing", "", 404, "no such run"},
		"alerts of no such run":      {"GET", "/api/v1/alerts?run=none", "", 404, "no such run"},
		"alerts of no run's id":      {"GET", "/api/v1/alerts?run=a%2Fb", "", 400, "1 to 64"},
		"a run in two projects":      {"GET", "/api/v1/runs/twin", "", 409, "?project="},
		"routing in two projects":    {"GET", "/api/v1/runs/twin/routing", "", 409, "?project="},
		"alerts in two projects":     {"GET", "/api/v1/alerts?run=twin", "", 409, "?project="},
		"no limit":                   {"GET", "/api/v1/alerts?limit=0", "", 400, "limit"},
		"a limit too large":          {"GET", "/api/v1/runs?limit=99999999999999999999", "", 400, "limit"},
		"a project":                  {"GET", "/api/v1/quarantine?project=%00", "", 400, "project"},
		"a put":                      {"PUT", silence, good, 405, "GET, HEAD, POST"},
		"a read of one silence":      {"GET", silence + "/x", "", 405, "DELETE"},
		"a read of what is asked":    {"GET", acks, "", 405, "POST"},
		"a description changed":      {"POST", "/api/v1/openapi.json", "", 405, "GET, HEAD"},
		"no JSON":                    {"POST", silence, "x", 400, "JSON object"},
		"no body":                    {"POST", silence, "", 400, "JSON object"},
		"null":                       {"POST", silence, "null", 400, "for nor until"},
		"two silences":               {"POST", silence, good + good, 400, "more behind it"},
		"a field misspelt":           {"POST", silence, `{"matchers":["run=new"],"author":"anna","fro":"1h"}`, 400, `"fro"`},
		"too long a silence's body":  {"POST", silence, long, 413, "16 KiB"},
		"space behind it":            {"POST", silence, good + strings.Repeat(" ", 17<<10), 413, "16 KiB"},
		"no matchers":                {"POST", silence, `{"author":"anna","for":"1h"}`, 400, "matchers"},
		"a wrong matcher":            {"POST", silence, `{"matchers":["nonsense"],"author":"anna","for":"1h"}`, 400, `"nonsense" is not a matcher`},
		"a wrong expression":         {"POST", silence, `{"matchers":["run=~\"(\""],"author":"anna","for":"1h"}`, 400, "run=~"},
		"a key nobody has":           {"POST", silence, `{"matchers":["colour=red"],"author":"anna","for":"1h"}`, 400, "colour"},
		"no author":                  {"POST", silence, `{"matchers":["run=new"],"for":"1h"}`, 400, "author"},
		"no end":                     {"POST", silence, `{"matchers":["run=new"],"author":"anna"}`, 400, "for"},
		"two ends":                   {"POST", silence, `{"matchers":["run=new"],"author":"anna","for":"1h","until":"morning"}`, 400, "both for and until"},
		"a wrong span":               {"POST", silence, `{"matchers":["run=new"],"author":"anna","for":"soon"}`, 400, "time span"},
		"a span backwards":           {"POST", silence, `{"matchers":["run=new"],"author":"anna","for":"-1h"}`, 400, "time span"},
		"a span of nothing":          {"POST", silence, `{"matchers":["run=new"],"author":"anna","for":"0s"}`, 400, "over at once"},
		"an end that is over":        {"POST", silence, `{"matchers":["run=new"],"author":"anna","until":"2001-03-14T08:00"}`, 400, "is over"},
		"no such silence":            {"DELETE", silence + "/x", "", 404, "no such silence"},
		"nothing acknowledged":       {"POST", acks, `{"author":"anna"}`, 400, "message or a run"},
		"both acknowledged":          {"POST", acks, `{"author":"anna","run":"new","message":"m1"}`, 400, "one of them"},
		"nobody acknowledges":        {"POST", acks, `{"run":"new"}`, 400, "author"},
		"no such run acknowledged":   {"POST", acks, `{"author":"anna","run":"none"}`, 404, "no such run"},
		"acknowledged in two":        {"POST", acks, `{"author":"anna","run":"twin"}`, 409, "?project="},
		"no run's id acknowledged":   {"POST", acks, `{"author":"anna","run":"a b"}`, 400, "1 to 64"},
		"too long an acknowledgment": {"POST", acks, long, 413, "16 KiB"},
		"no wish":                    {"POST", act, `{"action":"dance","by":"ann"}`, 400, "dance"},
		"a wish too long":            {"POST", act, long, 413, "16 KiB"},
		"a wish for no such run":     {"POST", "/api/v1/runs/none/commands", stopping, 404, "no such run"},
		"a wish for two":             {"POST", "/api/v1/runs/twin/commands", stopping, 409, "?project="},
		"a wish refused":             {"POST", "/api/v1/runs/twin/commands?project=p", stopping, 422, "not running"},
		"nothing to approve":         {"POST", act, `{"action":"approve","by":"ann"}`, 422, "propos"},
	} {
		a := w.do(t, tc.method, tc.path, tc.body)
		require.Equal(t, tc.status, a.StatusCode, "%s: %s", name, a.text)
		var p struct{ Detail string }
		a.into(t, &p)
		require.Contains(t, p.Detail, tc.says, name)
	}
	for _, post := range []string{silence, acks, act} {
		require.Equal(t, http.StatusUnsupportedMediaType, w.send(t, http.MethodPost, post, good, "text/plain", bearer).StatusCode, post)
	}
	for _, one := range web.Routes(web.Options{Actor: &actor{}, Gatherer: prometheus.NewRegistry()}) {
		method, path, _ := strings.Cut(one, " ")
		path = strings.NewReplacer("{id}", "full", "{$}", "").Replace(path)
		a := w.send(t, method, path, good, jsonType, "Bearer wrong")
		open := !strings.HasPrefix(path, "/api/") || path == "/api/v1/openapi.json"
		require.Equal(t, open, a.StatusCode == http.StatusOK, one)
		require.Equal(t, !open, a.StatusCode == http.StatusUnauthorized, one)
	}
	var l report.SilenceList
	w.do(t, http.MethodGet, silence, "").into(t, &l)
	require.Len(t, l.Silences, 1, "what was refused has made nothing")
}

func TestASilenceComesAndGoes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var made, all report.SilenceList
	w.do(t, http.MethodPost, "/api/v1/silences", `{"matchers":["run=full","severity!=critical"],"author":"anna","comment":"<b> & \"c\"","for":"1d12h"}`).into(t, &made)
	require.Len(t, made.Silences, 1)
	one := made.Silences[0]
	require.Equal(t, 36*time.Hour, one.EndsAt.Sub(one.StartsAt))
	require.Equal(t, `<b> & "c"`, one.Comment)
	w.do(t, http.MethodGet, "/api/v1/silences", "").into(t, &all)
	require.Len(t, all.Silences, 2)
	require.Contains(t, all.Silences, one, "what was answered is what is kept")

	var r report.Routing
	w.do(t, http.MethodGet, "/api/v1/runs/full/routing", "").into(t, &r)
	held := map[string]bool{}
	for _, f := range r.Findings {
		for _, h := range f.Heard {
			held[f.Severity] = held[f.Severity] || strings.Contains(h.HeldBack, "silenced by anna")
		}
	}
	require.Equal(t, map[string]bool{"critical": false, "warning": true}, held)

	require.JSONEq(t, `{"id":"`+one.ID+`","state":"ended"}`, w.do(t, http.MethodDelete, "/api/v1/silences/"+one.ID, "").text)
	require.Equal(t, http.StatusNotFound, w.do(t, http.MethodDelete, "/api/v1/silences/"+one.ID, "").StatusCode, "it has ended")
	w.do(t, http.MethodGet, "/api/v1/silences", "").into(t, &all)
	require.Len(t, all.Silences, 1)
}

func TestAcknowledging(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, problems := range map[string]int{
		`{"author":"anna","run":"full"}`:   1,
		`{"author":"ben","message":"m1"}`:  1,
		`{"author":"anna","message":"no"}`: 0,
		`{"author":"anna","run":"new"}`:    0,
	} {
		var done web.Acknowledged
		w.do(t, http.MethodPost, "/api/v1/acknowledgements", body).into(t, &done)
		require.Equal(t, problems, done.Problems, body)
	}
	var l report.AlertList
	w.do(t, http.MethodGet, "/api/v1/alerts?run=full", "").into(t, &l)
	var by []string
	for _, m := range l.Messages {
		for _, a := range m.Acknowledged {
			by = append(by, a.By)
		}
	}
	require.Contains(t, by, "anna")
	require.Contains(t, by, "ben")
}

func TestAWishIsCarriedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for body, state := range map[string]string{
		`{"action":"decline","by":"ann","command":"c4"}`: "refused",
		`{"action":"stop","by":"ann","reason":"enough"}`: "sent",
	} {
		a := w.do(t, http.MethodPost, "/api/v1/runs/full/commands", body)
		require.Equal(t, http.StatusOK, a.StatusCode, a.text)
		var c report.Command
		a.into(t, &c)
		require.Equal(t, state, string(c.State), body)
	}
	w.do(t, http.MethodGet, "/api/v1/runs/full", "")
}

// TestWhatCannotBeReadIsSaidSafely has the store closed under the API.
func TestWhatCannotBeReadIsSaidSafely(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	require.NoError(t, w.st.Close())
	for _, one := range web.Routes(web.Options{Actor: &actor{}, Gatherer: prometheus.NewRegistry()}) {
		method, path, _ := strings.Cut(one, " ")
		content := map[string]string{
			"/api/v1/silences": `{"matchers":["run=new"],"author":"anna","for":"1h"}`, "/api/v1/acknowledgements": `{"author":"anna","run":"new"}`,
			"/api/v1/runs/{id}/commands": stopping,
		}[path]
		a := w.do(t, method, strings.NewReplacer("{id}", "full", "{$}", "").Replace(path), content)
		switch {
		case path == "/readyz":
			require.Equal(t, http.StatusServiceUnavailable, a.StatusCode)
			require.Contains(t, a.text, `"store":"does not answer"`)
		case strings.HasPrefix(path, "/api/") && path != "/api/v1/openapi.json":
			require.Equal(t, http.StatusInternalServerError, a.StatusCode, "%s: %s", one, a.text)
			require.Contains(t, a.text, "log says why")
		default:
			require.Equal(t, http.StatusOK, a.StatusCode, one)
		}
	}
	require.Contains(t, w.log.String(), "answering a request")
	for _, s := range secrets {
		require.NotContains(t, w.log.String(), s)
	}
}

func TestAPanicAndAStrangeNameAreAsDescribed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.h = web.New(web.Options{Token: token, Gatherer: prometheus.NewRegistry()}) // no reader
	require.Equal(t, http.StatusInternalServerError, w.do(t, http.MethodGet, "/api/v1/runs", "").StatusCode)
	require.Equal(t, http.StatusNotFound, w.do(t, http.MethodPost, "/api/v1/runs/r1/commands", stopping).StatusCode, "nobody to act")
}

// FuzzSilences holds that whatever is sent as a silence is stored or refused, as described.
func FuzzSilences(f *testing.F) {
	for _, seed := range []string{
		`{"matchers":["run=new"],"author":"anna","for":"1h"}`, `{"matchers":["run=~\"a.*\""],"author":"a\u0000b","until":"morning","comment":"\ud800"}`,
		`{"matchers":null}`, `[]`, `"x"`, `{"matchers":["\"=\""],"author":"x","for":"9999999d"}`, `{"matchers":["run=x"],"author":"x","for":"1e3d"}`,
		`{"matchers":["run=x"],"author":"x","until":"0000-01-01"}`, `{"matchers":["run=x"],"author":"x","until":"9999-12-31T23:59:59Z"}`, "{\"a\":\xff}",
	} {
		f.Add(seed)
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, content string) {
		a := w.do(t, http.MethodPost, "/api/v1/silences", content)
		if a.StatusCode == http.StatusOK {
			var made report.SilenceList
			a.into(t, &made)
			require.Len(t, made.Silences, 1)
			require.Equal(t, http.StatusOK, w.do(t, http.MethodDelete, "/api/v1/silences/"+url.PathEscape(made.Silences[0].ID), "").StatusCode)
			return
		}
		require.Contains(t, []int{400, 413}, a.StatusCode, a.text)
	})
}

// FuzzQueries holds the same of what is asked in an address.
func FuzzQueries(f *testing.F) {
	for _, seed := range [][4]string{{"p", "3", "full", "new"}, {"\x00", "-0", "a/b", ".."}, {"", "9223372036854775807", "", "%2e"}, {"é", "1e3", "'; --", "{id}"}} {
		f.Add(seed[0], seed[1], seed[2], seed[3])
	}
	w := newWorld(f)
	f.Fuzz(func(t *testing.T, project, limit, run, id string) {
		q := "?" + url.Values{"project": {project}, "limit": {limit}, "run": {run}}.Encode()
		for _, path := range []string{"/api/v1/runs", "/api/v1/alerts", "/api/v1/quarantine"} {
			a := w.do(t, http.MethodGet, path+q, "")
			require.Contains(t, []int{200, 400, 404, 409}, a.StatusCode, a.text)
			require.True(t, json.Valid([]byte(a.text)))
		}
		if id == "" || id == "." || id == ".." {
			return // another path
		}
		for _, path := range []string{"/api/v1/runs/" + url.PathEscape(id), "/api/v1/runs/" + url.PathEscape(id) + "/routing"} {
			a := w.do(t, http.MethodGet, path+q, "")
			require.Contains(t, []int{200, 400, 404, 409}, a.StatusCode, a.text)
		}
	})
}
