// Package bus is NATS as the daemon uses it: a server embedded in the process, or an
// outside server or cluster; the stream and its consumers; and who may say what.
//
// # One event's way
//
//	a run publishes       epochwatch.v1.<project>.<run>.event
//	the stream stores it  epochwatch.v1.p.<n>.<project>.<run>.event, n = partition of (project, run)
//	consumer ingest-<n>   hands it to the one daemon that is pinned to partition n
//
// All events of a run are in one partition, in the order in which they were published.
// The stored subject still names project and run, so that a message which cannot be
// decoded is known by its sender, and one that claims to be of another run is found out.
//
// # Consumers
//
// The consumers are pull consumers with the priority group [Group]. A daemon pulls under
// that group; the first to do so is pinned, and the others wait. The pin is lost when no
// pull comes for PinnedTTL: pull with an expiry of at most PinnedTTL - AckWait, and report
// progress on what takes longer than AckWait. A message that is not acknowledged within
// AckWait is due again. AckWait plus that expiry is not more than PinnedTTL, so what a dead
// daemon left unacknowledged is due before the pin moves, and the next daemon gets it before
// anything new. Among messages that are delivered again JetStream keeps no order: only the
// sequence numbers do.
//
// # Who may say what
//
// The embedded server listens on a loopback address and knows two logins. The token of the
// data folder is a trainer: it may publish events, hear commands, and hear its own inbox.
// The daemon connects inside the process with a password that is made at each start and
// never written down. An outside server has its own rules; the same permissions belong there.
package bus
