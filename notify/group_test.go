package notify_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// world is a notifier on a real store with a clock of the test's.
type world struct {
	t     *testing.T
	n     *notify.Notifier
	st    store.Store
	clock *clock
	seen  map[string]bool
}

const team = `receivers: [{name: team, webhook: {url: "https://h/x"}}]
`

func onSQLite(t *testing.T) store.Store {
	t.Helper()
	st, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"), sqlite.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func onPostgres(t *testing.T) store.Store {
	t.Helper()
	st, err := postgres.Open(t.Context(), pgtest.New(t), postgres.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, st.Close()) })
	return st
}

func newWorld(t *testing.T, st store.Store, config string) *world {
	t.Helper()
	c := newClock()
	n, err := notify.New(*parse(t, config), notify.Options{Now: c.now})
	require.NoError(t, err)
	return &world{t: t, n: n, st: st, clock: c, seen: map[string]bool{}}
}

// finding of a run: its id is made of both.
func finding(run string, kind detectors.Kind, severity detectors.Severity) store.Finding {
	return store.Finding{ID: run + "/" + string(kind), Finding: detectors.Finding{
		Kind: kind, Metric: "loss", Severity: severity, OnsetEpoch: 3, FiredEpoch: 5, Confidence: 0.8,
		Evidence: map[string]contract.Number{},
	}}
}

// happen stores what became of findings of a run, as ingest does.
func (w *world) happen(run store.Run, event store.MessageEvent, findings ...store.Finding) {
	w.t.Helper()
	if run.Project == "" {
		run.Project = "vision"
	}
	require.NoError(w.t, w.st.Ingest(w.t.Context(), func(tx store.Tx) error {
		states, err := tx.LockRuns(w.t.Context(), []store.RunKey{{Project: run.Project, ID: run.ID}})
		if err != nil {
			return err
		}
		r := run
		r.PK, r.StartedAt, r.LastSignAt = states[0].Run.PK, w.clock.now(), w.clock.now()
		if r.State == "" {
			r.State = store.StateRunning
		}
		c := store.Changes{Runs: []store.Run{r}}
		for _, f := range findings {
			f.RunPK, f.OpenedAt = r.PK, w.clock.now()
			if event == store.MessageResolved {
				f.ResolvedEpoch = new(9)
			}
			messages, joins := w.n.Announce(r, event, f, w.clock.now())
			c.Findings, c.Messages, c.Joins = append(c.Findings, f), append(c.Messages, messages...), append(c.Joins, joins...)
		}
		return tx.Write(w.t.Context(), c)
	}))
}

func (w *world) fires(run string, findings ...store.Finding) {
	w.t.Helper()
	w.happen(store.Run{ID: run}, store.MessageFiring, findings...)
}

func (w *world) resolves(run string, findings ...store.Finding) {
	w.t.Helper()
	w.happen(store.Run{ID: run}, store.MessageResolved, findings...)
}

// after lets time pass, from one time that something is due to the next, and returns what
// was told then: one line a message, "event head + others" with the findings in order.
func (w *world) after(d time.Duration) []string {
	w.t.Helper()
	end := w.clock.now().Add(d)
	for out := w.look(); ; out = append(out, w.look()...) {
		next, err := w.st.NextGroup(w.t.Context())
		require.NoError(w.t, err)
		if next.IsZero() || next.After(end) {
			w.clock.pass(end.Sub(w.clock.now()))
			return out
		}
		w.clock.pass(next.Sub(w.clock.now()))
	}
}

func (w *world) look() []string {
	w.t.Helper()
	due, err := w.st.NextGroup(w.t.Context())
	require.NoError(w.t, err)
	_, err = w.n.Look(w.t.Context(), w.st)
	require.NoError(w.t, err)
	if due.IsZero() || due.After(w.clock.now()) {
		return nil
	}
	runs, err := w.st.ListRuns(w.t.Context(), store.RunFilter{})
	require.NoError(w.t, err)
	var out []string
	for _, r := range runs {
		messages, err := w.st.ListMessages(w.t.Context(), r.PK)
		require.NoError(w.t, err)
		for _, m := range messages {
			if w.seen[m.ID] {
				continue
			}
			w.seen[m.ID] = true
			d, err := w.st.FindMessage(w.t.Context(), m.ID)
			require.NoError(w.t, err)
			line := string(m.Event) + " " + m.FindingID
			if m.Repeated {
				line = "again " + m.FindingID
			}
			var also []string
			for _, o := range d.Also {
				also = append(also, o.Finding.ID)
			}
			if slices.Sort(also); len(also) > 0 {
				line += " + " + strings.Join(also, " ")
			}
			out = append(out, line)
		}
	}
	return out
}

