package contract

import "time"

// Version is the major version of the contract that this package speaks.
const Version = 1

// MaxMessageBytes is the largest message a reader accepts: 256 KiB. The callback
// trims what is long (layer lists, tags) to stay below it.
const MaxMessageBytes = 256 << 10

// MaxMetricName is the longest metric name in bytes of UTF-8: names are part of
// database keys, which are bounded.
const MaxMetricName = 512

// EventType names the body of an event.
type EventType string

// The event types of version 1.
const (
	TypeRunStarted    EventType = "run_started"
	TypeEpochEnded    EventType = "epoch_ended"
	TypeBatches       EventType = "batches"
	TypeHeartbeat     EventType = "heartbeat"
	TypeCommandResult EventType = "command_result"
	TypeRunEnded      EventType = "run_ended"
)

// Event is one message of a run to the daemon. Exactly the body that Type names
// is set; all are nil when the type is one this version does not know.
type Event struct {
	Version int       `json:"version"`
	Type    EventType `json:"type"`
	Project string    `json:"project"` // [A-Za-z0-9_-]{1,64}
	Run     string    `json:"run"`     // [A-Za-z0-9_-]{1,64}
	Attempt string    `json:"attempt"` // UUIDv7 of this fit(); attempts of a run sort by it
	Seq     int64     `json:"seq"`     // 1, 2, 3, … within the attempt
	Time    time.Time `json:"time"`    // the trainer's clock, RFC 3339, UTC

	RunStarted    *RunStarted    `json:"run_started,omitempty"`
	EpochEnded    *EpochEnded    `json:"epoch_ended,omitempty"`
	Batches       *Batches       `json:"batches,omitempty"`
	Heartbeat     *Heartbeat     `json:"heartbeat,omitempty"`
	CommandResult *CommandResult `json:"command_result,omitempty"`
	RunEnded      *RunEnded      `json:"run_ended,omitempty"`
}

// RunStarted is the first event of an attempt: what is trained, on what, and what
// the owner allows to be done to it. Every field may be missing.
type RunStarted struct {
	Facts // the same names as the file of `diagnose --context`

	Name      string   `json:"name,omitempty"`
	Tags      []string `json:"tags,omitempty"`
	Host      string   `json:"host,omitempty"`
	PID       int      `json:"pid,omitempty"`
	GitCommit string   `json:"git_commit,omitempty"`
	Callback  string   `json:"callback,omitempty"` // version of the epochwatch package
	Keras     string   `json:"keras,omitempty"`    // version
	Backend   string   `json:"backend,omitempty"`  // jax, tensorflow, torch
	Python    string   `json:"python,omitempty"`   // version
	Model     string   `json:"model,omitempty"`    // the model's name
	Outputs   []Output `json:"outputs,omitempty"`  // one for each output layer
	Schedule  string   `json:"schedule,omitempty"` // class of the learning rate schedule, when there is one
	// Optimizers lists all that could be found where there are several. Optimizer,
	// LearningRate and Schedule are then those of the main one, as far as there is one.
	Optimizers []Optimizer `json:"optimizers,omitempty"`
	Validation *bool       `json:"validation,omitempty"`
	Control    Control     `json:"control,omitzero"`
}

// Optimizer is one of several of a run.
type Optimizer struct {
	// Name is where it hangs in the model, and stays the same when the run is taken up
	// again: "optimizer", "d_optimizer", "g_opt.main", "optimizer.0". Commands address it so.
	Name         string  `json:"name,omitempty"`
	Optimizer    string  `json:"optimizer,omitempty"` // its class
	LearningRate *Number `json:"learning_rate,omitempty"`
	Schedule     string  `json:"schedule,omitempty"`
}

// Output describes one output layer of the model.
type Output struct {
	Name       string `json:"name,omitempty"`
	Units      int    `json:"units,omitempty"`
	Activation string `json:"activation,omitempty"` // seen through trailing Activation layers
	Loss       string `json:"loss,omitempty"`
}

// Mode says how far a daemon may go with a run.
type Mode string

// The modes, from nothing to everything; a daemon's policy only ever lowers it.
const (
	ModeOff    Mode = "off"    // nothing, not by a person either
	ModeShadow Mode = "shadow" // say what would be done
	ModeAsk    Mode = "ask"    // a person approves
	ModeAuto   Mode = "auto"   // within the bounds, without asking
)

