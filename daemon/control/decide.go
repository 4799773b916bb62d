package control

import (
	"math"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// halfDecade is the step after a warning.
	halfDecade = 0.31622776601683794
	// decade is the step after a critical finding.
	decade = 0.1
	// lostShare is how far the loss must lie above the best of the run, as a share of it, for
	// the way back to those weights: what was reached and lost again is worth more than where
	// the run stands.
	lostShare = 0.5
	// giveUpAfter is how many cuts in a row may fail to help, or be refused.
	giveUpAfter = 2
	// validEpochs is how many epochs a command stays valid: it is decided at the end of
	// one and should be applied at the end of the same or, when epochs are short, of the
	// next; one more for a slow moment.
	validEpochs = 3
	// validTraining is how much training a command stays valid for however short the epochs
	// are: on a busy machine the way there and back takes a few tenths of a second, which
	// may be many epochs.
	validTraining = 2 * time.Second
	// maxValidEpochs bounds that where an epoch is over at once.
	maxValidEpochs = 50
	// validAtLeast is how long a command stays valid however short the epochs are.
	validAtLeast = time.Minute
)

// namespace makes the ids of commands; deciding the same thing twice gives the same id.
var namespace = uuid.MustParse("5b0f6f8e-5a0f-5a53-9d43-6a5f3c1f9a11")

// Controller decides for all runs. It keeps no state and is safe for concurrent use.
type Controller struct{ policy Policy }

var _ ingest.Policy = (*Controller)(nil)

// New returns a controller that acts within the policy, which must be valid.
func New(p Policy) *Controller { return &Controller{policy: p} }

// Decide returns commands whose effect can now be judged, proposals that have lapsed, and at
// most one new one.
func (c *Controller) Decide(s ingest.Situation) []store.Command {
	changed := append(judge(s), lapsed(s)...)
	all := slices.Clone(s.Commands)
	for _, j := range changed {
		i := slices.IndexFunc(all, func(o store.Command) bool { return o.ID == j.ID })
		all[i] = j
	}
	if s.Replaying || len(s.Recent) == 0 || s.Attempt.Started == nil || s.Run.State != store.StateRunning {
		return changed
	}
	if last := s.Recent[len(s.Recent)-1]; last.Attempt != s.Attempt.ID || last.Seq != s.Seq {
		return changed // only the end of an epoch is a time to decide
	}
	b := c.policy.narrow(s.Run, s.Attempt.Started.Control)
	if b.Mode == contract.ModeOff {
		return changed
	}
	if back, ok := takeBack(s, all, b); ok {
		return append(changed, back)
	}
	if cut, ok := cut(s, all, b); ok {
		return append(changed, cut)
	}
	return changed
}

// cut decides at the end of an epoch whether the rate is to be cut. commands are those of
// the run as judged so far.
func cut(s ingest.Situation, commands []store.Command, b contract.Control) (store.Command, bool) {
	last := s.Recent[len(s.Recent)-1]
	f, ok := cause(s)
	if !ok {
		f, ok = standstill(s, commands)
	}
	if !ok || !mayCut(commands, s, b) || declinedFor(commands, f) || recovering(commands, s.Recent, metricOf(f)) {
		return store.Command{}, false
	}
	kind, ok := remedy(f, commands, s, b)
	if !ok {
		return store.Command{}, false
	}
	now, step := last.LearningRate, stepFor(f, commands, s, b)
	wanted := max(now*step, float64(b.MinLR))
	// Written so that an unknown rate (NaN) is left alone too. A cut that the floor would
	// leave gentler than the owner's gentlest step would be refused.
	if !(now > 0) || math.IsInf(now, 0) || !(wanted <= now*float64(b.Factor)*(1+1e-9)) {
		return store.Command{}, false
	}
	return newCut(s, last, b, f, kind, wanted), true
}

// remedy chooses between a cut alone and the way back to the best weights with a cut: back
// where the weights are spoilt (not a number, a critical finding, no better than untrained
// ones), much was lost again, or the last cut made no difference: then it is not the rate alone.
// A run that could not go back is cut alone from then on; one whose weights are not numbers
// is past help by that.
func remedy(f store.Finding, commands []store.Command, s ingest.Situation, b contract.Control) (contract.CommandKind, bool) {
	mayGoBack := slices.Contains(b.Allow, contract.KindRollback) &&
		!slices.ContainsFunc(commands, func(c store.Command) bool {
			return c.Kind == contract.KindRollback && c.State == store.CommandRefused
		})
	spoilt := f.Severity == detectors.SeverityCritical || worthless(s) || f.ID != "" && lost(s.Recent, metricOf(f)) || inVain(commands)
	switch {
	case mayGoBack && spoilt:
		return contract.KindRollback, true
	case f.Kind != detectors.KindLossNaN && slices.Contains(b.Allow, contract.KindReduceLR):
		return contract.KindReduceLR, true
	}
	return "", false
}

