package daemon

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestProgressIsALineEach(t *testing.T) {
	t.Parallel()
	epoch, before, after := 9, 0.5, 0.15
	from, to := contract.Number(0.5), contract.Number(0.15)
	f := store.Finding{Finding: detectors.Finding{
		Kind: detectors.KindLRTooHigh, Metric: "loss", Severity: detectors.SeverityCritical, OnsetEpoch: 2, FiredEpoch: 6, Summary: "the loss swings\nwildly",
	}}
	over := f
	over.ResolvedEpoch = &epoch
	decided := store.Command{Command: contract.Command{Kind: contract.KindReduceLR, Expected: &from, Wanted: &to, Reason: "lr_too_high"}, State: store.CommandSent, DecidedEpoch: 6}
	proposed, applied, refused, judged := decided, decided, decided, decided
	approved := decided
	approved.IssuedBy = "ana"
	proposed.State = store.CommandProposed
	applied.State, applied.Before, applied.After = store.CommandApplied, &before, &after
	refused.State, refused.Answer = store.CommandRefused, "below min_lr"
	judged.Effect = store.EffectNoDifference

	for _, c := range []struct {
		news ingest.News
		want string
	}{
		{ingest.News{Type: ingest.NewsRunStarted, Run: store.Run{Attempts: 1}}, `INFO "run started" run=r1`},
		{ingest.News{Type: ingest.NewsRunStarted, Run: store.Run{Attempts: 2, Project: "mnist", Name: "a b"}}, `INFO "run started" run=r1 project=mnist name="a b" attempt=2`},
		{ingest.News{Type: ingest.NewsRunBack}, `INFO "run heard again" run=r1`},
		{ingest.News{Type: ingest.NewsRunEnded, Run: store.Run{State: store.StateCompleted}}, `INFO "run ended" run=r1 state=completed`},
		{ingest.News{Type: ingest.NewsRunEnded, Run: store.Run{State: store.StateFailed, EndReason: "ValueError: x\n  at line 3"}}, `WARN "run ended" run=r1 state=failed reason="ValueError: x"`},
		{ingest.News{Type: ingest.NewsRunEnded, Run: store.Run{State: store.StateLost}}, `WARN "run lost" run=r1`},
		{ingest.News{Type: ingest.NewsFindingOpened, Finding: &f}, `WARN "finding opened" run=r1 kind=lr_too_high metric=loss severity=critical epoch=6 since=2 summary="the loss swings"`},
		{ingest.News{Type: ingest.NewsFindingEscalated, Finding: &f}, `WARN "finding escalated" run=r1 kind=lr_too_high metric=loss severity=critical`},
		{ingest.News{Type: ingest.NewsFindingResolved, Finding: &over}, `INFO "finding resolved" run=r1 kind=lr_too_high metric=loss epoch=9`},
		{ingest.News{Type: ingest.NewsCommandDecided, Command: &decided}, `INFO "command decided" run=r1 kind=reduce_lr from=0.5 to=0.15 epoch=6 reason=lr_too_high`},
		{ingest.News{Type: ingest.NewsCommandDecided, Command: &proposed}, `INFO "command proposed" run=r1 kind=reduce_lr`},
		{ingest.News{Type: ingest.NewsCommandDecided, Command: &approved}, `INFO "command decided" run=r1 kind=reduce_lr from=0.5 to=0.15 epoch=6 reason=lr_too_high by=ana`},
		{ingest.News{Type: ingest.NewsCommandApproved, Command: &approved}, `INFO "command approved" run=r1 kind=reduce_lr from=0.5 to=0.15 by=ana`},
		{ingest.News{Type: ingest.NewsCommandAnswered, Command: &applied}, `INFO "command answered" run=r1 kind=reduce_lr state=applied before=0.5 after=0.15`},
		{ingest.News{Type: ingest.NewsCommandAnswered, Command: &refused}, `INFO "command answered" run=r1 kind=reduce_lr state=refused answer="below min_lr"`},
		{ingest.News{Type: ingest.NewsCommandJudged, Command: &judged}, `INFO "command judged" run=r1 kind=reduce_lr effect=no_difference`},
	} {
		var b bytes.Buffer
		log := slog.New(slog.NewTextHandler(&b, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		c.news.Run.ID = "r1"
		if c.news.Run.Project == "" {
			c.news.Run.Project = "default"
		}
		progress{log: log}.Observe(t.Context(), c.news)
		line := strings.NewReplacer("level=", "", "msg=", "").Replace(b.String())
		require.True(t, strings.HasPrefix(line, c.want), "want %s\ngot  %s", c.want, line)
		require.Equal(t, 1, strings.Count(line, "\n"))
	}
}

func TestALongTextOfAStrangerIsCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, strings.Repeat("é", 199)+"…", firstLine(strings.Repeat("é", 500)))
	require.Equal(t, "a", firstLine("\n a \nb"))
}
