package notifytest

import (
	"maps"
	"math"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// SpecimenTime is when the specimens were made.
var SpecimenTime = time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)

// Specimens returns notices for golden files and looks, by name: one of each form that a
// message can take, hostile names included.
func Specimens() map[string]notice.Notice {
	out := map[string]notice.Notice{
		"rising_loss":   risingLoss(),
		"resolved":      resolved(),
		"withdrawn":     withdrawn(),
		"answered":      answered(),
		"loss_nan":      lossNaN(),
		"lr_too_high":   lrTooHigh(),
		"conflict":      conflict(),
		"overfitting":   overfitting(),
		"plateau":       plateau(),
		"not_learning":  notLearning(),
		"stalled":       stalled(),
		"epoch_gap":     epochGap(),
		"hostile":       hostile(),
		"unknown_kind":  unknownKind(),
		"late_resolved": lateResolved(),
		"symptoms":      symptoms(),
		"sweep":         sweep(),
		"update":        updated(false),
		"repeat":        updated(true),
		"completed":     ended(store.StateCompleted, ""),
		"run_failed":    ended(store.StateFailed, "ResourceExhaustedError: out of memory"),
		"run_lost":      ended(store.StateLost, ""),
		"digest":        digest(),
	}
	return maps.Clone(out)
}

// specimen is a notice of a run with the given series, epochs from 0.
func specimen(kind detectors.Kind, metric string, severity detectors.Severity, onset, fired int, curves map[string][]float64) notice.Notice {
	n := notice.Notice{
		ID: "b3c1d7f0-5d0e-5f3a-9a43-1f2e3d4c5b6a", Event: store.MessageFiring, Receiver: "team", CreatedAt: SpecimenTime,
		Run: store.Run{
			PK: 7, Project: "vision", ID: "r-20260314", Name: "resnet-small", Tags: []string{"baseline"},
			State: store.StateRunning, Attempts: 1, StartedAt: SpecimenTime.Add(-20 * time.Minute),
			Started: &contract.RunStarted{Control: contract.Control{Mode: contract.ModeAuto}},
		},
		Finding: store.Finding{
			ID: "0c9a7e55-6c58-5be0-8d34-6a0f9d8c7b6a", RunPK: 7, OpenedAt: SpecimenTime,
			Finding: detectors.Finding{
				Kind: kind, Metric: metric, Severity: severity, OnsetEpoch: onset, FiredEpoch: fired,
				Confidence: 0.8, Reason: "above_noise", Evidence: map[string]contract.Number{},
			},
		},
	}
	for name, values := range curves {
		for i, v := range values {
			for len(n.Epochs) <= i {
				e := len(n.Epochs)
				n.Epochs = append(n.Epochs, store.Epoch{
					RunPK: 7, Seq: int64(e + 2), Epoch: e, Metrics: map[string]float64{},
					EndedAt: SpecimenTime.Add(time.Duration(e-fired) * time.Minute),
				})
			}
			n.Epochs[i].Metrics[name] = v
		}
	}
	return n
}

// rates gives the epochs learning rates, the last one from there on.
func rates(n *notice.Notice, values ...float64) {
	for i := range n.Epochs {
		v := values[min(i, len(values)-1)]
		n.Epochs[i].LearningRate = &v
	}
}

func number(v float64) *contract.Number { n := contract.Number(v); return &n }

func cut(n *notice.Notice, state store.CommandState, effect store.Effect, from, to float64) {
	applied := n.Finding.FiredEpoch + 2
	c := store.Command{
		Command: contract.Command{
			ID: "01957f2a-0000-7000-8000-000000000001", Kind: contract.KindReduceLR, Expected: number(from), Wanted: number(to),
			Bounds: n.Run.Started.Control, Reason: "rising_loss", IssuedBy: "policy", IssuedAt: SpecimenTime,
		},
		RunPK: 7, State: state, FindingID: n.Finding.ID, DecidedEpoch: n.Finding.FiredEpoch, Effect: effect,
	}
	if state == store.CommandApplied || state == store.CommandReverted {
		c.AppliedEpoch, c.Before, c.After = &applied, &from, &to
	}
	n.Commands = append(n.Commands, c)
}

var risingCurve = []float64{
	0.92, 0.871, 0.84, 0.822, 0.81, 0.801, 0.795, 0.789, 0.783, 0.777, 0.77, 0.765,
	0.76, 0.755, 0.748, 0.7435, 0.7401, 0.743, 0.7461, 0.7502, 0.7539, 0.758,
}

