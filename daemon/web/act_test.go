package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// actor is an Actor that notes what it was asked.
type actor struct {
	project, run string
	wish         control.Wish
	err          error
}

func (a *actor) Act(_ context.Context, project, run string, w control.Wish) (any, error) {
	a.project, a.run, a.wish = project, run, w
	return map[string]string{"id": "c1"}, a.err
}

func (s *server) post(target, contentType, auth, body string) reply {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", auth)
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return reply{w.Code, w.Header(), w.Body.String()}
}

const (
	commands = base + "/api/v1/runs/r1/commands"
	bearer   = "Bearer " + token
	jsonType = "application/json"
	stopping = `{"action":"stop","by":"ann"}`
)

func TestAWishReachesTheActor(t *testing.T) {
	t.Parallel()
	s := setup(true)
	a := s.post(commands+"?project=p", jsonType+"; charset=utf-8", bearer, `{"action":"set","by":"ann","rate":0.001,"reason":"why not"}`)
	require.Equal(t, http.StatusOK, a.StatusCode, a.text)
	require.JSONEq(t, `{"id":"c1"}`, a.text)
	require.Equal(t, control.Wish{Action: control.ActSet, By: "ann", Rate: 0.001, Reason: "why not"}, s.actor.wish)
	require.Equal(t, []string{"p", "r1"}, []string{s.actor.project, s.actor.run})
}

func TestWhatIsNoWishReachesNobody(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		target, contentType, auth, body string
		status                          int
		says                            string
	}{
		"no token":         {commands, jsonType, "", stopping, 401, "endpoint.json"},
		"a wrong token":    {commands, jsonType, "Bearer x", stopping, 401, "endpoint.json"},
		"a form":           {commands, "application/x-www-form-urlencoded", bearer, stopping, 415, "application/json"},
		"no JSON":          {commands, jsonType, bearer, `stop`, 400, "not the JSON object"},
		"more behind it":   {commands, jsonType, bearer, stopping + stopping, 400, "more behind it"},
		"a word misspelt":  {commands, jsonType, bearer, `{"action":"stop","by":"ann","keep_weightz":true}`, 400, "keep_weightz"},
		"nobody asks":      {commands, jsonType, bearer, `{"action":"stop"}`, 400, "by:"},
		"the policy asks":  {commands, jsonType, bearer, `{"action":"stop","by":"policy"}`, 400, "person"},
		"too long":         {commands, jsonType, bearer, `{"action":"stop","by":"` + strings.Repeat("x", 20000) + `"}`, 413, "16 KiB"},
		"a run that is no": {base + "/api/v1/runs/r%201/commands", jsonType, bearer, stopping, 400, "a run's id"},
		"a project":        {commands + "?project=%20", jsonType, bearer, stopping, 400, "a project"},
	} {
		s := setup(true)
		a := s.post(tc.target, tc.contentType, tc.auth, tc.body)
		require.Equal(t, tc.status, a.StatusCode, name)
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"), name)
		var p struct{ Detail string }
		require.NoError(t, json.Unmarshal([]byte(a.text), &p), name)
		require.Contains(t, p.Detail, tc.says, name)
		require.Empty(t, s.actor.run, name)
	}
	require.Equal(t, http.StatusMethodNotAllowed, setup(true).ask(t, http.MethodGet, commands, bearer).StatusCode)
}

func TestRefusalsSayWhy(t *testing.T) {
	t.Parallel()
	for says, tc := range map[string]struct {
		err    error
		status int
	}{
		"the owner's mode is off": {&control.RefusedError{Reason: "the owner's mode is off"}, 422},
		"at this moment":          {ingest.ErrSameCause, 422},
		"no such run":             {store.ErrNotFound, 404},
		"several projects":        {store.ErrAmbiguous, 409},
		"log says why":            {errors.New("disk full"), 500},
	} {
		s := setup(true)
		s.actor.err = tc.err
		a := s.post(commands, jsonType, bearer, stopping)
		require.Equal(t, tc.status, a.StatusCode, says)
		require.Contains(t, a.text, says)
	}
}
