package ingest

import (
	"cmp"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// pending is one event that may be folded: it has just come, or was held.
type pending struct {
	event      contract.Event
	raw        []byte
	receivedAt time.Time
	held       bool // it is stored as held
	stale      bool
}

// plan says what becomes of the events of one attempt.
type plan struct {
	fill []pending // in a gap that was given up
	fold []pending // next in the sequence, in order
	hold []pending // after one that is missing, not yet stored as held
	wait []pending // all that wait after it, new ones and those held before
	gaps []store.SeqRange
	next int64
}

// arrange sorts the events of one attempt, which it may reorder, into those that were
// seen and are dropped, those that can be folded and those that have to wait. A missing
// event is given up when one behind it was received before giveUp.
func arrange(next int64, gaps []store.SeqRange, events []pending, giveUp time.Time) plan {
	slices.SortStableFunc(events, func(a, b pending) int {
		if c := cmp.Compare(a.event.Seq, b.event.Seq); c != 0 {
			return c
		}
		// The held one first: it knows how long it has waited.
		if a.held != b.held && a.held {
			return -1
		}
		return 0
	})
	events = slices.CompactFunc(events, func(a, b pending) bool { return a.event.Seq == b.event.Seq })

	p := plan{next: next, gaps: slices.Clone(gaps)}
	i := 0
	for ; i < len(events) && events[i].event.Seq < next; i++ {
		if fillGap(&p.gaps, events[i].event.Seq) {
			p.fill = append(p.fill, events[i])
		}
	}
	for rest := events[i:]; len(rest) > 0; {
		seq := rest[0].event.Seq
		if seq != p.next {
			first := slices.MinFunc(rest, func(a, b pending) int { return a.receivedAt.Compare(b.receivedAt) })
			if !first.receivedAt.Before(giveUp) {
				p.wait = rest
				break
			}
			p.gaps = append(p.gaps, store.SeqRange{From: p.next, To: seq - 1})
		}
		p.fold = append(p.fold, rest[0])
		p.next = seq + 1
		rest = rest[1:]
	}
	for _, w := range p.wait {
		if !w.held {
			p.hold = append(p.hold, w)
		}
	}
	return p
}

// fillGap takes seq out of the gaps and reports whether it was in one.
func fillGap(gaps *[]store.SeqRange, seq int64) bool {
	i := slices.IndexFunc(*gaps, func(g store.SeqRange) bool { return g.From <= seq && seq <= g.To })
	if i < 0 {
		return false
	}
	g := (*gaps)[i]
	var rest []store.SeqRange
	if g.From < seq {
		rest = append(rest, store.SeqRange{From: g.From, To: seq - 1})
	}
	if seq < g.To {
		rest = append(rest, store.SeqRange{From: seq + 1, To: g.To})
	}
	*gaps = slices.Replace(*gaps, i, i+1, rest...)
	return true
}
