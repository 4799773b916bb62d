package storetest

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func testEmpty(t *testing.T, s store.Store) {
	ctx := t.Context()
	_, err := s.FindRun(ctx, "p", "r")
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = s.FindMessage(ctx, "m")
	require.ErrorIs(t, err, store.ErrNotFound)
	require.ErrorIs(t, s.RecordDelivery(ctx, store.Delivery{MessageID: "m", At: start, State: store.MessageSent}), store.ErrNotFound)
	runs, err := s.ListRuns(ctx, store.RunFilter{})
	require.NoError(t, err)
	require.Empty(t, runs)
	epochs, err := s.ListEpochs(ctx, 17)
	require.NoError(t, err)
	require.Empty(t, epochs)
	require.NoError(t, s.Ping(ctx))
	require.NoError(t, s.Upkeep(ctx, start))
	require.Contains(t, []string{"postgres", "sqlite"}, s.Engine())
}

// facts is a run_started with what is hard to keep.
func facts() *contract.RunStarted {
	return &contract.RunStarted{
		Facts: contract.Facts{
			Task: contract.TaskMulticlass, Classes: 10, FromLogits: new(false), LearningRate: new(contract.Number(0.1)),
			X: &contract.Sample{Shape: []int64{256, 64}, Min: new(contract.Number(math.Inf(-1))), Max: new(contract.Number(1e308))},
		},
		Name: "digits & “more”", Tags: []string{"a", "b,c"}, Outputs: []contract.Output{{Name: "out", Units: 10}},
		Control: contract.Control{Mode: contract.ModeAuto, MinLR: 1e-6, Factor: 0.5, Allow: []contract.CommandKind{contract.KindReduceLR}},
	}
}

// everything returns one of each record.
func everything(r store.RunState) store.Changes {
	run := r.Run
	run.Name, run.Tags, run.State, run.EndReason = "digits", []string{"x", `quo"te`, "{a,b}"}, store.StateFailed, "ValueError: no"
	run.StartedAt, run.EndedAt, run.LastSignAt, run.Revision = at(0), new(at(time.Hour)), at(2*time.Hour), 7
	run.Started = facts()
	first, second := anAttempt(run.PK, 1), anAttempt(run.PK, 2)
	first.NextSeq, first.Gaps, first.State, first.EndedAt = 12, []store.SeqRange{{From: 3, To: 5}, {From: 9, To: 9}}, store.StateCompleted, new(at(time.Hour))
	second.Started = facts()
	epoch := anEpoch(first, 2, 0, map[string]float64{"loss": 0.1, "val_loss": 0.3})
	epoch.Seconds, epoch.LearningRate, epoch.Step, epoch.FirstBatchLoss = new(1.25), new(0.1), new(int64(38)), new(2.302585)
	finding := aFinding(run.PK, detectors.KindRisingLoss, 3)
	command := aCommand(run, first.ID, 2)
	command.FindingID, command.State, command.AppliedEpoch, command.Answer = finding.ID, store.CommandApplied, new(6), "as asked"
	command.Before, command.After, command.AnsweredAt, command.Effect = new(0.1), new(0.05), new(at(time.Hour)), store.EffectPending
	command.IssuedBy, command.ProposedBy = "ana", "policy"
	message := aMessage(finding, "team", store.MessageFiring)
	return store.Changes{
		Runs: []store.Run{run}, Attempts: []store.Attempt{second, first},
		Epochs: []store.Epoch{anEpoch(second, 1, 1, map[string]float64{}), epoch, anEpoch(first, 6, 1, map[string]float64{"loss": 0.2})},
		Batches: []store.Batches{{RunPK: run.PK, Attempt: first.ID, Seq: 4, Body: contract.Batches{
			Epoch: 1, Batch: 99, Count: 100, Metrics: map[string]contract.BatchSummary{"loss": {Mean: 1, Min: 0, Max: contract.Number(math.Inf(1)), Last: 2}},
		}}},
		Hold:     []store.Held{{RunPK: run.PK, Attempt: first.ID, Seq: 14, ReceivedAt: at(3 * time.Microsecond), Event: []byte("\x00\xff{}")}},
		Findings: []store.Finding{finding}, Commands: []store.Command{command}, Messages: []store.Message{message},
		Quarantined: []store.Quarantined{{
			ReceivedAt: at(time.Hour), Subject: "epochwatch.v1.p.r.event", MessageID: "r.a.1", StreamSeq: math.MaxUint64,
			Reason: contract.ReasonMalformed, Detail: "cut short", Size: 300000, Payload: []byte("{\x00\xff"),
		}},
	}
}

