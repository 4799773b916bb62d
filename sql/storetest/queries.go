package storetest

import (
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// queriesFile is where a store keeps its SQL.
const queriesFile = "queries.go"

// Queries returns the constants of type query in the queries.go of a store's package, by
// name, and fails when SQL stands in another of its files. The store's test prepares each
// against a real database: a statement that does not fit the schema fails the build.
func Queries(t *testing.T, folder string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	out := map[string]string{}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, filepath.Join(folder, e.Name()), nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		if e.Name() == queriesFile {
			constants(t, set, file, out)
			continue
		}
		for _, text := range looseSQL(file) {
			require.Fail(t, "SQL outside "+queriesFile+" is not checked", "%s: %s", e.Name(), text)
		}
	}
	require.Greater(t, len(out), 20, "the walk found next to nothing: it looks in the wrong place")
	return out
}

func constants(t *testing.T, set *token.FileSet, file *ast.File, out map[string]string) {
	t.Helper()
	checked, err := (&types.Config{}).Check("queries", set, []*ast.File{file}, nil)
	require.NoError(t, err, "%s imports nothing, so that it can be read by itself", queriesFile)
	for _, name := range checked.Scope().Names() {
		c, ok := checked.Scope().Lookup(name).(*types.Const)
		if ok && strings.HasSuffix(c.Type().String(), ".query") {
			out[name] = constant.StringVal(c.Val())
		}
	}
}

var statement = regexp.MustCompile(`(?i)^\s*(select|insert|update|delete|create|drop|alter|pragma|begin|with|truncate|vacuum)\s+\S`)

func looseSQL(file *ast.File) (found []string) {
	ast.Inspect(file, func(n ast.Node) bool {
		lit, ok := n.(*ast.BasicLit)
		if !ok || lit.Kind != token.STRING {
			return true
		}
		text, err := strconv.Unquote(lit.Value)
		// Messages are lower case and name what was being done; statements are not.
		if err == nil && statement.MatchString(text) && strings.ToUpper(strings.Fields(text)[0]) == strings.Fields(text)[0] {
			found = append(found, text)
		}
		return true
	})
	return found
}
