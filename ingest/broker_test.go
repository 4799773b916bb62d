package ingest

import (
	"context"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// broker is an embedded server with the daemon's stream, of one partition.
type broker struct {
	options  server.Options
	server   *server.Server
	js       jetstream.JetStream
	stream   jetstream.Stream
	consumer func() jetstream.Consumer // a handle of its own, as another daemon has one
}

func newBroker(t testing.TB) *broker {
	t.Helper()
	ctx := t.Context()
	b := &broker{options: server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), SyncAlways: true, NoSigs: true, NoLog: true,
	}}
	b.start(t)
	t.Cleanup(func() { b.stop() })
	connect := func() jetstream.JetStream {
		nc, err := nats.Connect(b.server.ClientURL(), nats.ReconnectWait(50*time.Millisecond), nats.MaxReconnects(-1))
		require.NoError(t, err)
		t.Cleanup(func() { closed(t, nc) })
		js, err := jetstream.New(nc)
		require.NoError(t, err)
		return js
	}
	b.js = connect()
	var err error
	b.stream, err = b.js.CreateStream(ctx, jetstream.StreamConfig{
		Name: "EPOCHWATCH", Subjects: []string{"epochwatch.v1.*.*.event"},
		SubjectTransform: &jetstream.SubjectTransformConfig{
			Source: "epochwatch.v1.*.*.event", Destination: "epochwatch.v1.p.{{partition(1,1,2)}}.{{wildcard(1)}}.{{wildcard(2)}}.event",
		},
	})
	require.NoError(t, err)
	_, err = b.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "ingest-0", FilterSubject: "epochwatch.v1.p.0.>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 2 * time.Second,
		PriorityPolicy: jetstream.PriorityPolicyPinned, PriorityGroups: []string{priorityGroup}, PinnedTTL: 2 * time.Second,
	})
	require.NoError(t, err)
	b.consumer = func() jetstream.Consumer {
		c, err := connect().Consumer(ctx, "EPOCHWATCH", "ingest-0")
		require.NoError(t, err)
		return c
	}
	return b
}

// start starts the server, again on the port and with the files it had.
func (b *broker) start(t testing.TB) {
	t.Helper()
	o := b.options
	srv, err := server.NewServer(&o)
	require.NoError(t, err)
	srv.Start()
	require.True(t, srv.ReadyForConnections(10*time.Second))
	b.server = srv
	b.options.Port = srv.Addr().(*net.TCPAddr).Port
}

func (b *broker) stop() {
	b.server.Shutdown()
	b.server.WaitForShutdown()
}

// closed closes a connection and waits until it is.
func closed(t testing.TB, nc *nats.Conn) {
	done := make(chan struct{})
	nc.SetClosedHandler(func(*nats.Conn) { close(done) })
	nc.Close()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Error("the connection does not close")
	}
}

func (b *broker) publish(t testing.TB, events ...contract.Event) {
	t.Helper()
	for _, m := range messages(t, events...) {
		e, err := contract.DecodeEvent(m.data)
		require.NoError(t, err)
		b.publishRaw(t, contract.EventSubject(e.Project, e.Run), contract.MessageID(e.Run, e.Attempt, e.Seq), m.data)
	}
}

func (b *broker) publishRaw(t testing.TB, subject, id string, data []byte) {
	t.Helper()
	_, err := b.js.Publish(t.Context(), subject, data, jetstream.WithMsgID(id))
	require.NoError(t, err)
}

// unacknowledged is how much the broker has not been told is stored.
func (b *broker) unacknowledged(t *testing.T) int {
	t.Helper()
	c, err := b.stream.Consumer(t.Context(), "ingest-0")
	require.NoError(t, err)
	info, err := c.Info(t.Context())
	require.NoError(t, err)
	return info.NumAckPending + int(info.NumPending)
}

// drained waits until everything is acknowledged: that happens after the commit.
func (b *broker) drained(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return b.unacknowledged(t) == 0 }, 20*time.Second, 10*time.Millisecond)
}

// works starts a Work that ends with the test or when the returned function is called.
func works(t testing.TB, s *Service, c jetstream.Consumer) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Work(ctx, c) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-done:
				if err != nil {
					t.Error(err)
				}
			case <-time.After(10 * time.Second):
				t.Error("Work does not end")
			}
		})
	}
	t.Cleanup(stop)
	return stop
}

