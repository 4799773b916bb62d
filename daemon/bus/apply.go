package bus

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"
)

// SettingsError says that a stream or consumer is there already, with other settings than
// this daemon would give it. Nothing was changed.
type SettingsError struct {
	What        string // "stream EPOCHWATCH"
	Differences []Difference
}

// Difference is one setting that is not as it must be.
type Difference struct {
	Field, Have, Want string
}

func (e *SettingsError) Error() string {
	parts := make([]string, len(e.Differences))
	for i, d := range e.Differences {
		parts[i] = fmt.Sprintf("%s is %s, not %s", d.Field, d.Have, d.Want)
	}
	return fmt.Sprintf("%s is there with other settings: %s: "+
		"start with the settings it was made with, or remove it when every event in it was handled", e.What, strings.Join(parts, "; "))
}

// apply makes the stream and its consumers where they are missing. Two daemons may do so
// at once. What is there must be as declared in streams.go, else the error is a
// *SettingsError.
func apply(ctx context.Context, js jetstream.JetStream, partitions, replicas int) ([]jetstream.Consumer, error) {
	stream, err := applyStream(ctx, js, streamConfig(partitions, replicas))
	if err != nil {
		return nil, err
	}
	consumers := make([]jetstream.Consumer, partitions)
	for n := range consumers {
		if consumers[n], err = applyConsumer(ctx, stream, consumerConfig(n)); err != nil {
			return nil, err
		}
	}
	return consumers, nil
}

func applyStream(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := js.Stream(ctx, want.Name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		stream, err = js.CreateStream(ctx, want)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			stream, err = js.Stream(ctx, want.Name) // made by another daemon meanwhile, otherwise
		}
	}
	if err != nil {
		return nil, fmt.Errorf("preparing stream %s: %w", want.Name, err)
	}
	have := stream.CachedInfo().Config
	return stream, differ("stream "+want.Name, streamFields, have, want)
}

func applyConsumer(ctx context.Context, stream jetstream.Stream, want jetstream.ConsumerConfig) (jetstream.Consumer, error) {
	consumer, err := stream.Consumer(ctx, want.Durable)
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		consumer, err = stream.CreateConsumer(ctx, want)
		if errors.Is(err, jetstream.ErrConsumerExists) {
			consumer, err = stream.Consumer(ctx, want.Durable)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("preparing consumer %s: %w", want.Durable, err)
	}
	have := consumer.CachedInfo().Config
	return consumer, differ("consumer "+want.Durable, consumerFields, have, want)
}

// field is one setting that matters, as text.
type field[C any] struct {
	name string
	text func(C) string
}

// differ compares the settings that matter. What the server adds of its own (metadata,
// limits it defaults) does not.
func differ[C any](what string, fields []field[C], have, want C) error {
	var out []Difference
	for _, f := range fields {
		if h, w := f.text(have), f.text(want); h != w {
			out = append(out, Difference{Field: f.name, Have: h, Want: w})
		}
	}
	if len(out) == 0 {
		return nil
	}
	return &SettingsError{What: what, Differences: out}
}

// show is a value as text; a text without a character in it is shown as such.
func show(v any) string {
	if s := fmt.Sprint(v); s != "" {
		return s
	}
	return "none"
}

var streamFields = []field[jetstream.StreamConfig]{
	{"subjects", func(c jetstream.StreamConfig) string { return list(c.Subjects) }},
	{"subject_transform", func(c jetstream.StreamConfig) string { return transform(c.SubjectTransform) }},
	{"retention", func(c jetstream.StreamConfig) string { return show(c.Retention) }},
	{"discard", func(c jetstream.StreamConfig) string { return show(c.Discard) }},
	{"storage", func(c jetstream.StreamConfig) string { return show(c.Storage) }},
	{"num_replicas", func(c jetstream.StreamConfig) string { return show(c.Replicas) }},
	{"max_age", func(c jetstream.StreamConfig) string { return show(c.MaxAge) }},
	{"max_msgs", func(c jetstream.StreamConfig) string { return limit(c.MaxMsgs) }},
	{"max_bytes", func(c jetstream.StreamConfig) string { return limit(c.MaxBytes) }},
	{"max_msgs_per_subject", func(c jetstream.StreamConfig) string { return limit(c.MaxMsgsPerSubject) }},
	{"max_msg_size", func(c jetstream.StreamConfig) string { return limit(int64(c.MaxMsgSize)) }},
	{"duplicate_window", func(c jetstream.StreamConfig) string { return show(c.Duplicates) }},
	{"no_ack", func(c jetstream.StreamConfig) string { return show(c.NoAck) }},
	{"deny_delete", func(c jetstream.StreamConfig) string { return show(c.DenyDelete) }},
	{"deny_purge", func(c jetstream.StreamConfig) string { return show(c.DenyPurge) }},
	{"sealed", func(c jetstream.StreamConfig) string { return show(c.Sealed) }},
}

var consumerFields = []field[jetstream.ConsumerConfig]{
	{"filter_subject", func(c jetstream.ConsumerConfig) string { return show(c.FilterSubject) }},
	{"filter_subjects", func(c jetstream.ConsumerConfig) string { return list(c.FilterSubjects) }},
	{"deliver_policy", func(c jetstream.ConsumerConfig) string { return show(c.DeliverPolicy) }},
	{"deliver_subject", func(c jetstream.ConsumerConfig) string { return show(c.DeliverSubject) }},
	{"ack_policy", func(c jetstream.ConsumerConfig) string { return show(c.AckPolicy) }},
	{"ack_wait", func(c jetstream.ConsumerConfig) string { return show(c.AckWait) }},
	{"max_deliver", func(c jetstream.ConsumerConfig) string { return limit(int64(c.MaxDeliver)) }},
	{"max_ack_pending", func(c jetstream.ConsumerConfig) string { return show(c.MaxAckPending) }},
	{"replay_policy", func(c jetstream.ConsumerConfig) string { return show(c.ReplayPolicy) }},
	{"headers_only", func(c jetstream.ConsumerConfig) string { return show(c.HeadersOnly) }},
	{"priority_policy", func(c jetstream.ConsumerConfig) string { return policy(c.PriorityPolicy) }},
	{"priority_groups", func(c jetstream.ConsumerConfig) string { return list(c.PriorityGroups) }},
	{"priority_timeout", func(c jetstream.ConsumerConfig) string { return show(c.PinnedTTL) }},
}

// limit is a bound as text: servers say "none" as 0 or as -1.
func limit(n int64) string {
	if n <= 0 {
		return "unlimited"
	}
	return show(n)
}

func list(texts []string) string {
	s := slices.Clone(texts)
	slices.Sort(s)
	return show(strings.Join(s, " "))
}

func transform(t *jetstream.SubjectTransformConfig) string {
	if t == nil {
		return "none"
	}
	return t.Source + " to " + t.Destination
}

func policy(p jetstream.PriorityPolicy) string {
	switch p {
	case jetstream.PriorityPolicyNone:
		return "none"
	case jetstream.PriorityPolicyPinned:
		return "pinned_client"
	case jetstream.PriorityPolicyOverflow:
		return "overflow"
	default:
		return show(int(p))
	}
}
