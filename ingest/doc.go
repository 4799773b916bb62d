// Package ingest takes events from NATS to a committed transaction.
//
// A Service has one Work for each partition. It takes a batch, decodes it, drops what was
// seen, folds what is in order into the run's monitor, and stores epochs, findings,
// commands and messages in one transaction. Only then does it acknowledge, and hand the
// commands to the run. Delivery in is therefore at least once, and storing is idempotent:
// epochs by (run, attempt, sequence), findings by (run, kind, metric, onset), commands by
// (run, attempt, cause, kind). When the database is away nothing is acknowledged and
// nothing is lost. One Watch does what only time brings about.
//
// # Order
//
// An attempt's events are folded in the order of their numbers; attempts in the order of
// their ids. What comes before its turn is held; what comes after its turn (its gap was
// given up, or a later attempt was folded into already) is stored and the monitor rebuilt
// from all stored epochs. A stored finding that the rebuilt monitor no longer gives stays
// as resolved, with the reason ReasonWithdrawn.
//
// # Memory
//
// What is remembered of a run between transactions (monitor, findings, commands) is good
// only at the run's revision. Whoever changes one of these in the store must therefore
// lock the run and raise its revision. A transaction takes the memory out of the cache
// and puts it back after the commit, so that one that is rolled back, or run again,
// leaves nothing behind.
//
// # What cannot be stored
//
// A message that is no event goes to the quarantine. When a transaction fails because of
// what is in it (the store says so with a *store.PermanentError, or something panicked),
// the batch is halved until the event at fault is alone, and that goes to the quarantine
// too. Any other failure is the database's, and is waited out.
package ingest
