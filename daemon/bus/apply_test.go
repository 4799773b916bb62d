package bus_test

import (
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
)

func TestStartingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	js, err := jetstream.New(connect(t, s.ClientURL(), ""))
	require.NoError(t, err)
	configs := func() (out []any) {
		stream, err := js.Stream(t.Context(), bus.Stream)
		require.NoError(t, err)
		out = append(out, stream.CachedInfo().Config, stream.CachedInfo().Created)
		for c := range stream.ListConsumers(t.Context()).Info() {
			out = append(out, c.Config, c.Created)
		}
		return out
	}
	start(t, bus.Options{URLs: []string{s.ClientURL()}})
	before := configs()
	require.Len(t, before, 2+2*4)
	start(t, bus.Options{URLs: []string{s.ClientURL()}})
	require.Equal(t, before, configs())
}

func TestManyDaemonsMayStartAtOnce(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range cap(errs) {
		wg.Go(func() {
			b, err := bus.Start(t.Context(), bus.Options{URLs: []string{s.ClientURL()}})
			if err == nil {
				err = b.Close(t.Context())
			}
			errs <- err
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		require.NoError(t, err)
	}
}

func TestAStreamWithOtherSettingsIsReported(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	js, err := jetstream.New(connect(t, s.ClientURL(), ""))
	require.NoError(t, err)
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: bus.Stream, Subjects: []string{"epochwatch.v1.*.*.event"}, Storage: jetstream.MemoryStorage, MaxAge: time.Hour,
	})
	require.NoError(t, err)

	_, err = bus.Start(t.Context(), bus.Options{URLs: []string{s.ClientURL()}})
	var differs *bus.SettingsError
	require.ErrorAs(t, err, &differs)
	require.Equal(t, "stream EPOCHWATCH", differs.What)
	require.Equal(t, []bus.Difference{
		{"subject_transform", "none", "epochwatch.v1.*.*.event to epochwatch.v1.p.{{partition(4,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.event"},
		{"storage", "Memory", "File"},
		{"max_age", "1h0m0s", "720h0m0s"},
		{"duplicate_window", "2m0s", "10m0s"},
		{"deny_delete", "false", "true"},
		{"deny_purge", "false", "true"},
	}, differs.Differences)
	require.ErrorContains(t, err, "max_age is 1h0m0s, not 720h0m0s")
	require.ErrorContains(t, err, s.ClientURL())
	require.NotContains(t, err.Error(), "\n")

	stream, err := js.Stream(t.Context(), bus.Stream)
	require.NoError(t, err)
	require.Equal(t, time.Hour, stream.CachedInfo().Config.MaxAge, "nothing was changed")
	require.Zero(t, stream.CachedInfo().State.Consumers)
}

func TestAnotherNumberOfPartitionsIsReported(t *testing.T) {
	t.Parallel()
	o := bus.Options{Listen: "127.0.0.1:0", Dir: t.TempDir(), Token: token}
	b, err := bus.Start(t.Context(), o)
	require.NoError(t, err)
	closeBus(t, b)

	o.Partitions = 8
	_, err = bus.Start(t.Context(), o)
	var differs *bus.SettingsError
	require.ErrorAs(t, err, &differs)
	require.Len(t, differs.Differences, 1)
	require.Equal(t, "subject_transform", differs.Differences[0].Field)

	o.Partitions = 4
	start(t, o) // the failed start left nothing running
}

func TestAConsumerWithOtherSettingsIsReported(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	start(t, bus.Options{URLs: []string{s.ClientURL()}})
	js, err := jetstream.New(connect(t, s.ClientURL(), ""))
	require.NoError(t, err)
	c, err := js.Consumer(t.Context(), bus.Stream, "ingest-2")
	require.NoError(t, err)
	config := c.CachedInfo().Config
	config.AckWait, config.PriorityPolicy, config.PriorityGroups, config.PinnedTTL = time.Minute, jetstream.PriorityPolicyNone, nil, 0
	require.NoError(t, js.DeleteConsumer(t.Context(), bus.Stream, "ingest-2"))
	_, err = js.CreateConsumer(t.Context(), bus.Stream, config)
	require.NoError(t, err)

	_, err = bus.Start(t.Context(), bus.Options{URLs: []string{s.ClientURL()}})
	var differs *bus.SettingsError
	require.ErrorAs(t, err, &differs)
	require.Equal(t, "consumer ingest-2", differs.What)
	require.Equal(t, []bus.Difference{
		{"ack_wait", "1m0s", "3s"},
		{"priority_policy", "none", "pinned_client"},
		{"priority_groups", "none", "ingest"},
		{"priority_timeout", "0s", "6s"},
	}, differs.Differences)
}

func TestReplicasNeedACluster(t *testing.T) {
	t.Parallel()
	s := outside(t, nil)
	_, err := bus.Start(t.Context(), bus.Options{URLs: []string{s.ClientURL()}, Replicas: 3})
	require.ErrorContains(t, err, "preparing stream EPOCHWATCH")
	require.ErrorContains(t, err, "replicas")
}