func testRoundTrip(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	var want store.Changes
	pk := write(t, s, key, func(r store.RunState) store.Changes { want = everything(r); return want }).PK

	run, err := s.FindRun(ctx, "p", "r")
	require.NoError(t, err)
	want.Runs[0].Attempts = 2
	requireSame(t, want.Runs[0], run)
	attempts, err := s.ListAttempts(ctx, pk)
	require.NoError(t, err)
	requireSame(t, []store.Attempt{want.Attempts[1], want.Attempts[0]}, attempts)
	epochs, err := s.ListEpochs(ctx, pk)
	require.NoError(t, err)
	requireSame(t, []store.Epoch{want.Epochs[1], want.Epochs[2], want.Epochs[0]}, epochs)
	findings, err := s.ListFindings(ctx, pk)
	require.NoError(t, err)
	requireSame(t, want.Findings, findings)
	commands, err := s.ListCommands(ctx, pk)
	require.NoError(t, err)
	requireSame(t, want.Commands, commands)
	messages, err := s.ListMessages(ctx, pk)
	require.NoError(t, err)
	requireSame(t, want.Messages, messages)
	refused, err := s.ListQuarantined(ctx, 10)
	require.NoError(t, err)
	require.Len(t, refused, 1)
	want.Quarantined[0].ID = refused[0].ID
	requireSame(t, want.Quarantined, refused)

	ingest(t, s, key, func(tx store.Tx, r store.RunState) error {
		requireSame(t, run, r.Run)
		requireSame(t, attempts, r.Attempts)
		held, err := tx.ListHeld(ctx, pk)
		requireSame(t, want.Hold, held)
		return err
	})
}

// requireSame compares by value, times by instant; unlike JSON it sees NaN as itself.
func requireSame(t *testing.T, want, got any) {
	t.Helper()
	require.True(t, same(want, got), "want %s\ngot  %s", text(want), text(got))
}

