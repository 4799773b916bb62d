package spool_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// The golden spool is what the callback writes; testdata/README.md says what is in it.
func TestGoldenSpool(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata")))
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.Len(t, paths, 1)
	text, err := os.ReadFile(paths[0])
	require.NoError(t, err)
	lines := bytes.Split(text, []byte("\n"))
	require.Len(t, lines, 7)

	r := sweep(t, dir, b)
	require.Equal(t, 3, r.Delivered())
	require.Zero(t, r.Left())
	require.NoFileExists(t, paths[0])
	require.NoFileExists(t, strings.TrimSuffix(paths[0], ".jsonl")+".acked")

	attempt := strings.Split(filepath.Base(paths[0]), ".")[2]
	want := map[string]string{}
	for seq := int64(3); seq <= 5; seq++ {
		e, err := contract.DecodeEvent(lines[seq])
		require.NoError(t, err)
		require.Equal(t, seq, e.Seq)
		want[contract.MessageID("golden", attempt, seq)] = contract.EventSubject("digits", "golden") + " " + string(lines[seq])
	}
	require.Equal(t, want, b.got)
}
