// Package contract is the wire contract between a training process and the
// daemon, version 1: the events a run publishes, the commands it may receive,
// and how both are written as JSON.
//
// # Subjects
//
//	epochwatch.v1.<project>.<run>.event     run to daemon
//	epochwatch.v1.<project>.<run>.command   daemon to run
//
// # Shape of a message
//
// Every message is one JSON object with a common head and one body, held under
// the key that its type names:
//
//	{"version": 1, "type": "epoch_ended", "project": "default", "run": "r1",
//	 "attempt": "0197…", "seq": 7, "time": "2026-01-02T03:04:05.678901Z",
//	 "epoch_ended": {"epoch": 5, "metrics": {"loss": 0.7, "val_loss": "NaN"}, …}}
//
// Events of one attempt are one sequence, numbered from 1 without holes.
// Readers ignore unknown fields. A body whose type this version does not know
// keeps its place in the sequence and is otherwise ignored, so that a newer
// callback can talk to an older daemon.
//
// # Numbers
//
// Numbers are float64 and round-trip exactly. JSON cannot say NaN or Infinity,
// so a number that is not finite is one of the strings "NaN", "Infinity",
// "-Infinity" (protobuf's JSON mapping has the same rule). null is not a metric.
//
// # Golden messages
//
// The folder v1 holds the JSON Schemas and, under good and bad, the messages that
// the tests of both languages read. A change there is a change of the contract.
package contract
