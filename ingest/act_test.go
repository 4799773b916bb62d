package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// errOpen is what a wish in these tests is refused with while a command is on its way.
var errOpen = errors.New("one is on its way")

// wish stops the run, unless a command is on its way.
func wish(by string) func(Situation) ([]store.Command, error) {
	return func(s Situation) ([]store.Command, error) {
		for _, c := range s.Commands {
			if c.State == store.CommandSent {
				return nil, errOpen
			}
		}
		return []store.Command{{
			Command: contract.Command{
				Version: 1, Type: "command", ID: fmt.Sprintf("%s%d", by, s.Seq), Kind: contract.KindStop, Project: s.Run.Project, Run: s.Run.ID,
				Attempt: s.Attempt.ID, CausedBy: s.Seq, IssuedBy: by, IssuedAt: s.Now, ExpiresAt: s.Now.Add(time.Minute), ExpiresEpoch: 9,
			},
			State: store.CommandSent,
		}}, nil
	}
}

// proposing proposes a cut after the first epoch, in a mode.
type proposing struct{ mode contract.Mode }

func (p proposing) Decide(s Situation) []store.Command {
	if len(s.Commands) > 0 || len(s.Recent) == 0 {
		return nil
	}
	c := everyThird{always: true}.Decide(Situation{Run: s.Run, Attempt: s.Attempt, Seq: 3, Recent: s.Recent, Now: s.Now})[0]
	c.State, c.Bounds.Mode, c.IssuedBy, c.ProposedBy = store.CommandProposed, p.mode, "policy", "policy"
	return []store.Command{c}
}

// approving has somebody approve the proposal.
func approving(by string) func(Situation) ([]store.Command, error) {
	return func(s Situation) ([]store.Command, error) {
		for _, c := range s.Commands {
			if c.AwaitsPerson() {
				c.State, c.IssuedBy, c.ExpiresAt = store.CommandSent, by, s.Now.Add(time.Minute)
				return []store.Command{c}, nil
			}
		}
		return nil, errOpen
	}
}

func commandsOf(t *testing.T, st store.Store, run string) []store.Command {
	t.Helper()
	r, err := st.FindRun(t.Context(), "default", run)
	require.NoError(t, err)
	out, err := st.ListCommands(t.Context(), r.PK)
	require.NoError(t, err)
	return out
}

func TestAWishIsStoredAndSentAtOnceAndTheNextOneSeesIt(t *testing.T) {
	t.Parallel()
	ctx, st, sender, h := t.Context(), newMemStore(), &sends{}, &hearsay{}
	s := service(t, Options{Store: st, Sender: sender, Observer: h})
	require.ErrorIs(t, s.Act(ctx, "default", "r1", wish("ana")), store.ErrNotFound)
	r := newTrainer("r1", first).started().epochs(0, 1, 0.9)
	deliver(ctx, t, s, r.out...)
	h.heard()
	var seen Situation
	require.NoError(t, s.Act(ctx, "default", "r1", func(in Situation) ([]store.Command, error) {
		seen = in
		return wish("ana")(in)
	}))
	require.Equal(t, int64(3), seen.Seq)
	require.Len(t, seen.Recent, 2)
	require.Equal(t, first, seen.Attempt.ID)
	require.Equal(t, []string{"ana3"}, sender.all())
	types, all := h.heard()
	require.Equal(t, []NewsType{NewsCommandDecided}, types)
	require.Equal(t, "ana", all[0].Command.IssuedBy)

	require.ErrorIs(t, s.Act(ctx, "default", "r1", wish("bob")), errOpen)
	require.Len(t, commandsOf(t, st, "r1"), 1)
	deliver(ctx, t, s, r.heartbeat().out[3:]...)
	require.Equal(t, []string{"ana3", "ana3"}, sender.all(), "a sign of life brings it again")

	deliver(ctx, t, s, r.answer("ana3", contract.OutcomeApplied, 2).out[4:]...)
	c := commandsOf(t, st, "r1")[0]
	require.Equal(t, store.CommandApplied, c.State)
	require.Empty(t, c.Effect, "nothing is trained after a stop")
	require.NoError(t, s.Act(ctx, "default", "r1", wish("bob")))
	s.cache.drop(store.RunKey{Project: "default", ID: "r1"})
	require.NoError(t, s.Act(ctx, "default", "r1", func(in Situation) ([]store.Command, error) {
		require.Len(t, in.Recent, 2, "what is not in memory is read")
		require.Len(t, in.Commands, 2)
		return nil, nil
	}))
}

