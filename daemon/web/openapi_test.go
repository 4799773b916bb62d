package web_test

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"maps"
	"net/http"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// described is the API's description, closed: a field that it does not name is an error.
type described struct{ *openapi3.T }

func description(t testing.TB) described {
	t.Helper()
	var doc map[string]any
	require.NoError(t, json.Unmarshal(web.OpenAPI(), &doc))
	for _, s := range doc["components"].(map[string]any)["schemas"].(map[string]any) {
		s := s.(map[string]any)
		if _, ok := s["properties"]; ok {
			s["additionalProperties"] = false
		}
	}
	b, err := json.Marshal(doc)
	require.NoError(t, err)
	d, err := openapi3.NewLoader().LoadFromData(b)
	require.NoError(t, err)
	return described{d}
}

// check holds an answer of a route, by its pattern, against its description.
func (d described) check(t testing.TB, pattern string, a reply) {
	t.Helper()
	name := fmt.Sprintf("%s %d", pattern, a.StatusCode)
	method, path, ok := strings.Cut(pattern, " ")
	var answer *openapi3.Response
	switch {
	case !ok && a.StatusCode == http.StatusMethodNotAllowed:
		answer = d.Components.Responses["MethodNotAllowed"].Value
	case !ok && a.StatusCode == http.StatusNotFound:
		answer = d.Components.Responses["NotFound"].Value
	default:
		ref := d.operation(t, method, path).Responses.Status(a.StatusCode)
		require.NotNil(t, ref, name)
		answer = ref.Value
	}
	for h := range answer.Headers {
		require.NotEmpty(t, a.Header.Get(h), name)
	}
	kind, _, _ := strings.Cut(a.Header.Get("Content-Type"), ";")
	media := answer.Content[kind]
	require.NotNil(t, media, "%s is not described as %s", name, kind)
	var v any = a.text
	if strings.HasSuffix(kind, "json") {
		require.NoError(t, json.Unmarshal([]byte(a.text), &v), name)
	}
	require.NoError(t, d.ValidateSchemaJSON(media.Schema.Value, v, openapi3.EnableJSONSchema2020()), "%s: %s", name, a.text)
}

func (d described) operation(t testing.TB, method, path string) *openapi3.Operation {
	t.Helper()
	item := d.Paths.Value(strings.ReplaceAll(path, "{$}", ""))
	require.NotNil(t, item, path)
	op := item.GetOperation(method)
	require.NotNil(t, op, "%s %s", method, path)
	return op
}

func TestTheDescriptionIsOpenAPI(t *testing.T) {
	t.Parallel()
	d, err := openapi3.NewLoader().LoadFromData(web.OpenAPI())
	require.NoError(t, err)
	require.NoError(t, d.Validate(t.Context(), openapi3.EnableExamplesValidation()))
	require.True(t, d.IsOpenAPI31OrLater())
}

