package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/ingest/history"
	"github.com/epochwatch/epochwatch/sql/store"
)

// hostile is text by which a stranger would steer a terminal.
const hostile = "\x1b[31mred\x1b]0;title\a\nnew line\r\t\u202edesrever\u2066\u200f\u009b2J"

// requireTame holds that a text has nothing but lines of what is seen.
func requireTame(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		require.False(t, r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)), "%U in %q", r, text)
	}
}

func written(t *testing.T, d interface {
	WriteText(w io.Writer, o report.TextOptions) error
}, o report.TextOptions,
) string {
	t.Helper()
	var b bytes.Buffer
	require.NoError(t, d.WriteText(&b, o))
	requireTame(t, b.String())
	return b.String()
}

func TestAStrangersRunDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	d := load(t)
	d.Run.Name, d.Run.EndReason, d.Verdict.Summary = hostile, hostile, hostile
	for i := range d.Epochs {
		d.Epochs[i].Metrics[hostile] = contract.Number(i)
	}
	for i := range d.Findings {
		d.Findings[i].Metric, d.Findings[i].Summary = hostile, "is "+hostile
		d.Findings[i].Evidence = map[string]contract.Number{hostile: 1}
	}
	for i := range d.Commands {
		d.Commands[i].Reason, d.Commands[i].Answer, d.Commands[i].IssuedBy, d.Commands[i].Optimizer = hostile, hostile, hostile, hostile
	}
	for i := range d.Messages {
		d.Messages[i].Receiver, d.Messages[i].LastError = hostile, hostile
	}
	text := written(t, d, report.TextOptions{})
	require.Contains(t, text, "[31mred ]0;title new line desrever 2J  one\n", "the name is read on one line")
	for line := range strings.Lines(written(t, d.CommandList(), report.TextOptions{})) {
		require.False(t, strings.HasPrefix(line, "new"), "no line begins where a stranger ends one")
	}
	b, err := json.Marshal(d)
	require.NoError(t, err)
	var again report.RunDocument
	require.NoError(t, json.Unmarshal(b, &again))
	require.Equal(t, hostile, again.Run.Name, "programs get what the trainer said")
}

func TestLongNamesLeaveATableOne(t *testing.T) {
	t.Parallel()
	d := load(t)
	long := strings.Repeat("name", 75)
	d.Run.Name, d.Run.Project = long, "lab"
	d.Epochs[0].Metrics["loss"+long] = 1
	list := report.RunList{Runs: []report.Run{d.Run, {ID: "two", Name: hostile, Project: "default", State: store.StateRunning}}}
	for _, width := range []int{80, 64} {
		o := report.TextOptions{Width: width, Load: func(string, string) (report.RunDocument, error) { return d, nil }}
		text := written(t, list, o)
		require.Equal(t, 5, strings.Count(text, "\n"), "two lines a run: %s", text)
		require.Contains(t, text, "…")
		for line := range strings.Lines(text) {
			if strings.Contains(line, "name") {
				require.LessOrEqual(t, utf8.RuneCountInString(line)-1, width, line)
			}
		}
		first, _, _ := strings.Cut(written(t, d, o), "\n")
		require.LessOrEqual(t, utf8.RuneCountInString(first), width, first)
		require.Contains(t, first, "…  one")
	}
}

func TestAStrangersAlertsDoNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	m := report.Message{ID: "m1", Receiver: hostile, Channel: "slack", Event: store.MessageFiring, State: store.MessageFailed}
	all := report.AlertList{
		Messages: []report.Alert{{Message: m, Tries: []report.Try{{Error: hostile}}, Acknowledged: []report.Acknowledgement{{By: hostile}}}},
		Untold:   []report.Untold{{Receiver: hostile, Project: "lab", Run: "one", Kind: strings.Repeat("k", 300), Why: hostile}},
	}
	text := written(t, all, report.TextOptions{})
	require.Equal(t, 7, strings.Count(text, "\n"), text)
	require.Contains(t, text, strings.Repeat("k", 59)+"…  ")
	silences := report.SilenceList{Silences: []report.Silence{{ID: "s", Matchers: []string{hostile}, Author: hostile, Comment: hostile, EndsAt: time.Now()}}}
	require.Equal(t, 2, strings.Count(written(t, silences, report.TextOptions{}), "\n"))
	written(t, report.Routing{Project: "lab", Run: "one", Findings: []report.Routed{{
		Kind: hostile, Heard: []report.RouteTaken{{Route: "route", Receiver: hostile, Group: map[string]string{"tag": hostile}, HeldBack: hostile}},
		Passed: []report.RoutePassed{{Route: "route.routes[0]", Why: hostile}},
	}}}, report.TextOptions{})
}

func TestAStrangersLogDoesNotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	log := history.Log{Source: hostile + ".log"}
	for i := range 12 {
		log.Epochs = append(log.Epochs, detectors.Epoch{Epoch: i, Metrics: map[string]float64{"loss": 1 / float64(i+1), hostile: 0.25}})
	}
	d, err := report.Diagnose(log, nil, nil)
	require.NoError(t, err)
	require.Contains(t, written(t, d, report.TextOptions{}), "[31mred")
}