func risingLoss() notice.Notice {
	n := specimen(detectors.KindRisingLoss, "loss", detectors.SeverityWarning, 17, 21, map[string][]float64{"loss": risingCurve})
	n.Finding.Summary = "Training loss has climbed for 5 epochs, from its best 0.7401 to 0.7580, which is 9 times this run's noise."
	n.Finding.Evidence = map[string]contract.Number{"best": 0.7401, "now": 0.758, "noise": 0.0019, "rise": 0.0179, "epochs": 5}
	n.Finding.Advice = []string{
		"Lower the learning rate by half a decade and see whether the loss turns.",
		"If accuracy goes up at the same time, look for a penalty term that grows (weight decay, activity regularizer).",
	}
	rates(&n, 0.1)
	cut(&n, store.CommandSent, "", 0.1, 0.0316)
	n.Link = "https://watch.example.org/runs/r-20260314"
	return n
}

func resolved() notice.Notice {
	n := risingLoss()
	n.Event, n.Commands = store.MessageResolved, nil
	end := 26
	n.Finding.ResolvedEpoch = &end
	more := append(append([]float64{}, risingCurve...), 0.756, 0.741, 0.722, 0.705, 0.69)
	grown := specimen(detectors.KindRisingLoss, "loss", detectors.SeverityWarning, 17, 21, map[string][]float64{"loss": more})
	n.Epochs = grown.Epochs
	lr := make([]float64, 23, 24)
	for i := range lr {
		lr[i] = 0.1
	}
	rates(&n, append(lr, 0.0316)...)
	cut(&n, store.CommandApplied, store.EffectHelped, 0.1, 0.0316)
	return n
}

// answered is a problem that two people have dealt with.
func answered() notice.Notice {
	n := resolved()
	n.Event, n.Finding.ResolvedEpoch = store.MessageUpdate, nil
	n.Commands[0].ProposedBy, n.Commands[0].IssuedBy = "policy", "anna (slack U0123ABCD)"
	n.Acknowledged = []store.Acknowledgement{{By: "anna (slack U0123ABCD)", At: SpecimenTime.Add(time.Minute)}}
	n.Silenced = "silenced by ben until 15 Mar 08:00 UTC: known, see the wiki"
	return n
}

func withdrawn() notice.Notice {
	n := risingLoss()
	n.Event, n.Finding.Reason = store.MessageResolved, "withdrawn"
	end := 21
	n.Finding.ResolvedEpoch = &end
	return n
}

func lateResolved() notice.Notice {
	n := risingLoss()
	end := 23
	n.Finding.ResolvedEpoch = &end
	return n
}

func lossNaN() notice.Notice {
	n := specimen(detectors.KindLossNaN, "loss", detectors.SeverityCritical, 6, 6, map[string][]float64{
		"loss":     {2.31, 2.05, 1.9, 3.7, 88, 41200, math.NaN(), math.NaN()},
		"val_loss": {2.28, 2.1, 2.02, 5.1, 120, math.Inf(1), math.NaN(), math.NaN()},
	})
	n.Run.Started.Control.Mode = contract.ModeOff
	n.Finding.Confidence = 1
	n.Finding.Summary = "The loss is NaN since epoch 6; it had grown to 41200 before."
	n.Finding.Evidence = map[string]contract.Number{"value": contract.Number(math.NaN()), "last_finite": 41200}
	n.Finding.Advice = []string{"Start again from a checkpoint before epoch 3 with a tenth of the learning rate.", "Clip gradients (clipnorm=1.0)."}
	return n
}

func lrTooHigh() notice.Notice {
	n := specimen(detectors.KindLRTooHigh, "loss", detectors.SeverityWarning, 2, 5, map[string][]float64{"loss": {0.9, 0.62, 0.81, 0.48, 1.12, 0.55}})
	n.Run.Started.Control.Mode = contract.ModeShadow
	n.Finding.Summary = "The loss swings by half of its value from epoch to epoch: the steps are too long."
	n.Finding.Evidence = map[string]contract.Number{"learning_rate": 0.5, "swing": 0.47}
	n.Finding.Advice = []string{"Lower the learning rate to a third."}
	rates(&n, 0.5)
	cut(&n, store.CommandProposed, "", 0.5, 0.158)
	return n
}

