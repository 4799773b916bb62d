package daemon

import (
	"context"
	"log/slog"
	"strings"

	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// progress writes what becomes of runs to the log, a line each, for the person at the
// terminal.
type progress struct {
	log *slog.Logger
}

var _ ingest.Observer = progress{}

// Observe writes one line.
func (p progress) Observe(ctx context.Context, n ingest.News) {
	attrs := []slog.Attr{slog.String("run", n.Run.ID)}
	if n.Run.Project != "default" {
		attrs = append(attrs, slog.String("project", n.Run.Project))
	}
	if n.Run.Name != "" {
		attrs = append(attrs, slog.String("name", firstLine(n.Run.Name)))
	}
	switch {
	case n.Finding != nil:
		p.finding(ctx, n.Type, n.Finding, attrs)
	case n.Command != nil:
		p.command(ctx, n.Type, n.Command, attrs)
	default:
		p.run(ctx, n.Type, &n.Run, attrs)
	}
}

func (p progress) run(ctx context.Context, t ingest.NewsType, r *store.Run, attrs []slog.Attr) {
	if r.Attempts > 1 {
		attrs = append(attrs, slog.Int("attempt", r.Attempts))
	}
	switch {
	case t == ingest.NewsRunStarted:
		p.log.LogAttrs(ctx, slog.LevelInfo, "run started", attrs...)
	case t == ingest.NewsRunBack:
		p.log.LogAttrs(ctx, slog.LevelInfo, "run heard again", attrs...)
	case r.State == store.StateLost:
		p.log.LogAttrs(ctx, slog.LevelWarn, "run lost", attrs...)
	default:
		level := slog.LevelInfo
		if r.State == store.StateFailed {
			level = slog.LevelWarn
		}
		attrs = append(attrs, slog.String("state", string(r.State)))
		p.log.LogAttrs(ctx, level, "run ended", said(attrs, "reason", r.EndReason)...)
	}
}

func (p progress) finding(ctx context.Context, t ingest.NewsType, f *store.Finding, attrs []slog.Attr) {
	attrs = said(append(attrs, slog.String("kind", string(f.Kind))), "metric", f.Metric)
	if t == ingest.NewsFindingResolved {
		if f.ResolvedEpoch != nil {
			attrs = append(attrs, slog.Int("epoch", *f.ResolvedEpoch))
		}
		p.log.LogAttrs(ctx, slog.LevelInfo, "finding resolved", attrs...)
		return
	}
	attrs = said(append(attrs, slog.String("severity", string(f.Severity)), slog.Int("epoch", f.FiredEpoch), slog.Int("since", f.OnsetEpoch)), "summary", f.Summary)
	level := slog.LevelInfo
	if f.Severity.Rank() > 1 {
		level = slog.LevelWarn
	}
	if t == ingest.NewsFindingEscalated {
		p.log.LogAttrs(ctx, level, "finding escalated", attrs...)
		return
	}
	p.log.LogAttrs(ctx, level, "finding opened", attrs...)
}

func (p progress) command(ctx context.Context, t ingest.NewsType, c *store.Command, attrs []slog.Attr) {
	attrs = append(attrs, slog.String("kind", string(c.Kind)))
	switch t {
	case ingest.NewsCommandJudged:
		p.log.LogAttrs(ctx, slog.LevelInfo, "command judged", append(attrs, slog.String("effect", string(c.Effect)))...)
	case ingest.NewsCommandAnswered:
		attrs = append(attrs, slog.String("state", string(c.State)))
		attrs = rate(rate(attrs, "before", c.Before), "after", c.After)
		p.log.LogAttrs(ctx, slog.LevelInfo, "command answered", said(attrs, "answer", c.Answer)...)
	case ingest.NewsCommandApproved:
		attrs = rate(rate(attrs, "from", number(c.Expected)), "to", number(c.Wanted))
		p.log.LogAttrs(ctx, slog.LevelInfo, "command approved", said(attrs, "by", c.IssuedBy)...)
	default: // decided
		attrs = rate(rate(attrs, "from", number(c.Expected)), "to", number(c.Wanted))
		attrs = said(append(attrs, slog.Int("epoch", c.DecidedEpoch)), "reason", c.Reason)
		if c.IssuedBy != contract.ByPolicy {
			attrs = said(attrs, "by", c.IssuedBy)
		}
		if c.State == store.CommandProposed {
			p.log.LogAttrs(ctx, slog.LevelInfo, "command proposed", attrs...)
			return
		}
		p.log.LogAttrs(ctx, slog.LevelInfo, "command decided", attrs...)
	}
}

func number(n *contract.Number) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}

func rate(attrs []slog.Attr, key string, v *float64) []slog.Attr {
	if v == nil {
		return attrs
	}
	return append(attrs, slog.Float64(key, *v))
}

func said(attrs []slog.Attr, key, text string) []slog.Attr {
	if text == "" {
		return attrs
	}
	return append(attrs, slog.String(key, firstLine(text)))
}

// firstLine keeps what a run's owner wrote, a traceback say, from filling the log.
func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(line)
	if r := []rune(line); len(r) > 200 {
		return string(r[:199]) + "…"
	}
	return line
}
