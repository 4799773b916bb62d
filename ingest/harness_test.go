package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Attempts in the order of their UUIDv7.
const (
	first  = "01970000-0000-7000-8000-000000000001"
	second = "01970000-0000-7000-8000-000000000002"
	third  = "01970000-0000-7000-8000-000000000003"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// trainer makes the events of one attempt, in order.
type trainer struct {
	project, run, attempt string
	seq                   int64
	out                   []contract.Event
}

func newTrainer(run, attempt string) *trainer {
	return &trainer{project: "default", run: run, attempt: attempt}
}

func (r *trainer) next(t contract.EventType) *contract.Event {
	r.seq++
	r.out = append(r.out, contract.Event{
		Version: 1, Type: t, Project: r.project, Run: r.run, Attempt: r.attempt,
		Seq: r.seq, Time: start.Add(time.Duration(r.seq) * time.Second),
	})
	return &r.out[len(r.out)-1]
}

func (r *trainer) started() *trainer {
	r.next(contract.TypeRunStarted).RunStarted = &contract.RunStarted{
		Name: "digits", Facts: contract.Facts{Loss: "mse", PlannedEpochs: 20},
		Control: contract.Control{Mode: contract.ModeAuto},
	}
	return r
}

// epochs adds one epoch for each loss, numbered from the first given.
func (r *trainer) epochs(from int, losses ...float64) *trainer {
	for i, loss := range losses {
		rate, seconds := contract.Number(0.1), contract.Number(1)
		r.next(contract.TypeEpochEnded).EpochEnded = &contract.EpochEnded{
			Epoch: from + i, Metrics: map[string]contract.Number{"loss": contract.Number(loss)}, LearningRate: &rate, Seconds: &seconds,
		}
	}
	return r
}

func (r *trainer) heartbeat() *trainer {
	r.next(contract.TypeHeartbeat).Heartbeat = &contract.Heartbeat{}
	return r
}

func (r *trainer) batches(epoch int) *trainer {
	r.next(contract.TypeBatches).Batches = &contract.Batches{
		Epoch: epoch, Batch: 9, Count: 10, Metrics: map[string]contract.BatchSummary{"loss": {Mean: 1, Min: 0, Max: 2, Last: 1}},
	}
	return r
}

func (r *trainer) answer(id string, outcome contract.Outcome, epoch int) *trainer {
	before, after := contract.Number(0.1), contract.Number(0.05)
	r.next(contract.TypeCommandResult).CommandResult = &contract.CommandResult{
		ID: id, Kind: contract.KindReduceLR, Outcome: outcome, Before: &before, After: &after, Epoch: &epoch,
	}
	return r
}

func (r *trainer) ended(s contract.EndState) *trainer {
	r.next(contract.TypeRunEnded).RunEnded = &contract.RunEnded{State: s, Reason: "why", Epochs: 1}
	return r
}

// message is a jetstream.Msg of its own making.
type message struct {
	jetstream.Msg

	subject string
	header  nats.Header
	data    []byte
	seq     uint64
	pending uint64 // behind it

	mu             sync.Mutex
	acks, progress int
	onAck          func()
}

func (m *message) Data() []byte         { return m.data }
func (m *message) Subject() string      { return m.subject }
func (m *message) Headers() nats.Header { return m.header }

func (m *message) Metadata() (*jetstream.MsgMetadata, error) {
	return &jetstream.MsgMetadata{Sequence: jetstream.SequencePair{Stream: m.seq}, Timestamp: start, NumPending: m.pending}, nil
}

func (m *message) Ack() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.acks++
	if m.onAck != nil {
		m.onAck()
	}
	return nil
}

func (m *message) InProgress() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.progress++
	return nil
}

func (m *message) reported() (acks, progress int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.acks, m.progress
}

// messages gives the events the form in which the bus delivers them.
func messages(t require.TestingT, events ...contract.Event) []*message {
	out := make([]*message, len(events))
	for i, e := range events {
		data, err := contract.EncodeEvent(e)
		require.NoError(t, err)
		out[i] = &message{
			subject: fmt.Sprintf("epochwatch.v1.p.0.%s.%s.event", e.Project, e.Run), data: data, seq: uint64(i + 1),
			header: nats.Header{jetstream.MsgIDHeader: {contract.MessageID(e.Run, e.Attempt, e.Seq)}},
		}
	}
	return out
}

func arrivals(now time.Time, msgs ...*message) []*arrival {
	out := make([]*arrival, len(msgs))
	for i, m := range msgs {
		out[i] = read(m, now)
	}
	return out
}

// deliver settles one batch of events.
func deliver(ctx context.Context, t require.TestingT, s *Service, events ...contract.Event) {
	w := s.newWorker(nil)
	defer s.listening.leave(w.part)
	require.NoError(t, w.settle(ctx, arrivals(s.now(), messages(t, events...)...)))
}

