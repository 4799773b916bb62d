package daemon

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/slack"
	"github.com/epochwatch/epochwatch/sql/store"
)

// notes holds what is noted.
type notes struct {
	silences []store.Silence
	seen     []store.Seen
	groups   int // that a problem is told in
}

func (n *notes) AddSilence(_ context.Context, s store.Silence) error {
	n.silences = append(n.silences, s)
	return nil
}

func (n *notes) Acknowledge(_ context.Context, s store.Seen) (int, error) {
	n.seen = append(n.seen, s)
	return n.groups, nil
}

func TestAPressBecomesASilence(t *testing.T) {
	t.Parallel()
	var noted notes
	a := answers{notes: &noted}
	until := time.Now().Add(time.Hour)
	require.NoError(t, a.Silence(t.Context(), slack.Mute{Run: slack.Run{Project: "vision", ID: "r1"}, Until: until}, "anna (slack U1)"))
	require.NoError(t, a.Silence(t.Context(), slack.Mute{Run: slack.Run{Project: "vision"}, Kind: "plateau", Until: until}, "anna (slack U1)"))
	kept := noted.silences
	require.Equal(t, []string{`project="vision"`, `run="r1"`}, kept[0].Matchers)
	require.Equal(t, []string{`project="vision"`, `kind="plateau"`}, kept[1].Matchers)
	require.Equal(t, "anna (slack U1)", kept[0].Author)
	require.True(t, kept[0].EndsAt.Equal(until))
	require.NotEqual(t, kept[0].ID, kept[1].ID)
}

func TestAPressIsNotedAsSeen(t *testing.T) {
	t.Parallel()
	kept, woken := notes{groups: 1}, 0
	a := answers{notes: &kept, noted: func() { woken++ }}
	require.NoError(t, a.Acknowledge(t.Context(), "m1", "anna (slack U1)"))
	require.Equal(t, 1, woken, "the message is brought up to date")
	require.Equal(t, "m1", kept.seen[0].MessageID)
	require.Equal(t, "anna (slack U1)", kept.seen[0].By)
	kept.groups = 0
	var refused *slack.RefusedError
	require.ErrorAs(t, a.Acknowledge(t.Context(), "m1", "anna (slack U1)"), &refused)
	require.Equal(t, 1, woken)
}

func TestAWishGoesToTheRunInThePersonsName(t *testing.T) {
	t.Parallel()
	var asked []string
	a := answers{do: func(_ context.Context, project, run, action, command, by string) error {
		asked = []string{project, run, action, command, by}
		return nil
	}}
	run := slack.Run{Project: "vision", ID: "r1"}
	require.NoError(t, a.Approve(t.Context(), run, "c1", "anna"))
	require.Equal(t, []string{"vision", "r1", "approve", "c1", "anna"}, asked)
	require.NoError(t, a.Stop(t.Context(), run, "anna"))
	require.Equal(t, []string{"vision", "r1", "stop", "", "anna"}, asked)
	var refused *slack.RefusedError
	require.ErrorAs(t, answers{}.Revert(t.Context(), run, "c1", "anna"), &refused)
}

func TestWhatWhoPressedIsTold(t *testing.T) {
	t.Parallel()
	for _, err := range []error{&control.RefusedError{Reason: "it is applied by now"}, store.ErrNotFound, ingest.ErrSameCause} {
		var refused *slack.RefusedError
		require.ErrorAs(t, refusal("r1", fmt.Errorf("act: %w", err)), &refused)
		require.NotEmpty(t, refused.Reason)
	}
	away := errors.New("the database is away")
	require.Equal(t, away, refusal("r1", away))
	require.NoError(t, refusal("r1", nil))
	require.ErrorContains(t, refusal(notify.SpecimenRun, store.ErrNotFound), "its buttons are heard")
	require.NoError(t, refusal(notify.SpecimenRun, nil), "a run that somebody named so")
}
