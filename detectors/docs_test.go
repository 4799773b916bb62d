package detectors_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

var update = flag.Bool("update", false, "write docs/detectors.md anew")

const docs = "../docs/detectors.md"

// TestDocsAreFresh holds that docs/detectors.md is what the specs and examples say.
// Write it anew with: go test ./detectors -run TestDocsAreFresh -update.
func TestDocsAreFresh(t *testing.T) {
	t.Parallel()
	want := renderDocs(t)
	if *update {
		require.NoError(t, os.WriteFile(docs, []byte(want), 0o644))
	}
	got, err := os.ReadFile(docs)
	require.NoError(t, err)
	require.Equal(t, want, string(got), "docs/detectors.md is stale: go test ./detectors -run TestDocsAreFresh -update")
}

const docsHead = `<!-- Made from the specs by ` + "`go test ./detectors -run TestDocsAreFresh -update`" + `. Do not edit. -->
# What epochwatch looks for

A detector sees a run as it goes, epoch by epoch, and never takes back what it said because of
a later epoch: a finding *opens*, may *escalate*, and is *resolved* when it no longer holds.
The same findings come out of a log file.

- **Noise** is estimated from the run itself: the median absolute second difference, over one,
  two and four points, whichever is largest. "x noise" below is in standard deviations of it.
- **Long runs.** A detector sees at most 64 points, which always span the whole run: single
  epochs up to 64, then means of 2, 4, 8, … What asks for "epochs after the best" asks for points.
- **Units do not matter**: a loss in other units, or an accuracy in per cent, gives the same findings.
- A finding that explains others keeps them from being opened ("hidden by").
- An epoch that a later attempt repeats replaces the earlier one, and all after it. What was found
  in replaced epochs stays on record, resolved. Further back than 32 to 40 epochs (but not to
  the beginning) the run is judged afresh.

Rates of false alarms are measured, epoch by epoch as live, on public training logs labelled in
hindsight: 266 healthy and 103 overfitting curves of 67 repositories. The defaults were first chosen on 52
repositories and looked at on 15 kept apart; later changes used all of them, so that no figure here is
of curves never seen. Odd curves are over-represented: these are not field rates.

| | |
| --- | --- |
| overfitting named | 99 of 103 |
| of these before the onset | 2 |
| median delay, epochs | 5 |
| healthy runs alarmed by it | 5 of 266 (1.9 %) |
| healthy runs with a warning or worse, of any kind | 9 (3.4 %) |
| healthy runs with anything at all | 22 (8.3 %) |

At the first look at the part kept apart 26 of 28 were named, and 6 of 85 healthy runs alarmed. Changes
followed from it in how noise is told from the rest: the estimate leaves out the first descent (and
thresholds grow faster with the length of the run, which pays for it), and one epoch alone is a spike,
not a swing. The kinds without labels there (` + "`generalization_gap`, `constant_metric`" + `, oscillation, spikes,
rates, restarts) have only their false alarms counted.
`

func renderDocs(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(docsHead)
	for _, s := range detectors.Specs() {
		fmt.Fprintf(&b, "\n## %s: %s\n\n%s\n\n", s.Kind, strings.ToLower(s.Title[:1])+s.Title[1:], s.Meaning)
		fmt.Fprintf(&b, "Severity up to %s; needs %s.", s.Severity, epochsOf(s.MinEpochs))
		if len(s.HiddenBy) > 0 {
			fmt.Fprintf(&b, " Hidden by %s.", joined(s.HiddenBy))
		}
		fmt.Fprintf(&b, "\n\n%s| reason | when |\n| --- | --- |\n", pictures(t, s.Kind))
		for _, r := range s.Reasons {
			fmt.Fprintf(&b, "| `%s` | %s |\n", r.Word, r.Doc)
		}
		if len(s.Params) > 0 {
			b.WriteString("\n| parameter | means | unit | default | range | source |\n| --- | --- | --- | --- | --- | --- |\n")
		}
		for _, p := range s.Params {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s to %s | %s |\n", p.Name, p.Doc, p.Unit, short(p.Default), short(p.Min), short(p.Max), p.Source)
		}
		b.WriteString("\nWhat to try:\n\n")
		for i, a := range s.Advice {
			fmt.Fprintf(&b, "%d. %s\n", i+1, a)
		}
		fmt.Fprintf(&b, "\nFalse alarms: %s.\n", s.FalseAlarms)
	}
	return b.String()
}

func short(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }

func epochsOf(n int) string {
	switch n {
	case 0:
		return "no epoch where the facts say it"
	case 1:
		return "1 epoch"
	}
	return fmt.Sprintf("%d epochs", n)
}

func joined(kinds []detectors.Kind) string {
	var s []string
	for _, k := range kinds {
		s = append(s, "`"+string(k)+"`")
	}
	return strings.Join(s, ", ")
}

// pictures draws the examples of a kind: one line each, a block for each epoch, the one
// at which it fires marked.
func pictures(t *testing.T, kind detectors.Kind) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", string(kind), "*.json"))
	require.NoError(t, err)
	slices.Sort(paths)
	if len(paths) == 0 {
		return ""
	}
	var fires, silent strings.Builder
	for _, path := range paths {
		x := readExample(t, path)
		picture := x.Metrics[pictured(kind)]
		if x.Seconds != nil {
			picture = x.Seconds
		}
		line := fmt.Sprintf("    %s\n    %s\n", sparkline(picture), x.Why)
		if x.Fires == nil {
			silent.WriteString(line)
		} else {
			fires.WriteString(line)
		}
	}
	return "Fires:\n\n" + fires.String() + "\nDoes not:\n\n" + silent.String() + "\n"
}

// pictured is the metric that shows a kind best.
func pictured(kind detectors.Kind) string {
	switch kind {
	case detectors.KindOverfitting, detectors.KindGeneralizationGap, detectors.KindNoisyValidation, detectors.KindValBetterThanTrain:
		return "val_loss"
	case detectors.KindConstantMetric:
		return "accuracy"
	}
	return "loss"
}

func sparkline(v []anything) string {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, x := range v {
		if x.there && !math.IsNaN(x.v) && !math.IsInf(x.v, 0) {
			lo, hi = min(lo, x.v), max(hi, x.v)
		}
	}
	const blocks = "▁▂▃▄▅▆▇█"
	steps := []rune(blocks)
	var b strings.Builder
	for _, x := range v {
		switch {
		case !x.there:
			b.WriteByte(' ')
		case math.IsNaN(x.v) || math.IsInf(x.v, 0):
			b.WriteByte('!')
		case hi == lo:
			b.WriteRune(steps[3])
		default:
			b.WriteRune(steps[int(math.Min(7, 8*(x.v-lo)/(hi-lo)))])
		}
	}
	return b.String()
}
