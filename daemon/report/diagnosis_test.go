package report_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/ingest/contract"
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

// fixed puts words of its own in place of the detectors', so that the page can be held to
// the letter.
func fixed(d report.Diagnosis) report.Diagnosis {
	d.Verdict = report.Verdict{
		Kind: "loss_accuracy_conflict", Confidence: 0.708,
		Summary: "loss rises since epoch 17 (0.7401 to 0.758) although acc rises too: what is minimised is not what is scored.",
		Advice:  []string{"Lower the learning rate: it is the most likely cause. Try a third to a tenth.", "Look at the penalty terms."},
	}
	over := 19
	d.Findings = []report.Finding{
		{
			Kind: "overfitting", Metric: "val_loss", Severity: "warning", OnsetEpoch: 14, FiredEpoch: 16, ResolvedEpoch: &over,
			Summary: "val_loss rose for a while.", Evidence: map[string]contract.Number{"train_drop": 0.5523},
		},
		{
			Kind: "plateau", Metric: "loss", Severity: "info", OnsetEpoch: 15, FiredEpoch: 16, Summary: "No more progress was made.",
		},
		{
			Kind: "loss_accuracy_conflict", Metric: "loss", Severity: "critical", OnsetEpoch: 17, FiredEpoch: 21, Summary: d.Verdict.Summary,
			Evidence: map[string]contract.Number{
				"now": 0.758, "best": 0.7401, "rise_in_noise": 2.1523, "needed": 2, "noise": 0.007263, "something_else": contract.Number(math.NaN()),
			},
		},
	}
	return d
}

func TestTheSeedAsText(t *testing.T) {
	t.Parallel()
	for _, width := range []int{80, 60} {
		var b bytes.Buffer
		require.NoError(t, fixed(seed(t)).WriteText(&b, report.TextOptions{Width: width}))
		requireGolden(t, fmt.Sprintf("seed.%d.txt", width), b.String())
		for line := range strings.Lines(b.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), width, line)
		}
	}
}

// TestTheSeedIsUnderstood holds what the detectors say of it, not their words.
func TestTheSeedIsUnderstood(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, seed(t).WriteText(&b, report.TextOptions{}))
	require.Contains(t, b.String(), "▲ epoch 17 of 14 to 26\n")
	require.Contains(t, b.String(), "\nWhat to try\n  1. Lower the learning rate")
}

// requireGolden compares text with a file of testdata; with -update it is written anew.
func requireGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

var update = flag.Bool("update", false, "write the golden files anew")

// TestTheJSONKeepsTheOrderOfTheDesign holds the keys as the design shows them.
func TestTheJSONKeepsTheOrderOfTheDesign(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(fixed(seed(t)))
	require.NoError(t, err)
	at := 0
	for _, key := range []string{
		"source", "epochs", "first_epoch", "verdict", "kind", "confidence", "summary", "advice",
		"findings", "kind", "metric", "severity", "onset_epoch", "fired_epoch", "resolved_epoch", "evidence", "advice",
	} {
		i := strings.Index(string(b[at:]), `"`+key+`":`)
		require.GreaterOrEqual(t, i, 0, key)
		at += i + 1
	}
	require.Contains(t, string(b), `"something_else":"NaN"`)
	require.Contains(t, string(b), `"resolved_epoch":null`)
	require.NotContains(t, string(b), `"notes"`)
}

func TestHowALogWasReadIsSaid(t *testing.T) {
	t.Parallel()
	d := diagnose(t, "epoch,loss\n0,3\n1,2\n0,5\n1,x\n2,3\n")
	require.Len(t, d.Notes(), 3)
	var b bytes.Buffer
	require.NoError(t, d.WriteText(&b, report.TextOptions{}))
	require.Contains(t, b.String(), "  note: 2 trainings stand in this log one after the other (2, 2 epochs):")
	require.Contains(t, b.String(), `values of "loss" that are no numbers were left out (line 5)`)
}

// TestCurves holds how curves are drawn whatever stands in them.
func TestCurves(t *testing.T) {
	t.Parallel()
	text := func(log string, width int) string {
		var b bytes.Buffer
		require.NoError(t, diagnose(t, log).WriteText(&b, report.TextOptions{Width: width}))
		return b.String()
	}
	var long strings.Builder
	long.WriteString("epoch,loss\n")
	for i := range 400 {
		fmt.Fprintf(&long, "%d,%g\n", i, 5-0.01*float64(i))
	}
	require.Contains(t, text(long.String(), 80), "  loss "+strings.Repeat("▇", 20)+"▆")
	require.Contains(t, text("epoch,loss,acc\n0,1,0.1\n1,nan,NA\n2,1,0.1\n", 80), "  loss ▁▁▁×××▁▁▁  1 → 1\n  acc  ▁▁▁   ▁▁▁  0.1 → 0.1\n")
	require.Contains(t, text("epoch,loss\n0,1e308\n1,-1e308\n", 80), "▇▇▇▁▁▁  1e+308 → -1e+308")
	require.Contains(t, text("epoch,loss\n3,1\n", 80), "training.log: 1 epoch\n")
	require.NotContains(t, text("epoch,loss\n3,1\n", 80), "▇")
	// The fall of the first epochs does not flatten what comes after.
	require.Contains(t, text("epoch,loss\n0,100\n1,50\n2,1\n3,1.1\n4,1.2\n5,1.3\n6,1.4\n7,1.5\n8,1.6\n9,1.8\n", 80), "▇▇▇▇▇▇▁▁▁▁▁▁▂▂▂▃▃▃▄▄▄▅▅▅▆▆▆▇▇▇")
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
