package notifytest

import (
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// symptoms is one run with several findings of one cause.
func symptoms() notice.Notice {
	n := lossNaN()
	for i, f := range []detectors.Finding{
		{Kind: detectors.KindDivergence, Metric: "loss", Severity: detectors.SeverityCritical, OnsetEpoch: 3, FiredEpoch: 4, Confidence: 0.9, Evidence: map[string]contract.Number{"best": 1.9, "now": 88}},
		{Kind: detectors.KindLRTooHigh, Metric: "loss", Severity: detectors.SeverityWarning, OnsetEpoch: 3, FiredEpoch: 5, Confidence: 0.7},
		{Kind: detectors.KindOverfitting, Metric: "val_loss", Severity: detectors.SeverityWarning, OnsetEpoch: 3, FiredEpoch: 4, Confidence: 0.5, Evidence: map[string]contract.Number{"best": 2.02, "now": 120}},
		{Kind: detectors.KindNotLearning, Metric: "accuracy", Severity: detectors.SeverityWarning, OnsetEpoch: 0, FiredEpoch: 5, Confidence: 0.4},
	} {
		n.Symptoms = append(n.Symptoms, store.Finding{ID: fmt.Sprintf("0c9a7e55-6c58-5be0-8d34-6a0f9d8c7c%02d", i), RunPK: 7, Finding: f})
	}
	return n
}

// sweep is ten runs that fail alike.
func sweep() notice.Notice {
	n := symptoms()
	for i := range 9 {
		run := n.Run
		run.PK, run.ID, run.Name = int64(8+i), fmt.Sprintf("r-20260314-%d", i+2), fmt.Sprintf("resnet-small lr=%.1f", 0.1*float64(i+2))
		n.Others = append(n.Others, notice.Member{Run: run, Finding: n.Finding, Symptoms: n.Symptoms[:i%3]})
	}
	return n
}

func updated(repeat bool) notice.Notice {
	n := risingLoss()
	n.ID, n.Event, n.Repeat = "b3c1d7f0-5d0e-5f3a-9a43-1f2e3d4c5b6b", store.MessageUpdate, repeat
	return n
}

func ended(state store.State, reason string) notice.Notice {
	n := risingLoss()
	n.Event, n.Finding, n.Link = store.MessageRunEnded, store.Finding{}, ""
	at := SpecimenTime.Add(3 * time.Minute)
	n.Run.State, n.Run.EndReason, n.Run.EndedAt, n.Run.LastSignAt = state, reason, &at, at
	if state != store.StateCompleted {
		n.Symptoms = []store.Finding{risingLoss().Finding}
	}
	return n
}

func digest() notice.Notice {
	failed, good, bad := ended(store.StateFailed, "killed"), ended(store.StateCompleted, ""), resolved()
	bad.Run.State = store.StateCompleted
	row := func(n notice.Notice, findings ...store.Finding) notice.DigestRun {
		return notice.DigestRun{Run: n.Run, Findings: findings, Commands: n.Commands, Epochs: len(n.Epochs)}
	}
	good.Commands = nil
	training := risingLoss()
	training.Run.Name = hostile().Run.Name
	return notice.Notice{
		ID: "d1", Event: store.MessageDigest, Receiver: "team", CreatedAt: SpecimenTime,
		Digest: &notice.Digest{
			Name: "daily", From: SpecimenTime.Add(-24 * time.Hour), To: SpecimenTime,
			Ended:   []notice.DigestRun{row(failed), row(good), row(bad, bad.Finding)},
			Running: []notice.DigestRun{row(training, training.Finding)},
		},
	}
}
