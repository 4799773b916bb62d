package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// world is the API on a real store, with all that a daemon has but the broker.
type world struct {
	h    http.Handler
	st   store.Store
	docs described
	log  *bytes.Buffer
}

// secrets are those of the config of newWorld.
var secrets = []string{"xoxb-bot-hunter2", "xapp-app-hunter2", "smtp-hunter2", "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg==", "hook-hunter2", "T0/B0/slackhook-hunter2"}

const routed = `
receivers:
  - name: team
    slack: {token: xoxb-bot-hunter2, app_token: xapp-app-hunter2, channel: "#training", api_url: "http://127.0.0.1:9/"}
    email: {to: [team@example.org], from: watch@example.org, smtp: "smtp://user:smtp-hunter2@127.0.0.1:9"}
  - {name: oncall, webhook: {url: "http://127.0.0.1:9/hook-hunter2", secret: "whsec_aHVudGVyMmh1bnRlcjJodW50ZXIyaHVudGVyMg=="}}
  - {name: old, slack: {webhook_url: "http://127.0.0.1:9/T0/B0/slackhook-hunter2"}}
route:
  receiver: team
  routes:
    - {match: {severity: critical}, receiver: oncall, continue: true}
    - {match: {project: other}, receiver: old}
`

func newWorld(t testing.TB) *world {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return newWorldOn(t, st)
}

func newWorldOn(t testing.TB, st store.Store) *world {
	t.Helper()
	w := &world{st: st, docs: description(t), log: &bytes.Buffer{}}
	log := slog.New(slog.NewTextHandler(w.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var c notify.Config
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(routed), &c, yaml.Strict()))
	n, err := notify.New(c, notify.Options{Log: log})
	require.NoError(t, err)
	policy := control.New(control.Policy{})
	service, err := ingest.New(ingest.Options{Store: st, Policy: policy, Announcer: n})
	require.NoError(t, err)
	w.h = web.New(web.Options{
		Reader: daemon.Reader{Store: st, Notifier: n}, Actor: daemon.Actor{Runs: service, Control: policy}, Token: token,
		Gatherer: prometheus.NewRegistry(), Loopback: true, Page: web.Page{Version: "1.2.3"}, Log: log,
		Checks: []web.Check{{Name: "store", Do: st.Ping}},
	})
	w.fill(t)
	return w
}

// The runs of a world: "full" has all that can become of one, "twin" is in two projects, and
// "new" has only begun.
func (w *world) fill(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	now := time.Now().Truncate(time.Second)
	keys := []store.RunKey{{Project: "p", ID: "full"}, {Project: "p", ID: "twin"}, {Project: "q", ID: "twin"}, {Project: "p", ID: "new"}}
	require.NoError(t, w.st.Ingest(ctx, func(tx store.Tx) error {
		states, err := tx.LockRuns(ctx, keys)
		if err != nil {
			return err
		}
		var c store.Changes
		for i, s := range states {
			r := s.Run
			r.Name, r.State, r.StartedAt, r.LastSignAt, r.Tags = "a <b> & c", store.StateRunning, now, now, []string{"sweep"}
			r.Started = &contract.RunStarted{Control: contract.Control{
				Mode: contract.ModeAsk, MinLR: 1e-6, Factor: 0.5, HardestFactor: 0.01, MaxCuts: 4, CooldownEpochs: 1,
				Allow: []contract.CommandKind{contract.KindReduceLR, contract.KindSetLR, contract.KindRollback, contract.KindStop},
			}}
			if i == 1 {
				r.State, r.EndedAt, r.EndReason = store.StateFailed, new(now.Add(time.Minute)), "ValueError: x"
			}
			c.Runs = append(c.Runs, r)
			c.Attempts = append(c.Attempts, store.Attempt{RunPK: r.PK, ID: uuid.Must(uuid.NewV7()).String(), StartedAt: now, NextSeq: 5, State: r.State, Started: r.Started})
		}
		return tx.Write(ctx, w.fullRun(c, now))
	}))
	require.NoError(t, w.st.RecordDelivery(ctx, store.Delivery{MessageID: "m1", At: now, State: store.MessageFailed, Error: "503 Service Unavailable"}))
	require.NoError(t, w.st.RecordDelivery(ctx, store.Delivery{MessageID: "m1", At: now, State: store.MessageSent, Reference: "1.2"}))
	s, err := notify.NewSilence([]string{"run=new"}, "ben", "known", now, time.Hour)
	require.NoError(t, err)
	require.NoError(t, w.st.AddSilence(ctx, s))
}

