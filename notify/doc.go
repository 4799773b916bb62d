// Package notify tells people about findings: who hears of one, by which channel, and what
// became of each message.
//
//	finding ──> Announce: the tree of routes ──> store.Join, a group      (pure, in ingest's transaction)
//	group   ──> Look: wait, interval, repeat ──> store.Message, one a channel (in a transaction of its own)
//	job     ──> Handler: sending ──> Channel.Send ──> sent, failed or dead (each step on record)
//
// # What is told together
//
// A group is a receiver, a route, and what its findings have in common (group_by). Its first
// message waits group_wait for more findings and is about all of them, the most likely cause
// first. While any of them fires, what is new is an update, group_interval after the message
// before; what is graver than all that was told waits no longer than a first message. When
// none fires any more, that is told at once; so a group is at most two messages an interval.
// What still holds for a run that trains is said again after repeat_interval.
//
// What a silence, the times of the route, or another finding (inhibit) keeps back is
// not told, the reason is on record, and it is told when that is over, if it still fires then.
//
// A receiver that is to be told of more than ten groups within a minute is told of the rest
// together, whatever group_by says: one message and its updates, a minute apart.
//
// The end of a run goes down the same routes, by itself, and waits for their times and for
// silences in its job: [Notifier.Ended]. More than ten that are to be told within a minute, or
// when a night is over, are one message.
//
// A digest is told by a schedule, and what it covers is stored with its message when it is due:
// LookDigests.
//
// What waits is in the database, and a look at it is one transaction at a time, so it does
// not matter which daemon looks, how often, or when one dies. What goes to the log alone is
// not grouped.
//
// # What is promised
//
// A finding is told once per receiver and channel. It is in one group of a receiver, and the
// id of a message is made from the finding that heads it (of an update: from the group and
// its number), so however often the event that led to it is delivered, there is one message. Before a message is handed over, that is recorded; so a
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
// service at once and one waits for a turn; the others, and all while the service is down or
// has asked for a pause, go back to the queue without holding a worker.
package notify

import "github.com/epochwatch/epochwatch/notify/notice"

// Notice is one message with all it speaks of.
type Notice = notice.Notice

// Channel is one way to reach people.
type Channel = notice.Channel
