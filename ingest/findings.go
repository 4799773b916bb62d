package ingest

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// ReasonWithdrawn is the reason of a stored finding that the epochs, as they are known
// now, no longer give: one came late, or the detectors were set otherwise.
const ReasonWithdrawn = "withdrawn"

// remember makes sure that the monitor is there.
func (v *visit) remember(ctx context.Context) error {
	if v.mem.monitor != nil {
		return nil
	}
	return v.rebuild(ctx)
}

// rebuild folds all stored epochs, and those of this visit so far, into a new monitor,
// and brings the stored findings in line with it.
func (v *visit) rebuild(ctx context.Context) error {
	all, err := v.allEpochs(ctx)
	if err != nil {
		return err
	}
	if v.mem.monitor == nil && !v.blank {
		v.rebuilds++
		if v.mem.findings, err = v.tx.ListFindings(ctx, v.run.PK); err != nil {
			return fmt.Errorf("read the findings of run %s: %w", v.run.ID, err)
		}
	}
	m, err := detectors.NewMonitor(v.svc.detectors)
	if err != nil {
		return fmt.Errorf("make a monitor: %w", err)
	}
	lives := replay(m, v.attempts, all)
	var clockBorn []detectors.Finding
	for _, f := range v.mem.findings {
		if bornOfClock(f.Kind) {
			clockBorn = append(clockBorn, f.Finding)
		}
	}
	m.Adopt(clockBorn)
	v.mem.monitor = m
	v.setRecent(all)
	v.reconcile(lives)
	return nil
}

// allEpochs returns the stored epochs and those of this visit, by attempt and sequence.
func (v *visit) allEpochs(ctx context.Context) ([]store.Epoch, error) {
	var all []store.Epoch
	if !v.blank {
		var err error
		if all, err = v.tx.ListEpochs(ctx, v.run.PK); err != nil {
			return nil, fmt.Errorf("read the epochs of run %s: %w", v.run.ID, err)
		}
	}
	all = append(all, v.epochs...)
	slices.SortStableFunc(all, func(a, b store.Epoch) int {
		return cmp.Or(strings.Compare(a.Attempt, b.Attempt), cmp.Compare(a.Seq, b.Seq))
	})
	return all, nil
}

// replay takes attempts and epochs to a new monitor, and returns what happened to each
// finding, in order of opening: what a live fold would have stored and told.
func replay(m *detectors.Monitor, attempts []store.Attempt, all []store.Epoch) [][]detectors.Change {
	var lives [][]detectors.Change
	at := map[detectors.Key]int{}
	note := func(changes []detectors.Change) {
		for _, c := range changes {
			i, ok := at[c.Finding.Key()]
			if !ok {
				i = len(lives)
				at[c.Finding.Key()] = i
				lives = append(lives, nil)
			}
			lives[i] = append(lives[i], c)
		}
	}
	for _, a := range attempts {
		if a.Started != nil {
			note(m.Start(a.ID, a.Started.Facts))
		}
		for len(all) > 0 && all[0].Attempt == a.ID {
			note(m.Fold(Epoch(all[0])))
			all = all[1:]
		}
	}
	return lives
}

// bornOfClock reports whether findings of the kind come from Monitor.Tick, so that
// epochs alone do not give them again.
func bornOfClock(k detectors.Kind) bool { return k == detectors.KindStalled }

// reconcile stores what a rebuilt monitor says otherwise than the stored findings. A
// message that went out already is not queued again: its key says so.
func (v *visit) reconcile(lives [][]detectors.Change) {
	said := map[detectors.Key]bool{}
	for _, life := range lives {
		f := life[len(life)-1].Finding
		said[f.Key()] = true
		switch i := v.findingAt(f.Key()); {
		case i < 0 || !standAlike(&v.mem.findings[i].Finding, &f):
			v.change(life)
		case !sayAlike(&v.mem.findings[i].Finding, &f):
			v.keepFinding(f)
		}
	}
	for _, f := range slices.Clone(v.mem.findings) {
		if said[f.Key()] || bornOfClock(f.Kind) || f.Reason == ReasonWithdrawn {
			continue
		}
		gone := f.Finding
		gone.Reason = ReasonWithdrawn
		if !gone.Firing() {
			v.keepFinding(gone)
			continue
		}
		at := gone.FiredEpoch
		if n := len(v.mem.recent); n > 0 {
			at = v.mem.recent[n-1].Epoch
		}
		gone.ResolvedEpoch = &at
		v.change([]detectors.Change{{Type: detectors.Resolved, Finding: gone}})
	}
}

