package detectors

import "slices"

// opinion is what a detector makes of the facts of an attempt, before any epoch.
type opinion struct {
	decision

	summary string
	advice  []string
}

// warn makes an opinion; advice is what to try, in order.
func warn(reason string, confidence float64, summary string, advice ...string) opinion {
	return opinion{decision{severity: SeverityWarning, reason: reason, confidence: confidence}, summary, advice}
}

// grave makes an opinion about what cannot train at all.
func grave(reason string, summary string, advice ...string) opinion {
	return opinion{decision{severity: SeverityCritical, reason: reason, confidence: 0.95}, summary, advice}
}

// aside makes an opinion that disturbs nobody.
func aside(reason string, confidence float64, summary string, advice ...string) opinion {
	return opinion{decision{severity: SeverityInfo, reason: reason, confidence: confidence}, summary, advice}
}

// standing holds what is known from the facts alone. It is not part of a snapshot: going
// back to an earlier epoch does not change what is trained. What it says stands until the
// facts of a later attempt no longer give it.
type standing struct {
	judges []*detector
	open   []int // as in slot: a place in the ledger plus one, for each judge
	facts  *facts
}

// judge takes the facts of the attempt at hand, unless they are those it has; at is the
// epoch that comes next. nil says that nothing is known of the attempt.
func (s *standing) judge(l *ledger, f *facts, at int) {
	if f == nil || f == s.facts {
		return
	}
	s.facts = f
	for i, d := range s.judges {
		o := d.weigh(f)
		if s.open[i] > 0 {
			was := &l.findings[s.open[i]-1]
			if o.severity == was.Severity && o.reason == was.Reason && o.metric == was.Metric {
				continue // said already
			}
			l.close(s.open[i]-1, at)
			s.open[i] = 0
		}
		if o.severity != "" {
			o.onset = at
			s.open[i] = l.stand(d.spec.Kind, &o)
		}
	}
}

// stands reports whether a finding of the kind stands.
func (s *standing) stands(k Kind) bool {
	for i, d := range s.judges {
		if d.spec.Kind == k && s.open[i] > 0 {
			return true
		}
	}
	return false
}

// isOpen reports whether the finding at index i of the ledger stands.
func (s *standing) isOpen(i int) bool {
	return slices.Contains(s.open, i+1)
}

// stand opens a finding that the facts give and returns its index plus one; 0 when there
// is no room for it. One of the same key that is over is opened again as it is now.
func (l *ledger) stand(k Kind, o *opinion) int {
	i := l.find(k, &o.decision)
	if i == tooMany {
		return 0
	}
	if i == isNew {
		i = len(l.findings)
		l.findings = append(l.findings, Finding{Kind: k, Metric: o.metric, OnsetEpoch: o.onset})
	}
	f := &l.findings[i]
	f.ResolvedEpoch = nil
	f.Severity, f.FiredEpoch, f.Confidence, f.Reason = o.severity, max(o.onset, f.OnsetEpoch), o.confidence, o.reason
	f.Evidence, f.Summary, f.Advice = o.evidenceMap(), o.summary, o.advice
	l.note(Opened, i)
	return i + 1
}
