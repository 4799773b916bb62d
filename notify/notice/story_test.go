package notice_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheTextOfEachSpecimen(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := notice.Tell(n)
			notifytest.Golden(t, *update, name+".txt", []byte(s.Subject+"\n\n"+s.Text()))
		})
	}
}

func TestEveryMessageExplainsItself(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		s := notice.Tell(n)
		require.True(t, strings.HasPrefix(s.Subject, "[epochwatch] "), name)
		if n.Finding.Kind == "" {
			require.NotEmpty(t, s.Look, name)
			continue
		}
		require.Contains(t, s.Subject, "epoch", name)
		for what, text := range map[string]string{"since": s.Since, "sure": s.Sure, "look": s.Look, "mute": s.Mute, "done": strings.Join(s.Done, "")} {
			require.NotEmpty(t, text, "%s says nothing of %s", name, what)
		}
	}
}

func TestTheSubjectTellsTheStory(t *testing.T) {
	t.Parallel()
	all := notifytest.Specimens()
	for name, want := range map[string]string{
		"rising_loss": "[epochwatch] resnet-small: loss rising since epoch 17 (0.740 → 0.758)",
		"resolved":    "[epochwatch] resnet-small: resolved at epoch 26: loss rising since epoch 17 (0.740 → 0.758)",
		"loss_nan":    "[epochwatch] resnet-small: loss is NaN since epoch 6",
		"conflict":    "[epochwatch] r-20260314: loss and accuracy rise together since epoch 3 (0.680 → 0.760)",
		"stalled":     "[epochwatch] resnet-small: no epoch ended after epoch 4",
		"symptoms":    "[epochwatch] resnet-small: loss is NaN since epoch 6",
		"sweep":       "[epochwatch] resnet-small and 9 other runs: loss is NaN since epoch 6",
		"update":      "[epochwatch] resnet-small: update: loss rising since epoch 17 (0.740 → 0.758)",
		"repeat":      "[epochwatch] resnet-small: still: loss rising since epoch 17 (0.740 → 0.758)",
		"run_failed":  "[epochwatch] resnet-small: failed at epoch 21: ResourceExhaustedError: out of memory",
		"run_lost":    "[epochwatch] resnet-small: died at epoch 21",
		"completed":   "[epochwatch] resnet-small: finished at epoch 21",
		"digest":      "[epochwatch] daily: 3 runs ended, 1 without trouble; 1 training",
	} {
		require.Equal(t, want, notice.Tell(all[name]).Subject)
	}
}

func TestAMessageHoldsNoControlCharacters(t *testing.T) {
	t.Parallel()
	s := notice.Tell(notifytest.Specimens()["hostile"])
	for _, text := range []string{s.Subject, s.Title, s.Run, s.Summary, s.Look, s.Done[0]} {
		require.NotContains(t, text, "\n")
		require.NotContains(t, text, "\r")
		require.NotContains(t, text, "\x1b")
		require.NotContains(t, text, "\u202e", "a mark that turns the direction of text")
	}
}

func TestTextKeepsToItsWidth(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		for line := range strings.Lines(notice.Tell(n).Text()) {
			line = strings.TrimSuffix(line, "\n")
			require.LessOrEqual(t, utf8.RuneCountInString(line), 100, "%s: %q", name, line)
			require.Equal(t, strings.TrimRight(line, " "), line, "%s: a space at the end of a line", name)
		}
	}
}

func TestTellIsAFunctionOfTheNotice(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		first := fmt.Sprint(notice.Tell(n)) // as text: NaN is not itself
		require.Equal(t, first, fmt.Sprint(notice.Tell(n)), name)
	}
}

func TestTimesAreInTheZoneOfTheReader(t *testing.T) {
	t.Parallel()
	n := notifytest.Specimens()["answered"]
	n.Zone = time.FixedZone("CEST", 2*60*60)
	text := notice.Tell(n).Text()
	require.Contains(t, text, "epoch 17 (14 Mar 17:05 CEST)")
	require.Contains(t, text, "Acknowledged by anna (slack U0123ABCD), 14 Mar 17:10 CEST.")
	require.NotContains(t, notice.Tell(notice.Notice{Run: n.Run, Finding: n.Finding, Epochs: n.Epochs, Zone: n.Zone}).Text(), "UTC")
}