// standAlike reports whether two findings of one key are where they are alike.
func standAlike(a, b *detectors.Finding) bool {
	if a.Severity != b.Severity || a.FiredEpoch != b.FiredEpoch || a.Firing() != b.Firing() {
		return false
	}
	return a.Firing() || *a.ResolvedEpoch == *b.ResolvedEpoch
}

// sayAlike reports whether they say the same about it.
func sayAlike(a, b *detectors.Finding) bool {
	return a.Reason == b.Reason && a.Summary == b.Summary && a.Confidence == b.Confidence && slices.Equal(a.Advice, b.Advice) &&
		maps.EqualFunc(a.Evidence, b.Evidence, func(x, y contract.Number) bool { return x.String() == y.String() })
}

// change stores what became of findings and queues the messages about it.
func (v *visit) change(changes []detectors.Change) {
	for _, c := range changes {
		f := v.keepFinding(c.Finding)
		v.newsOfFinding(c.Type, f)
		if v.svc.announcer == nil {
			continue
		}
		event := store.MessageFiring
		if c.Type == detectors.Resolved {
			event = store.MessageResolved
		}
		messages, joins := v.svc.announcer.Announce(v.run, event, f, v.now)
		for _, m := range messages {
			v.queue(m)
		}
		for _, j := range joins {
			j.RunPK = v.run.PK
			v.joins = append(v.joins, j)
		}
	}
}

// queue keeps one message for a finding, receiver, channel and event.
func (v *visit) queue(m store.Message) {
	if slices.ContainsFunc(v.messages, func(o store.Message) bool {
		return o.FindingID == m.FindingID && o.Receiver == m.Receiver && o.Channel == m.Channel && o.Event == m.Event
	}) {
		return
	}
	m.RunPK = v.run.PK
	v.messages = append(v.messages, m)
}

// keepFinding brings the stored finding up to date and returns it.
func (v *visit) keepFinding(f detectors.Finding) store.Finding {
	v.findingsChanged[f.Key()], v.folded = true, true
	i := v.findingAt(f.Key())
	if i < 0 {
		i = len(v.mem.findings)
		v.mem.findings = append(v.mem.findings, store.Finding{ID: FindingID(v.key(), f.Key()), RunPK: v.run.PK, OpenedAt: v.now})
	}
	v.mem.findings[i].Finding = f
	return v.mem.findings[i]
}

func (v *visit) findingAt(k detectors.Key) int {
	return slices.IndexFunc(v.mem.findings, func(f store.Finding) bool { return f.Key() == k })
}

// push adds an epoch to the end of the curve.
func (v *visit) push(ctx context.Context, e detectors.Epoch) error {
	m := v.mem
	if n := len(m.recent); n == 0 || m.recent[n-1].Attempt == e.Attempt {
		if n == 0 {
			m.untrained = untrained(e)
		}
		if n >= 2*RecentEpochs {
			m.recent = slices.Clone(m.recent[n-RecentEpochs+1:])
		}
		m.recent = append(m.recent, e)
		return nil
	}
	// A new attempt may replace epochs that are no longer at hand.
	all, err := v.allEpochs(ctx)
	if err != nil {
		return err
	}
	v.setRecent(all)
	return nil
}

func (v *visit) setRecent(all []store.Epoch) {
	curve := store.Curve(all)
	v.mem.untrained = nil
	if len(curve) > 0 {
		v.mem.untrained = untrained(Epoch(curve[0]))
	}
	curve = curve[max(len(curve)-RecentEpochs, 0):]
	v.mem.recent = make([]detectors.Epoch, len(curve))
	for i, e := range curve {
		v.mem.recent[i] = Epoch(e)
	}
}

// untrained is the loss before any update that the first epoch of a curve tells; nil where
// it does not, and where an earlier fit has trained the model.
func untrained(first detectors.Epoch) *float64 {
	if first.Epoch != 0 || math.IsNaN(first.FirstBatchLoss) {
		return nil
	}
	return &first.FirstBatchLoss
}
