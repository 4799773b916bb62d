package notify

import (
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// plan is what a look at a group came to.
type plan struct {
	// event is what is told now; empty: nothing.
	event    store.MessageEvent
	repeated bool
	about    []store.GroupMember // all that is told, the cause first
	news     []string            // of the group, where it tells
	group    store.Group         // as it is to be kept
	opened   string              // the finding that headed the first message
	grouped  []store.Grouped     // those that changed
}

// look decides what a group tells at a time. It is a function of its arguments alone; held
// says what keeps a finding from being told.
//
// A group without a head tells its first message when its first untold finding has waited
// long enough. From then on it is open until no finding of it fires: what is new is told
// when the interval since the last message is over, what is graver than all that was told
// as soon as a first message would be, and that all is well at once. What was done about it
// meanwhile is progress, told at once too; an open question is told again as what is new is.
// Repeats end once somebody has seen it.
func look(s store.GroupState, now time.Time, held func(store.GroupMember) hold) plan {
	p := plan{group: s.Group, opened: s.Group.Head}
	p.group.DueAt = nil
	open := s.Group.Head != ""
	var fresh, graver, gone, firing []store.GroupMember
	worst, repeats, waits := 0, false, false
	for _, m := range s.Members {
		if m.Told == store.MessageFiring {
			worst = max(worst, m.ToldSeverity.Rank())
		}
	}
	for _, m := range s.Members {
		fires := m.Finding.Firing()
		isFresh := m.Told == ""
		isGone := m.Told == store.MessageFiring && !fires
		isGraver := fires && (m.Told == store.MessageFiring && m.Finding.Severity.Rank() > m.ToldSeverity.Rank() ||
			m.Told == store.MessageResolved && open)
		if isFresh || isGone || isGraver || fires && open {
			if h := held(m); h.why != "" {
				p.keepBack(m, h, fires || isGone, now)
				waits = waits || isGone || !isFresh && fires
				continue
			}
		}
		switch {
		case isFresh && (fires || !open):
			fresh = append(fresh, m)
		case isGone, isFresh: // what came and went between two messages is told as over
			gone = append(gone, m)
		case isGraver:
			graver = append(graver, m)
		}
		if fires && (m.Told != store.MessageResolved || open) {
			firing = append(firing, m)
			repeats = repeats || m.Run.State == store.StateRunning
		}
	}
	switch {
	case !open && len(fresh) == 0:
		return p
	case !open:
		return p.first(fresh, now)
	case len(firing) == 0 && waits, len(firing)+len(gone)+len(fresh) == 0:
		return p // what is held is told of later
	case len(firing) == 0:
		p.tell(store.MessageResolved, append(gone, fresh...), now)
		p.group.Head = ""
		return p
	case len(fresh)+len(graver)+len(gone) > 0 || s.Group.Asks:
		at := p.group.ToldAt.Add(s.Group.Every)
		for _, m := range append(fresh, graver...) {
			if urgent := m.JoinedAt.Add(s.Group.Wait); m.Finding.Severity.Rank() > worst && urgent.Before(at) {
				at = urgent
			}
		}
		if now.Before(at) {
			p.due(at)
			p.progress(s)
			return p
		}
		p.tell(store.MessageUpdate, append(firing, gone...), now)
	case s.Group.Repeat > 0 && repeats && s.Group.AckedAt == nil:
		at := p.group.ToldAt.Add(s.Group.Repeat)
		if now.Before(at) {
			p.due(at)
			p.progress(s)
			return p
		}
		p.tell(store.MessageUpdate, firing, now)
		p.repeated = true
	default:
		p.progress(s)
		return p
	}
	p.again(now)
	return p
}

// keepBack notes what keeps a finding from being told, and that it is to be looked at again
// while there is something to tell of it: before that is over, too, for a silence may be lifted
// and another config hold by then.
func (p *plan) keepBack(m store.GroupMember, h hold, matters bool, now time.Time) {
	if matters {
		p.due(h.soon(now).until)
	}
	if m.Why != h.why {
		g := m.Grouped
		g.Why = h.why
		p.grouped = append(p.grouped, g)
	}
}

// due has the group looked at by a time.
func (p *plan) due(at time.Time) {
	if p.group.DueAt == nil || at.Before(*p.group.DueAt) {
		p.group.DueAt = &at
	}
}

// first tells the first message, or says when.
func (p plan) first(fresh []store.GroupMember, now time.Time) plan {
	at, worst := fresh[0].JoinedAt, 0
	for _, m := range fresh {
		if m.JoinedAt.Before(at) {
			at = m.JoinedAt
		}
		worst = max(worst, m.Finding.Severity.Rank())
	}
	at = at.Add(p.group.Wait)
	// A group that has just been well is not told of anew each time it wavers.
	if told := p.group.ToldAt; told != nil && worst < detectors.SeverityCritical.Rank() && told.Add(p.group.Every).After(at) {
		at = told.Add(p.group.Every)
	}
	if now.Before(at) {
		p.due(at)
		return p
	}
	p.tell(store.MessageFiring, fresh, now)
	p.group.Head = p.about[0].FindingID
	p.group.FirstToldAt = &now
	p.group.AckedAt = nil
	if !anyFires(p.about) {
		p.due(now) // it came and went within the wait: both are told
		return p
	}
	p.again(now)
	return p
}

// tell notes what is told, and of which findings.
func (p *plan) tell(event store.MessageEvent, about []store.GroupMember, now time.Time) {
	p.event, p.about = event, byCause(about)
	p.takeNews()
	p.group.Asks = false // it is asked in what is told
	p.group.Messages++
	p.group.ToldAt = &now
	for _, m := range p.about {
		g := m.Grouped
		g.Told, g.ToldSeverity, g.Why = store.MessageFiring, m.Finding.Severity, ""
		if event != store.MessageFiring && !m.Finding.Firing() {
			g.Told = store.MessageResolved
		}
		p.grouped = append(p.grouped, g)
	}
}

// takeNews leaves nothing new in the group.
func (p *plan) takeNews() {
	p.news = p.group.News
	p.group.News = nil
}

// progress tells what was done about what was told, where there is news of that.
func (p *plan) progress(s store.GroupState) {
	if len(s.Group.News) == 0 {
		return
	}
	var about []store.GroupMember
	for _, m := range s.Members {
		if m.Told == store.MessageFiring {
			about = append(about, m)
		}
	}
	p.takeNews()
	if len(about) > 0 {
		p.event, p.about = store.MessageProgress, byCause(about)
		p.group.Messages++
	}
}

// again sets when a group that has told is to be looked at without anything new.
func (p *plan) again(now time.Time) {
	for _, m := range p.about {
		if p.group.Repeat > 0 && p.group.AckedAt == nil && m.Finding.Firing() && m.Run.State == store.StateRunning {
			p.due(now.Add(p.group.Repeat))
			return
		}
	}
}

func anyFires(members []store.GroupMember) bool {
	for _, m := range members {
		if m.Finding.Firing() {
			return true
		}
	}
	return false
}