// fullRun adds to the changes all that a run can have.
func (w *world) fullRun(c store.Changes, now time.Time) store.Changes {
	full, attempt := c.Runs[0], c.Attempts[0].ID
	for i, loss := range []float64{0.9, 0.8, math.Inf(1), 0.7} {
		e := store.Epoch{RunPK: full.PK, Attempt: attempt, Seq: int64(i + 1), Epoch: i, EndedAt: now, Metrics: map[string]float64{"loss": loss, "val_loss": math.NaN()}}
		if i > 0 {
			e.Seconds, e.LearningRate = new(1.5), new(0.1)
		}
		c.Epochs = append(c.Epochs, e)
	}
	finding := func(id string, kind detectors.Kind, severity detectors.Severity, onset int) store.Finding {
		return store.Finding{ID: id, RunPK: full.PK, OpenedAt: now, Finding: detectors.Finding{
			Kind: kind, Metric: "loss", Severity: severity, OnsetEpoch: onset, FiredEpoch: 2, Confidence: 0.9, Reason: "grows", Summary: "loss grew.",
			Evidence: map[string]contract.Number{"now": contract.Number(math.Inf(1))}, Advice: []string{"Lower it."},
		}}
	}
	over := finding("f2", "my_rule", detectors.SeverityWarning, 0)
	over.ResolvedEpoch = new(2)
	held := finding("f3", detectors.KindPlateau, detectors.SeverityWarning, 1)
	c.Findings = []store.Finding{finding("f1", detectors.KindDivergence, detectors.SeverityCritical, 1), over, held}
	command := func(id string, kind contract.CommandKind, state store.CommandState, seq int64) store.Command {
		return store.Command{
			Command: contract.Command{
				Version: 1, Type: "command", ID: id, Kind: kind, Project: "p", Run: "full", Attempt: attempt, CausedBy: seq,
				Expected: new(contract.Number(0.1)), Wanted: new(contract.Number(0.05)), Reason: "loss rises", IssuedBy: "policy",
				Bounds: full.Started.Control, IssuedAt: now, ExpiresAt: now.Add(time.Hour), ExpiresEpoch: 9,
			},
			RunPK: full.PK, State: state, DecidedEpoch: 2, FindingID: "f1",
			Forecast: []byte(`{"metric":"loss","level":0.62,"before":0.65,"noise":0.02,"from":6}`),
		}
	}
	applied := command("c1", contract.KindReduceLR, store.CommandReverted, 2)
	applied.AppliedEpoch, applied.Before, applied.After, applied.Effect, applied.AnsweredAt = new(3), new(0.1), new(0.05), store.EffectHurt, new(now)
	applied.Forecast = []byte(`{"metric":"loss","level":0.62,"before":0.65,"noise":0.02,"from":6,"judged":{"after":0.9,"epochs":3,"below":0.58,"above":0.75}}`)
	back := command("c2", contract.KindRevert, store.CommandApplied, 3)
	back.Reverts, back.FindingID, back.Forecast = "c1", "", nil
	back.AppliedEpoch, back.Before, back.After, back.Effect = new(4), new(0.05), new(0.1), store.EffectPending
	refused := command("c3", contract.KindSetLR, store.CommandRefused, 4)
	refused.Answer, refused.IssuedBy, refused.Optimizer, refused.DecidedEpoch = "cooldown", "ann", "g_opt", -1
	proposal := command("c4", contract.KindReduceLR, store.CommandProposed, 5)
	proposal.ProposedBy = "policy"
	stop := command("c5", contract.KindStop, store.CommandExpired, 6)
	stop.Expected, stop.Wanted, stop.Forecast, stop.FindingID = nil, nil, nil, ""
	c.Commands = []store.Command{applied, back, refused, proposal, stop}
	message := func(id, channel string, event store.MessageEvent, finding string) store.Message {
		return store.Message{ID: id, RunPK: full.PK, FindingID: finding, GroupID: "g1", Receiver: "team", Channel: channel, Event: event, State: store.MessageQueued, CreatedAt: now}
	}
	c.Messages = []store.Message{message("m1", "slack", store.MessageFiring, "f1"), message("m2", "email", store.MessageUpdate, "f1"), message("m3", "log", store.MessageRunEnded, "")}
	group := store.Group{ID: "g1", Receiver: "team", Labels: map[string]string{"run": "full"}, OpenedAt: now, Head: "f1", Messages: 1, FirstToldAt: &now, ToldAt: &now, DueAt: new(now.Add(time.Hour))}
	c.Groups = []store.Group{group}
	c.Grouped = []store.Grouped{
		{GroupID: "g1", FindingID: "f1", RunPK: full.PK, JoinedAt: now, Told: store.MessageFiring, ToldSeverity: detectors.SeverityCritical},
		{GroupID: "g1", FindingID: "f3", RunPK: full.PK, JoinedAt: now, Why: "silenced by anna until 17:00 UTC: known"},
	}
	c.Joins = []store.Join{{Group: group, Finding: "f1", RunPK: full.PK, At: now}, {Group: group, Finding: "f3", RunPK: full.PK, At: now}}
	c.Quarantined = []store.Quarantined{{
		ReceivedAt: now, Subject: "epochwatch.v1.p.full.event", MessageID: "x", StreamSeq: 7, Reason: contract.ReasonMalformed,
		Detail: "cut short", Size: 5, Payload: []byte("{\"v\":\xff"),
	}}
	return c
}

// do asks and holds the answer against the description.
func (w *world) do(t testing.TB, method, target, content string) reply {
	t.Helper()
	return w.send(t, method, target, content, jsonType, bearer)
}

func (w *world) send(t testing.TB, method, target, content, contentType, auth string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(context.WithoutCancel(t.Context()), method, base+target, strings.NewReader(content))
	r.Header.Set("Content-Type", contentType)
	r.Header.Set("Authorization", auth)
	recorder := httptest.NewRecorder()
	w.h.ServeHTTP(recorder, r)
	a := reply{recorder.Code, recorder.Header(), recorder.Body.String()}
	if a.StatusCode >= http.StatusBadRequest {
		require.Equal(t, "application/problem+json", a.Header.Get("Content-Type"))
	}
	w.docs.check(t, r.Pattern, a)
	for _, s := range secrets {
		require.NotContains(t, a.text, s)
	}
	return a
}

// into reads an answer.
func (a reply) into(t testing.TB, v any) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(a.text), v), a.text)
}
