package history_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// TestCorpus reads real logs where EPOCHWATCH_CORPUS names their folder, and compares
// them with what others read out of them.
func TestCorpus(t *testing.T) {
	t.Parallel()
	corpus := os.Getenv("EPOCHWATCH_CORPUS")
	if corpus == "" {
		t.Skip("EPOCHWATCH_CORPUS names no folder of real logs; testdata stands in for it")
	}
	curves := readCurves(t, filepath.Join(corpus, "curves.jsonl"))
	paths, err := filepath.Glob(filepath.Join(corpus, "raw", "*"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, p := range paths {
		f, err := os.Open(p)
		require.NoError(t, err)
		log, err := history.Read(f, filepath.Base(p))
		require.NoError(t, f.Close())
		require.NoError(t, err)
		id := strings.TrimSuffix(filepath.Base(p), filepath.Ext(p))
		want, ok := curves[id]
		if !ok {
			t.Logf("%s: %d epochs, %d runs, not in curves.jsonl", id, len(log.Epochs), log.Runs)
			continue
		}
		requireSame(t, id, log, want)
	}
}

type curve struct {
	ID         string           `json:"id"`
	FirstEpoch int              `json:"first_epoch"`
	Metrics    map[string][]any `json:"metrics"`
}

func readCurves(t *testing.T, path string) map[string]curve {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	out := map[string]curve{}
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var c curve
		require.NoError(t, json.Unmarshal(s.Bytes(), &c))
		out[c.ID] = c
	}
	require.NoError(t, s.Err())
	return out
}

// requireSame compares value by value. A file may hold several trainings, of which the
// curve is another one; rates stand apart from the metrics.
func requireSame(t *testing.T, id string, log history.Log, want curve) {
	t.Helper()
	if log.Runs > 1 && len(log.Epochs) != len(want.Metrics["loss"]) {
		t.Logf("%s: %d trainings in the file, another one taken", id, log.Runs)
		return
	}
	require.Equal(t, want.FirstEpoch, log.Epochs[0].Epoch, id)
	for name, values := range want.Metrics {
		require.Len(t, log.Epochs, len(values), id)
		for i, v := range values {
			got := log.Epochs[i].Metrics[name]
			if name == "lr" || name == "learning_rate" {
				got = log.Epochs[i].LearningRate
			}
			if x, ok := v.(float64); ok { // not missing, and finite
				require.InEpsilon(t, x+1, got+1, 1e-6, "%s: %s of epoch %d", id, name, log.Epochs[i].Epoch)
			}
		}
	}
}
