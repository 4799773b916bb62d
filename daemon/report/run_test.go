package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.FixedZone("", 3600))

// stored is a store with two runs: "one" of two attempts with all that can become of a run,
// and "two", which has only begun.
func stored(t *testing.T) store.Store {
	t.Helper()
	ctx := t.Context()
	st, err := sqlite.Open(ctx, filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	require.NoError(t, st.Ingest(ctx, func(tx store.Tx) error {
		states, err := tx.LockRuns(ctx, []store.RunKey{{Project: "default", ID: "one"}, {Project: "lab", ID: "two"}})
		if err != nil {
			return err
		}
		return tx.Write(ctx, changes(states[0].Run, states[1].Run))
	}))
	return st
}

func changes(one, two store.Run) store.Changes {
	one.Name, one.State, one.StartedAt, one.EndedAt, one.Attempts = "digits", store.StateFailed, start, new(start.Add(90*time.Second)), 2
	one.EndReason = "ValueError: the disk is full"
	two.State, two.StartedAt, two.Attempts = store.StateRunning, start.Add(time.Hour), 1
	epoch := func(attempt string, seq int64, n int, loss, rate float64) store.Epoch {
		return store.Epoch{
			RunPK: one.PK, Attempt: attempt, Seq: seq, Epoch: n, EndedAt: start, Seconds: new(1.5), LearningRate: &rate,
			Metrics: map[string]float64{"loss": loss, "val_loss": math.NaN()},
		}
	}
	first := epoch("a1", 2, 0, 0.9, 0.1)
	first.Seconds, first.LearningRate = nil, nil
	command := func(id string, state store.CommandState, seq int64) store.Command {
		return store.Command{
			Command: contract.Command{
				Version: 1, Type: "command", ID: id, Kind: contract.KindReduceLR, Project: "default", Run: "one", Attempt: "a2", CausedBy: seq,
				Expected: new(contract.Number(0.1)), Wanted: new(contract.Number(0.05)), Reason: "loss rises since epoch 1", IssuedBy: "policy",
				IssuedAt: start, ExpiresAt: start.Add(time.Minute), ExpiresEpoch: 4,
			},
			RunPK: one.PK, State: state, DecidedEpoch: 2, FindingID: "f1",
		}
	}
	applied, refused := command("c1", store.CommandApplied, 3), command("c2", store.CommandRefused, 4)
	applied.AppliedEpoch, applied.Before, applied.After, applied.Effect = new(3), new(0.100000001), new(0.0500000007), store.EffectHelped
	refused.Answer = "the learning rate is 0.05, not 0.1"
	applied.Forecast = []byte(`{"metric":"loss","level":0.62,"before":0.65,"noise":0.02,"from":6,"judged":{"after":0.41,"epochs":3,"below":0.58,"above":0.75}}`)
	hurt, back := command("c3", store.CommandReverted, 5), command("c4", store.CommandApplied, 6)
	hurt.Kind, hurt.AppliedEpoch, hurt.Before, hurt.After, hurt.Effect = contract.KindRollback, new(4), new(0.05), new(0.01), store.EffectHurt
	hurt.IssuedBy, hurt.ProposedBy, hurt.Answer = "ana", "policy", "back to the weights of epoch 1 (loss 0.85)"
	hurt.Forecast = []byte(`{"metric":"loss","level":0.4,"before":0.4,"noise":0,"from":6,"judged":{"after":0.9,"epochs":3,"below":0.396,"above":0.408}}`)
	back.Kind, back.Reverts, back.FindingID, back.Reason = contract.KindRevert, "c3", "", "it hurt"
	back.AppliedEpoch, back.Before, back.After, back.Effect, back.AnsweredAt = new(5), new(0.01), new(0.05), store.EffectPending, new(start.Add(time.Second))
	proposal := command("c5", store.CommandProposed, 7)
	proposal.ProposedBy, proposal.Bounds.Mode = "policy", contract.ModeAsk
	proposal.Forecast = []byte(`{"metric":"loss","level":0.62,"before":0.65,"noise":0.02,"from":6}`)
	shadow := command("c6", store.CommandProposed, 8)
	shadow.Bounds.Mode, shadow.Optimizer = contract.ModeShadow, "g_opt"
	stop := command("c7", store.CommandSent, 9)
	stop.Kind, stop.Expected, stop.Wanted, stop.IssuedBy, stop.Reason, stop.FindingID = contract.KindStop, nil, nil, "bob", "", ""
	return store.Changes{
		Runs: []store.Run{one, two},
		Attempts: []store.Attempt{
			{RunPK: one.PK, ID: "a1", StartedAt: start, NextSeq: 5, State: store.StateFailed},
			{RunPK: one.PK, ID: "a2", StartedAt: start, NextSeq: 5, State: store.StateFailed},
			{RunPK: two.PK, ID: "a3", StartedAt: start, NextSeq: 2, State: store.StateRunning},
		},
		Epochs: []store.Epoch{
			first, epoch("a1", 3, 1, 0.8, 0.1), epoch("a1", 4, 2, 7, 0.1),
			epoch("a2", 2, 1, 0.85, 0.1), epoch("a2", 3, 2, math.Inf(1), 0.05),
		},
		Findings: []store.Finding{{ID: "f1", RunPK: one.PK, OpenedAt: start, Finding: detectors.Finding{
			Kind: "divergence", Metric: "loss", Severity: "critical", OnsetEpoch: 1, FiredEpoch: 2, ResolvedEpoch: new(2), Confidence: 0.9,
			Reason: "grows", Summary: "loss grew.", Evidence: map[string]contract.Number{"now": contract.Number(math.Inf(1))}, Advice: []string{"Lower it."},
		}}},
		Commands: []store.Command{applied, refused, hurt, back, proposal, shadow, stop},
		Messages: []store.Message{{
			ID: "m1", RunPK: one.PK, FindingID: "f1", Receiver: "team", Channel: "slack", Event: store.MessageFiring,
			State: store.MessageQueued, CreatedAt: start,
		}},
	}
}

func load(t *testing.T) report.RunDocument {
	t.Helper()
	d, err := report.LoadRun(t.Context(), stored(t), "", "one", nil)
	require.NoError(t, err)
	require.Equal(t, detectors.KindLossNaN, d.Verdict.Kind, "the verdict reads the curve that is stored")
	d.Verdict = report.Verdict{Kind: "loss_nan", Confidence: 1, Summary: "val_loss is not a number.", Advice: []string{"Look at the data."}}
	return d
}

// TestARunAsJSON holds every name and value of a run's document.
func TestARunAsJSON(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(load(t)))
	requireGolden(t, "run.json", b.String())
}