func text(v any) string {
	b, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func testTwice(t *testing.T, s store.Store) {
	ctx := t.Context()
	key := store.RunKey{Project: "p", ID: "r"}
	var changes store.Changes
	run := write(t, s, key, func(r store.RunState) store.Changes { changes = everything(r); return changes })
	write(t, s, key, func(store.RunState) store.Changes { return changes })
	// The same again from a daemon that made its own ids, and an epoch that says otherwise.
	write(t, s, key, func(r store.RunState) store.Changes {
		other := everything(r)
		other.Epochs[1].Metrics = map[string]float64{"loss": 99, "extra": 1}
		other.Commands[0].Reason = "another"
		return other
	})
	epochs, err := s.ListEpochs(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, []store.Epoch{changes.Epochs[1], changes.Epochs[2], changes.Epochs[0]}, epochs)
	findings, err := s.ListFindings(ctx, run.PK)
	require.NoError(t, err)
	require.Len(t, findings, 1)
	commands, err := s.ListCommands(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, changes.Commands, commands)
	messages, err := s.ListMessages(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, changes.Messages, messages)
	refused, err := s.ListQuarantined(ctx, 10)
	require.NoError(t, err)
	require.Len(t, refused, 1)

	worked := make(chan string, 10)
	stop, err := s.Work(ctx, handler(func(j store.Job) error { worked <- j.MessageID; return nil }), nil)
	require.NoError(t, err)
	require.Equal(t, changes.Messages[0].ID, receive(t, worked, "the job of the message"))
	last := queueMessage(t, s) // jobs are taken in order, so a second one for the first message would come before
	require.Equal(t, last.ID, receive(t, worked, "the job of the last message"))
	require.NoError(t, stop(ctx))
}

// testOneKeyTwice has one transaction say two things of a row: a batch may hold the epoch
// that opens a finding and the one that resolves it.
func testOneKeyTwice(t *testing.T, s store.Store) {
	ctx := t.Context()
	var c store.Changes
	run := write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		early, late := r.Run, r.Run
		early.Revision, late.Revision = 1, 2
		open, closed := anAttempt(r.Run.PK, 1), anAttempt(r.Run.PK, 1)
		closed.State, closed.NextSeq = store.StateCompleted, 9
		firing, resolved := aFinding(r.Run.PK, detectors.KindPlateau, 1), aFinding(r.Run.PK, detectors.KindPlateau, 1)
		resolved.ResolvedEpoch = new(4)
		sent := aCommand(r.Run, open.ID, 2)
		applied, rival := sent, aCommand(r.Run, open.ID, 2)
		applied.State = store.CommandApplied
		epoch := anEpoch(open, 1, 0, map[string]float64{"loss": 1})
		message := aMessage(firing, "team", store.MessageFiring)
		held := store.Held{RunPK: r.Run.PK, Attempt: open.ID, Seq: 7, ReceivedAt: start, Event: []byte("x")}
		refused := store.Quarantined{ReceivedAt: start, StreamSeq: 3}
		c = store.Changes{
			Runs: []store.Run{early, late}, Attempts: []store.Attempt{open, closed},
			Epochs:  []store.Epoch{epoch, anEpoch(open, 1, 0, map[string]float64{"loss": 2, "acc": 1})},
			Batches: []store.Batches{{RunPK: r.Run.PK, Attempt: open.ID, Seq: 5}, {RunPK: r.Run.PK, Attempt: open.ID, Seq: 5}},
			Hold:    []store.Held{held, held}, Findings: []store.Finding{firing, aFinding(r.Run.PK, detectors.KindLossNaN, 1), resolved},
			Commands: []store.Command{sent, rival, applied}, Messages: []store.Message{message, aMessage(firing, "team", store.MessageFiring)},
			Quarantined: []store.Quarantined{refused, refused},
		}
		return c
	})
	stored, err := s.FindRun(ctx, "p", "r")
	require.NoError(t, err)
	require.EqualValues(t, 2, stored.Revision)
	attempts, err := s.ListAttempts(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, c.Attempts[1:], attempts)
	epochs, err := s.ListEpochs(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, c.Epochs[:1], epochs)
	findings, err := s.ListFindings(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, []store.Finding{c.Findings[2], c.Findings[1]}, findings)
	commands, err := s.ListCommands(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, c.Commands[2:], commands)
	messages, err := s.ListMessages(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, c.Messages[:1], messages)
	refused, err := s.ListQuarantined(ctx, 9)
	require.NoError(t, err)
	require.Len(t, refused, 1)
}

// awkward floats: what loses a bit somewhere.
func awkward() map[string]float64 {
	values := map[string]float64{
		"nan": math.NaN(), "inf": math.Inf(1), "minus_inf": math.Inf(-1), "zero": 0, "minus_zero": math.Copysign(0, -1),
		"denormal": math.SmallestNonzeroFloat64, "minus_denormal": -math.SmallestNonzeroFloat64, "max": math.MaxFloat64,
		"min": -math.MaxFloat64, "tenth": 0.1, "third": 1.0 / 3, "one": 1, "two_53": 1 << 53, "odd": 9007199254740993,
		"largest_denormal": math.Float64frombits(0x000fffffffffffff), "half_way": 1.00000000000000011102230246251565,
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 500 {
		v := math.Float64frombits(random.Uint64())
		if !math.IsNaN(v) {
			values["random_"+string(rune('a'+i%26))+string(rune('a'+i/26))] = v
		}
	}
	return values
}

func testFloats(t *testing.T, s store.Store) {
	ctx := t.Context()
	values := awkward()
	numbers := map[string]contract.Number{}
	for k, v := range values {
		numbers[k] = contract.Number(v)
	}
	var want store.Changes
	run := write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		a := anAttempt(r.Run.PK, 1)
		want.Attempts = []store.Attempt{a}
		want.Epochs = []store.Epoch{anEpoch(a, 1, 0, values)}
		seq := int64(2)
		for _, v := range []float64{math.NaN(), math.Inf(-1), math.Copysign(0, -1), 5e-324, math.MaxFloat64} {
			e := anEpoch(a, seq, int(seq), map[string]float64{"loss": v})
			e.Seconds, e.LearningRate, e.FirstBatchLoss = new(v), new(v), new(v)
			want.Epochs = append(want.Epochs, e)
			c := aCommand(r.Run, a.ID, seq)
			c.Expected, c.Wanted, c.Before, c.After = new(contract.Number(v)), new(contract.Number(v)), new(v), new(v)
			want.Commands = append(want.Commands, c)
			seq++
		}
		f := aFinding(r.Run.PK, detectors.KindLossNaN, 1)
		f.Evidence, f.Confidence = numbers, 1.0/3
		want.Findings = []store.Finding{f}
		return want
	})
	epochs, err := s.ListEpochs(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, want.Epochs, epochs)
	commands, err := s.ListCommands(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, want.Commands, commands)
	findings, err := s.ListFindings(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, want.Findings, findings)
}

