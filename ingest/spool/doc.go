// Package spool delivers what training processes left on disk: events that the callback
// accepted and the broker had not acknowledged when the process died.
//
// DATA/spool/<project>.<run>.<attempt>.jsonl holds a header line and one event a line,
// exactly the bytes that are published; <project>.<run>.<attempt>.acked beside it holds the
// sequence number up to which everything is acknowledged. The owner holds an exclusive
// lock on the .jsonl. Whoever gets the lock delivers the rest, in order, and removes both
// files when all of it is acknowledged. Delivery is at least once; the broker and the
// store drop what they have seen.
package spool