func TestOneCauseLeadsToOneCommandOfAKind(t *testing.T) {
	t.Parallel()
	ctx, st, sender := t.Context(), newMemStore(), &sends{}
	s := service(t, Options{Store: st, Sender: sender})
	deliver(ctx, t, s, newTrainer("r1", first).started().epochs(0, 1).out...)
	require.NoError(t, s.Act(ctx, "default", "r1", wish("ana")))
	again := func(in Situation) ([]store.Command, error) {
		in.Commands = nil
		return wish("bob")(in)
	}
	require.ErrorIs(t, s.Act(ctx, "default", "r1", again), ErrSameCause)
	require.Equal(t, []string{"ana2"}, sender.all())
}

func TestAnApprovedProposalIsSentAtOnce(t *testing.T) {
	t.Parallel()
	ctx, st, sender, h := t.Context(), newMemStore(), &sends{}, &hearsay{}
	s := service(t, Options{Store: st, Sender: sender, Observer: h, Policy: proposing{contract.ModeAsk}})
	r := newTrainer("r1", first).started().epochs(0, 1, 0.9).heartbeat()
	deliver(ctx, t, s, r.out...)
	require.Empty(t, sender.all(), "a proposal is not sent, not with a sign of life either")
	h.heard()
	require.NoError(t, s.Act(ctx, "default", "r1", approving("ana")))
	require.Equal(t, []string{"r1-000001-3"}, sender.all())
	types, _ := h.heard()
	require.Equal(t, []NewsType{NewsCommandApproved}, types)
	c := commandsOf(t, st, "r1")[0]
	require.Equal(t, []string{"ana", "policy"}, []string{c.IssuedBy, c.ProposedBy})
}

func TestAProposalExpiresByItselfAndWithTheRun(t *testing.T) {
	t.Parallel()
	ctx, c := t.Context(), newClock()
	for _, mode := range []contract.Mode{contract.ModeAsk, contract.ModeShadow} {
		st, h := newMemStore(), &hearsay{}
		s := service(t, Options{Store: st, Observer: h, Policy: proposing{mode}, Now: c.Now})
		deliver(ctx, t, s, newTrainer("r1", first).started().epochs(0, 1).out...)
		deliver(ctx, t, s, newTrainer("r2", first).started().epochs(0, 1).ended(contract.EndCompleted).out...)
		c.move(2 * time.Hour)
		require.NoError(t, (&watch{Service: s}).look(ctx))
		one, two := commandsOf(t, st, "r1")[0], commandsOf(t, st, "r2")[0]
		if mode == contract.ModeShadow { // it says what would have been done, for ever
			require.Equal(t, []store.CommandState{store.CommandProposed, store.CommandProposed}, []store.CommandState{one.State, two.State})
			continue
		}
		require.Equal(t, []store.CommandState{store.CommandExpired, store.CommandExpired}, []store.CommandState{one.State, two.State})
		require.Equal(t, "nobody decided before it expired", one.Answer)
		require.Equal(t, "the run ended before anybody decided", two.Answer)
		require.ErrorIs(t, s.Act(ctx, "default", "r1", approving("ana")), errOpen)
	}
}

func TestOnlyWhatWasAppliedIsTakenBack(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newMemStore()
	s := service(t, Options{Store: st})
	r := newTrainer("r1", first).started().epochs(0, 1)
	deliver(ctx, t, s, r.out...)
	for _, state := range []store.CommandState{store.CommandApplied, store.CommandRefused} {
		n := len(r.out)
		cut, back := "cut-"+string(state), "back-"+string(state)
		require.NoError(t, s.Act(ctx, "default", "r1", func(in Situation) ([]store.Command, error) {
			a, b := wish(cut), wish(back)
			one, _ := a(Situation{Run: in.Run, Attempt: in.Attempt, Seq: in.Seq, Now: in.Now})
			two, _ := b(Situation{Run: in.Run, Attempt: in.Attempt, Seq: in.Seq, Now: in.Now})
			one[0].ID, one[0].Kind, one[0].State = cut, contract.KindReduceLR, state
			two[0].ID, two[0].Kind, two[0].Reverts = back, contract.KindRevert, cut
			return slices.Concat(one, two), nil
		}))
		deliver(ctx, t, s, r.answer(back, contract.OutcomeApplied, 2).out[n:]...)
	}
	var states []store.CommandState
	for _, c := range commandsOf(t, st, "r1") {
		states = append(states, c.State)
	}
	require.Equal(t, []store.CommandState{store.CommandReverted, store.CommandApplied, store.CommandRefused, store.CommandApplied}, states)
}

