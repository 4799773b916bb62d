package notify

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/sql/store"
)

// stormPath stands where groups have the path of their route.
const stormPath = "storm"

// groupID returns the id of a group: always the same.
func groupID(receiver, path string, labels map[string]string) string {
	parts := []string{"group", receiver, path}
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		parts = append(parts, name, labels[name])
	}
	return idOf(parts...)
}

// group returns the group that s joins, due when its first message is.
func (n *node) group(s subject, now time.Time) store.Group {
	labels := n.labels(s)
	due := now.Add(n.wait)
	return store.Group{
		ID: groupID(n.receiver, n.path, labels), Receiver: n.receiver, Labels: labels, Wait: n.wait, Every: n.every,
		Repeat: n.repeat, OpenedAt: now, DueAt: &due,
	}
}

// labels returns what the findings of the group of s have in common.
func (n *node) labels(s subject) map[string]string {
	out := map[string]string{}
	for _, key := range n.groupBy {
		switch key {
		case "run":
			out["project"], out[key] = s.run.Project, s.run.ID // ids are those of a project
		case "tag":
			out[key] = tagsOf(s.run)
		default:
			out[key] = s.values(key)[0]
		}
	}
	return out
}

// tagsOf returns all tags of a run, in an order that does not hang on how they were given.
func tagsOf(r store.Run) string {
	return strings.Join(slices.Sorted(slices.Values(r.Tags)), ",")
}
