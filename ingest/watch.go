package ingest

import (
	"context"
	"errors"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// lookEvery is how often the clock is looked at.
	lookEvery = time.Second
	// errandsMax is how many runs one transaction of the watch takes.
	errandsMax = 64
	// rebuildsMax is how many monitors one look rebuilds only to hand them the clock.
	rebuildsMax = 16
	// sweepShare bounds the time spent on reading the running runs: 1/sweepShare of all.
	sweepShare = 20
	// retryAfter is how long a run is left alone whose errand failed by itself.
	retryAfter = 30 * time.Second
	// recently is how old the last sign of an ended run may be that is looked at once
	// after a start, for events that were left waiting.
	recently = 24 * time.Hour
)

// watch is the state of one Watch.
type watch struct {
	*Service
	trouble   trouble
	lookedFor bool      // ended runs were looked for
	sweepAt   time.Time // when the store is next asked for the running runs
}

// Watch does what only time brings about, until ctx ends: gaps given up, monitors handed
// the clock, runs lost, commands expired. While the database is away it waits. It
// returns nil.
func (s *Service) Watch(ctx context.Context) error {
	w := &watch{Service: s, trouble: trouble{log: s.log, what: "watch the clock"}}
	t := time.NewTicker(lookEvery)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			w.trouble.failed(ctx, err, s.now())
		default:
			w.trouble.over(ctx, s.now())
		}
	}
}

// look does what is due now.
func (w *watch) look(ctx context.Context) error {
	now := w.now()
	since, listening := w.listening.since(now)
	due := map[store.RunKey]errand{}
	if listening {
		if err := w.sweep(ctx, now, since, due); err != nil {
			return err
		}
	}
	w.dueOf(now, since, listening, due)
	var chunk []errand
	for _, key := range inOrder(due) {
		if chunk = append(chunk, due[key]); len(chunk) == errandsMax {
			if err := w.runAll(ctx, chunk); err != nil {
				return err
			}
			chunk = nil
		}
	}
	return w.runAll(ctx, chunk)
}

// sweep asks the store for the runs that may be lost, and at first for ended ones whose
// events may have been left waiting when the program last ended.
func (w *watch) sweep(ctx context.Context, now, since time.Time, due map[store.RunKey]errand) error {
	if !w.lookedFor {
		runs, err := w.store.ListRuns(ctx, store.RunFilter{})
		if err != nil {
			return err
		}
		for _, r := range runs {
			if r.State != store.StateRunning && now.Sub(r.LastSignAt) < recently {
				w.agenda.suspect(store.RunKey{Project: r.Project, ID: r.ID}, now)
			}
		}
		w.lookedFor = true
	}
	silent := now.Add(-w.lostAfter)
	if !since.Before(silent) || now.Before(w.sweepAt) {
		return nil
	}
	runs, err := w.store.ListRuns(ctx, store.RunFilter{State: store.StateRunning})
	if err != nil {
		return err
	}
	for _, r := range runs {
		if r.LastSignAt.Before(silent) {
			key := store.RunKey{Project: r.Project, ID: r.ID}
			due[key] = errand{key: key, giveUp: w.giveUp(now, since), lost: silent}
		}
	}
	w.agenda.forget(silent.Add(-w.lostAfter))
	w.sweepAt = w.now().Add(sweepShare * w.now().Sub(now))
	return nil
}

// giveUp is before when an event must have been received to wait no longer: the broker
// was heard all the time it waited.
func (w *watch) giveUp(now, since time.Time) time.Time {
	if t := now.Add(-w.gapWait); since.Before(t) {
		return t
	}
	return time.Time{}
}

// dueOf adds what is due by the agenda.
func (w *watch) dueOf(now, since time.Time, listening bool, due map[store.RunKey]errand) {
	var giveUp time.Time
	if listening {
		giveUp = w.giveUp(now, since)
	}
	agenda, rebuilds := w.agenda.look(now), 0
	for _, key := range inOrder(agenda) {
		d := agenda[key]
		e, planned := due[key]
		e.key, e.giveUp = key, giveUp
		switch {
		case !d.held.IsZero() && d.held.Before(giveUp), !d.expires.IsZero() && now.After(d.expires):
			planned = true
		}
		if listening && d.running && now.Sub(d.heard) < w.lostAfter {
			clock := detectors.Clock{Now: now, LastSign: d.heard, ListeningSince: since}
			switch known := w.tick(&e, clock); {
			case len(e.said) > 0:
				planned = true
			case !known && rebuilds < rebuildsMax:
				rebuilds++
				e.clock, planned = &clock, true
			}
		}
		if planned {
			due[key] = e
		}
	}
}

// tick hands the clock to the run's monitor, if that is in memory, and notes what it has
// to say. A reading on which it says nothing needs no transaction.
func (w *watch) tick(e *errand, c detectors.Clock) (known bool) {
	w.cache.look(e.key, func(m *memory) {
		if m.monitor != nil {
			known = true
			e.said, e.saidBy, e.saidAt = m.monitor.Tick(c), m, m.revision
		}
	})
	return known
}

// runAll does errands in one transaction, or one by one when one of them is at fault.
func (w *watch) runAll(ctx context.Context, errands []errand) error {
	if len(errands) == 0 {
		return nil
	}
	visits, err := w.transact(ctx, errands, nil)
	switch {
	case err == nil:
		w.send(ctx, visits)
		w.count(visits, nil)
		return nil
	case faultOf(err) != faultEvent:
		return err
	case len(errands) == 1:
		w.agenda.postpone(errands[0].key, w.now().Add(retryAfter))
		return err
	}
	var all []error
	for _, e := range errands {
		all = append(all, w.runAll(ctx, []errand{e}))
	}
	return errors.Join(all...)
}