// Control is what the run's owner allows. The callback enforces it again whatever
// arrives; the daemon can narrow it, never widen it.
type Control struct {
	Mode Mode `json:"mode,omitempty"`
	// MinLR is the floor of the learning rate.
	MinLR Number `json:"min_lr,omitempty"`
	// Factor is the gentlest step, 0 < hardest_factor <= factor < 1.
	Factor Number `json:"factor,omitempty"`
	// HardestFactor is the hardest step at once.
	HardestFactor Number `json:"hardest_factor,omitempty"`
	// MaxCuts is how many cuts a run may get, all attempts together.
	MaxCuts int `json:"max_cuts,omitempty"`
	// CooldownEpochs is how many epochs must end between two cuts.
	CooldownEpochs int `json:"cooldown_epochs,omitempty"`
	// Allow lists the command kinds the owner allows.
	Allow []CommandKind `json:"allow,omitempty"`
}

// EpochEnded reports one epoch.
type EpochEnded struct {
	Epoch        int               `json:"epoch"`                   // as Keras counts, from 0
	Metrics      map[string]Number `json:"metrics"`                 // the very keys and values of Keras' logs
	LearningRate *Number           `json:"learning_rate,omitempty"` // read from the optimizer at the end of the epoch
	// Optimizers gives the rate of each that trains, where there are several.
	Optimizers []Optimizer `json:"optimizers,omitempty"`
	Seconds    *Number     `json:"seconds,omitempty"` // duration by a monotonic clock
	Step       *int64      `json:"step,omitempty"`    // optimizer iterations so far
	// FirstBatchLoss is the loss of the run's first batch, before any update, when
	// it could be had for nothing.
	FirstBatchLoss *Number `json:"first_batch_loss,omitempty"`
	// Controllers names other callbacks seen to change the learning rate; each change is
	// told by one epoch.
	Controllers []string `json:"controllers,omitempty"`
	// Notes are sentences for people on what the callback did or noticed by itself: an older
	// rate in a restored checkpoint, weights that are kept the more rarely.
	Notes []string `json:"notes,omitempty"`
}

// Batches sums up consecutive batches, when the owner asked for it.
type Batches struct {
	Epoch   int                     `json:"epoch"`
	Batch   int                     `json:"batch"` // index of the last batch summed up
	Count   int                     `json:"count"`
	Metrics map[string]BatchSummary `json:"metrics"`
}

// BatchSummary describes one metric over the batches of a Batches event.
type BatchSummary struct {
	Mean Number `json:"mean"`
	Min  Number `json:"min"`
	Max  Number `json:"max"`
	Last Number `json:"last"`
}

// Heartbeat says that the training process lives; every 10 seconds.
type Heartbeat struct {
	Epoch *int `json:"epoch,omitempty"` // the epoch in progress
	// Spooled counts events that wait in the spool for an acknowledgement.
	Spooled int64 `json:"spooled,omitempty"`
}

// Outcome is the answer of a run to a command.
type Outcome string

// The outcomes.
const (
	OutcomeApplied Outcome = "applied"
	OutcomeRefused Outcome = "refused"
	OutcomeExpired Outcome = "expired"
)

// CommandResult answers one command; every command gets exactly one.
type CommandResult struct {
	ID      string      `json:"id"`
	Kind    CommandKind `json:"kind"` // as the command said, known or not
	Outcome Outcome     `json:"outcome"`
	Reason  string      `json:"reason,omitempty"` // why it was refused or expired; else what else was done
	// Before and After are read from the optimizer around the change.
	Before *Number `json:"before,omitempty"`
	After  *Number `json:"after,omitempty"`
	Epoch  *int    `json:"epoch,omitempty"` // the first epoch trained with the new value
}

// EndState says how an attempt ended.
type EndState string

// The ends of an attempt as the callback can tell them.
const (
	EndCompleted   EndState = "completed"   // fit returned, EarlyStopping included
	EndStopped     EndState = "stopped"     // by our command
	EndFailed      EndState = "failed"      // an exception
	EndInterrupted EndState = "interrupted" // Ctrl-C or SIGTERM
)

// RunEnded is the last event of an attempt.
type RunEnded struct {
	State  EndState `json:"state"`
	Reason string   `json:"reason,omitempty"` // exception class and message, or the command
	Epochs int      `json:"epochs"`           // how many epochs this attempt finished
}
