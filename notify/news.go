package notify

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// newsWait is how long what was done to a run waits for more of it: a command is mostly
// answered in that time.
const newsWait = 2 * time.Second

// News says which groups are to hear what was done to a run: those that were told of with a
// finding of it at their head. It has no side effects.
func (n *Notifier) News(commands []store.Command, now time.Time) []store.News {
	var out []store.News
	for _, c := range commands {
		out = append(out, store.News{RunPK: c.RunPK, Command: c.ID, Asks: c.AwaitsPerson(), DueAt: now.Add(newsWait)})
	}
	return out
}

// Seen says of somebody that a problem is known: those of the message, or all of a run.
func Seen(message string, runPK int64, by string, now time.Time) store.Seen {
	now = now.UTC().Truncate(time.Microsecond)
	return store.Seen{
		MessageID: message, RunPK: runPK, Acknowledgement: store.Acknowledgement{By: by, At: now}, DueAt: now.Add(newsWait),
	}
}

// asks reports whether a person is still asked something about the run that heads a group.
func (w *watch) asks(ctx context.Context, s store.GroupState) (bool, error) {
	i := slices.IndexFunc(s.Members, func(m store.GroupMember) bool { return m.FindingID == s.Group.Head })
	if !s.Group.Asks || i < 0 {
		return false, nil
	}
	commands, err := w.tx.ListCommands(ctx, s.Members[i].RunPK)
	return slices.ContainsFunc(commands, func(c store.Command) bool { return c.AwaitsPerson() && w.now.Before(c.ExpiresAt) }), err
}

// bodyOf and newsOf keep news in the message that tells it.
func bodyOf(news []string) string {
	if len(news) == 0 {
		return ""
	}
	b, _ := json.Marshal(news) // strings alone
	return string(b)
}

func newsOf(body string) (news []string) {
	_ = json.Unmarshal([]byte(body), &news) // empty where there is none
	return news
}
