package detectors

import (
	"fmt"
	"slices"
)

// causes orders the kinds from what explains the others to what only follows: NaN hides
// what came of it, a rate that is too high explains a loss that rises.
var causes = []Kind{
	KindLossNaN, KindHeadLossMismatch, KindMetricMismatch,
	KindResumeRegression, KindDivergence, KindLRTooHigh, KindStalled, KindNotLearning, KindInitialLoss, KindConstantMetric,
	KindLRTooLow,
	KindLossAccuracyConflict, KindOverfitting, KindRisingLoss, KindPlateau, KindEpochGap,
	KindOscillation, KindGeneralizationGap, KindSlowProgress, KindNoisyValidation, KindValBetterThanTrain,
	KindSlowEpoch, KindSpike,
}

// rank orders findings by what most likely is the cause: kinds as above, and behind them
// all what disturbs one metric beside a sound training loss.
func rank(f *Finding) int {
	if f.Kind == KindHeadLossMismatch && explainsNaN(f.Reason) {
		return -1
	}
	i := slices.Index(causes, f.Kind)
	if i < 0 { // a rule of a person's own
		i = len(causes)
	}
	if f.Kind == KindLossNaN && f.Reason == "other_metric" {
		i = slices.Index(causes, KindNotLearning)*2 + 1
		return i
	}
	return 2 * i
}

// ByCause compares two findings of one run for an order in which what still holds comes
// first, and then what most likely is the cause, as in a verdict.
func ByCause(a, b *Finding) int {
	if a.Firing() != b.Firing() {
		if a.Firing() {
			return -1
		}
		return 1
	}
	return rank(a) - rank(b)
}

// Verdict reads the findings that still hold together: the most likely cause first.
// Without any it says healthy so far, on how many rules and epochs.
func (m *Monitor) Verdict() Verdict {
	all := m.Findings()
	holding := slices.DeleteFunc(slices.Clone(all), func(f Finding) bool { return !f.Firing() || aRemark(&f) })
	slices.SortStableFunc(holding, func(a, b Finding) int { return rank(&a) - rank(&b) })
	climbBeforeStandstill(holding)
	if !slices.ContainsFunc(holding, func(f Finding) bool { return f.Severity != SeverityInfo }) {
		if v, ok := m.leaning(); ok {
			return v
		}
	}
	if len(holding) == 0 {
		return m.healthy(all)
	}
	head := holding[0]
	v := Verdict{Kind: head.Kind, Confidence: head.Confidence, Summary: head.Summary, Advice: slices.Clone(head.Advice)}
	if head.Kind == KindLossNaN {
		// What came before may be why.
		for _, f := range all {
			if (f.Kind == KindDivergence || f.Kind == KindLRTooHigh) && f.OnsetEpoch < head.OnsetEpoch {
				v.Summary += fmt.Sprintf(" Before that, from epoch %d on: %s", f.OnsetEpoch, f.Summary)
				break
			}
		}
		return v
	}
	for _, f := range holding[1:] {
		if !follows(head.Kind, f.Kind) {
			v.Summary += " Besides: " + f.Summary
			break
		}
	}
	return v
}

// climbBeforeStandstill puts a loss that climbed before one that has stood still since: what
// was lost is the news, not that nothing has come back.
func climbBeforeStandstill(ranked []Finding) {
	i := slices.IndexFunc(ranked, func(f Finding) bool { return f.Kind == KindNotLearning && f.Reason == "stands_still" })
	if i < 0 {
		return
	}
	for j := i + 1; j < len(ranked); j++ {
		if climb := ranked[j]; climb.Kind == KindRisingLoss && climb.OnsetEpoch < ranked[i].OnsetEpoch {
			copy(ranked[i+1:j+1], ranked[i:j])
			ranked[i] = climb
			return
		}
	}
}

// aRemark reports whether a finding is information that is no news of how the run goes: on
// the configuration or the very start, on one epoch, on what is usual with dropout. A run with
// nothing else is healthy.
func aRemark(f *Finding) bool {
	if f.Severity != SeverityInfo {
		return false
	}
	switch f.Kind {
	case KindHeadLossMismatch, KindMetricMismatch, KindInitialLoss, KindValBetterThanTrain, KindSpike, KindSlowEpoch:
		return true
	}
	return false
}

// follows reports whether a finding of kind b is no news beside one of kind a.
func follows(a, b Kind) bool {
	switch a {
	case KindHeadLossMismatch:
		return b != KindStalled && b != KindEpochGap && b != KindResumeRegression && b != KindSlowEpoch
	case KindMetricMismatch:
		return b == KindConstantMetric
	case KindInitialLoss:
		return b == KindNotLearning || b == KindPlateau || b == KindConstantMetric
	case KindResumeRegression:
		return b == KindDivergence || b == KindRisingLoss || b == KindLossAccuracyConflict
	case KindDivergence, KindLRTooHigh:
		return b != KindStalled && b != KindEpochGap && b != KindLossNaN
	case KindLossAccuracyConflict:
		return b == KindRisingLoss || b == KindPlateau
	case KindNotLearning:
		return b == KindPlateau || b == KindRisingLoss || b == KindOverfitting || b == KindLossAccuracyConflict
	case KindOverfitting, KindRisingLoss:
		return b == KindPlateau
	}
	return a == b
}

func (m *Monitor) healthy(all []Finding) Verdict {
	rules := len(m.table)
	if m.clock.d != nil {
		rules++
	}
	for _, d := range m.standing.judges {
		if d.make == nil {
			rules++
		}
	}
	n := m.Epochs()
	if n == 0 {
		return Verdict{Kind: KindHealthy, Summary: fmt.Sprintf("Nothing to judge yet: %s, no epoch.", count(rules, "rule"))}
	}
	v := Verdict{
		Kind: KindHealthy, Confidence: m.live.confidence(),
		Summary: fmt.Sprintf("Healthy so far: %s on %s.", count(rules, "rule"), count(n, "epoch")),
	}
	if i := slices.IndexFunc(all, func(f Finding) bool { return f.Severity != SeverityInfo && f.ResolvedEpoch != nil }); i >= 0 {
		f := all[i]
		v.Summary += fmt.Sprintf(" Over since epoch %d: %s", *f.ResolvedEpoch, f.Summary)
	}
	if i := slices.IndexFunc(all, func(f Finding) bool { return f.Firing() && aRemark(&f) }); i >= 0 {
		v.Summary += " Besides: " + all[i].Summary
		v.Advice = slices.Clone(all[i].Advice)
	}
	return v
}

// confidence says how sure "healthy" is: the more epochs, the surer, up to what is right of
// the corpus' long runs, of which one in six had come to rest unnoticed.
func (s *snapshot) confidence() float64 {
	n := float64(s.run.s[trainLoss].count)
	return 0.87 * n / (n + 2)
}

// count writes a number of things.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