// telling is a store that says when a transaction was committed.
type tellingStore struct {
	store.Store
	commits chan struct{}
}

func (s *tellingStore) Ingest(ctx context.Context, fn func(store.Tx) error) error {
	err := s.Store.Ingest(ctx, fn)
	select {
	case s.commits <- struct{}{}:
	default: // one is waiting to be read
	}
	return err
}

// until waits for a condition, looked at after each commit.
func (s *tellingStore) until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.After(30 * time.Second)
	for !cond() {
		select {
		case <-s.commits:
		case <-deadline:
			require.Fail(t, "waited too long", what)
		}
	}
}

func onSQLite(t testing.TB) *tellingStore {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return &tellingStore{Store: st, commits: make(chan struct{}, 1)}
}

func epochsOf(t testing.TB, st store.Store, run string) int {
	t.Helper()
	r, err := st.FindRun(t.Context(), "default", run)
	if err != nil {
		require.ErrorIs(t, err, store.ErrNotFound)
		return 0
	}
	epochs, err := st.ListEpochs(t.Context(), r.PK)
	require.NoError(t, err)
	return len(epochs)
}

func stateIs(t testing.TB, st store.Store, run string, want store.State) bool {
	t.Helper()
	r, err := st.FindRun(t.Context(), "default", run)
	if err != nil {
		require.ErrorIs(t, err, store.ErrNotFound)
		return false
	}
	return r.State == want
}

func TestPoisonInTheStreamStopsNothingBehindIt(t *testing.T) {
	t.Parallel()
	b, st := newBroker(t), onSQLite(t)
	events := lesson("r1")
	good := messages(t, events...)
	b.publish(t, events[:3]...)
	b.publishRaw(t, "epochwatch.v1.default.r1.event", "truncated", good[3].data[:40])
	b.publishRaw(t, "epochwatch.v1.default.r1.event", "large", []byte(`{"pad":"`+strings.Repeat("x", contract.MaxMessageBytes)+`"}`))
	b.publishRaw(t, "epochwatch.v1.default.r2.event", "stranger", good[3].data)
	b.publishRaw(t, "epochwatch.v1.default.r1.event", "noise", []byte{0xff, 0x00, 0x01})
	b.publish(t, events[3:]...)
	stop := works(t, service(t, Options{Store: st, Now: time.Now}), b.consumer())
	st.until(t, "the end of the run", func() bool { return stateIs(t, st, "r1", store.StateCompleted) })
	stop()
	p := pictureOf(t.Context(), t, st, "r1")
	require.Equal(t, store.StateCompleted, p.Run.State)
	refused, err := st.ListQuarantined(t.Context(), 10)
	require.NoError(t, err)
	reasons := map[string]contract.Reason{}
	for _, q := range refused {
		reasons[q.MessageID] = q.Reason
	}
	require.Equal(t, map[string]contract.Reason{
		"truncated": contract.ReasonMalformed, "large": contract.ReasonTooLarge, "stranger": contract.ReasonSubject, "noise": contract.ReasonMalformed,
	}, reasons)
	b.drained(t)
}

func TestAnotherDaemonTakesOver(t *testing.T) {
	t.Parallel()
	b, st := newBroker(t), onSQLite(t)
	o := Options{Store: st, Now: time.Now, Announcer: toTeam{}, Policy: everyThird{always: true}}
	r := newTrainer("r1", first).started().epochs(0, 0.9, math.NaN(), 0.7, 0.6)
	stop := works(t, service(t, o), b.consumer())
	b.publish(t, r.out...)
	st.until(t, "the first daemon", func() bool { return epochsOf(t, st, "r1") == 4 })
	works(t, service(t, o), b.consumer())
	stop()
	n := len(r.out)
	r.epochs(4, math.NaN(), 0.5, 0.4).ended(contract.EndCompleted)
	b.publish(t, r.out[n:]...)
	st.until(t, "the second daemon", func() bool { return epochsOf(t, st, "r1") == 7 })

	straight := newMemStore()
	o.Store = straight
	s := service(t, o)
	for _, e := range r.out {
		deliver(t.Context(), t, s, e)
	}
	want, got := pictureOf(t.Context(), t, straight, "r1"), pictureOf(t.Context(), t, st, "r1")
	require.Equal(t, want.Findings, got.Findings)
	require.Equal(t, want.Messages, got.Messages)
	require.Equal(t, want.Epochs, got.Epochs)
}

