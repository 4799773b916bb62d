package notify_test

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// editing is a receiver with a channel that can edit and one that cannot.
const editing = `receivers: [{name: team, slack: {token: xoxb-1-2-abcdefghijkl, channel: "#t"}, webhook: {url: "https://h/x"}}]
`

// command of a run, proposed by the policy to a person where it is a proposal.
func command(id string, state store.CommandState, now time.Time) store.Command {
	wanted := contract.Number(0.05)
	return store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command", ID: id, Kind: contract.KindReduceLR, Attempt: attempt, Wanted: &wanted,
			Bounds: contract.Control{Mode: contract.ModeAsk}, IssuedBy: "anna", IssuedAt: now, ExpiresAt: now.Add(time.Hour),
			CausedBy: int64(len(id)),
		},
		State: state, DecidedEpoch: 5, ProposedBy: "policy",
	}
}

// done stores what was done to a run, as ingest does.
func (w *world) done(run string, commands ...store.Command) {
	w.t.Helper()
	require.NoError(w.t, w.st.Ingest(w.t.Context(), func(tx store.Tx) error {
		states, err := tx.LockRuns(w.t.Context(), []store.RunKey{{Project: "vision", ID: run}})
		if err != nil {
			return err
		}
		r := states[0].Run
		c := store.Changes{Runs: []store.Run{r}, Attempts: []store.Attempt{{RunPK: r.PK, ID: attempt, StartedAt: r.StartedAt, State: store.StateRunning}}}
		for _, cmd := range commands {
			cmd.RunPK = r.PK
			c.Commands = append(c.Commands, cmd)
		}
		c.News = w.n.News(c.Commands, w.clock.now())
		return tx.Write(w.t.Context(), c)
	}))
}

func TestWhatWasDoneIsToldInPlace(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, open(t), editing+"route: {repeat_interval: 0s}\n")
			w.done("r", command("c", store.CommandSent, w.clock.now()))
			w.fires("r", finding("r", detectors.KindPlateau, warning))
			require.Equal(t, []string{"firing r/plateau", "firing r/plateau"}, w.after(10*time.Second))
			w.done("r", command("c", store.CommandApplied, w.clock.now()))
			require.Empty(t, w.after(time.Second))
			w.done("r", command("c", store.CommandApplied, w.clock.now())) // judged
			require.Equal(t, []string{"progress r/plateau"}, w.after(time.Minute), "one for both, to Slack alone")
			w.done("other", command("d", store.CommandApplied, w.clock.now()))
			require.Empty(t, w.after(time.Minute), "of a run that nobody was told of")

			// What is told anyhow needs no progress beside it.
			w.done("r", command("c", store.CommandReverted, w.clock.now()))
			w.resolves("r", finding("r", detectors.KindPlateau, warning))
			require.Equal(t, []string{"resolved r/plateau", "resolved r/plateau"}, w.after(time.Hour))
			w.done("r", command("c", store.CommandReverted, w.clock.now()))
			require.Empty(t, w.after(time.Hour), "it is over")
		})
	}
}

func TestAQuestionIsToldToAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), editing+"route: {repeat_interval: 0s}\n")
	w.fires("r", finding("r", detectors.KindPlateau, warning))
	require.Len(t, w.after(10*time.Second), 2)
	w.done("r", command("c", store.CommandProposed, w.clock.now()))
	require.Equal(t, []string{"progress r/plateau"}, w.after(10*time.Second), "with its buttons")
	require.Equal(t, []string{"update r/plateau", "update r/plateau"}, w.after(time.Minute))
	require.Empty(t, w.after(time.Hour))

	second := command("second", store.CommandProposed, w.clock.now())
	w.done("r", second)
	second.State = store.CommandSent
	w.done("r", second)
	require.Equal(t, []string{"progress r/plateau"}, w.after(time.Hour), "it was answered at once")
}

func TestWhatSomebodyHasSeenIsNotRepeated(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), editing)
	plateau := finding("r", detectors.KindPlateau, warning)
	w.fires("r", plateau)
	require.Len(t, w.after(time.Minute), 2)
	first := notify.MessageID(plateau.ID, "team", "webhook", store.MessageFiring)
	n, err := w.st.Acknowledge(t.Context(), notify.Seen(first, 0, "anna", w.clock.now()))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"progress r/plateau"}, w.after(9*time.Hour))
	w.fires("r", finding("r", detectors.KindDivergence, critical))
	require.Equal(t, []string{"update r/divergence + r/plateau", "update r/divergence + r/plateau"}, w.after(9*time.Hour), "what is graver is told")
	w.resolves("r", plateau, finding("r", detectors.KindDivergence, critical))
	require.Len(t, w.after(time.Hour), 2)
	n, err = w.st.Acknowledge(t.Context(), notify.Seen(first, 0, "anna", w.clock.now()))
	require.NoError(t, err)
	require.Zero(t, n, "it is over")

	// What comes anew has been seen by nobody.
	w.fires("r", finding("r", detectors.KindOscillation, warning))
	require.Equal(t, []string{"firing r/oscillation", "firing r/oscillation"}, w.after(time.Hour))
	require.Equal(t, []string{"again r/oscillation", "again r/oscillation"}, w.after(4*time.Hour))
}