const (
	warning  = detectors.SeverityWarning
	critical = detectors.SeverityCritical
)

func TestFiveSymptomsAreOneMessageAboutTheCause(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), team)
			plateau, nan := finding("r", detectors.KindPlateau, warning), finding("r", detectors.KindLossNaN, critical)
			w.fires("r", plateau)
			require.Empty(t, w.after(time.Second))
			w.fires("r", finding("r", detectors.KindRisingLoss, warning), nan)
			w.fires("r", finding("r", detectors.KindOscillation, warning))
			require.Empty(t, w.after(time.Second))
			w.fires("r", finding("r", detectors.KindOverfitting, warning), nan) // and one again
			require.Equal(t, []string{"firing r/loss_nan + r/oscillation r/overfitting r/plateau r/rising_loss"}, w.after(time.Minute))

			w.resolves("r", plateau)
			require.Equal(t, []string{"update r/loss_nan + r/oscillation r/overfitting r/plateau r/rising_loss"}, w.after(time.Minute))
			w.resolves("r", nan, finding("r", detectors.KindRisingLoss, warning), finding("r", detectors.KindOscillation, warning))
			w.resolves("r", finding("r", detectors.KindOverfitting, warning))
			require.Equal(t, []string{"resolved r/loss_nan + r/oscillation r/overfitting r/rising_loss"}, w.after(5*time.Hour), "at once, and no more")
		})
	}
}

func TestWhatIsNewComesAfterTheIntervalAndWhatIsGraverAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"route: {group_wait: 2s, group_interval: 5m}\n")
	w.fires("r", finding("r", detectors.KindPlateau, warning))
	require.Equal(t, []string{"firing r/plateau"}, w.after(10*time.Second))
	w.fires("r", finding("r", detectors.KindOscillation, warning))
	require.Empty(t, w.after(4*time.Minute))
	require.Equal(t, []string{"update r/plateau + r/oscillation"}, w.after(time.Minute))
	w.fires("r", finding("r", detectors.KindDivergence, critical))
	require.Equal(t, []string{"update r/divergence + r/oscillation r/plateau"}, w.after(2*time.Second))
	w.fires("r", finding("r", detectors.KindOscillation, critical)) // no graver than what is known
	require.Empty(t, w.after(4*time.Minute))
	require.Equal(t, []string{"update r/divergence + r/oscillation r/plateau"}, w.after(time.Minute))
}

func TestWithoutAWaitASingleFindingIsToldAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"route: {group_wait: 0s}\n")
	f := finding("r", detectors.KindPlateau, warning)
	w.fires("r", f)
	require.Equal(t, []string{"firing r/plateau"}, w.after(0))
	w.resolves("r", f)
	require.Equal(t, []string{"resolved r/plateau"}, w.after(0))
	f = finding("r", detectors.KindSpike, warning)
	w.fires("r", f)
	w.resolves("r", f)
	require.Equal(t, []string{"firing r/spike", "resolved r/spike"}, w.after(time.Minute), "one that came and went was there")
	require.Empty(t, w.after(5*time.Hour))
}

func TestAProblemOfARunThatTrainsIsRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"route: {repeat_interval: 10m}\n")
	w.fires("r", finding("r", detectors.KindPlateau, warning))
	require.Equal(t, []string{"firing r/plateau", "again r/plateau", "again r/plateau"}, w.after(21*time.Minute))
	w.happen(store.Run{ID: "r", State: store.StateCompleted}, store.MessageFiring)
	require.Empty(t, w.after(time.Hour), "of a run that has ended nobody needs to be reminded")
}

func TestTenRunsThatFailAlikeAreOneMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"route: {group_by: [project, kind]}\n")
	for i := range 10 {
		w.fires(fmt.Sprint("run-", i), finding(fmt.Sprint("run-", i), detectors.KindLossNaN, critical))
	}
	w.happen(store.Run{Project: "nlp", ID: "other"}, store.MessageFiring, finding("other", detectors.KindLossNaN, critical))
	got := w.after(10 * time.Second)
	require.Len(t, got, 2)
	slices.Sort(got)
	require.Equal(t, "firing other/loss_nan", got[0])
	require.Equal(t, 9, strings.Count(got[1], " run-")-1)
}

// A bad disk takes a thousand runs down within a minute, and the routes say nothing of it.
func TestAStormIsAHandfulOfMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team)
	n := 1000
	if raceEnabled {
		n = 200
	}
	var told []string
	all := make([]store.Finding, n)
	for i := range all {
		run := fmt.Sprintf("run-%03d", i)
		all[i] = finding(run, detectors.KindStalled, critical)
		w.fires(run, all[i])
		if w.clock.pass(time.Minute / time.Duration(n)); i%20 == 0 {
			told = append(told, w.look()...)
		}
	}
	told = append(told, w.after(5*time.Minute)...)
	t.Logf("%d findings of as many runs in a minute: %d messages", n, len(told))
	require.LessOrEqual(t, len(told), 14)
	last := told[len(told)-1]
	require.Equal(t, n-10, strings.Count(last, "run-"), "the last one knows of all but the ten told by themselves")
	for _, f := range all {
		w.resolves(strings.TrimSuffix(f.ID, "/stalled"), f)
	}
	told = w.after(5 * time.Minute)
	t.Logf("and %d when all is well", len(told))
	require.LessOrEqual(t, len(told), 12)
	require.Empty(t, w.after(time.Hour))
}

func TestTwoDaemonsTellOnce(t *testing.T) {
	t.Parallel()
	address := pgtest.New(t)
	var daemons [2]*world
	for i := range daemons {
		st, err := postgres.Open(t.Context(), address, postgres.Options{})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, st.Close()) })
		daemons[i] = newWorld(t, st, team+"route: {group_wait: 0s, group_by: [project]}\n")
	}
	const runs = 20
	done := make(chan error, 2*runs)
	for i := range runs {
		run := fmt.Sprintf("run-%02d", i)
		daemons[i%2].fires(run, finding(run, detectors.KindPlateau, warning))
		for _, d := range daemons {
			go func() {
				_, err := d.n.Look(t.Context(), d.st)
				done <- err
			}()
		}
	}
	for range cap(done) {
		require.NoError(t, <-done)
	}
	for _, d := range daemons {
		d.clock.pass(2 * time.Minute)
	}
	got := daemons[0].look()
	slices.Sort(got)
	require.Len(t, got, 2, got)
	require.True(t, strings.HasPrefix(got[0], "firing"), got)
	require.True(t, strings.HasPrefix(got[1], "update"), got)
	require.Equal(t, runs, strings.Count(got[1], "/plateau"))
	rows, err := daemons[1].st.ListRuns(t.Context(), store.RunFilter{})
	require.NoError(t, err)
	require.Len(t, rows, runs)
}

func TestASilenceKeepsBackAndSaysWhy(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), team+"zone: Europe/Berlin\nroute: {repeat_interval: 0s}\n")
			silence := store.Silence{
				ID: "s", Matchers: []string{`kind="plateau"`, `project=~"vis.*"`}, Author: "anna", Comment: "known",
				CreatedAt: w.clock.now(), StartsAt: w.clock.now(), EndsAt: w.clock.now().Add(time.Hour),
			}
			require.NoError(t, w.st.AddSilence(t.Context(), silence))
			w.fires("r", finding("r", detectors.KindPlateau, warning), finding("r", detectors.KindSpike, warning))
			require.Equal(t, []string{"firing r/spike"}, w.after(10*time.Minute))
			waiting, err := w.st.ListWaiting(t.Context(), 0, 10)
			require.NoError(t, err)
			require.Len(t, waiting, 1)
			require.Equal(t, "silenced by anna until 14 Mar 17:09 CET: known", waiting[0].Member.Why)
			require.Equal(t, []string{"update r/plateau + r/spike"}, w.after(time.Hour), "it still fires when the silence is over")

			// One that resolves within a silence was never told, and one that is lifted early is told then.
			silence.ID, silence.EndsAt, silence.CreatedAt = "t", w.clock.now().Add(24*time.Hour), w.clock.now()
			require.NoError(t, w.st.AddSilence(t.Context(), silence))
			w.fires("q", finding("q", detectors.KindPlateau, critical))
			require.Empty(t, w.after(time.Hour))
			silence.EndsAt, silence.CreatedAt = w.clock.now(), w.clock.now()
			require.NoError(t, w.st.AddSilence(t.Context(), silence))
			require.Equal(t, []string{"firing q/plateau"}, w.after(time.Second))
		})
	}
}

