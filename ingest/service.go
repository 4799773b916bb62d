package ingest

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	defaultGapWait   = 30 * time.Second
	defaultLostAfter = 45 * time.Second
	// rememberRuns is how many runs are kept in memory between transactions.
	rememberRuns = 4096
	// staleAfter is how old a message may be, with more waiting behind it, before a
	// command decided on it would come too late.
	staleAfter = 5 * time.Second
)

// Options are what a Service is made of.
type Options struct {
	Store     store.Store
	Policy    Policy    // nil: nothing is ever done to a run
	Announcer Announcer // nil: nobody is told
	Sender    Sender    // nil: commands are stored and not sent
	Observer  Observer  // nil: nobody is told what was stored
	Detectors detectors.Config
	Metrics   *Metrics         // nil: not measured
	Log       *slog.Logger     // nil: not logged
	Now       func() time.Time // nil: time.Now
	// GapWait is how long an event waits for a missing one before it, 30 s unless set.
	GapWait time.Duration
	// LostAfter is how long a run may be silent, 45 s unless set.
	LostAfter time.Duration
}

// Service takes events to committed transactions. It is safe for concurrent use: one
// Work for each partition, and one Watch.
type Service struct {
	store     store.Store
	policy    Policy
	announcer Announcer
	sender    Sender
	observer  Observer
	detectors detectors.Config
	metrics   *Metrics
	log       *slog.Logger
	now       func() time.Time
	gapWait   time.Duration
	lostAfter time.Duration

	cache     *cache
	agenda    *agenda
	listening *listening
	commits   atomic.Uint64 // transactions that succeeded
}

// New returns a service. It returns an error when the store is missing or the detectors'
// settings are not valid.
func New(o Options) (*Service, error) {
	if o.Store == nil {
		return nil, errors.New("ingest needs a store")
	}
	if err := o.Detectors.Validate(); err != nil {
		return nil, err
	}
	s := &Service{
		store: o.Store, policy: o.Policy, announcer: o.Announcer, sender: o.Sender, observer: o.Observer, detectors: o.Detectors,
		metrics: o.Metrics, log: o.Log, now: o.Now, gapWait: o.GapWait, lostAfter: o.LostAfter,
		cache: newCache(rememberRuns), agenda: newAgenda(), listening: newListening(),
	}
	if s.metrics == nil {
		s.metrics = NewMetrics(nil)
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.gapWait <= 0 {
		s.gapWait = defaultGapWait
	}
	if s.lostAfter <= 0 {
		s.lostAfter = defaultLostAfter
	}
	return s, nil
}

// errand is what one transaction is to do to one run.
type errand struct {
	key    store.RunKey
	events []pending
	// giveUp: events that were received before it wait no longer for missing ones.
	giveUp time.Time
	// said is what the monitor of a memory said to a reading of the clock, while that
	// was at a revision. It counts only if the memory has not moved on.
	said   []detectors.Change
	saidBy *memory
	saidAt int64
	// clock is what the monitor is ticked with, once it is rebuilt; nil: it is not.
	clock *detectors.Clock
	// act decides on a person's wish; nil: there is none.
	act func(Situation) ([]store.Command, error)
	// lost: the run is lost when nothing was heard of it since; zero: it is not.
	lost time.Time
}

// transact does errands, and keeps refused messages, in one transaction. What it returns
// is stored.
func (s *Service) transact(ctx context.Context, errands []errand, refused []*arrival) ([]*visit, error) {
	now := s.now()
	keys := make([]store.RunKey, len(errands))
	for i, e := range errands {
		keys[i] = e.key
	}
	var visits []*visit
	err := s.store.Ingest(ctx, func(tx store.Tx) (err error) {
		// A detector or a policy that panics must not end the daemon: the event is
		// found and set aside like any other that cannot be stored.
		defer recovered(&err)
		visits = visits[:0]
		var c store.Changes
		for _, a := range refused {
			c.Quarantined = append(c.Quarantined, a.quarantined(now))
		}
		var states []store.RunState
		if len(keys) > 0 {
			if states, err = tx.LockRuns(ctx, keys); err != nil {
				return err
			}
		}
		for i, e := range errands {
			v := s.newVisit(tx, states[i], now)
			visits = append(visits, v)
			if err := v.do(ctx, e); err != nil {
				return err
			}
			v.collect(&c)
		}
		if empty(c) {
			return nil
		}
		return tx.Write(ctx, c)
	})
	if err != nil {
		// What the visits took from memory is dropped with them. A monitor that said
		// something that is not stored would not say it again.
		for _, e := range errands {
			if len(e.said) > 0 {
				s.cache.drop(e.key)
			}
		}
		return nil, err
	}
	s.commits.Add(1)
	for _, v := range visits {
		v.mem.revision = v.run.Revision
		v.sends = v.toSend()
		s.agenda.note(v)
		if v.run.State == store.StateRunning {
			s.cache.put(v.key(), v.mem) // from here on another visit may have it
		}
	}
	if s.announcer != nil && slices.ContainsFunc(visits, func(v *visit) bool { return len(v.joins)+len(v.commandsChanged) > 0 }) {
		s.announcer.Stored()
	}
	s.tell(ctx, visits)
	return visits, nil
}

func empty(c store.Changes) bool {
	return len(c.Runs)+len(c.Quarantined) == 0
}

// send hands the commands that the visits decided, or that are still unanswered, to the
// runs.
func (s *Service) send(ctx context.Context, visits []*visit) {
	if s.sender == nil {
		return
	}
	for _, v := range visits {
		for _, c := range v.sends {
			if err := s.sender.SendCommand(ctx, c.Command); err != nil {
				// It goes out again with the run's next sign of life.
				s.log.WarnContext(ctx, "command not sent", "project", c.Project, "run", c.Run, "command", c.ID, "error", err)
				continue
			}
			s.metrics.commands.WithLabelValues(string(c.Kind)).Inc()
		}
	}
}

// count takes what was stored to the metrics.
func (s *Service) count(visits []*visit, batch []*arrival) {
	for _, v := range visits {
		for t, n := range v.counts {
			s.metrics.stored.WithLabelValues(t).Add(float64(n))
		}
		s.metrics.held.Add(float64(v.heldNow))
		s.metrics.gaps.Add(float64(v.givenUp))
		s.metrics.rebuilds.Add(float64(v.rebuilds))
	}
	now := s.now()
	for _, a := range batch {
		if a.refused != nil {
			s.metrics.refused.WithLabelValues(string(a.refused.Reason)).Inc()
			continue
		}
		s.metrics.events.WithLabelValues(eventLabel(a.event.Type)).Inc()
		if !a.published.IsZero() {
			s.metrics.latency.Observe(now.Sub(a.published).Seconds())
		}
	}
}

// errandsOf groups the events of a batch by run, in order of arrival, and returns the
// refused messages beside them.
func errandsOf(batch []*arrival, now time.Time) (errands []errand, refused []*arrival) {
	at := map[store.RunKey]int{}
	for _, a := range batch {
		if a.refused != nil {
			refused = append(refused, a)
			continue
		}
		i, ok := at[a.key()]
		if !ok {
			i = len(errands)
			at[a.key()] = i
			errands = append(errands, errand{key: a.key()})
		}
		errands[i].events = append(errands[i].events, pending{event: a.event, raw: a.msg.Data(), receivedAt: now, stale: a.stale})
	}
	// One message may come twice in a batch; its row is kept once.
	refused = slices.CompactFunc(refused, func(a, b *arrival) bool { return a.streamSeq != 0 && a.streamSeq == b.streamSeq })
	return errands, refused
}
