package contract

import "time"

// CommandKind names what a command wants.
type CommandKind string

// The command kinds of version 1.
const (
	KindReduceLR CommandKind = "reduce_lr" // lower the learning rate, within factor and floor
	KindSetLR    CommandKind = "set_lr"    // set the learning rate
	KindRollback CommandKind = "rollback"  // back to the best weights, with a cut
	KindStop     CommandKind = "stop"      // end the run
	KindRevert   CommandKind = "revert"    // take an earlier command back
)

// ByPolicy is who issues what the daemon decides by itself; no person goes by that name.
const ByPolicy = "policy"

// Command is one message of the daemon to a run. The run applies it at most once,
// at an epoch boundary, and only while all of Expected, the bounds and the expiry
// hold; otherwise it answers why not.
type Command struct {
	Version int         `json:"version"`
	Type    string      `json:"type"` // always "command"
	ID      string      `json:"id"`   // a repeated id is the same command; deciding twice gives the same
	Kind    CommandKind `json:"kind"`
	Project string      `json:"project"`
	Run     string      `json:"run"`
	Attempt string      `json:"attempt"`
	// CausedBy is the sequence number of the event that led to the command.
	CausedBy int64 `json:"caused_by"`
	// Optimizer addresses one of several optimizers by its name. Empty means the model's; where
	// several train, Expected and Wanted are then the main one's, and all are changed by the
	// same factor.
	Optimizer string `json:"optimizer,omitempty"`
	// Expected is the learning rate the daemon believes to be in force; the run
	// refuses when it finds another (relative tolerance 1e-5: optimizers hold float32).
	Expected *Number `json:"expected,omitempty"`
	// Wanted is the learning rate to set; absent for stop and revert.
	Wanted *Number `json:"wanted,omitempty"`
	// Reverts is the id of the command that a revert takes back.
	Reverts string `json:"reverts,omitempty"`
	// KeepWeights, of a stop, leaves the weights as they are. Without it a stop puts the best
	// ones back where the owner allows rollback as well.
	KeepWeights bool `json:"keep_weights,omitempty"`
	// Bounds repeats the bounds the daemon decided within.
	Bounds Control `json:"bounds,omitzero"`
	Reason string  `json:"reason,omitempty"`
	// IssuedBy is ByPolicy or the name of a person.
	IssuedBy     string    `json:"issued_by,omitempty"`
	IssuedAt     time.Time `json:"issued_at"`
	ExpiresAt    time.Time `json:"expires_at"`
	ExpiresEpoch int       `json:"expires_epoch"` // not applied for an epoch after this one
}
