package storetest

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

func testSilences(t *testing.T, s store.Store) {
	ctx := t.Context()
	silence := store.Silence{
		ID: "s", Matchers: []string{`project="p"`}, Author: "anna", Comment: "the disk is known", CreatedAt: at(time.Minute),
		StartsAt: at(time.Minute), EndsAt: at(time.Hour),
	}
	var one store.Finding
	write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		one = aFinding(r.Run.PK, detectors.KindPlateau, 3)
		held := aGroup("held", at(2*time.Hour))
		held.DueAt = nil
		return store.Changes{
			Findings: []store.Finding{one}, Groups: []store.Group{held, other("free", at(3*time.Hour))},
			Grouped: []store.Grouped{
				{GroupID: "held", FindingID: one.ID, RunPK: r.Run.PK, JoinedAt: start, Why: "silenced"},
				{GroupID: "free", FindingID: one.ID, RunPK: r.Run.PK, JoinedAt: start},
			},
		}
	})
	require.NoError(t, s.AddSilence(ctx, silence))
	next, err := s.NextGroup(ctx)
	require.NoError(t, err)
	require.Equal(t, at(time.Minute), next, "what is held is looked at")
	silence.EndsAt, silence.Comment = at(2*time.Hour), "and mended soon"
	require.NoError(t, s.AddSilence(ctx, silence))
	got, err := s.ListSilences(ctx, at(time.Hour))
	require.NoError(t, err)
	requireSame(t, []store.Silence{silence}, got)
	got, err = s.ListSilences(ctx, at(2*time.Hour))
	require.NoError(t, err)
	require.Empty(t, got)
}

func testAcknowledgements(t *testing.T, s store.Store) {
	ctx := t.Context()
	opened, told := at(time.Minute), at(2*time.Minute)
	var head, quiet store.Finding
	message := func(id string, event store.MessageEvent, when time.Time, thread string) store.Message {
		m := aMessage(head, "team", event)
		m.ID, m.GroupID, m.CreatedAt, m.Thread = id, "open", when, thread
		return m
	}
	run := write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		head, quiet = aFinding(r.Run.PK, detectors.KindPlateau, 3), aFinding(r.Run.PK, detectors.KindSpike, 3)
		open, over := aGroup("open", at(time.Hour)), other("over", at(time.Hour))
		open.Head, open.FirstToldAt, open.ToldAt = head.ID, &opened, &told
		over.FirstToldAt = &opened
		return store.Changes{
			Findings: []store.Finding{head, quiet}, Groups: []store.Group{open, over},
			Grouped: []store.Grouped{
				{GroupID: "open", FindingID: head.ID, RunPK: r.Run.PK, JoinedAt: start, Told: store.MessageFiring},
				{GroupID: "over", FindingID: quiet.ID, RunPK: r.Run.PK, JoinedAt: start, Told: store.MessageResolved},
			},
			Messages: []store.Message{
				message("before", store.MessageUpdate, start, ""), message("first", store.MessageFiring, opened, ""),
				message("progress", store.MessageProgress, told, "first"), message("update", store.MessageUpdate, told, "first"),
				message("more progress", store.MessageProgress, told, "first"),
			},
		}
	})
	seen := func(message string, pk int64, by string, when time.Time) int {
		n, err := s.Acknowledge(ctx, store.Seen{
			MessageID: message, RunPK: pk, Acknowledgement: store.Acknowledgement{By: by, At: when}, DueAt: when.Add(time.Second),
		})
		require.NoError(t, err)
		return n
	}
	require.Zero(t, seen("before", 0, "anna", at(3*time.Minute)), "what it spoke of is over")
	require.Zero(t, seen("nothing", 0, "anna", at(3*time.Minute)))
	require.Zero(t, seen("", run.PK+1000, "anna", at(3*time.Minute)))
	require.Equal(t, 1, seen("update", 0, "anna", at(3*time.Minute)))
	require.Equal(t, 1, seen("first", 0, "anna", at(4*time.Minute)), "twice is once")
	require.Equal(t, 1, seen("", run.PK, "bob", at(5*time.Minute)))
	next, err := s.NextGroup(ctx)
	require.NoError(t, err)
	require.Equal(t, at(3*time.Minute+time.Second), next)

	want := []store.Acknowledgement{{By: "anna", At: at(3 * time.Minute)}, {By: "bob", At: at(5 * time.Minute)}}
	for _, id := range []string{"first", "progress", "update", "more progress"} {
		d, err := s.FindMessage(ctx, id)
		require.NoError(t, err)
		requireSame(t, want, d.Acknowledged)
	}
	order := func() (out [4]store.Order) {
		for i, id := range []string{"first", "progress", "update", "more progress"} {
			o, err := s.FindOrder(ctx, id)
			require.NoError(t, err)
			out[i] = o
		}
		return out
	}
	become := func(id string, state store.MessageState) {
		require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: id, At: at(6 * time.Minute), State: state}))
	}
	waits, behind := store.Order{NewerWaits: true}, store.Order{OlderSending: true}
	require.Equal(t, [4]store.Order{waits, waits, {}, {}}, order(), "progress does not say what an update does")
	become("progress", store.MessageSending)
	require.Equal(t, [4]store.Order{waits, waits, behind, behind}, order())
	become("progress", store.MessageFailed)
	become("more progress", store.MessageDead)
	require.Equal(t, [4]store.Order{waits, waits, {}, {}}, order(), "the update says it too")
	become("update", store.MessageSent)
	require.Equal(t, [4]store.Order{{NewerSent: true}, {NewerSent: true}, {}, {}}, order())
	become("update", store.MessageDead)
	require.Equal(t, [4]store.Order{}, order(), "what was given up is read by nobody")
	none, err := s.FindOrder(ctx, "nothing")
	require.NoError(t, err)
	require.Zero(t, none)
	got, err := s.ListAcknowledgements(ctx, "before")
	require.NoError(t, err)
	require.Empty(t, got)

	// What became of the run is noted where the run heads what was told.
	write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		return store.Changes{News: []store.News{
			{RunPK: r.Run.PK, Command: "c1", DueAt: at(2 * time.Minute)},
			{RunPK: r.Run.PK, Command: "c2", Asks: true, DueAt: at(3 * time.Minute)},
			{RunPK: r.Run.PK, Command: "c1", DueAt: at(4 * time.Minute)},
		}}
	})
	states := due(t, s, at(2*time.Minute))
	require.Len(t, states, 1)
	g := states[0].Group
	require.Equal(t, "open", g.ID)
	require.Equal(t, []string{store.NewsAcknowledged, "c1", "c2"}, g.News)
	require.True(t, g.Asks)
	acked := at(3 * time.Minute)
	requireSame(t, &acked, g.AckedAt)
	g.News, g.Asks, g.AckedAt, g.DueAt = nil, false, nil, nil
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error { return tx.Write(ctx, store.Changes{Groups: []store.Group{g}}) }))
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		if _, err := tx.LockGroups(ctx, start, 1); err != nil {
			return err
		}
		kept, err := tx.LockGroup(ctx, "open")
		requireSame(t, g, kept.Group)
		return err
	}))
}

