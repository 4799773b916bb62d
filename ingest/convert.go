package ingest

import (
	"fmt"
	"math"

	"github.com/google/uuid"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// findings is the namespace of the ids of findings.
var findings = uuid.MustParse("0c9b6bb5-8a0f-5d4e-9a57-2f3f4a1b7c61")

// FindingID returns the id of a finding: the same for the same run and key always.
func FindingID(run store.RunKey, k detectors.Key) string {
	// %q keeps a metric with a slash from reading like another key.
	return uuid.NewSHA1(findings, fmt.Appendf(nil, "%s/%s/%s/%q/%d", run.Project, run.ID, k.Kind, k.Metric, k.Onset)).String()
}

// Epoch returns a stored epoch as a monitor folds it.
func Epoch(e store.Epoch) detectors.Epoch {
	return detectors.Epoch{
		Epoch: e.Epoch, Attempt: e.Attempt, Seq: e.Seq, Time: e.EndedAt,
		Seconds: orNaN(e.Seconds), LearningRate: orNaN(e.LearningRate),
		Metrics: e.Metrics, FirstBatchLoss: orNaN(e.FirstBatchLoss),
	}
}

func orNaN(p *float64) float64 {
	if p == nil {
		return math.NaN()
	}
	return *p
}

// epochRow is the row of an epoch_ended event.
func epochRow(runPK int64, e contract.Event) store.Epoch {
	b := e.EpochEnded
	metrics := make(map[string]float64, len(b.Metrics))
	for name, v := range b.Metrics {
		metrics[name] = float64(v)
	}
	return store.Epoch{
		RunPK: runPK, Attempt: e.Attempt, Seq: e.Seq, Epoch: b.Epoch, EndedAt: e.Time,
		Seconds: float(b.Seconds), LearningRate: float(b.LearningRate), Step: b.Step,
		FirstBatchLoss: float(b.FirstBatchLoss), Metrics: metrics,
	}
}

func float(n *contract.Number) *float64 {
	if n == nil {
		return nil
	}
	f := float64(*n)
	return &f
}
