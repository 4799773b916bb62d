package detectors

import "fmt"

var epochGapDetector = &detector{
	spec: Spec{
		Kind:     KindEpochGap,
		Title:    "Epochs are missing",
		Meaning:  "The numbers of the epochs skip within one fit: a message was lost, or the log is not whole. Curves and findings may miss something.",
		Severity: SeverityWarning, MinEpochs: 2,
		Params: []Param{{
			Name: "recover", Doc: "epochs without a hole after which the matter is settled", Unit: unitEpochs, Default: 3, Min: 1, Max: 1000,
			Source: "three in a row is no accident; nothing is measured here",
		}},
		Advice: []string{"Run `epochwatch sync` for a live run; for a file, look whether it was cut or pasted in parts."},
		Reasons: []Reason{
			{"live", "Keras counts without holes: a message is missing"},
			{"file", "a log that otherwise counts in smaller steps skips"},
		},
		FalseAlarms: "none on the curves of the development corpus; a log that prints each k-th epoch is no gap",
	},
	make: func(p params) rule { return ruleOf(epochGap{recover: int(p.get("recover"))}) },
	tell: func(d *decision, _ *run, _ []string) (string, []string) {
		advice := []string{"Look whether the log was cut or pasted in parts; judge the curve around the hole with care."}
		if d.reason == "live" {
			advice = []string{
				"Run `epochwatch sync`: the spool of the run may still hold them.",
				"Look at the quarantine: a message that could not be read leaves a hole.",
			}
		}
		n, from, to := d.get("missing"), int(d.get("from")), int(d.get("to"))
		if n == 1 {
			return fmt.Sprintf("Epoch %d is missing.", from), advice
		}
		return fmt.Sprintf("%.0f epochs are missing, %d to %d.", n, from, to), advice
	},
}

// epochGap knows the usual step between epoch numbers, and a skip that it cannot judge
// yet: the first step of a file says nothing before there is a second one.
type epochGap struct {
	recover int
	step    int // smallest step so far; 0 when there was none
	from    int // an undecided skip: the last epoch before it …
	to      int // … and the first after it
	waiting bool
	clean   int // epochs without a hole since the open one
}

func (g *epochGap) decide(r *run, out *say) {
	var d decision
	defer func() { out.put(0, &d) }()
	if r.n < 2 || r.now.attempt != r.before {
		g.waiting = false
		d.holds = out.open(0)
		return
	}
	step := r.epoch - r.prev
	usual := g.step
	if r.now.live {
		usual = 1
	}
	if g.step == 0 || step < g.step {
		g.step = step
	}
	switch {
	case usual == 0 && step > 1: // the first step, of a file
		g.waiting, g.from, g.to = true, r.prev, r.epoch
		return
	case g.waiting && 2*step <= g.to-g.from:
		g.waiting = false
		d = gap(g.from, g.to, step, "file", SeverityInfo)
		g.clean = 0
		return
	case usual > 0 && step >= 2*usual:
		g.waiting = false
		d = gap(r.prev, r.epoch, usual, "file", SeverityInfo)
		if r.now.live {
			d.reason, d.severity = "live", SeverityWarning
		}
		g.clean = 0
		if out.open(0) { // another hole before the last was settled is a finding of its own
			out.put(0, &decision{})
		}
		return
	}
	g.waiting = false
	g.clean++
	d.holds = g.clean < g.recover
}

// gap describes the hole between two epochs in a log that counts in steps.
func gap(from, to, step int, reason string, s Severity) decision {
	d := decision{severity: s, onset: from + step, reason: reason, confidence: 1}
	d.with("missing", float64((to-from)/step-1))
	d.with("from", float64(from+step))
	d.with("to", float64(to-step))
	return d
}
