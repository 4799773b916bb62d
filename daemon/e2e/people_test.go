package e2e_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/sql/store"
)

// act runs a command that changes a run, as a person does.
func act(t *testing.T, dir string, args ...string) report.Command {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), binary, append(args, "--json", "--data", dir)...)
	cmd.Env = append(os.Environ(), "EPOCHWATCH_USER=anna")
	out, err := cmd.Output()
	require.NoError(t, err, "%v: %s", args, out)
	var c report.Command
	require.NoError(t, json.Unmarshal(out, &c))
	return c
}

// proposed waits for the daemon's proposal to a run.
func proposed(t *testing.T, dir, run string) report.Command {
	t.Helper()
	var found report.Command
	until(t, "something is proposed to "+run, func() bool {
		doc, err := show(binary, dir, run)
		if err != nil {
			return false
		}
		for _, c := range doc.Commands {
			if c.State == store.CommandProposed {
				found = c
				return true
			}
		}
		return false
	})
	return found
}

// finish reads the record of a training to its end.
func (tr *training) finish(t *testing.T, r *record) {
	t.Helper()
	for {
		p, ok := tr.next(t)
		if !ok {
			return
		}
		r.take(p)
	}
}

// asking starts a training whose owner wants to be asked, at a rate that is far too high.
func asking(t *testing.T, dir, run, epochs string) *training {
	t.Helper()
	return startTraining(t, python(t), dir, nil, "--run", run, "--rate", "4", "--ask", "--epochs", epochs)
}

func TestPeopleDecideOnALiveRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	python(t)
	d := startDaemon(t, binary, dir)

	// Approved: the rate falls in the live run, and the record of it tells who did it.
	tr, r := asking(t, dir, "approved", "2000"), newRecord()
	p := proposed(t, dir, "approved")
	require.NotNil(t, p.Outlook, "the expected effect is told with the proposal")
	c := act(t, dir, "lr", "approve", "approved")
	require.Equal(t, p.ID, c.ID)
	require.Equal(t, store.CommandApplied, c.State, c.Answer)
	require.Equal(t, "anna", c.IssuedBy)
	require.Equal(t, "policy", c.ProposedBy)
	require.NotNil(t, c.Before)
	require.NotNil(t, c.After)
	require.Less(t, float64(*c.After), float64(*c.Before))

	// Taken back: the rate is what it was.
	b := act(t, dir, "lr", "revert", "approved")
	require.Equal(t, store.CommandApplied, b.State, b.Answer)
	require.Equal(t, c.ID, b.Reverts)
	require.InEpsilon(t, float64(*c.Before), float64(*b.After), 1e-5)

	// Stopped, by command alone.
	s := act(t, dir, "stop", "approved", "--reason", "seen enough")
	require.Equal(t, store.CommandApplied, s.State, s.Answer)
	tr.finish(t, r)
	require.Equal(t, 1, r.falls)
	require.InEpsilon(t, float64(*b.After), r.rate, 1e-5, "what was read back is what the training saw")
	require.Less(t, len(r.losses), 2000)
	doc := settled(t, binary, dir, "approved", r, store.StateStopped)
	require.Empty(t, r.wrong(doc, nil), "%s", d.log)

	// Declined: the run goes on as it was, and is not asked again.
	tr, r = asking(t, dir, "declined", "60"), newRecord()
	proposed(t, dir, "declined")
	c = act(t, dir, "lr", "decline", "declined", "--reason", "on purpose")
	require.Equal(t, store.CommandRefused, c.State)
	require.Equal(t, "declined by anna: on purpose", c.Answer)
	tr.finish(t, r)
	require.Zero(t, r.falls)
	doc = settled(t, binary, dir, "declined", r, store.StateCompleted)
	require.Empty(t, r.wrong(doc, nil), "%s", d.log)

	// Nobody decides: the proposal ends with the run.
	tr, r = asking(t, dir, "undecided", "40"), newRecord()
	p = proposed(t, dir, "undecided")
	tr.finish(t, r)
	require.Zero(t, r.falls)
	doc = settled(t, binary, dir, "undecided", r, store.StateCompleted)
	for _, c := range doc.Commands {
		require.Equal(t, store.CommandExpired, c.State)
	}
	require.Equal(t, p.ID, doc.Commands[0].ID)
	d.stop(t)
}
