package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
)

func page(t *testing.T, outcomes ...report.Outcome) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, report.WriteHTML(&b, outcomes))
	require.True(t, report.IsHTML(b.Bytes()))
	return b.String()
}

func TestTheSeedAsAPage(t *testing.T) {
	t.Parallel()
	got := page(t, report.Outcome{Diagnosis: fixed(seed(t))})
	requireGolden(t, "seed.html", got)
	require.Contains(t, got, "<title>training.log: ")
	require.Contains(t, got, "▲ epoch 17</text>")
}

// TestAPageNeedsNothingBesideIt: no script, no address that a browser would ask.
func TestAPageNeedsNothingBesideIt(t *testing.T) {
	t.Parallel()
	got := page(t, report.Outcome{Diagnosis: seed(t)}, report.Outcome{Error: "open x: no such file"})
	require.NotRegexp(t, `(?i)<script|src=|href=|url\(|@import|https?:`, got)
	require.Contains(t, got, "open x: no such file")
	require.Contains(t, got, "<title>Diagnosis</title>")
}

// TestWhatAFileSaysIsEscaped: names come from strangers.
func TestWhatAFileSaysIsEscaped(t *testing.T) {
	t.Parallel()
	evil := `<script>alert(1)</script>"'&`
	d := diagnose(t, "epoch,loss,val_loss,"+strings.ReplaceAll(evil, `"`, "")+"\n0,1,1,1\n1,2,nan,3\n2,3,4,5\n3,nan,7,7\n")
	d.Source = evil
	d.Verdict.Summary, d.Verdict.Advice = evil, []string{evil}
	d.Findings[0].Summary, d.Findings[0].Metric = evil+".", evil
	got := page(t, report.Outcome{Diagnosis: d}, report.Outcome{Diagnosis: report.Diagnosis{Source: evil}, Error: evil})
	require.NotContains(t, got, "<script")
	require.Equal(t, 1, strings.Count(got, "<title>"))
	require.Contains(t, got, "&lt;script&gt;")
}

// TestCurvesOfEveryKindAreDrawn holds that pictures hold no number that is none, and that
// what is not finite is marked.
func TestCurvesOfEveryKindAreDrawn(t *testing.T) {
	t.Parallel()
	var long strings.Builder
	long.WriteString("epoch,loss\n")
	for i := range 20_000 {
		fmt.Fprintf(&long, "%d,%g\n", i, 1+math.Sin(float64(i)))
	}
	for name, text := range map[string]string{
		"NaN from the first":   "epoch,loss\n0,nan\n1,nan\n2,inf\n",
		"huge":                 "epoch,loss\n0,1e308\n1,-1e308\n2,1.7e308\n",
		"huge and positive":    "epoch,loss\n0,1e-300\n1,1e300\n2,5\n",
		"constant":             "epoch,loss\n0,0\n1,0\n2,0\n",
		"one epoch":            "epoch,loss\n0,1\n",
		"a fall at the start":  "epoch,loss\n0,900\n1,3\n2,2\n3,1.9\n4,1.8\n5,1.7\n6,1.6\n7,1.5\n8,1.4\n9,1.3\n10,1.2\n",
		"validation at times":  "epoch,loss,val_loss\n0,3,\n1,2,2\n2,1,\n3,1,1\n",
		"many metrics":         "epoch,loss,a,b,c,d,e,lr\n0,3,1,1,1,1,1,0.1\n1,2,2,2,2,2,2,0.2\n",
		"many epochs":          long.String(),
		"a metric in one only": "epoch,loss,acc\n0,3,NA\n1,2,0.5\n2,1,NA\n",
	} {
		got := page(t, report.Outcome{Diagnosis: diagnose(t, text)})
		require.NotRegexp(t, ` (d|c?[xy][12]?)="[^"]*(NaN|Inf)|ZgotmplZ|%!`, got, name)
		require.Less(t, len(got), 60_000, name)
		requireTags(t, got, name)
		if strings.Contains(text, "nan") {
			require.Contains(t, got, "×</text>", name)
		}
	}
}

// requireTags holds that every tag is closed.
func requireTags(t *testing.T, page, name string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(page))
	d.Strict, d.AutoClose, d.Entity = false, []string{"meta"}, xml.HTMLEntity
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			require.NoError(t, err, name)
		}
	}
}