// A message's states are those that tools wait for; that a service has it is told with its tries.
func TestAMessageThatAServiceHas(t *testing.T) {
	t.Parallel()
	st := stored(t)
	state := func(d store.Delivery) store.MessageState {
		d.MessageID, d.At = "m1", time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		require.NoError(t, st.RecordDelivery(t.Context(), d))
		doc, err := report.LoadRun(t.Context(), st, "", "one", nil)
		require.NoError(t, err)
		return doc.Messages[0].State
	}
	require.Equal(t, store.MessageQueued, state(store.Delivery{State: store.MessageSending}))
	require.Equal(t, store.MessageFailed, state(store.Delivery{State: store.MessageFailed, Error: "503"}))
	require.Equal(t, store.MessageFailed, state(store.Delivery{State: store.MessageSending}))
	require.Equal(t, store.MessageSent, state(store.Delivery{State: store.MessageSent}))
}

func TestARunAsText(t *testing.T) {
	t.Parallel()
	for _, width := range []int{80, 60} {
		var b bytes.Buffer
		require.NoError(t, load(t).WriteText(&b, report.TextOptions{Width: width}))
		requireGolden(t, fmt.Sprintf("run.%d.txt", width), b.String())
		for line := range strings.Lines(b.String()) {
			require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), width, line)
		}
	}
}

func TestRunsAsJSONAndText(t *testing.T) {
	t.Parallel()
	st := stored(t)
	list, err := report.ListRuns(t.Context(), st, store.RunFilter{})
	require.NoError(t, err)
	j, err := json.Marshal(list)
	require.NoError(t, err)
	require.JSONEq(t, `{"runs": [
		{"id": "two", "project": "lab", "name": "", "attempts": 1, "state": "running", "started_at": "2026-03-01T12:00:00Z", "ended_at": null},
		{"id": "one", "project": "default", "name": "digits", "attempts": 2, "state": "failed", "end_reason": "ValueError: the disk is full",
			"started_at": "2026-03-01T11:00:00Z", "ended_at": "2026-03-01T11:01:30Z"}]}`, string(j))
	for i := range list.Runs { // as a person in this zone reads them
		list.Runs[i].StartedAt = time.Date(2026, 3, 1, 12-i, 0, 0, 0, time.Local)
	}
	var b bytes.Buffer
	require.NoError(t, list.WriteText(&b, report.TextOptions{Load: func(project, id string) (report.RunDocument, error) {
		if id == "two" {
			return report.RunDocument{}, errors.New("away")
		}
		return report.LoadRun(context.WithoutCancel(t.Context()), st, project, id, nil)
	}}))
	requireGolden(t, "runs.txt", b.String())
	b.Reset()
	require.NoError(t, report.RunList{}.WriteText(&b, report.TextOptions{}))
	require.Contains(t, b.String(), "No runs yet.")
}

// TestEmptyListsAreLists holds that a run of which little is known has no null for a list.
func TestEmptyListsAreLists(t *testing.T) {
	t.Parallel()
	d, err := report.LoadRun(t.Context(), stored(t), "lab", "two", nil)
	require.NoError(t, err)
	b, err := json.Marshal(d)
	require.NoError(t, err)
	for _, key := range []string{"epochs", "findings", "commands", "messages"} {
		require.Contains(t, string(b), `"`+key+`":[]`)
	}
	_, err = report.LoadRun(t.Context(), stored(t), "", "three", nil)
	require.ErrorIs(t, err, store.ErrNotFound)
}