// clock is a clock that stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: start.Add(time.Minute)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// sends is a Sender that remembers.
type sends struct {
	mu  sync.Mutex
	ids []string
}

func (s *sends) SendCommand(_ context.Context, c contract.Command) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, c.ID)
	return nil
}

func (s *sends) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.ids...)
}

// everyThird cuts after each epoch whose sequence number is divisible by three, whatever
// else is known, so that its commands depend on no order of arrival.
type everyThird struct{ always bool }

func (p everyThird) Decide(s Situation) []store.Command {
	last := len(s.Recent) - 1
	if s.Seq%3 != 0 || last < 0 || s.Replaying && !p.always {
		return nil
	}
	if !p.always && (s.Recent[last].Seq != s.Seq || s.Recent[last].Attempt != s.Attempt.ID) {
		return nil
	}
	wanted := contract.Number(0.05)
	return []store.Command{{
		Command: contract.Command{
			Version: 1, Type: "command", ID: fmt.Sprintf("%s-%s-%d", s.Run.ID, s.Attempt.ID[30:], s.Seq), Kind: contract.KindReduceLR,
			Project: s.Run.Project, Run: s.Run.ID, Attempt: s.Attempt.ID, CausedBy: s.Seq, Wanted: &wanted,
			IssuedAt: s.Now, ExpiresAt: s.Now.Add(time.Hour), ExpiresEpoch: 1000,
		},
		State: store.CommandSent, DecidedEpoch: s.Recent[last].Epoch,
	}}
}

// toTeam tells one receiver of everything.
type toTeam struct{}

func (toTeam) Announce(_ store.Run, event store.MessageEvent, f store.Finding, now time.Time) ([]store.Message, []store.Join) {
	return []store.Message{{
		ID: f.ID + "-" + string(event), FindingID: f.ID, Receiver: "team", Channel: "log",
		Event: event, State: store.MessageQueued, CreatedAt: now,
	}}, nil
}

func (toTeam) Ended(store.Run, time.Time) []store.Message { return nil }

func (toTeam) News([]store.Command, time.Time) []store.News { return nil }

func (toTeam) Stored() {}

// lines collects what was logged.
type lines struct {
	mu  sync.Mutex
	out strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(b)
}

func (l *lines) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *lines) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.out.String(), s)
}

// service returns a service on a store, with a clock of its own unless one is set.
func service(t require.TestingT, o Options) *Service {
	if o.Now == nil {
		o.Now = newClock().Now
	}
	s, err := New(o)
	require.NoError(t, err)
	return s
}

// picture is all that is stored of a run, times of the daemon's clock left out.
type picture struct {
	Run                                                    store.Run
	Attempts                                               []store.Attempt
	Epochs, Curve, Findings, Withdrawn, Commands, Messages []string
}

func pictureOf(ctx context.Context, t require.TestingT, st store.Store, run string) picture {
	r, err := st.FindRun(ctx, "default", run)
	require.NoError(t, err)
	var p picture
	p.Attempts, err = st.ListAttempts(ctx, r.PK)
	require.NoError(t, err)
	epochs, err := st.ListEpochs(ctx, r.PK)
	require.NoError(t, err)
	findings, err := st.ListFindings(ctx, r.PK)
	require.NoError(t, err)
	commands, err := st.ListCommands(ctx, r.PK)
	require.NoError(t, err)
	sent, err := st.ListMessages(ctx, r.PK)
	require.NoError(t, err)
	r.Revision, r.LastSignAt, r.PK = 0, time.Time{}, 0
	p.Run = r
	for i := range p.Attempts {
		p.Attempts[i].RunPK = 0
	}
	for _, e := range epochs {
		p.Epochs = append(p.Epochs, fmt.Sprint(e.Attempt, e.Seq, e.Epoch, e.Metrics))
	}
	for _, e := range store.Curve(epochs) {
		p.Curve = append(p.Curve, fmt.Sprint(e.Epoch, e.Attempt, e.Metrics))
	}
	for _, f := range findings {
		b, err := json.Marshal(f.Finding)
		require.NoError(t, err)
		if f.Reason == ReasonWithdrawn {
			p.Withdrawn = append(p.Withdrawn, string(b))
			continue
		}
		p.Findings = append(p.Findings, f.ID+string(b))
	}
	for _, c := range commands {
		p.Commands = append(p.Commands, fmt.Sprint(c.ID, c.State, c.Effect, c.AppliedEpoch != nil))
	}
	for _, m := range sent {
		p.Messages = append(p.Messages, m.ID)
	}
	slices.Sort(p.Messages)
	return p
}
