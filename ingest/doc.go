// Package ingest takes events from NATS to a committed transaction.
//
// A worker for each partition takes a batch, decodes it, drops what was seen, folds
// what is in order into the run's monitor, and stores epochs, findings, commands and
// messages in one transaction. Only then does it acknowledge. Delivery in is therefore
// at least once, and storing is idempotent: epochs by (run, attempt, sequence), findings
// by (run, kind, metric, onset), commands by (run, attempt, cause, kind). When the
// database is away nothing is acknowledged and nothing is lost.
package ingest
