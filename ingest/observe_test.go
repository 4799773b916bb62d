package ingest

import (
	"context"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// hearsay is an Observer that remembers.
type hearsay struct {
	mu  sync.Mutex
	all []News
}

func (h *hearsay) Observe(_ context.Context, n News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, n)
}

// heard returns what was said since it was last asked.
func (h *hearsay) heard() (types []NewsType, all []News) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.all {
		types = append(types, n.Type)
	}
	all, h.all = h.all, nil
	return types, all
}

func TestTheObserverHearsOfARunsLifeOnce(t *testing.T) {
	t.Parallel()
	ctx, h, c := t.Context(), &hearsay{}, newClock()
	s := service(t, Options{Store: newMemStore(), Policy: everyThird{always: true}, Observer: h, Now: c.Now})
	r := newTrainer("r1", first).started().epochs(0, 1, math.NaN())

	deliver(ctx, t, s, r.out...)
	types, all := h.heard()
	require.Equal(t, []NewsType{NewsRunStarted, NewsFindingOpened, NewsCommandDecided}, types)
	require.Equal(t, "r1", all[0].Run.ID)
	require.Equal(t, store.StateRunning, all[0].Run.State)
	require.NotNil(t, all[1].Finding)
	require.NotNil(t, all[2].Command)

	deliver(ctx, t, s, r.out...)
	types, _ = h.heard()
	require.Empty(t, types, "a redelivery is no news")

	n := len(r.out)
	r.answer(all[2].Command.ID, contract.OutcomeApplied, 2).ended(contract.EndCompleted)
	deliver(ctx, t, s, r.out[n:]...)
	types, all = h.heard()
	require.Equal(t, []NewsType{NewsCommandAnswered, NewsRunEnded}, types)
	require.Equal(t, store.CommandApplied, all[0].Command.State)
	require.Equal(t, store.StateCompleted, all[1].Run.State)

	deliver(ctx, t, s, newTrainer("r1", second).started().out...)
	types, all = h.heard()
	require.Equal(t, []NewsType{NewsRunStarted}, types)
	require.Equal(t, 2, all[0].Run.Attempts)
}

func TestTheObserverHearsOfALostRunAndItsReturn(t *testing.T) {
	t.Parallel()
	ctx, h, c := t.Context(), &hearsay{}, newClock()
	s := service(t, Options{Store: newMemStore(), Observer: h, Now: c.Now})
	r := newTrainer("r1", first).started()
	deliver(ctx, t, s, r.out...)
	h.heard()

	c.move(time.Hour)
	_, err := s.transact(ctx, []errand{{key: store.RunKey{Project: "default", ID: "r1"}, lost: c.Now().Add(-time.Minute)}}, nil)
	require.NoError(t, err)
	types, all := h.heard()
	require.Equal(t, []NewsType{NewsRunEnded}, types)
	require.Equal(t, store.StateLost, all[0].Run.State)

	deliver(ctx, t, s, r.heartbeat().out[1:]...)
	types, _ = h.heard()
	require.Equal(t, []NewsType{NewsRunBack}, types)
}

func TestTheObserverHearsOnlyWhatWasStored(t *testing.T) {
	t.Parallel()
	h, st := &hearsay{}, newMemStore()
	s := service(t, Options{Store: failing{st}, Observer: h})
	errands, _ := errandsOf(arrivals(s.now(), messages(t, newTrainer("r1", first).started().out...)...), s.now())
	_, err := s.transact(t.Context(), errands, nil)
	require.Error(t, err)
	types, _ := h.heard()
	require.Empty(t, types)
}

// failing is a store whose transactions run and are not committed.
type failing struct{ *memStore }

func (f failing) Ingest(ctx context.Context, fn func(store.Tx) error) error {
	return f.memStore.Ingest(ctx, func(tx store.Tx) error {
		return errors.Join(fn(tx), errors.New("the commit failed"))
	})
}
