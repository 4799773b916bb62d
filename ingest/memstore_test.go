package ingest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// memStore is a store in memory for the tests that need a fault or a clock of their own
// making; the others use a real one.
type memStore struct {
	store.Store

	mu   sync.Mutex
	data memData
	// fail, when set, is asked before each transaction and each Write (c is nil for the
	// former) and fails it with what it returns.
	fail func(c *store.Changes) error
	// after is called when a transaction was committed, still locked.
	after func()
}

type rowKey struct {
	run     int64
	attempt string
	seq     int64
}

type memData struct {
	runs        map[store.RunKey]store.Run
	attempts    map[int64][]store.Attempt
	epochs      map[rowKey]store.Epoch
	batches     map[rowKey]store.Batches
	held        map[rowKey]store.Held
	findings    []store.Finding
	commands    []store.Command
	messages    map[string]store.Message
	quarantined map[uint64]store.Quarantined
}

func newMemStore() *memStore {
	return &memStore{data: memData{
		runs: map[store.RunKey]store.Run{}, attempts: map[int64][]store.Attempt{}, epochs: map[rowKey]store.Epoch{},
		batches: map[rowKey]store.Batches{}, held: map[rowKey]store.Held{}, messages: map[string]store.Message{},
		quarantined: map[uint64]store.Quarantined{},
	}}
}

func (d memData) clone() memData {
	out := memData{
		runs: maps.Clone(d.runs), attempts: map[int64][]store.Attempt{}, epochs: maps.Clone(d.epochs), batches: maps.Clone(d.batches),
		held: maps.Clone(d.held), findings: slices.Clone(d.findings), commands: slices.Clone(d.commands),
		messages: maps.Clone(d.messages), quarantined: maps.Clone(d.quarantined),
	}
	for pk, a := range d.attempts {
		out.attempts[pk] = slices.Clone(a)
	}
	return out
}

func (s *memStore) Ingest(_ context.Context, fn func(store.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(nil); err != nil {
			return err
		}
	}
	tx := &memTx{d: s.data.clone(), fail: s.fail}
	if err := fn(tx); err != nil {
		return err
	}
	s.data = tx.d
	if s.after != nil {
		s.after()
	}
	return nil
}

func (s *memStore) tx() *memTx {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &memTx{d: s.data.clone()}
}

func (s *memStore) Ping(context.Context) error { return nil }

func (s *memStore) FindRun(_ context.Context, project, id string) (store.Run, error) {
	r, ok := s.tx().d.runs[store.RunKey{Project: project, ID: id}]
	if !ok {
		return r, store.ErrNotFound
	}
	return r, nil
}

func (s *memStore) ListRuns(_ context.Context, f store.RunFilter) ([]store.Run, error) {
	var out []store.Run
	for _, r := range s.tx().d.runs {
		if f.State == "" || r.State == f.State {
			out = append(out, r)
		}
	}
	return out, nil
}

func (s *memStore) ListAttempts(_ context.Context, pk int64) ([]store.Attempt, error) {
	return s.tx().d.attempts[pk], nil
}

func (s *memStore) ListEpochs(ctx context.Context, pk int64) ([]store.Epoch, error) {
	return s.tx().ListEpochs(ctx, pk)
}

func (s *memStore) ListFindings(ctx context.Context, pk int64) ([]store.Finding, error) {
	return s.tx().ListFindings(ctx, pk)
}

func (s *memStore) ListCommands(ctx context.Context, pk int64) ([]store.Command, error) {
	return s.tx().ListCommands(ctx, pk)
}

func (s *memStore) ListMessages(_ context.Context, pk int64) ([]store.Message, error) {
	return rows(s.tx().d.messages, func(m store.Message) bool { return m.RunPK == pk },
		func(a, b store.Message) int { return strings.Compare(a.ID, b.ID) }), nil
}

func (s *memStore) ListQuarantined(context.Context, int) ([]store.Quarantined, error) {
	return slices.Collect(maps.Values(s.tx().d.quarantined)), nil
}

// memTx is one transaction, on a copy.
type memTx struct {
	store.Tx

	d    memData
	fail func(c *store.Changes) error
}

