package detectors

import (
	"fmt"
	"math"
)

var resumeRegressionDetector = &detector{
	spec: Spec{
		Kind:     KindResumeRegression,
		Title:    "Worse after a restart",
		Meaning:  "The run was taken up again, and the training loss is far above what it was before: weights or the optimizer's state were not restored, or the data is another.",
		Severity: SeverityWarning, MinEpochs: 6,
		HiddenBy: []Kind{KindLossNaN},
		Params: []Param{
			{
				Name: "noise", Doc: "least rise over the last three epochs before, in standard deviations of the noise before", Unit: unitNoise, Default: 5, Min: 1, Max: 100,
				Source: "a question asked once a restart needs no more; five as for every fault that is planted in the tests",
			},
			{
				Name: "level", Doc: "least rise as a share of the loss before", Unit: unitShare, Default: 0.1, Min: 0, Max: 10,
				Source: "an optimizer that starts with empty moments costs a few per cent for an epoch, which is no loss of weights; not measured",
			},
			{
				Name: "lost", Doc: "least share of what had been learned that is lost again", Unit: unitShare, Default: 0.15, Min: 0, Max: 1,
				Source: "late in a run a rise that is large beside the loss is small beside what was learned",
			},
		},
		Reasons: []Reason{
			{"new_attempt", "the numbers go on in another fit, or go back"},
			{"jump", "the numbers skip, and the loss with them"},
		},
		Advice: []string{
			"Restore everything: keras.models.load_model of a whole model (or BackupAndRestore), not load_weights into a new optimizer.",
			"Check that the checkpoint is that of the epoch it is meant to be, and that loading did not skip layers (by_name, skip_mismatch).",
			"Check the learning rate: a schedule or ReduceLROnPlateau starts again at its first value unless it is told otherwise.",
			"Check that the data is split and scaled as before: the same seed, the same statistics.",
		},
		FalseAlarms: "development corpus: 0 of 181 healthy curves; kept apart: 0 of 85; asked only at a restart",
	},
	make: func(p params) rule {
		return ruleOf(resumeRegression{over: p.get("noise"), least: p.get("level"), lost: p.get("lost")})
	},
	tell: func(d *decision, _ *run, usual []string) (string, []string) {
		return fmt.Sprintf("After the restart at epoch %d, %s is %.4g, where it was %.4g before: %.0f %% of what had been learned is lost.",
			d.onset, d.metric, d.get("now"), d.get("before"), 100*d.get("lost")), usual
	},
}

type resumeRegression struct {
	over, least, lost float64
	first, before     float64 // losses of the run's first epoch and before the restart
	due, jump         bool    // a restart whose first loss has not come yet
	at                int32   // its epoch
}

func (g *resumeRegression) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	s := &r.s[trainLoss]
	if s.count == 1 && s.fresh {
		g.first = s.last()
	}
	if restarted, jump := restart(r); restarted {
		g.due, g.jump, g.at = true, jump, int32(r.epoch)
	}
	switch {
	case !s.fresh:
	case g.due:
		g.due = false
		if found := g.judge(r, s); found.severity != "" {
			d = found
		}
	case out.open(0):
		d.holds = s.last() > g.before+g.least/2*math.Abs(g.before)
	}
	out.put(0, &d)
}

// restart reports whether the epoch at hand does not go on from the one before.
func restart(r *run) (restarted, jump bool) {
	if r.n < 2 {
		return false, false
	}
	if r.now.attempt != r.before {
		return true, false
	}
	tail := r.s[trainLoss].lasts()
	n := len(tail)
	return n > 3 && r.epoch-r.prev > 1 && tail[n-2].epoch-tail[n-3].epoch == 1, true
}

func (g *resumeRegression) judge(r *run, s *series) decision {
	tail := s.lasts()
	if len(tail) < 6 {
		return decision{}
	}
	old := tail[:len(tail)-1]
	n := len(old)
	before := median3(old[n-1].y, old[n-2].y, old[n-3].y)
	rise := s.last() - before
	sigma := noise(old)
	learned := g.first - before
	if rise <= g.over*sigma || rise <= g.least*math.Abs(before) || rise <= g.lost*learned || learned <= 0 {
		return decision{}
	}
	g.before = before
	d := decision{severity: SeverityWarning, metric: r.name(trainLoss), onset: int(g.at), reason: "new_attempt", confidence: 0.85}
	if g.jump {
		d.reason, d.confidence = "jump", 0.7
	}
	d.with("before", before)
	d.with("now", s.last())
	d.with("noise", sigma)
	d.with("lost", rise/learned)
	return d
}