func testText(t *testing.T, s store.Store) {
	ctx := t.Context()
	var want store.Changes
	run := write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		run := r.Run
		run.Name, run.Tags = "日本 'quote' \"double\" \\ {x,NULL}", []string{"", "NULL", "{}", "a\\b", "日本"}
		a := anAttempt(run.PK, 1)
		metrics := map[string]float64{"": 1, "Größe (日)": 2, `"'\,{}`: 3, "NULL": 4}
		for range contract.MaxMetricName {
			metrics["long"] = 5
		}
		want = store.Changes{Runs: []store.Run{run}, Attempts: []store.Attempt{a}, Epochs: []store.Epoch{anEpoch(a, 1, 0, metrics)}}
		return want
	})
	got, err := s.FindRun(ctx, "p", "r")
	require.NoError(t, err)
	require.Equal(t, want.Runs[0].Name, got.Name)
	require.Equal(t, want.Runs[0].Tags, got.Tags)
	epochs, err := s.ListEpochs(ctx, run.PK)
	require.NoError(t, err)
	requireSame(t, want.Epochs, epochs)

	// A zero byte or a stray one, which Postgres cannot hold, must not stop the stream: a
	// store may write U+FFFD for it, wherever it stands.
	write(t, s, store.RunKey{Project: "p", ID: "zero"}, func(r store.RunState) store.Changes {
		c := everything(r)
		c.Runs[0].Name, c.Runs[0].Tags, c.Runs[0].EndReason = "a\x00b", []string{"a\x00"}, "\x00"
		c.Runs[0].Started.Name = "a\x00b"
		c.Epochs[1].Metrics = map[string]float64{"lo\x00ss": 1, "lo\uFFFDss": 2}
		c.Findings[0].Metric, c.Findings[0].Summary, c.Findings[0].Reason = "lo\x00ss", "\x00", "\x00"
		c.Findings[0].Evidence = map[string]contract.Number{"\x00": 1}
		c.Commands[0].Reason, c.Commands[0].Answer = "\x00", "\x00"
		c.Messages[0].LastError, c.Messages[0].Receiver = "\x00 \xff", "te\x00am"
		c.Quarantined[0].Subject, c.Quarantined[0].Detail, c.Quarantined[0].MessageID = "\x00", "\x00", "\x00"
		c.Quarantined[0].StreamSeq = 1
		return c
	})
	zero, err := s.FindRun(ctx, "p", "zero")
	require.NoError(t, err)
	require.Contains(t, []string{"a\x00b", "a\uFFFDb"}, zero.Name)
	epochs, err = s.ListEpochs(ctx, zero.PK)
	require.NoError(t, err)
	require.NotEmpty(t, epochs[0].Metrics)
	messages, err := s.ListMessages(ctx, zero.PK)
	require.NoError(t, err)
	require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: messages[0].ID, At: start, State: store.MessageFailed, Error: "\xe4\x00"}))
}