func testWaiting(t *testing.T, s store.Store) {
	ctx := t.Context()
	var waits, told store.Finding
	m := queueMessage(t, s)
	run := write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		waits, told = aFinding(r.Run.PK, detectors.KindPlateau, 3), aFinding(r.Run.PK, detectors.KindSpike, 3)
		return store.Changes{
			Findings: []store.Finding{waits, told}, Groups: []store.Group{aGroup("g", at(time.Hour))},
			Grouped: []store.Grouped{
				{GroupID: "g", FindingID: waits.ID, RunPK: r.Run.PK, JoinedAt: start, Why: "silenced"},
				{GroupID: "g", FindingID: told.ID, RunPK: r.Run.PK, JoinedAt: start, Told: store.MessageFiring},
			},
		}
	})
	got, err := s.ListWaiting(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, got, 1)
	require.Equal(t, "silenced", got[0].Member.Why)
	require.Equal(t, "a", got[0].Member.Run.ID)
	requireSame(t, waits, got[0].Member.Finding)
	requireSame(t, aGroup("g", at(time.Hour)), got[0].Group)
	got, err = s.ListWaiting(ctx, run.PK+1000, 10)
	require.NoError(t, err)
	require.Empty(t, got)

	require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: m.ID, At: start, State: store.MessageSending}))
	require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: m.ID, At: at(time.Second), State: store.MessageFailed, Error: "503"}))
	deliveries, err := s.ListDeliveries(ctx, m.ID)
	require.NoError(t, err)
	requireSame(t, []store.Delivery{
		{MessageID: m.ID, At: start, State: store.MessageSending},
		{MessageID: m.ID, At: at(time.Second), State: store.MessageFailed, Error: "503"},
	}, deliveries)
	recent, err := s.ListRecentMessages(ctx, 0, 10)
	require.NoError(t, err)
	require.Len(t, recent, 1)
	require.Equal(t, m.ID, recent[0].ID)
	recent, err = s.ListRecentMessages(ctx, run.PK, 10)
	require.NoError(t, err)
	require.Empty(t, recent)
}