func TestWorkGoesOnWhenTheBrokerStartsAnew(t *testing.T) {
	t.Parallel()
	b, st := newBroker(t), onSQLite(t)
	events := lesson("r1")
	s := service(t, Options{Store: st, Now: time.Now})
	works(t, s, b.consumer())
	b.publish(t, events[:3]...)
	st.until(t, "the first epochs", func() bool { return epochsOf(t, st, "r1") == 2 })
	b.drained(t)
	b.stop()
	require.Eventually(t, func() bool {
		_, heard := s.listening.since(time.Now())
		return !heard
	}, 20*time.Second, 10*time.Millisecond, "a run silent meanwhile would be lost")
	b.start(t)
	require.Eventually(t, b.js.Conn().IsConnected, 10*time.Second, 10*time.Millisecond)
	b.publish(t, events[3:]...)
	st.until(t, "the end of the run", func() bool { return stateIs(t, st, "r1", store.StateCompleted) })
	require.Equal(t, 5, epochsOf(t, st, "r1"))
	b.drained(t)
}

// forgetful is a consumer whose acknowledgements get lost: the daemon dies between commit
// and acknowledgement.
type forgetful struct{ jetstream.Consumer }

type forgetfulMessages struct{ jetstream.MessagesContext }

type forgetfulMsg struct{ jetstream.Msg }

func (forgetfulMsg) Ack() error { return nil }

func (c forgetful) Messages(opts ...jetstream.PullMessagesOpt) (jetstream.MessagesContext, error) {
	m, err := c.Consumer.Messages(opts...)
	return forgetfulMessages{m}, err
}

func (m forgetfulMessages) Next(opts ...jetstream.NextOpt) (jetstream.Msg, error) {
	msg, err := m.MessagesContext.Next(opts...)
	if err != nil {
		return nil, err
	}
	return forgetfulMsg{msg}, nil
}

func TestACrashBetweenCommitAndAcknowledgementDoublesNothing(t *testing.T) {
	t.Parallel()
	b, st := newBroker(t), onSQLite(t)
	o := Options{Store: st, Now: time.Now, Announcer: toTeam{}, Policy: everyThird{always: true}}
	events := lesson("r1")
	stop := works(t, service(t, o), forgetful{b.consumer()})
	b.publish(t, events...)
	st.until(t, "the end of the run", func() bool { return stateIs(t, st, "r1", store.StateCompleted) })
	stop()
	require.Equal(t, len(events), b.unacknowledged(t))
	want := pictureOf(t.Context(), t, st, "r1")
	works(t, service(t, o), b.consumer())
	b.drained(t)
	require.Equal(t, want, pictureOf(t.Context(), t, st, "r1"))
	require.NotEmpty(t, want.Commands)
}

func TestAnyOrderOfArrivalStoresTheSameOnSQLite(t *testing.T) {
	t.Parallel()
	anyOrder(t, [2]store.Store{onSQLite(t).Store, onSQLite(t).Store})
}

func TestTwoDaemonsDoubleNothingOnSQLite(t *testing.T) {
	t.Parallel()
	twoDaemons(t, onSQLite(t).Store, onSQLite(t).Store)
}

func TestManyRunsAtOnce(t *testing.T) {
	t.Parallel()
	b, st := newBroker(t), onSQLite(t)
	works(t, service(t, Options{Store: st, Now: time.Now}), b.consumer())
	for i := range 30 {
		b.publish(t, lesson(fmt.Sprint("r", i))...)
	}
	st.until(t, "all runs", func() bool {
		runs, err := st.ListRuns(t.Context(), store.RunFilter{State: store.StateCompleted})
		require.NoError(t, err)
		return len(runs) == 30
	})
	for i := range 30 {
		require.Equal(t, 5, epochsOf(t, st, fmt.Sprint("r", i)))
	}
}