func TestALateMessageIsLeftOutWhereALaterOneSaysMore(t *testing.T) {
	t.Parallel()
	b := setup(t)
	st := newMemory()
	st.order = func(string) store.Order { return store.Order{NewerSent: true} }
	for _, event := range []store.MessageEvent{store.MessageUpdate, store.MessageProgress} {
		m := store.Message{ID: "late " + string(event), Receiver: "team", Channel: "slack", Event: event, State: store.MessageFailed, GroupID: "g", CreatedAt: notifytest.SpecimenTime}
		st.add("rising_loss", m)
		require.NoError(t, b.n.Handler(st)(t.Context(), store.Job{MessageID: m.ID, Attempt: 2}))
		require.Equal(t, store.MessageSent, st.message(m.ID).State)
		require.Contains(t, st.message(m.ID).LastError, "left out")
	}
	require.Empty(t, b.slack.Messages())
}

// What is told last must be what holds: of two messages about one problem the earlier goes
// first, or not at all.
func TestMessagesOfOneProblemGoInOrder(t *testing.T) {
	t.Parallel()
	newer, behind := store.Order{NewerWaits: true}, store.Order{OlderSending: true}
	for name, c := range map[string]struct {
		event  store.MessageEvent
		state  store.MessageState
		orders []store.Order // as it is found, time after time; the last for ever
		want   []store.MessageState
		sent   bool
	}{
		"a later one waits":                 {store.MessageUpdate, store.MessageQueued, []store.Order{newer}, []store.MessageState{store.MessageQueued}, false},
		"and the try of this one failed":    {store.MessageUpdate, store.MessageFailed, []store.Order{newer}, nil, false},
		"and a daemon was killed with this": {store.MessageProgress, store.MessageSending, []store.Order{newer}, []store.MessageState{store.MessageFailed}, false},
		"an earlier one is on its way":      {store.MessageUpdate, store.MessageQueued, []store.Order{behind}, []store.MessageState{store.MessageQueued}, false},
		"a later one comes meanwhile": {
			store.MessageUpdate, store.MessageQueued, []store.Order{{}, newer}, []store.MessageState{store.MessageSending, store.MessageQueued}, false,
		},
		"a first message is its own": {
			store.MessageFiring, store.MessageQueued, []store.Order{behind}, []store.MessageState{store.MessageSending, store.MessageSent}, true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, st, asked := setup(t), newMemory(), 0
			st.order = func(string) store.Order {
				asked++
				return c.orders[min(asked, len(c.orders))-1]
			}
			st.add("rising_loss", store.Message{
				ID: "m", Receiver: "team", Channel: "webhook", Event: c.event, State: c.state, GroupID: "g", CreatedAt: notifytest.SpecimenTime,
			})
			err := b.n.Handler(st)(t.Context(), store.Job{MessageID: "m", Attempt: 1})
			_, waits := errors.AsType[*store.NotYetError](err)
			require.Equal(t, !c.sent, waits, "%v", err)
			require.Equal(t, c.want, st.states("m"))
			require.Len(t, b.hook.Calls(), map[bool]int{true: 1}[c.sent])
		})
	}
}

// Where the first message was given up and a later one was told, so is the end.
func TestAResolutionIsToldWhereAnUpdateWas(t *testing.T) {
	t.Parallel()
	for _, told := range []store.MessageState{store.MessageSent, store.MessageDead} {
		b, st := setup(t), newMemory()
		message := func(id string, event store.MessageEvent, state store.MessageState) store.Message {
			return store.Message{
				ID: id, Receiver: "team", Channel: "webhook", Event: event, State: state, GroupID: "g", CreatedAt: notifytest.SpecimenTime, Thread: "first",
			}
		}
		first := message("first", store.MessageFiring, store.MessageDead)
		first.Thread = ""
		st.add("rising_loss", first, message("update", store.MessageUpdate, told), message("end", store.MessageResolved, store.MessageQueued))
		err := b.n.Handler(st)(t.Context(), store.Job{MessageID: "end", Attempt: 1})
		require.Equal(t, told == store.MessageSent, err == nil, "%v", err)
		require.Equal(t, told, st.message("end").State)
	}
}
