package control

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// sameRate is how far two rates may be apart, as a share, and still be the same: optimizers
// hold float32.
const sameRate = 1e-5

// changesRate reports whether commands of the kind set a learning rate.
func changesRate(k contract.CommandKind) bool {
	return k == contract.KindReduceLR || k == contract.KindSetLR || k == contract.KindRollback
}

// takeBack decides at the end of an epoch whether the last change is to be taken back: one
// of the policy's that hurt, while the run still stands where that left it. It is tried once.
func takeBack(s ingest.Situation, commands []store.Command, b contract.Control) (store.Command, bool) {
	var hurt store.Command
	for _, c := range commands {
		if c.State == store.CommandSent || c.AwaitsPerson() {
			return store.Command{}, false
		}
		if c.State == store.CommandApplied && c.Kind != contract.KindStop {
			hurt = c
		}
	}
	tried := slices.ContainsFunc(commands, func(c store.Command) bool { return c.Reverts == hurt.ID })
	last := s.Recent[len(s.Recent)-1]
	if hurt.Effect != store.EffectHurt || !changesRate(hurt.Kind) || !ours(hurt) || tried || !triedOut(hurt, s.Untrained) ||
		!leftAlone(hurt, s, last) || betterThanBefore(hurt, s.Recent) {
		return store.Command{}, false
	}
	back := newRevert(s, last, b, hurt)
	back.IssuedBy, back.Reason = contract.ByPolicy, hurtText(hurt)
	if b.Mode != contract.ModeAuto {
		propose(&back, last)
	}
	return back, true
}

// leftAlone reports whether the rate is the one that a command set. What a schedule has made
// of it since is not known here: the run tells.
func leftAlone(c store.Command, s ingest.Situation, last detectors.Epoch) bool {
	if c.After == nil || c.Before == nil {
		return false
	}
	return s.Attempt.Started.Schedule != "" || math.Abs(last.LearningRate-*c.After) <= sameRate**c.After
}

// betterThanBefore reports whether a way back has led to something better than where it came
// from: it was judged by the median before it, which is what was lost already.
func betterThanBefore(c store.Command, recent []detectors.Epoch) bool {
	if c.Kind != contract.KindRollback {
		return false
	}
	var f forecast
	if json.Unmarshal(c.Forecast, &f) != nil || f.Judged == nil {
		return true // nothing says that it is not
	}
	for _, e := range slices.Backward(recent) {
		if v, ok := e.Metrics[f.Metric]; ok && e.Epoch <= c.DecidedEpoch {
			return !(float64(f.Judged.After) > v) // NaN is worse than anything
		}
	}
	return true
}

func hurtText(c store.Command) string {
	text := fmt.Sprintf("the cut from %.4g to %.4g hurt", *c.Before, *c.After)
	if o, ok := OutlookOf(c); ok && o.After != nil {
		text += fmt.Sprintf(": %s %.4g, the median of %d epochs, was %.4g before", o.Metric, float64(*o.After), o.Within, float64(o.Before))
	}
	return text
}

// newRevert makes the command that takes another one back, as of now.
func newRevert(s ingest.Situation, last detectors.Epoch, b contract.Control, c store.Command) store.Command {
	expires, epoch := validity(s.Now, last)
	out := store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command", ID: commandID(s, contract.KindRevert), Kind: contract.KindRevert,
			Project: s.Run.Project, Run: s.Run.ID, Attempt: s.Attempt.ID, CausedBy: s.Seq, Optimizer: c.Optimizer,
			Reverts: c.ID, Bounds: b, IssuedAt: s.Now.UTC(), ExpiresAt: expires, ExpiresEpoch: epoch,
		},
		RunPK: s.Run.PK, State: store.CommandSent, FindingID: c.FindingID, DecidedEpoch: last.Epoch,
		Forecast: forecastFrom(s.Recent, judgedBy(c)).encode(),
	}
	if now := last.LearningRate; c.Optimizer == "" && now > 0 && !math.IsInf(now, 0) {
		expected := contract.Number(now)
		out.Expected = &expected
		if c.Before != nil && c.After != nil && *c.After > 0 {
			wanted := contract.Number(now * (*c.Before / *c.After))
			out.Wanted = &wanted
		}
	}
	return out
}

// commandID names a command by what it was decided on: the same always.
func commandID(s ingest.Situation, kind contract.CommandKind) string {
	key := fmt.Sprintf("%s/%s/%s/%d/%s", s.Run.Project, s.Run.ID, s.Attempt.ID, s.Seq, kind)
	return uuid.NewSHA1(namespace, []byte(key)).String()
}

// judgedBy is the series that a command is judged by.
func judgedBy(c store.Command) string {
	var f forecast
	if json.Unmarshal(c.Forecast, &f) == nil && f.Metric != "" {
		return f.Metric
	}
	return "loss"
}

// holdsBack reports whether a taking back keeps from cutting: it waits for an answer, or the
// cooldown since it is not over.
func holdsBack(c store.Command, s ingest.Situation, b contract.Control) bool {
	switch c.State {
	case store.CommandSent:
		return true
	case store.CommandProposed:
		return c.AwaitsPerson()
	case store.CommandApplied:
		return c.AppliedEpoch != nil && epochsSince(s, *c.AppliedEpoch)+1 <= b.CooldownEpochs
	case store.CommandRefused, store.CommandExpired, store.CommandReverted:
	}
	return false
}

// triedOut reports whether a judged cut has had its chance: while the loss is still above
// the untrained model's, the rate may well be too high yet, and the cut proves nothing.
func triedOut(c store.Command, untrained *float64) bool {
	var f forecast
	if untrained == nil || json.Unmarshal(c.Forecast, &f) != nil || f.Judged == nil || f.Metric != "loss" {
		return true
	}
	return float64(f.Judged.After) <= *untrained
}
