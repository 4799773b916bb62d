package bus

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// Stream is the name of the stream that holds the events of all runs.
const Stream = "EPOCHWATCH"

// Group is the priority group under which daemons pull.
const Group = "ingest"

const (
	// maxAge is how long events stay in the stream; the store keeps them longer.
	maxAge = 30 * 24 * time.Hour
	// duplicates is how long JetStream itself drops a second event of one Nats-Msg-Id, which
	// covers a publisher that lost its connection; the store drops it for ever. Each
	// id in the window costs memory.
	duplicates = 10 * time.Minute
	// ackWait is when an event that is not acknowledged is due again. A worker that takes
	// longer reports progress.
	ackWait = 3 * time.Second
	// pinnedTTL is how long a daemon stays pinned without a pull. With pulls that expire
	// after half of it, it is not less than ackWait and one pull together: see doc.go.
	pinnedTTL = 6 * time.Second
	// maxAckPending bounds what is handed out and not acknowledged.
	maxAckPending = 1000
)

// streamConfig is the stream as it must be.
func streamConfig(partitions, replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:        Stream,
		Description: "events of training runs",
		Subjects:    []string{contract.EventSubject("*", "*")},
		// Acknowledged events stay until they are old: a store that was lost can be filled again.
		Retention:  jetstream.LimitsPolicy,
		Discard:    jetstream.DiscardOld,
		Storage:    jetstream.FileStorage,
		Replicas:   replicas,
		MaxAge:     maxAge,
		Duplicates: duplicates,
		// Nobody takes events out by the API, least of all a trainer who has the server send
		// an acknowledgement, which reads like a request to purge, to the API.
		DenyDelete: true,
		DenyPurge:  true,
		// Project and run together choose the partition; the stored subject still names both.
		SubjectTransform: &jetstream.SubjectTransformConfig{
			Source:      contract.EventSubject("*", "*"),
			Destination: storedSubject(fmt.Sprintf("{{partition(%d,1,2)}}", partitions), "{{wildcard(1)}}", "{{wildcard(2)}}"),
		},
	}
}

// storedSubject is the subject under which the stream stores an event of the run.
func storedSubject(partition, project, run string) string {
	return "epochwatch.v1.p." + partition + "." + project + "." + run + ".event"
}

// consumerConfig is the consumer of one partition as it must be.
func consumerConfig(partition int) jetstream.ConsumerConfig {
	return jetstream.ConsumerConfig{
		Durable:        "ingest-" + strconv.Itoa(partition),
		Description:    "one partition of the runs, for one daemon at a time",
		FilterSubject:  storedSubject(strconv.Itoa(partition), "*", "*"),
		DeliverPolicy:  jetstream.DeliverAllPolicy,
		AckPolicy:      jetstream.AckExplicitPolicy,
		AckWait:        ackWait,
		MaxDeliver:     -1, // nothing is given up; what cannot be read is put in quarantine
		MaxAckPending:  maxAckPending,
		ReplayPolicy:   jetstream.ReplayInstantPolicy,
		PriorityPolicy: jetstream.PriorityPolicyPinned,
		PriorityGroups: []string{Group},
		PinnedTTL:      pinnedTTL,
	}
}
