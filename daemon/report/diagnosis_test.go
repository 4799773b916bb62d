package report_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/ingest/history"
)

func diagnose(t *testing.T, text string) report.Diagnosis {
	t.Helper()
	log, err := history.Read(strings.NewReader(text), "training.log")
	require.NoError(t, err)
	d, err := report.Diagnose(log, nil, nil)
	require.NoError(t, err)
	return d
}

func seed(t *testing.T) report.Diagnosis {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "seed.log"))
	require.NoError(t, err)
	return diagnose(t, string(b))
}

// TestTheSeedAsText holds the shape of the page; the words are the detectors'.
func TestTheSeedAsText(t *testing.T) {
	t.Parallel()
	for _, width := range []int{80, 60} {
		var b bytes.Buffer
		require.NoError(t, seed(t).WriteText(&b, report.TextOptions{Width: width}))
		text := b.String()
		for _, part := range []string{
			"training.log: 13 epochs\nloss accuracy conflict  (confidence ",
			"▁▂▁▁▂▇▃▅▇▆▆▇█  0.7426 → 0.7713\n", "▲ epoch 17 of 14 to 26\n",
			"\nFindings\n", "warning  rising loss on loss, since epoch 17, seen at 21\n", "\nWhat to try\n  1. ",
		} {
			require.Contains(t, text, part)
		}
		for line := range strings.Lines(text) {
			if !strings.Contains(line, "→") && !strings.Contains(line, "since epoch") {
				require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), width, line)
			}
		}
	}
}

// TestTheJSONHasTheFixedForm holds the names, and that nothing is null but resolved_epoch.
func TestTheJSONHasTheFixedForm(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(seed(t))
	require.NoError(t, err)
	var d struct {
		Source     *string `json:"source"`
		Epochs     *int    `json:"epochs"`
		FirstEpoch *int    `json:"first_epoch"`
		Verdict    struct {
			Kind       *string  `json:"kind"`
			Confidence *float64 `json:"confidence"`
			Summary    *string  `json:"summary"`
			Advice     []string `json:"advice"`
		} `json:"verdict"`
		Findings []map[string]any `json:"findings"`
	}
	require.NoError(t, json.Unmarshal(b, &d))
	require.Equal(t, 13, *d.Epochs)
	require.Equal(t, 14, *d.FirstEpoch)
	require.Equal(t, "loss_accuracy_conflict", *d.Verdict.Kind)
	require.NotNil(t, d.Verdict.Confidence)
	require.NotEmpty(t, *d.Verdict.Summary)
	require.NotEmpty(t, d.Verdict.Advice)
	require.NotEmpty(t, d.Findings)
	for _, f := range d.Findings {
		for _, key := range []string{"kind", "metric", "severity", "onset_epoch", "fired_epoch", "evidence", "advice"} {
			require.NotNil(t, f[key], key)
		}
		require.Contains(t, f, "resolved_epoch")
	}
}

func TestNotFiniteNumbersAreTheirWords(t *testing.T) {
	t.Parallel()
	d := diagnose(t, "epoch,loss\n0,0.9\n1,0.8\n2,nan\n3,nan\n")
	b, err := json.Marshal(d)
	require.NoError(t, err)
	require.Equal(t, "loss_nan", string(d.Verdict.Kind))
	var text bytes.Buffer
	require.NoError(t, d.WriteText(&text, report.TextOptions{}))
	require.Contains(t, text.String(), "×")
	require.Contains(t, string(b), `"loss_nan"`)
}

func TestColourOnlyWhenAsked(t *testing.T) {
	t.Parallel()
	var plain, coloured bytes.Buffer
	require.NoError(t, seed(t).WriteText(&plain, report.TextOptions{}))
	require.NoError(t, seed(t).WriteText(&coloured, report.TextOptions{Colour: true}))
	require.NotContains(t, plain.String(), "\x1b")
	require.Contains(t, coloured.String(), "\x1b")
}