func TestNothingAtNightButWhatIsCritical(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+`
zone: Europe/Berlin
time_intervals: [{name: nights, from: "0 22 * * *", to: "0 7 * * *"}]
route:
  repeat_interval: 0s
  mute_times: [nights]
  routes: [{match: {severity: critical}}]
`)
	w.clock.pass(7 * time.Hour) // 23:09 in Berlin
	f := finding("r", detectors.KindPlateau, warning)
	w.fires("r", f)
	w.fires("s", finding("s", detectors.KindLossNaN, critical))
	require.Equal(t, []string{"firing s/loss_nan"}, w.after(7*time.Hour))
	require.Equal(t, []string{"firing r/plateau"}, w.after(time.Hour), "at seven")
	w.clock.pass(16 * time.Hour)
	w.resolves("r", f)
	require.Empty(t, w.after(7*time.Hour))
	require.Equal(t, []string{"resolved r/plateau"}, w.after(time.Hour))

	w = newWorld(t, onSQLite(t), team+`
zone: Asia/Tokyo
time_intervals: [{name: work, from: "0 9 * * MON-FRI", to: "0 17 * * MON-FRI", zone: UTC}]
route: {active_times: [work], repeat_interval: 0s}
`)
	w.fires("r", f) // on a Saturday
	require.Empty(t, w.after(41*time.Hour))
	require.Equal(t, []string{"firing r/plateau"}, w.after(time.Hour))
}

func TestWhatIsInhibitedWaitsForItsCause(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+`
inhibit: [{source: [severity=critical], target: [severity=warning], equal: [run, metric]}]
route: {group_by: [run, kind], repeat_interval: 0s}
`)
	nan, plateau := finding("r", detectors.KindLossNaN, critical), finding("r", detectors.KindPlateau, warning)
	other := finding("r", detectors.KindSpike, warning)
	other.Metric = "val_loss"
	w.fires("r", plateau, other, nan)
	w.fires("s", finding("s", detectors.KindPlateau, warning))
	got := w.after(10 * time.Minute)
	slices.Sort(got)
	require.Equal(t, []string{"firing r/loss_nan", "firing r/spike", "firing s/plateau"}, got)
	waiting, err := w.st.ListWaiting(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Equal(t, "inhibited by loss_nan of the same run", waiting[0].Member.Why)
	w.resolves("r", nan)
	require.Equal(t, []string{"resolved r/loss_nan", "firing r/plateau"}, w.after(time.Minute))
}

func TestAFindingOfOneRunInhibitsThoseOfAnother(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), team+`
inhibit: [{source: [kind=stalled], target: [kind!=stalled], equal: [project, tag]}]
route: {repeat_interval: 0s}
`)
			tagged := func(id string, tags ...string) store.Run { return store.Run{ID: id, Tags: tags} }
			stalled := finding("disk", detectors.KindStalled, critical)
			w.happen(tagged("disk", "b", "a"), store.MessageFiring, stalled)
			require.Equal(t, []string{"firing disk/stalled"}, w.after(time.Minute))
			w.happen(tagged("alike", "a", "b"), store.MessageFiring, finding("alike", detectors.KindPlateau, warning))
			w.happen(tagged("tagged", "a"), store.MessageFiring, finding("tagged", detectors.KindPlateau, warning))
			w.happen(store.Run{Project: "nlp", ID: "far", Tags: []string{"a", "b"}}, store.MessageFiring, finding("far", detectors.KindPlateau, warning))
			got := w.after(10 * time.Minute)
			slices.Sort(got)
			require.Equal(t, []string{"firing far/plateau", "firing tagged/plateau"}, got)
			waiting, err := w.st.ListWaiting(t.Context(), 0, 10)
			require.NoError(t, err)
			require.Len(t, waiting, 1)
			const why = "inhibited by stalled of run vision/disk"
			require.Equal(t, why, waiting[0].Member.Why)
			run, err := w.st.FindRun(t.Context(), "vision", "alike")
			require.NoError(t, err)
			all, err := w.n.Explain(t.Context(), w.st, run, w.clock.now())
			require.NoError(t, err)
			require.Equal(t, why, all[0].Heard[0].Why)

			// It fires still, but its run has ended: the others are not held back for ever.
			w.happen(store.Run{ID: "disk", Tags: []string{"a", "b"}, State: store.StateLost}, store.MessageFiring)
			require.Equal(t, []string{"firing alike/plateau"}, w.after(time.Minute))
		})
	}
}

