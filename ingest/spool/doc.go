// Package spool delivers what training processes left on disk: events that the callback
// accepted and the broker had not acknowledged when the process died.
//
// DATA/spool/<project>.<run>.<attempt>.jsonl holds a header line and one event a line,
// exactly the bytes that are published; <project>.<run>.<attempt>.acked beside it holds the
// sequence number up to which everything is acknowledged. The owner holds an exclusive
// lock on the .jsonl. Whoever gets the lock delivers the rest, in order of the file and a few
// at a time, and removes both files when all of it is acknowledged. Delivery is at least
// once, and the last few events may overtake one another; the broker and the store drop what
// they have seen, and the sequence numbers restore the order.
//
// A last line that was cut off was never accepted and is ignored. Any other line that is no
// event does not hold up the rest; the file is then kept under <same>.unread and not looked at again.
package spool
