package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/sql/store"
)

// askInhibited is how often it is looked at again whether what inhibits a finding is over.
const askInhibited = 30 * time.Second

// interval is a named time of the config.
type interval struct {
	name string
	cronspec.Interval
}

// intervalsOf returns the intervals of a valid config by name.
func intervalsOf(c *Config) map[string]interval {
	out := map[string]interval{}
	for _, i := range c.Intervals {
		times, _ := cronspec.ParseInterval(i.From, i.To, i.Zone) // Validate has seen it
		out[i.Name] = interval{i.Name, times}
	}
	return out
}

// inhibition is a rule of the config.
type inhibition struct {
	source, target []matcher
	equal          []string
}

func inhibitionsOf(c *Config) []inhibition {
	var out []inhibition
	for _, i := range c.Inhibit {
		source, _ := matchersOf(nil, i.Source) // Validate has seen them
		target, _ := matchersOf(nil, i.Target)
		out = append(out, inhibition{source, target, i.Equal})
	}
	return out
}

// hold is what keeps a finding from being told; the zero value: nothing does.
type hold struct {
	why   string
	until time.Time // when to look again; always after the time asked for
}

// holder knows what keeps findings from being told at a time.
type holder struct {
	n        *Notifier
	now      time.Time
	silences []store.Silence
	findings func(ctx context.Context, runPK int64) ([]store.Finding, error)
}

// of returns what keeps a finding from being told to a receiver.
func (h *holder) of(ctx context.Context, receiver string, f store.RunFinding) (hold, error) {
	s := subjectOf(f)
	if out := h.byTime(receiver, s); out.why != "" {
		return out, nil
	}
	if out := h.bySilence(s); out.why != "" {
		return out, nil
	}
	return h.byFinding(ctx, s, f)
}

func subjectOf(f store.RunFinding) subject {
	return subject{run: f.Run, kind: f.Finding.Kind, metric: f.Finding.Metric, severity: f.Finding.Severity}
}

// byTime asks the first route that leads to the receiver.
func (h *holder) byTime(receiver string, s subject) hold {
	routes := h.n.routesOf(s)
	i := slices.IndexFunc(routes, func(r *node) bool { return r.receiver == receiver })
	if i < 0 {
		return hold{}
	}
	return routes[i].quiet(h.now)
}

// quiet returns whether the route tells nothing at a time.
func (n *node) quiet(now time.Time) hold {
	for _, i := range n.mute {
		if inside, until := i.Contains(now); inside {
			return hold{fmt.Sprintf("muted by %s (mute_times of %s)", i.name, n.path), until}
		}
	}
	var opens time.Time
	for _, i := range n.active {
		inside, until := i.Contains(now)
		if inside {
			return hold{}
		}
		if opens.IsZero() || until.Before(opens) {
			opens = until
		}
	}
	if len(n.active) > 0 {
		return hold{"outside of the active_times of " + n.path, opens}
	}
	return hold{}
}

func (h *holder) bySilence(s subject) hold {
	for _, silence := range h.silences {
		matchers, err := matchersOf(nil, silence.Matchers)
		if err != nil || len(matchers) == 0 || h.now.Before(silence.StartsAt) || !h.now.Before(silence.EndsAt) || !matchAll(matchers, s) {
			continue
		}
		why := fmt.Sprintf("silenced by %s until %s", silence.Author, silence.EndsAt.UTC().Format("2 Jan 15:04 UTC"))
		if silence.Comment != "" {
			why += ": " + silence.Comment
		}
		return hold{why, silence.EndsAt}
	}
	return hold{}
}

func (h *holder) byFinding(ctx context.Context, s subject, f store.RunFinding) (hold, error) {
	for _, rule := range h.n.inhibit {
		if !matchAll(rule.target, s) {
			continue
		}
		others, err := h.findings(ctx, f.Run.PK)
		if err != nil {
			return hold{}, fmt.Errorf("read what may inhibit: %w", err)
		}
		for _, o := range others {
			other := subjectOf(store.RunFinding{Run: f.Run, Finding: o})
			alike := !slices.ContainsFunc(rule.equal, func(key string) bool { return !slices.Equal(s.values(key), other.values(key)) })
			if o.ID != f.Finding.ID && o.Firing() && alike && matchAll(rule.source, other) {
				return hold{fmt.Sprintf("inhibited by %s of the same run", o.Kind), h.now.Add(askInhibited)}, nil
			}
		}
	}
	return hold{}, nil
}