func testFiring(t *testing.T, s store.Store) {
	ctx := t.Context()
	got, err := s.ListFiring(ctx, 10)
	require.NoError(t, err)
	require.Empty(t, got)
	var want []store.RunFinding // the newest last
	for _, c := range []struct {
		id       string
		state    store.State
		severity detectors.Severity
		resolved bool
		listed   bool
	}{
		{"over", store.StateCompleted, detectors.SeverityCritical, false, false},
		{"lost", store.StateLost, detectors.SeverityCritical, false, false},
		{"trains", store.StateRunning, detectors.SeverityWarning, false, true},
		{"trains", store.StateRunning, detectors.SeverityCritical, true, false},
		{"worse", store.StateRunning, detectors.SeverityCritical, false, true},
		{"other", store.StateRunning, detectors.SeverityInfo, false, true},
		{"other", store.StateRunning, detectors.SeverityWarning, false, true},
	} {
		ingest(t, s, store.RunKey{Project: "p", ID: c.id}, func(tx store.Tx, r store.RunState) error {
			r.Run.State = c.state
			f := aFinding(r.Run.PK, detectors.KindSpike, 3)
			f.Severity, f.ID, f.Metric = c.severity, c.id+string(c.severity), string(c.severity)
			if c.resolved {
				f.ResolvedEpoch = new(9)
			}
			if err := tx.Write(ctx, store.Changes{Runs: []store.Run{r.Run}, Findings: []store.Finding{f}}); err != nil {
				return err
			}
			if c.listed {
				want = append(want, store.RunFinding{Run: r.Run, Finding: f})
			}
			return nil
		})
	}
	want = []store.RunFinding{want[1], want[3], want[0], want[2]}
	got, err = s.ListFiring(ctx, 10)
	require.NoError(t, err)
	requireSame(t, want, got)
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		got, err := tx.ListFiring(ctx, 2)
		requireSame(t, want[:2], got)
		return err
	}))
}

func testEnds(t *testing.T, s store.Store) {
	ctx := t.Context()
	end := func(id, receiver, channel string, event store.MessageEvent, created time.Duration) store.Message {
		return store.Message{ID: id, Receiver: receiver, Channel: channel, Event: event, State: store.MessageQueued, CreatedAt: at(created), Body: id}
	}
	write(t, s, store.RunKey{Project: "p", ID: "a"}, func(r store.RunState) store.Changes {
		all := []store.Message{
			end("old and sent", "team", "slack", store.MessageRunEnded, 0),
			end("old and queued", "team", "slack", store.MessageRunEnded, 0),
			end("of another receiver", "other", "slack", store.MessageRunEnded, time.Hour),
			end("to another channel", "team", "email", store.MessageRunEnded, time.Hour),
			end("of another kind", "team", "slack", store.MessageDigest, time.Hour),
			end("new and sent", "team", "slack", store.MessageRunEnded, time.Hour),
			end("new and queued", "team", "slack", store.MessageRunEnded, 2*time.Hour),
		}
		for i := range all {
			all[i].RunPK = r.Run.PK
		}
		return store.Changes{Messages: all}
	})
	for _, id := range []string{"old and sent", "new and sent"} {
		require.NoError(t, s.RecordDelivery(ctx, store.Delivery{MessageID: id, At: at(time.Hour), State: store.MessageSent}))
	}
	ids := func(since time.Duration, limit int) (out []string) {
		got, err := s.ListEnds(ctx, "team", "slack", at(since), limit)
		require.NoError(t, err)
		for _, m := range got {
			require.Equal(t, m.ID, m.Body)
			out = append(out, m.ID)
		}
		return out
	}
	require.Equal(t, []string{"new and queued", "new and sent", "old and queued"}, ids(time.Hour, 10))
	require.Equal(t, []string{"new and queued", "new and sent"}, ids(time.Hour, 2))
	require.Equal(t, []string{"new and queued", "old and queued"}, ids(3*time.Hour, 10))

	// One is told within another message: both are stored, or neither.
	require.NoError(t, s.Ingest(ctx, func(tx store.Tx) error {
		return tx.Write(ctx, store.Changes{Deliveries: []store.Delivery{
			{MessageID: "old and queued", At: at(4 * time.Hour), State: store.MessageSent, Error: "told within another"},
		}})
	}))
	require.Equal(t, []string{"new and queued"}, ids(3*time.Hour, 10))
	d, err := s.FindMessage(ctx, "old and queued")
	require.NoError(t, err)
	require.Equal(t, store.MessageSent, d.Message.State)
	tries, err := s.ListDeliveries(ctx, "old and queued")
	require.NoError(t, err)
	require.Equal(t, "told within another", tries[len(tries)-1].Error)
}
