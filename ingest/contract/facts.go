package contract

// Task is what a model is trained to do.
type Task string

// The tasks.
const (
	TaskBinary     Task = "binary"
	TaskMulticlass Task = "multiclass"
	TaskMultilabel Task = "multilabel"
	TaskRegression Task = "regression"
	TaskUnknown    Task = "unknown"
)

// Facts is what a log cannot say about a training: it comes with run_started, or
// from the file of `diagnose --context`, under the same names. Any fact may be
// missing; a zero value means "not known", and pointers are used where zero or
// false says something.
type Facts struct {
	Task              Task     `json:"task,omitempty"`
	Classes           int      `json:"classes,omitempty"`
	Loss              string   `json:"loss,omitempty"`
	FromLogits        *bool    `json:"from_logits,omitempty"`
	OutputUnits       int      `json:"output_units,omitempty"`
	OutputActivation  string   `json:"output_activation,omitempty"`
	Optimizer         string   `json:"optimizer,omitempty"`
	LearningRate      *Number  `json:"learning_rate,omitempty"`
	MetricNames       []string `json:"metrics,omitempty"`
	BatchSize         int      `json:"batch_size,omitempty"`
	Samples           int64    `json:"samples,omitempty"`
	ValidationSamples int64    `json:"validation_samples,omitempty"`
	StepsPerEpoch     int64    `json:"steps_per_epoch,omitempty"`
	PlannedEpochs     int      `json:"planned_epochs,omitempty"`
	// InitialEpoch is the number of the first epoch of this attempt (fit's
	// initial_epoch, from 0).
	InitialEpoch int      `json:"initial_epoch,omitempty"`
	Params       int64    `json:"params,omitempty"`
	Layers       []string `json:"layers,omitempty"`
	X            *Sample  `json:"x,omitempty"`
	Y            *Sample  `json:"y,omitempty"`
}

// Sample holds cheap statistics of inputs or targets over a strided sample.
type Sample struct {
	Shape     []int64 `json:"shape,omitempty"` // of the sample, rows first
	Min       *Number `json:"min,omitempty"`
	Max       *Number `json:"max,omitempty"`
	Mean      *Number `json:"mean,omitempty"`
	Std       *Number `json:"std,omitempty"`
	NonFinite int64   `json:"non_finite,omitempty"`
	// Of targets only.
	Integer        *bool   `json:"integer,omitempty"`
	Distinct       int64   `json:"distinct,omitempty"`
	Width          int64   `json:"width,omitempty"`
	RowsSumToOne   *bool   `json:"rows_sum_to_1,omitempty"`
	CommonestShare *Number `json:"commonest_share,omitempty"` // 0 to 1
}
