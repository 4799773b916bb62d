package backtest

import (
	"cmp"
	"math"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
)

// Calibration holds how sure the verdicts were against how often they were right, of
// verdicts that say healthy and of those that do not. A verdict, as it stands at the end of
// a labelled curve, is right when its kind is one of the labels, healthy being a kind, or says
// more of what a label says. Where no label of any curve could have named its kind and the
// curve has another fault, nobody can tell: it is counted apart. On a healthy curve it is wrong.
type Calibration struct {
	Verdicts string `json:"verdicts"` // healthy or problem
	Bins     []Bin  `json:"bins"`
	// Unlabelled is how many cannot be judged: of kinds that no label names, on curves with
	// another label than healthy.
	Unlabelled int `json:"unlabelled"`
	// Error is the mean distance of confidence and share of right verdicts over the bins,
	// weighted by curves; nil without a verdict.
	Error *float64 `json:"error"`
}

// Bin is the verdicts of about one confidence.
type Bin struct {
	From  float64  `json:"from"` // the least confidence
	To    float64  `json:"to"`   // what is below it, or in the last bin at most it
	Mean  *float64 `json:"mean"` // confidence
	Right Estimate `json:"right"`
}

var binsFrom = []float64{0, 0.5, 0.6, 0.7, 0.8, 0.9, 1}

func (s *sample) calibrate(all []Judgement) []Calibration {
	labelled := map[detectors.Kind]bool{}
	for i := range all {
		for k := range all[i].Curve.Labels {
			labelled[k] = true
		}
	}
	out := make([]Calibration, 0, 2)
	for _, healthy := range []bool{true, false} {
		c := Calibration{Verdicts: "problem"}
		if healthy {
			c.Verdicts = "healthy"
		}
		// In order of confidence, so that a sum does not depend on the order of the curves.
		var these []*Judgement
		for i := range all {
			j := &all[i]
			if len(j.Curve.Labels) == 0 || (j.Verdict.Kind == detectors.KindHealthy) != healthy {
				continue
			}
			if _, sound := j.Curve.Labels[detectors.KindHealthy]; !sound && !labelled[j.Verdict.Kind] && !named(j) {
				c.Unlabelled++
				continue
			}
			these = append(these, j)
		}
		slices.SortFunc(these, func(a, b *Judgement) int { return cmp.Compare(a.Verdict.Confidence, b.Verdict.Confidence) })
		off := 0.0
		for b := range len(binsFrom) - 1 {
			bin := s.bin(these, binsFrom[b], binsFrom[b+1])
			c.Bins = append(c.Bins, bin)
			if bin.Mean != nil {
				off += math.Abs(*bin.Mean-*bin.Right.Value) * float64(bin.Right.Of)
			}
		}
		if len(these) > 0 {
			c.Error = new(off / float64(len(these)))
		}
		out = append(out, c)
	}
	return out
}

// named reports whether a verdict says what a label says: the same kind, or that a loss which
// rises runs away.
func named(j *Judgement) bool {
	_, same := j.Curve.Labels[j.Verdict.Kind]
	_, rises := j.Curve.Labels[detectors.KindRisingLoss]
	return same || rises && j.Verdict.Kind == detectors.KindDivergence
}

func (s *sample) bin(these []*Judgement, from, to float64) Bin {
	right, of := s.counts(), s.counts()
	total := 0.0
	for _, j := range these {
		p := j.Verdict.Confidence
		if p < from || p >= to && (to < 1 || p > 1) {
			continue
		}
		r := s.of[j.Curve.Repository]
		of[r]++
		total += p
		if named(j) {
			right[r]++
		}
	}
	b := Bin{From: from, To: to, Right: s.draws.share(right, of)}
	if n := sum(of); n > 0 {
		b.Mean = new(total / float64(n))
	}
	return b
}
