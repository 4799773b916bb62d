package detectors

import (
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Kind names what a finding says. The kinds are those of docs/detectors.md;
// KindHealthy is only ever the kind of a verdict.
type Kind string

// The kinds, in the order of the design's table.
const (
	KindLossNaN              Kind = "loss_nan"
	KindDivergence           Kind = "divergence"
	KindRisingLoss           Kind = "rising_loss"
	KindOverfitting          Kind = "overfitting"
	KindGeneralizationGap    Kind = "generalization_gap"
	KindLossAccuracyConflict Kind = "loss_accuracy_conflict"
	KindPlateau              Kind = "plateau"
	KindNotLearning          Kind = "not_learning"
	KindConstantMetric       Kind = "constant_metric"
	KindOscillation          Kind = "oscillation"
	KindSpike                Kind = "spike"
	KindNoisyValidation      Kind = "noisy_validation"
	KindSlowProgress         Kind = "slow_progress"
	KindLRTooLow             Kind = "lr_too_low"
	KindLRTooHigh            Kind = "lr_too_high"
	KindValBetterThanTrain   Kind = "val_better_than_train"
	KindMetricMismatch       Kind = "metric_mismatch"
	KindHeadLossMismatch     Kind = "head_loss_mismatch"
	KindInitialLoss          Kind = "initial_loss"
	KindEpochGap             Kind = "epoch_gap"
	KindStalled              Kind = "stalled"
	KindSlowEpoch            Kind = "slow_epoch"
	KindResumeRegression     Kind = "resume_regression"
	KindHealthy              Kind = "healthy"
)

// Severity orders findings by how much they should disturb a person.
type Severity string

// The severities, least first.
const (
	SeverityInfo     Severity = "info"
	SeverityWarning  Severity = "warning"
	SeverityCritical Severity = "critical"
)

// Rank returns 1 for info, 2 for warning, 3 for critical and 0 for anything else.
func (s Severity) Rank() int {
	switch s {
	case SeverityInfo:
		return 1
	case SeverityWarning:
		return 2
	case SeverityCritical:
		return 3
	}
	return 0
}

// Epoch is what a monitor folds: one epoch of a run, in the order of training.
type Epoch struct {
	Epoch          int                // as the source numbers it
	Attempt        string             // which fit() of the run; empty for a file
	Seq            int64              // in the attempt; 0 for a file
	Time           time.Time          // the trainer's clock at the end of the epoch; zero if not known
	Seconds        float64            // duration; NaN if not known
	LearningRate   float64            // NaN if not known
	Metrics        map[string]float64 // as Keras names them; read, never kept or changed
	FirstBatchLoss float64            // loss before any update; NaN if not known
}

// Clock is a clock reading handed to Monitor.Tick: detectors have no clock.
type Clock struct {
	Now time.Time
	// LastSign is when the daemon last heard anything of the run.
	LastSign time.Time
	// ListeningSince is since when the daemon has been able to hear it.
	ListeningSince time.Time
}

// Finding is one thing a detector has to say about a run.
type Finding struct {
	Kind     Kind
	Metric   string // the metric it was seen on, as Keras names it; may be empty
	Severity Severity
	// OnsetEpoch is where the trouble began, in hindsight; FiredEpoch is the
	// epoch at which the severity shown was reached; both as the source numbers.
	OnsetEpoch int
	FiredEpoch int
	// ResolvedEpoch is the first epoch at which it no longer held; nil while it does.
	ResolvedEpoch *int
	Confidence    float64 // 0 to 1
	Reason        string  // the branch of the decision, an enumerated word
	Summary       string  // one sentence for a person, with the numbers
	Evidence      map[string]contract.Number
	Advice        []string // what to try, in order
}

// Firing reports whether the finding still holds.
func (f *Finding) Firing() bool { return f.ResolvedEpoch == nil }

// Key identifies a finding within its run: it is opened once.
type Key struct {
	Kind   Kind
	Metric string
	Onset  int
}

// Key returns what identifies the finding within its run.
func (f *Finding) Key() Key { return Key{f.Kind, f.Metric, f.OnsetEpoch} }

// ChangeType says what happened to a finding.
type ChangeType string

// The changes of a finding, in the order of its life.
const (
	Opened    ChangeType = "opened"
	Escalated ChangeType = "escalated" // its severity rose
	Resolved  ChangeType = "resolved"
)

// Change is one step in the life of a finding. Finding is a copy as of the change.
type Change struct {
	Type    ChangeType
	Finding Finding
}

// Verdict reads all findings of a run together: the most likely cause first.
type Verdict struct {
	Kind       Kind
	Confidence float64 // 0 to 1
	Summary    string  // one or two sentences a knowing colleague would say
	Advice     []string
}
