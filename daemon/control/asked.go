package control

import (
	"math"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func approve(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	c, err := proposal(s, w.Command)
	if err != nil {
		return c, err
	}
	if err := allowed(c.Kind, b); err != nil {
		return c, err
	}
	last := lastEpoch(s)
	c.State, c.IssuedBy, c.IssuedAt = store.CommandSent, w.By, s.Now.UTC()
	c.ExpiresAt, c.ExpiresEpoch = validity(s.Now, last)
	return c, nil
}

func decline(s ingest.Situation, w Wish) (store.Command, error) {
	c, err := proposal(s, w.Command)
	if err != nil {
		return c, err
	}
	c.Decline(w.By, w.Reason, s.Now.UTC())
	return c, nil
}

// proposal finds the one that is meant.
func proposal(s ingest.Situation, id string) (store.Command, error) {
	var open []store.Command
	for _, c := range s.Commands {
		if id != "" && c.ID == id && !c.AwaitsPerson() {
			return c, refuse("it is %s by now, decided by %s: nothing is left to decide", c.State, who(c))
		}
		if c.AwaitsPerson() && s.Now.Before(c.ExpiresAt) && (id == "" || c.ID == id) {
			open = append(open, c)
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) > 1:
		return store.Command{}, refuse("%d proposals are open: name one of them by its id", len(open))
	case id != "":
		return store.Command{}, refuse("the run has no open proposal %s", id)
	}
	return store.Command{}, refuse("nothing is proposed to this run now")
}

func who(c store.Command) string {
	by, declined := c.Declined()
	switch {
	case declined:
		return by
	case c.IssuedBy == contract.ByPolicy || c.IssuedBy == "":
		return "nobody"
	}
	return c.IssuedBy
}

func setRate(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	kind := contract.KindSetLR
	last := lastEpoch(s)
	now := last.LearningRate
	if w.Optimizer == "" && now > 0 {
		switch low := max(float64(b.MinLR), now*float64(b.HardestFactor)); {
		case w.Rate >= now*(1-sameRate):
			return store.Command{}, refuse("%.4g is not below the rate in force, %.4g: a rate is only lowered (a change is taken back with revert)", w.Rate, now)
		case w.Rate < low*(1-sameRate):
			return store.Command{}, refuse("%.4g is lower than the owner allows at once: %.4g (min_lr %.4g, hardest_factor %.4g)", w.Rate, low, float64(b.MinLR), float64(b.HardestFactor))
		case slices.Contains(b.Allow, kind) || !slices.Contains(b.Allow, contract.KindReduceLR):
		case w.Rate <= now*float64(b.Factor)*(1+sameRate):
			kind = contract.KindReduceLR // it is a cut as any other
		default:
			return store.Command{}, refuse("the owner allows cuts alone, to %.4g of the rate at most: %.4g or lower (any lower rate with set_lr in Control's allow)", float64(b.Factor), now*float64(b.Factor))
		}
	}
	if err := allowed(kind, b); err != nil {
		return store.Command{}, err
	}
	c := asked(s, w, b, kind)
	c.Optimizer = w.Optimizer
	want := contract.Number(w.Rate)
	c.Wanted = &want
	if w.Optimizer == "" && now > 0 {
		expected := contract.Number(now)
		c.Expected = &expected
	}
	if len(s.Recent) > 0 {
		c.Forecast = forecastFrom(s.Recent, "loss").encode()
	}
	return c, nil
}

func revert(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	var found *store.Command
	for i := range s.Commands {
		c := &s.Commands[i]
		switch {
		case w.Command == "" && c.State == store.CommandApplied && changesRate(c.Kind), w.Command != "" && c.ID == w.Command:
			found = c
		case c.Kind == contract.KindRevert && c.State == store.CommandSent:
			return *c, refuse("a change is being taken back already")
		}
	}
	switch {
	case found == nil && w.Command == "":
		return store.Command{}, refuse("no change of the learning rate is in force that could be taken back")
	case found == nil:
		return store.Command{}, refuse("the run has no command %s", w.Command)
	case found.State == store.CommandReverted:
		return *found, refuse("it was taken back before")
	case found.State != store.CommandApplied || !changesRate(found.Kind):
		return *found, refuse("a %s that is %s cannot be taken back: only a change of the learning rate that was applied can", found.Kind, found.State)
	}
	c := newRevert(s, lastEpoch(s), b, *found)
	c.IssuedBy, c.Reason = w.By, reasonOf(w)
	return c, nil
}

func stop(s ingest.Situation, w Wish, b contract.Control) (store.Command, error) {
	if err := allowed(contract.KindStop, b); err != nil {
		return store.Command{}, err
	}
	for _, c := range s.Commands {
		if c.Kind == contract.KindStop && c.State == store.CommandSent {
			return c, refuse("%s has asked it to stop already; it does at the end of its epoch", c.IssuedBy)
		}
	}
	c := asked(s, w, b, contract.KindStop)
	c.KeepWeights = w.KeepWeights
	return c, nil
}

// allowed refuses a kind that the owner does not allow.
func allowed(kind contract.CommandKind, b contract.Control) error {
	if slices.Contains(b.Allow, kind) || kind == contract.KindRevert {
		return nil
	}
	return refuse("the owner does not allow %s; the run's script says what is: EpochWatch(control=Control(allow={…, %q}))", kind, kind)
}

// asked makes a command of a person's.
func asked(s ingest.Situation, w Wish, b contract.Control, kind contract.CommandKind) store.Command {
	last := lastEpoch(s)
	expires, epoch := validity(s.Now, last)
	return store.Command{
		Command: contract.Command{
			Version: contract.Version, Type: "command", ID: commandID(s, kind), Kind: kind,
			Project: s.Run.Project, Run: s.Run.ID, Attempt: s.Attempt.ID, CausedBy: s.Seq,
			Bounds: b, Reason: reasonOf(w), IssuedBy: w.By, IssuedAt: s.Now.UTC(), ExpiresAt: expires, ExpiresEpoch: epoch,
		},
		RunPK: s.Run.PK, State: store.CommandSent, DecidedEpoch: last.Epoch,
	}
}

func reasonOf(w Wish) string {
	if w.Reason != "" {
		return w.Reason
	}
	return "asked for by " + w.By
}

// lastEpoch returns the last epoch of the attempt; before its first one has ended what is
// known of it.
func lastEpoch(s ingest.Situation) detectors.Epoch {
	if n := len(s.Recent); n > 0 && s.Recent[n-1].Attempt == s.Attempt.ID {
		return s.Recent[n-1]
	}
	e := detectors.Epoch{Epoch: s.Attempt.Started.InitialEpoch - 1, Attempt: s.Attempt.ID, LearningRate: math.NaN()}
	if r := s.Attempt.Started.LearningRate; r != nil {
		e.LearningRate = float64(*r)
	}
	// Nothing tells how long its epochs are.
	e.Seconds = (10 * time.Minute).Seconds()
	return e
}
