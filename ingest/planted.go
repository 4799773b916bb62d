//go:build !planted_ack_first

package ingest

// ackFirst has batches acknowledged before they are committed. It exists so that the kill
// tests can be shown to fail: see planted_ack_first.go.
const ackFirst = false
