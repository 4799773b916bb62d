package storetest

import (
	"go/parser"
	"go/token"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLooseSQLIsSeen(t *testing.T) {
	t.Parallel()
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\nvar a = \"DELETE FROM run\"\nvar b = `\n\tSELECT 1`\nvar c = \"update a run\"\n", parser.SkipObjectResolution)
	require.NoError(t, err)
	require.Equal(t, []string{"DELETE FROM run", "\n\tSELECT 1"}, looseSQL(file))
}