func TestTwoThatAreSourceAndTargetBothAreBothTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"inhibit: [{source: [severity=critical], target: ['severity=~\".*\"'], equal: []}]\n")
	w.fires("r", finding("r", detectors.KindLossNaN, critical), finding("r", detectors.KindSpike, warning))
	w.fires("s", finding("s", detectors.KindLossNaN, critical))
	w.happen(store.Run{Project: "nlp", ID: "t"}, store.MessageFiring, finding("t", detectors.KindPlateau, warning))
	got := w.after(10 * time.Minute)
	slices.Sort(got)
	require.Equal(t, []string{"firing r/loss_nan", "firing s/loss_nan"}, got, "and what is less grave is not, of whatever run")
}

func TestAReceiverOrAChannelMayHearOfNoResolution(t *testing.T) {
	t.Parallel()
	const slack, email = `webhook_url: "https://h/x"`, `to: [a@b], from: a@b, smtp: "smtp://h"`
	for _, c := range []struct {
		receiver, slack, email, webhook string
		want                            []string // the channels that hear of it
	}{
		{"", "", "", "", []string{"slack", "email", "webhook"}},
		{"false", "", "", "", nil},
		{"", "false", "", "", []string{"email", "webhook"}},
		{"true", "", "false", "false", []string{"slack"}},
		{"false", "", "true", "", []string{"email"}},
		{"false", "", "", "true", []string{"webhook"}},
	} {
		say := func(value string) string {
			if value == "" {
				return ""
			}
			return ", send_resolved: " + value
		}
		w := newWorld(t, onSQLite(t), fmt.Sprintf(`receivers: [{name: team%s, slack: {%s%s}, email: {%s%s}, webhook: {url: "https://h/x"%s}}]`,
			say(c.receiver), slack, say(c.slack), email, say(c.email), say(c.webhook)))
		f := finding("r", detectors.KindPlateau, warning)
		w.fires("r", f)
		require.Equal(t, []string{"firing r/plateau", "firing r/plateau", "firing r/plateau"}, w.after(time.Minute))
		w.resolves("r", f)
		w.after(time.Hour)
		messages, err := w.st.ListRecentMessages(t.Context(), 0, 10)
		require.NoError(t, err)
		var got []string
		for _, m := range slices.Backward(messages) {
			if m.Event == store.MessageResolved {
				got = append(got, m.Channel)
			}
		}
		require.Equal(t, c.want, got, "%+v", c)
	}
}

// counted counts how often it is asked what fires in other runs.
type counted struct {
	store.Store

	asked int
}

func (c *counted) ListFiring(ctx context.Context, limit int) ([]store.RunFinding, error) {
	c.asked++
	return c.Store.ListFiring(ctx, limit)
}

func TestOtherRunsAreAskedOfOnceAndOnlyByRulesThatReachThem(t *testing.T) {
	t.Parallel()
	for equal, want := range map[string]int{"": 0, ", equal: [run, metric]": 0, ", equal: [project]": 1, ", equal: [metric]": 1} {
		w := newWorld(t, onSQLite(t), team+fmt.Sprintf("inhibit: [{source: [kind=stalled], target: [severity=warning]%s}]", equal))
		w.fires("r", finding("r", detectors.KindPlateau, warning), finding("r", detectors.KindSpike, warning))
		run, err := w.st.FindRun(t.Context(), "", "r")
		require.NoError(t, err)
		st := &counted{Store: w.st}
		_, err = w.n.Explain(t.Context(), st, run, w.clock.now())
		require.NoError(t, err)
		require.Equal(t, want, st.asked, equal)
	}
}
