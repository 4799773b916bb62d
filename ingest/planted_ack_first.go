//go:build planted_ack_first

package ingest

// ackFirst plants the fault that the kill tests are there to find. No release is built
// with this tag.
const ackFirst = true
