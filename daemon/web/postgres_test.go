package web_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
)

// TestWhatAStrangerWritesOnPostgres holds what only that engine refuses to keep: zero bytes, text
// that is no UTF-8, numbers too large.
func TestWhatAStrangerWritesOnPostgres(t *testing.T) {
	t.Parallel()
	st, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	w := newWorldOn(t, st)
	for content, want := range map[string]int{
		`{"matchers":["run=~\"a\u0000.*\""],"author":"a\u0000b","comment":"\ud800","for":"1h"}`: http.StatusOK,
		`{"matchers":["run=x"],"author":"x","for":"100000d"}`:                                   http.StatusOK,
		`{"matchers":["run=x"],"author":"x","until":"9999-12-31T23:59:59Z"}`:                    http.StatusOK,
	} {
		a := w.do(t, http.MethodPost, "/api/v1/silences", content)
		require.Equal(t, want, a.StatusCode, "%s: %s", content, a.text)
	}
	for _, path := range []string{"/api/v1/silences", "/api/v1/alerts", "/api/v1/alerts?limit=9223372036854775807", "/api/v1/runs?limit=9223372036854775807", "/api/v1/quarantine?limit=9223372036854775807", "/api/v1/runs/full", "/api/v1/runs/full/routing"} {
		a := w.do(t, http.MethodGet, path, "")
		require.Equal(t, http.StatusOK, a.StatusCode, "%s: %s", path, a.text)
	}
	require.Equal(t, http.StatusNotFound, w.do(t, http.MethodDelete, "/api/v1/silences/a%00b", "").StatusCode)
	for _, path := range []string{"/api/v1/runs/a%00b", "/api/v1/runs/a%00b/routing", "/api/v1/alerts?run=%00", "/api/v1/runs?project=%00"} {
		require.Equal(t, http.StatusBadRequest, w.do(t, http.MethodGet, path, "").StatusCode, path)
	}
	require.Equal(t, http.StatusOK, w.do(t, http.MethodPost, "/api/v1/acknowledgements", `{"message":"a\u0000b","author":"c\u0000d"}`).StatusCode)
	require.Equal(t, http.StatusOK, w.do(t, http.MethodPost, "/api/v1/acknowledgements", `{"run":"full","author":"c\u0000d"}`).StatusCode)
	w.do(t, http.MethodGet, "/api/v1/alerts", "")
	a := w.do(t, http.MethodPost, "/api/v1/runs/full/commands", `{"action":"stop","by":"ann","reason":"a\u0000b \ud800"}`)
	require.Equal(t, http.StatusOK, a.StatusCode, a.text)
	a = w.do(t, http.MethodPost, "/api/v1/runs/full/commands", `{"action":"revert","by":"ann","command":"a\u0000b"}`)
	require.Equal(t, http.StatusUnprocessableEntity, a.StatusCode, a.text)
}
