package ingest

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// agenda knows which runs the watch has to look at, and when, without asking the store.
type agenda struct {
	mu   sync.Mutex
	runs map[store.RunKey]dates
}

// dates are what is awaited of one run.
type dates struct {
	running bool
	heard   time.Time // the last sign that came through this service
	held    time.Time // since when the longest waiting event waits; zero: none waits
	expires time.Time // when the first open command expires; zero: none is open
	notNow  time.Time // not before: the last try failed
}

func newAgenda() *agenda { return &agenda{runs: map[store.RunKey]dates{}} }

// note takes over what a visit left behind.
func (a *agenda) note(v *visit) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := dates{
		running: v.run.State == store.StateRunning, heard: a.runs[v.key()].heard,
		held: v.heldSince, expires: v.nextExpiry(),
	}
	if v.sign {
		d.heard = v.now
	}
	if !d.running && d.held.IsZero() && d.expires.IsZero() {
		delete(a.runs, v.key())
		return
	}
	a.runs[v.key()] = d
}

// postpone leaves a run alone until a time.
func (a *agenda) postpone(key store.RunKey, until time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	d := a.runs[key]
	d.notNow = until
	a.runs[key] = d
}

// suspect has a run looked at once as if an event of it waited since a time.
func (a *agenda) suspect(key store.RunKey, since time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.runs[key]; !ok {
		a.runs[key] = dates{held: since}
	}
}

// look returns a copy of what is awaited at now.
func (a *agenda) look(now time.Time) map[store.RunKey]dates {
	a.mu.Lock()
	defer a.mu.Unlock()
	out := maps.Clone(a.runs)
	maps.DeleteFunc(out, func(_ store.RunKey, d dates) bool { return now.Before(d.notNow) })
	return out
}

// forget drops running runs of which nothing was heard since a time and nothing else is
// awaited: another daemon has them, or the sweep finds them lost.
func (a *agenda) forget(before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.runs, func(_ store.RunKey, d dates) bool {
		return d.heard.Before(before) && d.held.IsZero() && d.expires.IsZero() && d.notNow.Before(before)
	})
}

// inOrder returns the keys of a map in an order that does not change.
func inOrder[V any](m map[store.RunKey]V) []store.RunKey {
	return slices.SortedFunc(maps.Keys(m), func(a, b store.RunKey) int {
		return cmp.Or(strings.Compare(a.Project, b.Project), strings.Compare(a.ID, b.ID))
	})
}