func conflict() notice.Notice {
	n := specimen(detectors.KindLossAccuracyConflict, "loss", detectors.SeverityWarning, 3, 7, map[string][]float64{
		"loss":     {0.71, 0.69, 0.68, 0.69, 0.71, 0.72, 0.74, 0.76},
		"accuracy": {0.51, 0.55, 0.6, 0.64, 0.67, 0.71, 0.74, 0.76},
		"val_loss": {0.7, 0.69, 0.69, 0.7, 0.7, 0.71, 0.71, 0.72},
	})
	n.Run.Name = ""
	n.Finding.Summary = "Loss goes up while accuracy goes up as well."
	n.Finding.Evidence = map[string]contract.Number{"loss_rise": 0.08, "accuracy_rise": 0.25}
	n.Finding.Advice = []string{"Log the loss without its penalty terms."}
	cut(&n, store.CommandRefused, "", 0.01, 0.00316)
	n.Commands[0].Answer = "cooldown: 2 more epochs must end"
	return n
}

func overfitting() notice.Notice {
	n := specimen(detectors.KindOverfitting, "val_loss", detectors.SeverityWarning, 4, 9, map[string][]float64{
		"loss":     {1.1, 0.8, 0.6, 0.45, 0.34, 0.25, 0.18, 0.13, 0.09, 0.06},
		"val_loss": {1.2, 0.95, 0.82, 0.77, 0.78, 0.83, 0.9, 0.97, 1.05, 1.14},
	})
	n.Finding.Summary = "Validation loss climbs from its best while training loss goes on falling."
	n.Finding.Evidence = map[string]contract.Number{"best": 0.77, "now": 1.14}
	n.Finding.Advice = []string{"Stop at epoch 3, or restore the weights of it.", "More data, augmentation, dropout or weight decay."}
	return n
}

func plateau() notice.Notice {
	values := make([]float64, 300)
	for i := range values {
		values[i] = 0.4 + 0.6*math.Exp(-float64(i)/20) + 0.001*float64(i%3)
	}
	n := specimen(detectors.KindPlateau, "loss", detectors.SeverityWarning, 120, 299, map[string][]float64{"loss": values})
	n.Finding.Confidence = 0.55
	n.Finding.Summary = "Improvement has stopped."
	cut(&n, store.CommandExpired, "", 1e-3, 3.16e-4)
	return n
}

func notLearning() notice.Notice {
	n := specimen(detectors.KindNotLearning, "loss", detectors.SeverityCritical, 0, 5, map[string][]float64{"loss": {2.303, 2.303, 2.302, 2.303, 2.303, 2.303}})
	n.Run.Started = nil
	n.Finding.Confidence = 0.4
	n.Finding.Summary = "The loss never left its starting value."
	return n
}

func stalled() notice.Notice {
	n := specimen(detectors.KindStalled, "", detectors.SeverityWarning, 4, 4, map[string][]float64{"loss": {0.9, 0.8, 0.7, 0.65, 0.6}})
	n.Run.Started.Control.Mode = contract.ModeAsk
	n.Finding.Summary = "No epoch has ended for 11 minutes; the longest so far took 62 s. The process still gives signs of life."
	n.Finding.Evidence = map[string]contract.Number{"silent_seconds": 660, "longest_epoch_seconds": 62}
	return n
}

func epochGap() notice.Notice {
	n := specimen(detectors.KindEpochGap, "", detectors.SeverityInfo, 3, 4, nil)
	n.Finding.Summary = "Epochs 3 and 4 are missing."
	n.Finding.Evidence = map[string]contract.Number{"from": 3, "to": 4, "missing": 2}
	return n
}

func hostile() notice.Notice {
	metric := "loss`<@U123>\u202e</pre>" + "\U0001F4A5"
	n := specimen(detectors.KindRisingLoss, metric, detectors.SeverityWarning, 1, 3, map[string][]float64{metric: {1, 2, math.Inf(1), 4}})
	n.Run.Name = "<!channel> & <https://evil.example|click>\r\nBcc: all@example.org\n*bold* `code` <script>alert(1)</script>"
	n.Run.Project, n.Run.ID = "p", "id_1"
	n.Finding.Summary = "<b>not bold</b> & ```not code``` <!here>"
	n.Finding.Advice = []string{"<img src=x onerror=alert(1)>", "{{.Subject}}"}
	n.Finding.Evidence = map[string]contract.Number{"<now>": contract.Number(math.Inf(1))}
	cut(&n, store.CommandRefused, "", 1, 0.1)
	n.Commands[0].Answer = "</p><!channel>\x1b[31mred"
	return n
}

func unknownKind() notice.Notice {
	n := specimen("noisy_validation", "val_loss", detectors.SeverityWarning, 2, 6, map[string][]float64{"val_loss": {1, 0.9, 1.2, 0.8, 1.3, 0.7, 1.25}})
	n.Finding.Confidence = math.NaN()
	n.Finding.Summary = "Validation is too small to tell."
	cut(&n, store.CommandReverted, store.EffectHurt, 0.1, 0.01)
	return n
}
