package backtest

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTheDocsListTheDiagnoses holds the table at the end of docs/backtest.md.
func TestTheDocsListTheDiagnoses(t *testing.T) {
	t.Parallel()
	const path = "../../docs/backtest.md"
	var rows strings.Builder
	for _, word := range slices.Sorted(maps.Keys(diagnoses)) {
		var kinds []string
		for _, k := range diagnoses[word] {
			kinds = append(kinds, "`"+string(k)+"`")
		}
		if kinds == nil {
			kinds = []string{"nothing: no curve shows it"}
		}
		fmt.Fprintf(&rows, "| `%s` | %s |\n", word, strings.Join(kinds, ", "))
	}
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	head, table, found := strings.Cut(string(b), "| diagnosis | answered by |\n| --- | --- |\n")
	require.True(t, found)
	if *update {
		table = rows.String()
		require.NoError(t, os.WriteFile(path, []byte(head+"| diagnosis | answered by |\n| --- | --- |\n"+table), 0o644))
	}
	require.Equal(t, rows.String(), table, "stale: go test ./daemon/backtest -update")
}