// The description is of the ways in that there are: none is left out, none made up.
func TestTheDescriptionHasEachWayIn(t *testing.T) {
	t.Parallel()
	doc := description(t)
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

func TestTheDescriptionIsServedToAnyone(t *testing.T) {
	t.Parallel()
	a := setup(true).ask(t, http.MethodGet, base+"/api/v1/openapi.json", "")
	require.Equal(t, http.StatusOK, a.StatusCode)
	require.Equal(t, string(web.OpenAPI()), a.text)
	require.Equal(t, "application/json", a.Header.Get("Content-Type"))
}

// TestEveryFieldIsExplained holds that nothing is named without a word on it.
func TestEveryFieldIsExplained(t *testing.T) {
	t.Parallel()
	d := description(t)
	for name, s := range d.Components.Schemas {
		require.NotEmpty(t, s.Value.Description, name)
		for field, p := range s.Value.Properties {
			require.NotEmpty(t, p.Value.Description, "%s.%s", name, field)
		}
	}
	for path, item := range d.Paths.Map() {
		for method, op := range item.Operations() {
			require.NotEmpty(t, op.Summary, "%s %s", method, path)
			require.NotEmpty(t, op.Description, "%s %s", method, path)
			require.NotEmpty(t, op.OperationID, "%s %s", method, path)
			for _, p := range op.Parameters {
				require.NotEmpty(t, p.Value.Description, "%s %s %s", method, path, p.Value.Name)
			}
		}
	}
}

// TestTheExamplesHoldTheirOwnFields holds examples against the closed schemas.
func TestTheExamplesHoldTheirOwnFields(t *testing.T) {
	t.Parallel()
	d := description(t)
	n := 0
	for name, s := range d.Components.Schemas {
		for _, e := range s.Value.Examples {
			require.NoError(t, d.ValidateSchemaJSON(s.Value, e, openapi3.EnableJSONSchema2020()), name)
			n++
		}
	}
	require.Greater(t, n, 20)
}

// TestEveryFieldOfTheCodeIsDescribed holds the names, and which of them are always there.
func TestEveryFieldOfTheCodeIsDescribed(t *testing.T) {
	t.Parallel()
	d := description(t)
	for name, v := range map[string]any{
		"RunList": report.RunList{}, "Run": report.Run{}, "RunDocument": report.RunDocument{}, "Epoch": report.Epoch{}, "Finding": report.RunFinding{},
		"Verdict": report.Verdict{}, "Command": report.Command{}, "Outlook": control.Outlook{}, "Message": report.Message{}, "AlertList": report.AlertList{},
		"Alert": report.Alert{}, "Try": report.Try{}, "Acknowledgement": report.Acknowledgement{}, "Untold": report.Untold{}, "Routing": report.Routing{},
		"Routed": report.Routed{}, "RouteTaken": report.RouteTaken{}, "RoutePassed": report.RoutePassed{}, "SilenceList": report.SilenceList{},
		"Silence": report.Silence{}, "WantedSilence": web.WantedSilence{}, "WantedAcknowledgement": web.WantedAcknowledgement{},
		"Acknowledged": web.Acknowledged{}, "Wish": control.Wish{}, "RefusedList": web.RefusedList{}, "Refused": web.Refused{},
	} {
		s := d.Components.Schemas[name].Value
		names, required := fieldsOf(reflect.TypeOf(v))
		require.ElementsMatch(t, names, slices.Collect(maps.Keys(s.Properties)), name)
		if !strings.HasPrefix(name, "Wanted") && name != "Wish" { // what is asked for says more than its type
			require.ElementsMatch(t, required, s.Required, name)
		}
	}
}

// fieldsOf returns the JSON names of a struct's fields, and of those that are always written.
func fieldsOf(t reflect.Type) (names, required []string) {
	for f := range t.Fields() {
		if f.Anonymous {
			n, r := fieldsOf(f.Type)
			names, required = append(names, n...), append(required, r...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		names = append(names, name)
		if options == "" {
			required = append(required, name)
		}
	}
	return names, required
}

func TestTheWordsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	d := description(t)
	words := func(s *openapi3.Schema) []string {
		var out []string
		for _, v := range s.Enum {
			out = append(out, v.(string))
		}
		return out
	}
	schema := func(name string) *openapi3.Schema { return d.Components.Schemas[name].Value }
	var kinds, actions []string
	for _, s := range detectors.Specs() {
		kinds = append(kinds, string(s.Kind))
	}
	for _, a := range control.Actions() {
		actions = append(actions, string(a))
	}
	require.ElementsMatch(t, kinds, words(schema("Kind").AnyOf[0].Value))
	require.ElementsMatch(t, actions, words(schema("Wish").Properties["action"].Value))
	require.ElementsMatch(t, constants(t, "../../sql/store", "State"), words(schema("RunState")))
	require.ElementsMatch(t, constants(t, "../../sql/store", "CommandState"), words(schema("CommandState")))
	steps := words(schema("Try").Properties["state"].Value)
	require.ElementsMatch(t, constants(t, "../../sql/store", "MessageState"), steps)
	require.ElementsMatch(t, steps, append(words(schema("MessageState")), string(store.MessageSending)))
	require.ElementsMatch(t, constants(t, "../../sql/store", "MessageEvent"), words(schema("MessageEvent")))
	require.ElementsMatch(t, constants(t, "../../sql/store", "Effect"), words(schema("Command").Properties["effect"].Value.OneOf[0].Value))
	require.ElementsMatch(t, constants(t, "../../ingest/contract", "CommandKind"), words(schema("Command").Properties["kind"].Value))
	require.ElementsMatch(t, constants(t, "../../ingest/contract", "Mode"), words(schema("Mode")))
	require.ElementsMatch(t, constants(t, "../../ingest/contract", "Reason"), words(schema("Refused").Properties["reason"].Value))
	require.ElementsMatch(t, constants(t, "../../detectors", "Severity"), words(schema("Severity")))
	require.Equal(t, string(detectors.KindHealthy), schema("Verdict").Properties["kind"].Value.OneOf[0].Value.Const)
}

// constants returns the values of a package's constants of a type of text.
func constants(t *testing.T, folder, kind string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	var out []string
	for _, file := range files {
		f, err := parser.ParseFile(gotoken.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(f, func(n ast.Node) bool {
			v, ok := n.(*ast.ValueSpec)
			if !ok || len(v.Values) != 1 {
				return true
			}
			name, named := v.Type.(*ast.Ident)
			text, literal := v.Values[0].(*ast.BasicLit)
			if named && literal && name.Name == kind && text.Kind == gotoken.STRING {
				word, err := strconv.Unquote(text.Value)
				require.NoError(t, err)
				out = append(out, word)
			}
			return true
		})
	}
	require.NotEmpty(t, out, "%s.%s", folder, kind)
	return out
}
