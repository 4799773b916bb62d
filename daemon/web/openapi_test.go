package web_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/web"
)

// The description is valid, and of the ways in there are: none is left out, none made up.
func TestTheDescriptionHasEachWayIn(t *testing.T) {
	t.Parallel()
	doc, err := openapi3.NewLoader().LoadFromData(web.OpenAPI())
	require.NoError(t, err)
	require.NoError(t, doc.Validate(t.Context()))
	var described []string
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			described = append(described, method+" "+path)
			open := operation.Security != nil && len(*operation.Security) == 0
			require.Equal(t, !strings.HasPrefix(path, "/api/v1/") || path == "/api/v1/openapi.json", open, "%s: whether it wants the token", path)
		}
	}
	there := web.Routes(web.Options{Actor: &actor{}, Gatherer: prometheus.NewRegistry()})
	for i, r := range there {
		there[i] = strings.TrimSuffix(r, "{$}")
	}
	slices.Sort(described)
	slices.Sort(there)
	require.Equal(t, there, described)
}

func TestAWrongMethodIsToldTheRightOnes(t *testing.T) {
	t.Parallel()
	for path, allow := range map[string]string{
		"/api/v1/silences": "GET, HEAD, POST", "/api/v1/silences/x": "DELETE", "/api/v1/acknowledgements": "POST", "/healthz": "GET, HEAD",
	} {
		r := setup(true).ask(t, "PATCH", base+path, bearer)
		require.Equal(t, 405, r.StatusCode, path)
		require.Equal(t, allow, r.Header.Get("Allow"), path)
	}
}
