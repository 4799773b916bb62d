package detectors

import "slices"

// maxFindings bounds the findings of one kind in one run: a trouble that comes and goes
// more often than this reopens its last finding.
const maxFindings = 8

// ledger keeps the findings of a run in order of opening. It only grows: when epochs
// are replaced, what was found in them stays, resolved.
type ledger struct {
	findings []Finding
	changes  []Change // of the fold in progress
}

func (l *ledger) note(t ChangeType, i int) {
	f := l.findings[i]
	if f.ResolvedEpoch != nil {
		at := *f.ResolvedEpoch
		f.ResolvedEpoch = &at
	}
	l.changes = append(l.changes, Change{Type: t, Finding: f})
}

// What find returns where there is no finding of the decision's key.
const (
	isNew   = -1
	tooMany = -2 // and none of the same kind that could be opened again instead
)

// find returns the index of the finding that a decision is about.
func (l *ledger) find(k Kind, d *decision) int {
	last, n := tooMany, 0
	for i := range l.findings {
		f := &l.findings[i]
		if f.Kind != k || f.Metric != d.metric {
			continue
		}
		if f.OnsetEpoch == d.onset {
			return i
		}
		if f.OnsetEpoch <= d.onset {
			last = i
		}
		n++
	}
	if n >= maxFindings {
		return last
	}
	return isNew
}

// opened enters a finding, or opens the one of the same key again, and returns its
// index plus one; 0 when there is no room for it.
func (l *ledger) opened(s *say, d *decision) int {
	i := l.find(s.d.spec.Kind, d)
	switch {
	case i == tooMany:
	case i >= 0 && s.quiet:
	case i >= 0:
		f := &l.findings[i]
		f.ResolvedEpoch = nil
		l.note(Opened, i)
		if d.severity.Rank() > f.Severity.Rank() {
			l.escalated(s, i, d)
		}
	default:
		i = len(l.findings)
		l.findings = append(l.findings, Finding{Kind: s.d.spec.Kind, Metric: d.metric, OnsetEpoch: d.onset})
		l.fill(s, i, d)
		l.note(Opened, i)
	}
	return max(0, i+1)
}

func (l *ledger) escalated(s *say, i int, d *decision) {
	if s.quiet {
		return
	}
	l.fill(s, i, d)
	l.note(Escalated, i)
}

func (l *ledger) fill(s *say, i int, d *decision) {
	f := &l.findings[i]
	f.Severity = d.severity
	f.FiredEpoch = s.run.epoch
	f.Confidence = d.confidence
	f.Reason = d.reason
	f.Evidence = d.evidenceMap()
	f.Summary, f.Advice = s.d.tell(d, s.run, s.d.spec.Advice)
}

func (l *ledger) resolved(s *say, i int) {
	if !s.quiet {
		l.close(i, s.run.epoch)
	}
}

func (l *ledger) close(i, epoch int) {
	l.findings[i].ResolvedEpoch = &epoch
	l.note(Resolved, i)
}

// settle brings the ledger in line with a state that was put back to an earlier epoch:
// what opened later is over, what was over later holds again. at is the epoch that
// replaces.
func (l *ledger) settle(open func(i int) bool, at int) {
	for i := range l.findings {
		switch f := &l.findings[i]; {
		case f.Firing() && !open(i):
			l.close(i, at)
		case !f.Firing() && open(i):
			f.ResolvedEpoch = nil
			l.note(Opened, i)
		}
	}
}

// take returns the changes of the fold and forgets them.
func (l *ledger) take() []Change {
	if len(l.changes) == 0 {
		return nil
	}
	out := slices.Clone(l.changes)
	clear(l.changes)
	l.changes = l.changes[:0]
	return out
}