func TestTheLossOfTheUntrainedModelIsKnown(t *testing.T) {
	t.Parallel()
	ctx, st := t.Context(), newMemStore()
	var seen []Situation
	s := service(t, Options{Store: st, Policy: seeing{&seen}})
	with := func(r *trainer, i int, loss float64) *trainer {
		n := contract.Number(loss)
		r.out[i].EpochEnded.FirstBatchLoss = &n
		return r
	}
	last := func() *float64 { return seen[len(seen)-1].Untrained }
	r := with(newTrainer("r1", first).started().epochs(0, make([]float64, 100)...), 1, 2.3)
	deliver(ctx, t, s, r.out...)
	require.InDelta(t, 2.3, *last(), 0, "also when the first epoch is long ago")
	// A second fit goes on where the first one was: what its first batch lost is of trained weights.
	deliver(ctx, t, s, with(newTrainer("r1", second).started().epochs(100, 1), 1, 0.4).out...)
	require.InDelta(t, 2.3, *last(), 0)
	// One that begins anew replaces it.
	deliver(ctx, t, s, with(newTrainer("r1", third).started().epochs(0, 1), 1, 4.6).out...)
	require.InDelta(t, 4.6, *last(), 0)
	deliver(ctx, t, s, with(newTrainer("r2", first).started().epochs(7, 1), 1, 0.4).out...)
	require.Nil(t, last())
	deliver(ctx, t, s, newTrainer("r3", first).started().epochs(0, 1).out...)
	require.Nil(t, last())
}

// pressed has two people, each by a daemon of their own on one database, press at once.
func pressed(t *testing.T, st store.Store) {
	t.Helper()
	ctx, sender := t.Context(), &sends{}
	o := Options{Store: st, Sender: sender, Policy: proposing{contract.ModeAsk}, Now: newClock().Now}
	for i := range 10 {
		run := fmt.Sprint("r", i)
		r := newTrainer(run, first).started().epochs(0, 1)
		daemons := []*Service{service(t, o), service(t, o)}
		deliver(ctx, t, daemons[0], r.out...)
		errs := make([]error, 4)
		var wg sync.WaitGroup
		for who := range errs {
			wg.Go(func() {
				errs[who] = daemons[who%2].Act(context.WithoutCancel(ctx), "default", run, approving(fmt.Sprint("person", who)))
			})
		}
		wg.Go(func() { // while the run goes on
			w := daemons[0].newWorker(nil)
			if err := w.settle(ctx, arrivals(o.Now(), messages(t, r.epochs(1, 0.9).out[2:]...)...)); err != nil {
				t.Error(err)
			}
		})
		wg.Wait()
		winners := slices.DeleteFunc(errs, func(err error) bool { return errors.Is(err, errOpen) })
		require.Equal(t, []error{nil}, winners)
	}
	ids := sender.all()
	slices.Sort(ids)
	require.Len(t, slices.Compact(ids), 10)
}

func TestTwoPeoplePressAtOnceOnSQLite(t *testing.T) {
	t.Parallel()
	pressed(t, sqliteEngine(t).st)
}

func TestTwoPeoplePressAtOnceOnPostgres(t *testing.T) {
	t.Parallel()
	pressed(t, postgresEngine(t).st)
}

// awayAtFirst is a broker that is away when the first command is sent.
type awayAtFirst struct {
	sends
	tries int
}

func (a *awayAtFirst) SendCommand(ctx context.Context, c contract.Command) error {
	if a.tries++; a.tries == 1 {
		return errors.New("the broker is away")
	}
	return a.sends.SendCommand(ctx, c)
}

// brokerAway has the broker go away between the decision and its sending.
func brokerAway(t *testing.T, st store.Store) {
	t.Helper()
	ctx, sender := t.Context(), &awayAtFirst{}
	s := service(t, Options{Store: st, Sender: sender})
	r := newTrainer("r1", first).started().epochs(0, 1, 0.9)
	deliver(ctx, t, s, r.out...)
	require.NoError(t, s.Act(ctx, "default", "r1", wish("ana")), "it is decided, and stored")
	require.Empty(t, sender.all())
	require.Equal(t, store.CommandSent, commandsOf(t, st, "r1")[0].State)
	require.ErrorIs(t, s.Act(ctx, "default", "r1", wish("bob")), errOpen)

	// Another daemon takes over, with nothing in memory: a sign of life brings the command.
	other := service(t, Options{Store: st, Sender: sender})
	deliver(ctx, t, other, r.heartbeat().out[3:]...)
	require.Equal(t, []string{"ana3"}, sender.all())
	deliver(ctx, t, other, r.answer("ana3", contract.OutcomeApplied, 2).answer("ana3", contract.OutcomeRefused, 2).heartbeat().out[4:]...)
	require.Equal(t, []string{"ana3"}, sender.all(), "what is answered is not sent again")
	all := commandsOf(t, st, "r1")
	require.Len(t, all, 1)
	require.Equal(t, store.CommandApplied, all[0].State, "the first answer counts")
}

func TestTheBrokerIsAwayInMidCommandOnSQLite(t *testing.T) {
	t.Parallel()
	brokerAway(t, sqliteEngine(t).st)
}

func TestTheBrokerIsAwayInMidCommandOnPostgres(t *testing.T) {
	t.Parallel()
	brokerAway(t, postgresEngine(t).st)
}
