package ingest

import (
	"container/list"
	"sync"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// memory is what is remembered of a run between two transactions. It is good only at the
// revision it was left at.
type memory struct {
	revision int64
	held     bool            // events wait in the store for missing ones
	commands []store.Command // of the whole run, oldest first

	// The rest is there once the run was folded into: monitor is nil before.
	monitor   *detectors.Monitor
	findings  []store.Finding   // all that are stored, oldest first
	recent    []detectors.Epoch // the end of the curve
	untrained *float64          // the loss before any update, where it is known
}

// cache keeps the memories of the runs last used. Who takes one has it alone and may
// change it, and puts it back only after the commit: a transaction that is rolled back
// leaves nothing behind.
type cache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of *cached, the last used in front
	runs  map[store.RunKey]*list.Element
}

type cached struct {
	key store.RunKey
	mem *memory
}

func newCache(limit int) *cache {
	return &cache{max: limit, order: list.New(), runs: map[store.RunKey]*list.Element{}}
}

// take removes and returns what is remembered of a run at a revision, or nil.
func (c *cache) take(key store.RunKey, revision int64) *memory {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.runs[key]
	if !ok {
		return nil
	}
	m := c.remove(e)
	if m.revision != revision {
		return nil
	}
	return m
}

// put stores what is remembered of a run, unless something newer is there.
func (c *cache) put(key store.RunKey, m *memory) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.runs[key]; ok {
		if e.Value.(*cached).mem.revision > m.revision {
			return
		}
		c.remove(e)
	}
	c.runs[key] = c.order.PushFront(&cached{key, m})
	for c.order.Len() > c.max {
		c.remove(c.order.Back())
	}
}

// look shows fn what is remembered of a run, if anything is. fn must be quick: the cache
// is locked meanwhile.
func (c *cache) look(key store.RunKey, fn func(*memory)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.runs[key]; ok {
		fn(e.Value.(*cached).mem)
	}
}

// drop forgets a run.
func (c *cache) drop(key store.RunKey) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.runs[key]; ok {
		c.remove(e)
	}
}

func (c *cache) remove(e *list.Element) *memory {
	v := c.order.Remove(e).(*cached)
	delete(c.runs, v.key)
	return v.mem
}
