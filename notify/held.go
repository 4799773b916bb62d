package notify

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/notify/notice"
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
		times, _ := cronspec.ParseInterval(i.From, i.To, c.zone(i.Zone)) // Validate has seen it
		out[i.Name] = interval{i.Name, times}
	}
	return out
}

// firingLimit bounds the findings of other runs that may inhibit: the gravest come first.
const firingLimit = 1000

// inhibition is a rule of the config.
type inhibition struct {
	source, target []matcher
	equal          []string
	across         bool // the source may be of another run
}

func inhibitionsOf(c *Config) []inhibition {
	var out []inhibition
	for _, i := range c.Inhibit {
		source, _ := matchersOf(nil, i.Source) // Validate has seen them
		target, _ := matchersOf(nil, i.Target)
		equal := i.Equal
		if equal == nil {
			equal = []string{"run"}
		}
		out = append(out, inhibition{source, target, equal, !slices.Contains(equal, "run")})
	}
	return out
}

// hold is what keeps a finding from being told; the zero value: nothing does.
type hold struct {
	why   string
	until time.Time // when to look again; always after the time asked for
}

// askHeld is how often it is looked at again whether what keeps something back still does.
const askHeld = time.Minute

// soon is the hold, to be looked at again within askHeld.
func (h hold) soon(now time.Time) hold {
	if again := now.Add(askHeld); h.until.After(again) {
		h.until = again
	}
	return h
}

// holder knows what keeps findings from being told at a time.
type holder struct {
	n        *Notifier
	now      time.Time
	silences []store.Silence
	asked    facts
	// ofRuns and firing hold what was asked for already.
	ofRuns map[int64][]store.Finding
	firing []store.RunFinding
	known  bool // firing
}

// facts is what is asked of a store, or of its transaction, to know what inhibits.
type facts interface {
	ListFindings(ctx context.Context, runPK int64) ([]store.Finding, error)
	ListFiring(ctx context.Context, limit int) ([]store.RunFinding, error)
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
	r := h.n.routeTo(receiver, s)
	if r == nil && s.severity == detectors.SeverityCritical {
		// It led there as a warning, and its group goes on telling of it.
		s.severity = detectors.SeverityWarning
		r = h.n.routeTo(receiver, s)
	}
	if r == nil {
		return hold{}
	}
	out := r.quiet(h.now)
	if out.why != "" {
		out.why += " until " + notice.In(h.n.zone, out.until)
	}
	return out
}

// routeTo returns the first route of s that leads to a receiver; nil: none does.
func (n *Notifier) routeTo(receiver string, s subject) *node {
	routes := n.routesOf(s)
	i := slices.IndexFunc(routes, func(r *node) bool { return r.receiver == receiver })
	if i < 0 {
		return nil
	}
	return routes[i]
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
		why := fmt.Sprintf("silenced by %s until %s", silence.Author, notice.In(h.n.zone, silence.EndsAt))
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
		sources, err := h.sources(ctx, rule, f.Run)
		if err != nil {
			return hold{}, fmt.Errorf("read what may inhibit: %w", err)
		}
		both := matchAll(rule.source, s)
		for _, o := range sources {
			other := subjectOf(o)
			// Of two that match source and target both, neither inhibits the other: nobody would be told.
			if o.Finding.ID == f.Finding.ID || !matchAll(rule.source, other) || !rule.alike(s, other) || both && matchAll(rule.target, other) {
				continue
			}
			of := "the same run"
			if o.Run.PK != f.Run.PK {
				of = fmt.Sprintf("run %s/%s", o.Run.Project, o.Run.ID)
			}
			return hold{fmt.Sprintf("inhibited by %s of %s", o.Finding.Kind, of), h.now.Add(askInhibited)}, nil
		}
	}
	return hold{}, nil
}

// sources returns the findings that fire and may inhibit one of a run: those of the run, and,
// where the rule reaches so far, those of other runs that train.
func (h *holder) sources(ctx context.Context, rule inhibition, run store.Run) ([]store.RunFinding, error) {
	own, asked := h.ofRuns[run.PK]
	if !asked {
		var err error
		if own, err = h.asked.ListFindings(ctx, run.PK); err != nil {
			return nil, err
		}
		if h.ofRuns == nil {
			h.ofRuns = map[int64][]store.Finding{}
		}
		h.ofRuns[run.PK] = own
	}
	var out []store.RunFinding
	for _, f := range own {
		if f.Firing() {
			out = append(out, store.RunFinding{Run: run, Finding: f})
		}
	}
	if !rule.across {
		return out, nil
	}
	if !h.known {
		var err error
		if h.firing, err = h.asked.ListFiring(ctx, firingLimit); err != nil {
			return nil, err
		}
		h.known = true
	}
	for _, f := range h.firing {
		if f.Run.PK != run.PK {
			out = append(out, f)
		}
	}
	return out, nil
}

// alike reports whether two subjects have in common what the rule asks for.
func (i inhibition) alike(a, b subject) bool {
	return !slices.ContainsFunc(i.equal, func(key string) bool {
		switch key {
		case "run":
			return a.run.PK != b.run.PK
		case "tag":
			return tagsOf(a.run) != tagsOf(b.run)
		}
		return !slices.Equal(a.values(key), b.values(key))
	})
}
