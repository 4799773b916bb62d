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

const (
	// proposalTime is how long a person has to decide: someone who looks at messages now and
	// then does so within it, and what was seen has not yet become another run's story.
	proposalTime = 30 * time.Minute
	// proposalEpochs is how many epochs it stays open, however long they are.
	proposalEpochs = 10
	// proposalEpochsMost bounds that where epochs are short.
	proposalEpochsMost = 10_000
)

// propose makes a proposal of a command that was decided after an epoch.
func propose(c *store.Command, last detectors.Epoch) {
	c.State, c.ProposedBy = store.CommandProposed, contract.ByPolicy
	valid, epochs := proposalTime, float64(proposalEpochs)
	if s := last.Seconds; s > 0 && s < 1e6 {
		valid = max(valid, time.Duration(proposalEpochs*s*float64(time.Second)))
		epochs = max(epochs, math.Ceil(proposalTime.Seconds()/s))
	}
	c.ExpiresAt = c.IssuedAt.Add(valid)
	c.ExpiresEpoch = last.Epoch + int(min(epochs, proposalEpochsMost))
}

// lapsed returns the proposals that have lost their point: the epochs are over, what led to
// them is, or another attempt of the run trains. Those whose time is over expire by the clock.
func lapsed(s ingest.Situation) []store.Command {
	if s.Replaying {
		return nil
	}
	var out []store.Command
	for _, c := range s.Commands {
		if !c.AwaitsPerson() {
			continue
		}
		over := slices.ContainsFunc(s.Findings, func(f store.Finding) bool { return f.ID == c.FindingID && !f.Firing() })
		switch {
		case c.Attempt != s.Attempt.ID:
			c.Answer = "another attempt of the run began before anybody decided"
		case len(s.Recent) > 0 && s.Recent[len(s.Recent)-1].Epoch > c.ExpiresEpoch:
			c.Answer = "nobody decided before it expired"
		case over && c.Kind != contract.KindRevert:
			c.Answer = "what led to it was over before anybody decided"
		default:
			continue
		}
		c.State = store.CommandExpired
		out = append(out, c)
	}
	return out
}

// ours reports whether the policy decided on or proposed the command, not a person by
// themselves.
func ours(c store.Command) bool {
	return c.IssuedBy == contract.ByPolicy || c.IssuedBy == "" || c.ProposedBy == contract.ByPolicy
}

// undecided reports whether the command is a proposal that nobody decided on. It says
// nothing of the run, so that another one may follow.
func undecided(c store.Command) bool {
	return c.State == store.CommandExpired && c.ProposedBy != "" && c.IssuedBy == c.ProposedBy
}

// declined reports whether a person declined the proposal.
func declined(c store.Command) bool {
	_, ok := c.Declined()
	return ok
}

// declinedFor reports whether a person declined what was proposed about a finding: that
// holds for as long as it lasts.
func declinedFor(commands []store.Command, f store.Finding) bool {
	return slices.ContainsFunc(commands, func(c store.Command) bool { return declined(c) && c.FindingID == f.ID })
}
