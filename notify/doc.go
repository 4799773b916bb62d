// Package notify tells people about findings: who hears of one, by which channel, and what
// became of each message.
//
//	finding ──> Announce: the tree of routes ──> store.Message, one a channel   (pure, in ingest's transaction)
//	job     ──> Handler: sending ──> Channel.Send ──> sent, failed or dead      (each step on record)
//
// # What is promised
//
// A finding is told once per receiver and channel. The id of a message is made from the
// finding, receiver, channel and event, so however often the event that led to it is
// delivered, there is one message. Before a message is handed over, that is recorded; so a
// try whose answer was lost (the daemon died, the service answered too late) is known as
// such, and the next one takes care:
//
//	slack, bot        looks in the channel's history for the message first
//	slack, webhook    sends again: worst case the message is there twice
//	email             sends again with the same Message-ID; most mailboxes show one mail
//	webhook           sends again with the same webhook-id, for the receiver to know it by
//	log               writes again
//
// A resolution is told only where the firing was, and after it.
//
// # What keeps one receiver from delaying another
//
// Each message is a job of its own. A channel has a [gate]: at most two messages are with a
// service at once, and while it is down or has asked for a pause, its messages go back to the
// queue without holding a worker.
//
// Grouping, repeats and silences are to come between Announce and the queue: group_by,
// group_wait and repeat_interval are read and checked, and one finding is one message.
package notify

import "github.com/epochwatch/epochwatch/notify/notice"

// Notice is one message with all it speaks of.
type Notice = notice.Notice

// Channel is one way to reach people.
type Channel = notice.Channel