// inVain reports whether the last change of the rate made no difference.
func inVain(commands []store.Command) bool {
	for _, cmd := range slices.Backward(commands) {
		if cmd.State == store.CommandApplied && changesRate(cmd.Kind) {
			return cmd.Effect == store.EffectNoDifference
		}
	}
	return false
}

// lost reports whether the last value of a loss lies far above the best of the same attempt.
func lost(recent []detectors.Epoch, metric string) bool {
	last := recent[len(recent)-1]
	best := math.Inf(1)
	for _, e := range recent {
		if v, ok := e.Metrics[metric]; ok && e.Attempt == last.Attempt && v < best {
			best = v
		}
	}
	now, ok := last.Metrics[metric]
	return ok && now-best > lostShare*math.Abs(best)
}

// oneBatch is how far above the first batch's loss a loss that is no cross-entropy must be to
// be surely above that of the untrained model: one batch of a regression is off by up to half.
const oneBatch = 1.5

// worthless reports whether the training loss is no better than that of the untrained model.
func worthless(s ingest.Situation) bool {
	now, ok := s.Recent[len(s.Recent)-1].Metrics["loss"]
	if !ok || s.Untrained == nil {
		return false
	}
	level := *s.Untrained
	if !strings.Contains(strings.ToLower(s.Attempt.Started.Loss), "crossentropy") {
		level *= oneBatch
	}
	return now >= level
}

// cause returns the finding that a lower rate can mend: the most severe first, then the
// order of causes. A loss that is not a number is one of them where it is the training loss:
// it takes the way back. A run that does not learn is one where it stands above the untrained
// model's loss: what no gradient reaches stays at it.
func cause(s ingest.Situation) (store.Finding, bool) {
	order := []detectors.Kind{
		detectors.KindLossNaN, detectors.KindDivergence, detectors.KindLRTooHigh, detectors.KindRisingLoss,
		detectors.KindLossAccuracyConflict, detectors.KindNotLearning,
	}
	best, found := store.Finding{}, false
	for _, kind := range order {
		for _, f := range s.Findings {
			switch {
			case f.Kind != kind, !f.Firing(), f.Severity.Rank() < detectors.SeverityWarning.Rank():
				continue
			case kind == detectors.KindLossNaN && f.Severity != detectors.SeverityCritical:
				continue // of another metric
			case kind == detectors.KindNotLearning && !worthless(s):
				continue
			}
			if !found || f.Severity.Rank() > best.Severity.Rank() {
				best, found = f, true
			}
		}
	}
	return best, found
}

// mayCut holds back while a command is open or not yet judged, within the cooldown, when
// the cuts are used up or did not help, and while someone else changes the rate.
func mayCut(commands []store.Command, s ingest.Situation, b contract.Control) bool {
	used, failed, refused := 0, 0, 0
	for _, cmd := range commands {
		if cmd.Kind == contract.KindRevert && holdsBack(cmd, s, b) {
			return false
		}
		if !changesRate(cmd.Kind) {
			continue
		}
		switch cmd.State {
		case store.CommandSent:
			return false
		case store.CommandProposed:
			if b.Mode == contract.ModeAsk && s.Now.Before(cmd.ExpiresAt) ||
				epochsSince(s, cmd.DecidedEpoch) <= b.CooldownEpochs {
				return false
			}
			used++
		case store.CommandRefused, store.CommandExpired:
			if !ours(cmd) {
				continue // what a person asked for in vain says nothing of the policy's cuts
			}
			if !undecided(cmd) {
				refused++
			}
			if refused >= giveUpAfter || epochsSince(s, cmd.DecidedEpoch) <= b.CooldownEpochs {
				return false
			}
		case store.CommandApplied:
			used, refused = used+1, 0
			if cmd.AppliedEpoch != nil && epochsSince(s, *cmd.AppliedEpoch)+1 <= b.CooldownEpochs {
				return false
			}
			switch cmd.Effect {
			case store.EffectPending, "":
				return false
			case store.EffectHelped:
				failed = 0
			case store.EffectNoDifference, store.EffectHurt:
				if triedOut(cmd, s.Untrained) {
					failed++
				}
			}
		case store.CommandReverted:
			used, failed = used+1, failed+1
		}
	}
	return used < b.MaxCuts && failed < giveUpAfter && !changedByOthers(commands, s, b)
}

