// Package epochwatch holds no code: this file keeps the laws of the repository.
package epochwatch

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/epochwatch/epochwatch/"

// floors orders the house from the ground up: a package may import its own floor and
// those below it, never one above.
var floors = []struct {
	folder string
	floor  int
}{
	// The longest matching folder counts.
	{"ingest/contract", 0},
	{"detectors", 1},
	{"ingest/history", 2},
	{"sql", 2},
	{"ingest", 3},
	{"notify", 3},
	{"daemon", 4},
	{"bench", 5},
	{"examples", 5},
	{"internal", -1}, // small tools of our own that know nothing of the project
}

func floorOf(folder string) (int, bool) {
	best, floor := -1, 0
	for _, f := range floors {
		if (folder == f.folder || strings.HasPrefix(folder, f.folder+"/")) && len(f.folder) > best {
			best, floor = len(f.folder), f.floor
		}
	}
	return floor, best >= 0
}

// goFile is one Go file with what it imports.
type goFile struct {
	path    string
	folder  string
	imports []string
	doc     bool
}

func goFiles(t *testing.T) []goFile {
	t.Helper()
	var out []goFile
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (strings.HasPrefix(d.Name(), ".") && path != "." || slices.Contains([]string{"testdata", "node_modules", "tools", "bin"}, d.Name())) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || !strings.Contains(path, "/") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		g := goFile{path: filepath.ToSlash(path), folder: filepath.ToSlash(filepath.Dir(path)), doc: f.Doc != nil}
		for _, i := range f.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			g.imports = append(g.imports, p)
		}
		out = append(out, g)
		return nil
	})
	require.NoError(t, err)
	require.Greater(t, len(out), 10, "the walk found next to nothing: it looks in the wrong place")
	return out
}

func TestImportsPointDownwards(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if strings.HasSuffix(f.path, "_test.go") {
			continue // a test may stand on the whole house
		}
		own, ok := floorOf(f.folder)
		require.True(t, ok, "%s: give its folder a floor in laws_test.go and a line in docs/architecture.md", f.path)
		for _, imp := range f.imports {
			rest, ours := strings.CutPrefix(imp, module)
			if !ours {
				continue
			}
			floor, ok := floorOf(rest)
			require.True(t, ok, "%s imports %s, which has no floor", f.path, rest)
			require.LessOrEqual(t, floor, own, "%s (floor %d) imports %s (floor %d): imports point downwards only", f.path, own, rest, floor)
		}
	}
}

func TestPurePackagesImportOnlyTheStandardLibrary(t *testing.T) {
	t.Parallel()
	for _, f := range goFiles(t) {
		if f.folder != "detectors" && f.folder != "ingest/contract" || strings.HasSuffix(f.path, "_test.go") {
			continue
		}
		for _, imp := range f.imports {
			first, _, _ := strings.Cut(imp, "/")
			require.True(t, !strings.Contains(first, ".") || imp == module+"ingest/contract", "%s imports %s", f.path, imp)
			require.NotContains(t, []string{"os", "net", "net/http", "io/fs", "math/rand", "math/rand/v2", "sync"}, imp,
				"%s: no I/O, no randomness, no goroutines here", f.path)
		}
	}
}

// A merge that went wrong leaves its marks, and in a page of docs nothing else would see them.
func TestNoFileHoldsMarksOfAMerge(t *testing.T) {
	t.Parallel()
	mark := []byte("\n" + strings.Repeat("<", 7) + " ")
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "bin"):
			return fs.SkipDir
		case d.IsDir():
			return nil
		}
		text, err := os.ReadFile(path)
		require.False(t, bytes.Contains(text, mark), path)
		return err
	})
	require.NoError(t, err)
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	t.Parallel()
	documented := map[string]bool{}
	for _, f := range goFiles(t) {
		if !strings.HasSuffix(f.path, "_test.go") {
			documented[f.folder] = documented[f.folder] || f.doc
		}
	}
	for folder, ok := range documented {
		require.True(t, ok, "package in %s has no package comment", folder)
	}
}
