package control

import (
	"fmt"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// standEpochs is how many epochs are compared with as many before them.
	standEpochs = 4
	// standSteps is how far the loss must move from epoch to epoch meanwhile, as a share of its
	// level: it swings about what it could settle at. One that stands without swinging is done,
	// or cannot learn more, and the rate has no part in that. With it the policy would have cut
	// 23 of 266 healthy public curves for this, without it 85.
	standSteps = 0.02
	// learnedShare of the untrained model's loss is as good as none: what is left there is
	// not to be had by a lower rate.
	learnedShare = 0.02
)

// standstill returns what stands for a finding where the training loss has stopped falling
// at the present rate, and swings: the steps are too long to settle any deeper. It is no
// alarm, since a run that is nearly done may look the same; but there a lower rate does no harm.
func standstill(s ingest.Situation, commands []store.Command) (store.Finding, bool) {
	n := 2 * standEpochs
	if len(s.Recent) < n {
		return store.Finding{}, false
	}
	var v []float64 // oldest first
	last := s.Recent[len(s.Recent)-1]
	for _, e := range s.Recent[len(s.Recent)-n:] {
		y, ok := e.Metrics["loss"]
		if !ok || e.Attempt != last.Attempt || !sameStep(s, e, last) {
			return store.Finding{}, false
		}
		v = append(v, y)
	}
	for _, c := range commands {
		if declined(c) {
			return store.Finding{}, false // somebody wants the rate as it is
		}
		if c.AppliedEpoch != nil && epochsSince(s, *c.AppliedEpoch)+1 < n {
			return store.Finding{}, false
		}
	}
	before, now := median(v[:standEpochs]), median(v[standEpochs:])
	if !(now >= before) || slices.Min(v[standEpochs:]) <= slices.Min(v[:standEpochs]) || !(stepOf(v) >= standSteps*math.Abs(now)) || s.Untrained != nil && now < learnedShare**s.Untrained {
		return store.Finding{}, false
	}
	return store.Finding{Finding: detectors.Finding{
		Metric: "loss", Severity: detectors.SeverityInfo,
		Summary: fmt.Sprintf("the training loss has stopped falling: a median of %.4g over %d epochs, %.4g over the %d before", now, standEpochs, before, standEpochs),
	}}, true
}

// sameStep reports whether an epoch was trained at the rate of the last one. A schedule may have
// been higher before: the loss has not fallen although it came down.
func sameStep(s ingest.Situation, e, last detectors.Epoch) bool {
	if s.Attempt.Started.Schedule != "" {
		return e.LearningRate >= last.LearningRate*(1-sameRate)
	}
	return math.Abs(e.LearningRate-last.LearningRate) <= sameRate*last.LearningRate
}
