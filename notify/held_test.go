package notify_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/store"
)

// interrupted is a store in which something happens between two steps of a look: the
// silences are read, and the groups are not.
type interrupted struct {
	store.Store
	then func()
}

func (i *interrupted) ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error) {
	out, err := i.Store.ListSilences(ctx, after)
	if i.then != nil {
		i.then()
		i.then = nil
	}
	return out, err
}

func TestASilenceThatIsLiftedWhileItIsLookedAt(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), team+"route: {group_wait: 0s}\n")
			silence, err := notify.NewSilence([]string{"run=r"}, "anna", "", w.clock.now(), 7*24*time.Hour)
			require.NoError(t, err)
			require.NoError(t, w.st.AddSilence(t.Context(), silence))
			w.fires("r", finding("r", detectors.KindLossNaN, critical))
			_, err = w.n.Look(t.Context(), &interrupted{Store: w.st, then: func() {
				silence.EndsAt, silence.CreatedAt = w.clock.now(), w.clock.now()
				require.NoError(t, w.st.AddSilence(t.Context(), silence))
			}})
			require.NoError(t, err)
			require.Equal(t, []string{"firing r/loss_nan"}, w.after(time.Minute))
		})
	}
}

func TestTimesThatAnotherConfigHasNot(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+`time_intervals: [{name: always, from: "0 0 * * *", to: "59 23 * * *"}]
route: {group_wait: 0s, mute_times: [always]}
`)
	w.fires("r", finding("r", detectors.KindLossNaN, critical))
	require.Empty(t, w.after(5*time.Minute))
	n, err := notify.New(*parse(t, team), notify.Options{Now: w.clock.now})
	require.NoError(t, err)
	w.n = n
	require.Equal(t, []string{"firing r/loss_nan"}, w.after(time.Minute))
}

// A warning that turns critical leads to others; those who had it as a warning, and are not
// to be told at night, are not told of that either.
func TestTheTimesOfAFindingThatTurnedCritical(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), `receivers: [{name: team, webhook: {url: "https://h/x"}}, {name: oncall, webhook: {url: "https://h/y"}}]
time_intervals: [{name: nights, from: "0 22 * * *", to: "0 7 * * *"}]
route:
  receiver: team
  routes:
    - {match: {severity: critical}, receiver: oncall}
    - {match: {project: vision}, mute_times: [nights]}
`)
	w.clock.pass(8 * time.Hour)
	w.fires("r", finding("r", detectors.KindRisingLoss, warning))
	require.Empty(t, w.after(time.Minute))
	w.fires("r", finding("r", detectors.KindRisingLoss, critical))
	require.Len(t, w.after(10*time.Minute), 1)
	list, err := w.st.ListRecentMessages(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Len(t, list, 1)
	require.Equal(t, "oncall", list[0].Receiver)
}

func TestWhatCameAndWentBetweenTwoMessages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+"route: {group_wait: 0s, repeat_interval: 0s}\n")
	rising, plateau := finding("r", detectors.KindRisingLoss, warning), finding("r", detectors.KindPlateau, warning)
	w.fires("r", rising)
	require.Equal(t, []string{"firing r/rising_loss"}, w.after(time.Second))
	w.fires("r", plateau)
	w.resolves("r", plateau)
	require.Equal(t, []string{"update r/rising_loss + r/plateau"}, w.after(10*time.Minute))
	waiting, err := w.st.ListWaiting(t.Context(), 0, 10)
	require.NoError(t, err)
	require.Empty(t, waiting)
	run, err := w.st.FindRun(t.Context(), "vision", "r")
	require.NoError(t, err)
	_, err = w.st.Acknowledge(t.Context(), notify.Seen("", run.PK, "anna", w.clock.now()))
	require.NoError(t, err)
	require.Empty(t, w.after(10*time.Minute), "an acknowledgement is no update")
}

func TestAReceiverThatAnotherConfigHasNot(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), team+`time_intervals: [{name: always, from: "0 0 * * *", to: "59 23 * * *"}]
route: {group_wait: 0s, mute_times: [always]}
`)
			w.fires("r", finding("r", detectors.KindLossNaN, critical))
			w.fires("over", finding("over", detectors.KindPlateau, warning))
			require.Empty(t, w.after(5*time.Minute))
			n, err := notify.New(*parse(t, `receivers: [{name: others, webhook: {url: "https://h/x"}}]`), notify.Options{Now: w.clock.now})
			require.NoError(t, err)
			w.n = n
			w.resolves("over", finding("over", detectors.KindPlateau, warning))
			require.Equal(t, []string{"firing r/loss_nan"}, w.after(2*time.Minute))
			list, err := w.st.ListRecentMessages(t.Context(), 0, 10)
			require.NoError(t, err)
			require.Len(t, list, 1)
			require.Equal(t, "others", list[0].Receiver)
			w.resolves("r", finding("r", detectors.KindLossNaN, critical))
			require.Equal(t, []string{"resolved r/loss_nan"}, w.after(time.Minute))
		})
	}
}