func (t *memTx) LockRuns(_ context.Context, keys []store.RunKey) ([]store.RunState, error) {
	var out []store.RunState
	for _, k := range keys {
		r, ok := t.d.runs[k]
		if !ok {
			r = store.Run{PK: int64(len(t.d.runs) + 1), Project: k.Project, ID: k.ID, State: store.StateRunning}
			t.d.runs[k] = r
		}
		out = append(out, store.RunState{Run: r, Attempts: slices.Clone(t.d.attempts[r.PK])})
	}
	return out, nil
}

func rows[K comparable, V any](m map[K]V, keep func(V) bool, order func(a, b V) int) []V {
	var out []V
	for _, v := range m {
		if keep(v) {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, order)
	return out
}

func (t *memTx) ListEpochs(_ context.Context, pk int64) ([]store.Epoch, error) {
	return rows(t.d.epochs, func(e store.Epoch) bool { return e.RunPK == pk }, func(a, b store.Epoch) int {
		if c := strings.Compare(a.Attempt, b.Attempt); c != 0 {
			return c
		}
		return int(a.Seq - b.Seq)
	}), nil
}

func (t *memTx) ListHeld(_ context.Context, pk int64) ([]store.Held, error) {
	return rows(t.d.held, func(h store.Held) bool { return h.RunPK == pk }, func(a, b store.Held) int {
		if c := strings.Compare(a.Attempt, b.Attempt); c != 0 {
			return c
		}
		return int(a.Seq - b.Seq)
	}), nil
}

func (t *memTx) ListFindings(_ context.Context, pk int64) ([]store.Finding, error) {
	return slices.DeleteFunc(slices.Clone(t.d.findings), func(f store.Finding) bool { return f.RunPK != pk }), nil
}

func (t *memTx) ListCommands(_ context.Context, pk int64) ([]store.Command, error) {
	return slices.DeleteFunc(slices.Clone(t.d.commands), func(c store.Command) bool { return c.RunPK != pk }), nil
}

func (t *memTx) Write(_ context.Context, c store.Changes) error {
	if t.fail != nil {
		if err := t.fail(&c); err != nil {
			return err
		}
	}
	for _, r := range c.Runs {
		t.d.runs[store.RunKey{Project: r.Project, ID: r.ID}] = r
	}
	for _, a := range c.Attempts {
		t.d.attempts[a.RunPK] = upsert(t.d.attempts[a.RunPK], a, func(a store.Attempt) string { return a.ID })
		slices.SortFunc(t.d.attempts[a.RunPK], func(a, b store.Attempt) int { return strings.Compare(a.ID, b.ID) })
	}
	for _, e := range c.Epochs {
		keepFirst(t.d.epochs, rowKey{e.RunPK, e.Attempt, e.Seq}, e)
	}
	for _, b := range c.Batches {
		keepFirst(t.d.batches, rowKey{b.RunPK, b.Attempt, b.Seq}, b)
	}
	for _, h := range c.Hold {
		keepFirst(t.d.held, rowKey{h.RunPK, h.Attempt, h.Seq}, h)
	}
	for _, h := range c.Release {
		delete(t.d.held, rowKey{h.RunPK, h.Attempt, h.Seq})
	}
	type of struct {
		run int64
		key detectors.Key
	}
	for _, f := range c.Findings {
		t.d.findings = upsert(t.d.findings, f, func(f store.Finding) of { return of{f.RunPK, f.Key()} })
	}
	for _, cmd := range c.Commands {
		t.d.commands = upsert(t.d.commands, cmd, func(c store.Command) string { return c.ID })
	}
	for _, m := range c.Messages {
		keepFirst(t.d.messages, m.ID, m)
	}
	for _, q := range c.Quarantined {
		keepFirst(t.d.quarantined, q.StreamSeq, q)
	}
	return nil
}

func keepFirst[K comparable, V any](m map[K]V, k K, v V) {
	if _, ok := m[k]; !ok {
		m[k] = v
	}
}

func upsert[V any, K comparable](rows []V, v V, key func(V) K) []V {
	if i := slices.IndexFunc(rows, func(o V) bool { return key(o) == key(v) }); i >= 0 {
		rows[i] = v
		return rows
	}
	return append(rows, v)
}

var errDisk = errors.New("database or disk is full")
