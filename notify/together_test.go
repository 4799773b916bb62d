package notify_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// endsWorld is a world whose ends of runs are worked as a queue does, by the clock of the test.
type endsWorld struct {
	*world
	hook *notifytest.Webhook
	due  map[string]time.Time // by message
}

func newEndsWorld(t *testing.T, st store.Store, config string) *endsWorld {
	t.Helper()
	hook := notifytest.NewWebhook(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := newClock()
	n, err := notify.New(*parse(t, fmt.Sprintf(config, hook.URL())), notify.Options{Now: c.now, HTTPClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	return &endsWorld{world: &world{t: t, n: n, st: st, clock: c, seen: map[string]bool{}}, hook: hook, due: map[string]time.Time{}}
}

// lose has a run be lost.
func (w *endsWorld) lose(id string) {
	w.t.Helper()
	ctx := w.t.Context()
	w.happen(store.Run{ID: id}, store.MessageFiring)
	run, err := w.st.FindRun(ctx, "", id)
	require.NoError(w.t, err)
	run.State, run.Attempts = store.StateLost, 1
	require.NoError(w.t, w.st.Ingest(ctx, func(tx store.Tx) error {
		return tx.Write(ctx, store.Changes{Runs: []store.Run{run}, Messages: w.n.Ended(run, w.clock.now())})
	}))
}

// work works the jobs that are due, until none is.
func (w *endsWorld) work() {
	w.t.Helper()
	for again := true; again; {
		again = false
		messages, err := w.st.ListRecentMessages(w.t.Context(), 0, 5000)
		require.NoError(w.t, err)
		for _, m := range slices.Backward(messages) {
			if m.State == store.MessageSent || w.due[m.ID].After(w.clock.now()) {
				continue
			}
			again = true
			err := w.n.Handler(w.st)(w.t.Context(), store.Job{MessageID: m.ID, Attempt: 1, MaxAttempts: 12})
			if wait, ok := errors.AsType[*store.NotYetError](err); ok {
				require.Positive(w.t, wait.After)
				w.due[m.ID] = w.clock.now().Add(wait.After)
				continue
			}
			require.NoError(w.t, err)
		}
	}
}

// told returns how many messages arrived, and how often each run is in one.
func (w *endsWorld) told() (messages int, runs map[string]int) {
	w.t.Helper()
	type named struct {
		Run struct {
			ID string `json:"id"`
		} `json:"run"`
	}
	runs = map[string]int{}
	for _, c := range w.hook.Calls() {
		var p struct {
			Data struct {
				named

				Digest struct {
					Ended []named `json:"ended"`
				} `json:"digest"`
			} `json:"data"`
		}
		require.NoError(w.t, json.Unmarshal(c.Body, &p), string(c.Body))
		messages++
		if len(p.Data.Digest.Ended) == 0 {
			runs[p.Data.Run.ID]++
		}
		for _, r := range p.Data.Digest.Ended {
			runs[r.Run.ID]++
		}
	}
	return messages, runs
}

const lostRuns = `receivers: [{name: team, webhook: {url: %q}, run_ended: [lost]}]
`

// A bad disk takes a sweep down: its ends are a handful of messages, and each is told once.
func TestManyEndsAreAHandfulOfMessages(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 100
			w := newEndsWorld(t, open(t), lostRuns)
			for i := range n {
				w.lose(fmt.Sprintf("run-%03d", i))
				w.work()
				w.clock.pass(400 * time.Millisecond)
			}
			for range 24 {
				w.clock.pass(5 * time.Second)
				w.work()
			}
			messages, runs := w.told()
			t.Logf("%d runs lost within 40 s: %d messages", n, messages)
			require.LessOrEqual(t, messages, 13)
			require.Len(t, runs, n)
			for id, times := range runs {
				require.Equal(t, 1, times, id)
			}
			w.lose("later")
			w.work()
			_, runs = w.told()
			require.Equal(t, 1, runs["later"], "when it is quiet again an end is told as it comes")
		})
	}
}

func TestTheEndsOfANightAreOneMessageInTheMorning(t *testing.T) {
	t.Parallel()
	w := newEndsWorld(t, onSQLite(t), lostRuns+`
time_intervals: [{name: nights, from: "0 22 * * *", to: "0 7 * * *"}]
route: {mute_times: [nights]}
`)
	w.clock.pass(7 * time.Hour) // 22:09
	for i := range 30 {
		w.lose(fmt.Sprintf("run-%03d", i))
		w.work()
		w.clock.pass(10 * time.Minute)
	}
	messages, _ := w.told()
	require.Zero(t, messages)
	w.clock.pass(5 * time.Hour)
	w.work()
	messages, runs := w.told()
	require.Equal(t, 1, messages)
	require.Len(t, runs, 30)
	all, err := w.st.ListRecentMessages(context.Background(), 0, 100)
	require.NoError(t, err)
	require.Len(t, all, 31)
	require.Equal(t, store.MessageSent, all[len(all)-1].State)
	deliveries, err := w.st.ListDeliveries(t.Context(), all[len(all)-1].ID)
	require.NoError(t, err)
	require.Equal(t, "told together with other ends, as message "+all[0].ID, deliveries[len(deliveries)-1].Error)
}

// The message about many ends has the id of a minute; an end that is in it and whose own turn
// comes in the next minute, for instance because the daemon was killed, is not told again.
func TestEndsToldTogetherAreToldOnceAcrossMinutes(t *testing.T) {
	t.Parallel()
	w := newEndsWorld(t, onSQLite(t), lostRuns)
	w.clock.pass(w.clock.now().Truncate(time.Minute).Add(90 * time.Second).Sub(w.clock.now()))
	for i := range 30 {
		w.lose(fmt.Sprintf("run-%02d", i))
	}
	w.work()
	w.clock.pass(15 * time.Second)
	messages, err := w.st.ListRecentMessages(t.Context(), 0, 100)
	require.NoError(t, err)
	_ = w.n.Handler(w.st)(t.Context(), store.Job{MessageID: messages[len(messages)-1].ID, Attempt: 1, MaxAttempts: 12})
	w.clock.pass(20 * time.Second)
	clear(w.due)
	for range 24 {
		w.work()
		w.clock.pass(5 * time.Second)
	}
	_, runs := w.told()
	require.Len(t, runs, 30)
	for run, n := range runs {
		require.Equal(t, 1, n, run)
	}
}

// Ends that are kept back do not hide how many are to be told now.
func TestHeldEndsDoNotHideAStorm(t *testing.T) {
	t.Parallel()
	w := newEndsWorld(t, onSQLite(t), lostRuns)
	silence, err := notify.NewSilence([]string{`run=~"quiet.*"`}, "anna", "", w.clock.now(), 24*time.Hour)
	require.NoError(t, err)
	require.NoError(t, w.st.AddSilence(t.Context(), silence))
	for i := range 200 {
		w.lose(fmt.Sprintf("quiet-%03d", i))
	}
	w.work()
	w.clock.pass(5 * time.Minute)
	for i := range 60 {
		w.lose(fmt.Sprintf("run-%03d", i))
	}
	for range 24 {
		w.work()
		w.clock.pass(5 * time.Second)
	}
	n, runs := w.told()
	require.Len(t, runs, 60)
	require.Less(t, n, 13)
}
