package detectors

import (
	"math"
	"slices"
	"time"
)

// clockState is what a monitor keeps for the findings that time alone gives. It is not
// part of a snapshot: going back to an earlier epoch does not turn back the clock.
type clockState struct {
	d        *detector // nil when switched off
	rule     stalled
	findings []Finding
}

func (c *clockState) set(d *detector, p params) { c.d, c.rule = d, newStalled(p) }

// epoch says that an epoch came: no run that moves is stalled.
func (c *clockState) epoch(m *Monitor, e *Epoch) {
	c.rule.epoch(e)
	c.resolve(e.Epoch, m)
}

func (c *clockState) resolve(at int, m *Monitor) {
	for i := range c.findings {
		if f := &c.findings[i]; f.Firing() {
			epoch := at
			f.ResolvedEpoch = &epoch
			m.ledger.changes = append(m.ledger.changes, Change{Type: Resolved, Finding: *f})
		}
	}
}

func (c *clockState) tick(m *Monitor, now Clock) []Change {
	if c.d == nil {
		return nil
	}
	d := c.rule.decide(&m.live.run, now)
	if d.severity == "" {
		return nil
	}
	i := slices.IndexFunc(c.findings, func(f Finding) bool { return f.OnsetEpoch == d.onset })
	switch {
	case i < 0:
		f := Finding{
			Kind: c.d.spec.Kind, Metric: d.metric, Severity: d.severity, OnsetEpoch: d.onset, FiredEpoch: d.onset,
			Confidence: d.confidence, Reason: d.reason, Evidence: d.evidenceMap(),
		}
		f.Summary, f.Advice = c.d.tell(&d, &m.live.run, c.d.spec.Advice)
		c.findings = append(c.findings, f)
		m.ledger.changes = append(m.ledger.changes, Change{Type: Opened, Finding: f})
	case !c.findings[i].Firing():
		c.findings[i].ResolvedEpoch = nil
		m.ledger.changes = append(m.ledger.changes, Change{Type: Opened, Finding: c.findings[i]})
	}
	return m.ledger.take()
}

func (c *clockState) end(m *Monitor) []Change {
	c.rule.ended = true
	c.resolve(m.live.run.epoch, m)
	return m.ledger.take()
}

func (c *clockState) adopt(stored []Finding) {
	for _, f := range stored {
		if c.d == nil || f.Kind != c.d.spec.Kind {
			continue
		}
		if !slices.ContainsFunc(c.findings, func(g Finding) bool { return g.Key() == f.Key() }) {
			c.findings = append(c.findings, f)
		}
	}
}

// merge puts the clock's findings among the others, in order of opening.
func (c *clockState) merge(all []Finding) []Finding {
	for _, f := range c.findings {
		i := slices.IndexFunc(all, func(g Finding) bool { return g.FiredEpoch > f.FiredEpoch })
		if i < 0 {
			i = len(all)
		}
		all = slices.Insert(all, i, f)
	}
	return all
}

// seconds returns the seconds from a to b, never below 0.
func seconds(a, b time.Time) float64 { return math.Max(0, b.Sub(a).Seconds()) }