// epochsSince counts the epochs of the curve that ended after the given one.
func epochsSince(s ingest.Situation, epoch int) int {
	n := 0
	for i := len(s.Recent) - 1; i >= 0 && s.Recent[i].Epoch > epoch; i-- {
		n++
	}
	return n
}

// changedByOthers reports whether the rate moved within the cooldown without a command of
// ours: ReduceLROnPlateau, a LearningRateScheduler or the user's own code is at work. A
// schedule moves by design and is scaled, not fought.
func changedByOthers(commands []store.Command, s ingest.Situation, b contract.Control) bool {
	if s.Attempt.Started.Schedule != "" {
		return false
	}
	first := max(len(s.Recent)-1-max(b.CooldownEpochs, 1), 0)
	for i := first + 1; i < len(s.Recent); i++ {
		was, is := s.Recent[i-1].LearningRate, s.Recent[i].LearningRate
		if s.Recent[i-1].Attempt != s.Recent[i].Attempt || !(math.Abs(is-was) > 1e-5*math.Abs(was)) {
			continue
		}
		ours := slices.ContainsFunc(commands, func(c store.Command) bool {
			return (c.State == store.CommandApplied || c.State == store.CommandReverted) && c.After != nil && math.Abs(*c.After-is) <= 1e-5*math.Abs(is)
		})
		if !ours {
			return true
		}
	}
	return false
}

// stepFor returns the factor of the next cut, within the bounds.
func stepFor(f store.Finding, commands []store.Command, s ingest.Situation, b contract.Control) float64 {
	step := halfDecade
	switch {
	case worthless(s):
		step = decade
	case f.Kind == detectors.KindRisingLoss, f.Kind == detectors.KindLossAccuracyConflict:
		step = float64(b.Factor) // the rate is only one of the possible causes
	case f.Severity == detectors.SeverityCritical:
		step = decade
	}
	if inVain(commands) {
		step = float64(b.HardestFactor) // the last one was too small to matter
	}
	return min(max(step, float64(b.HardestFactor)), float64(b.Factor))
}

// validity returns until when, and up to which epoch, a command decided after an epoch is valid.
func validity(now time.Time, last detectors.Epoch) (time.Time, int) {
	valid := validAtLeast
	if d := 2 * validEpochs * last.Seconds; d > valid.Seconds() && d < 1e6 {
		valid = time.Duration(d * float64(time.Second))
	}
	return now.Add(valid).UTC(), last.Epoch + epochsValid(last.Seconds)
}

// epochsValid returns for how many epochs after one of the given length a command is valid.
func epochsValid(seconds float64) int {
	if n := validTraining.Seconds() / seconds; n > validEpochs { // false where the length is not known
		return int(math.Ceil(min(n, maxValidEpochs)))
	}
	return validEpochs
}

func newCut(s ingest.Situation, last detectors.Epoch, b contract.Control, f store.Finding, kind contract.CommandKind, wanted float64) store.Command {
	expires, epoch := validity(s.Now, last)
	expected, want := contract.Number(last.LearningRate), contract.Number(wanted)
	cmd := store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command",
			ID:   commandID(s, kind),
			Kind: kind, Project: s.Run.Project, Run: s.Run.ID,
			Attempt: s.Attempt.ID, CausedBy: s.Seq,
			Expected: &expected, Wanted: &want, Bounds: b,
			Reason: f.Summary, IssuedBy: contract.ByPolicy,
			IssuedAt: s.Now.UTC(), ExpiresAt: expires, ExpiresEpoch: epoch,
		},
		RunPK: s.Run.PK, State: store.CommandSent, FindingID: f.ID,
		DecidedEpoch: last.Epoch, Forecast: forecastFrom(s.Recent, metricOf(f)).encode(),
	}
	if b.Mode != contract.ModeAuto {
		propose(&cmd, last)
	}
	return cmd
}

// metricOf is the series a cut is judged by: the one the finding was seen on.
func metricOf(f store.Finding) string {
	if f.Metric != "" {
		return f.Metric
	}
	return "loss"
}
