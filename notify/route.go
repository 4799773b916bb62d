package notify

import (
	"cmp"
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// subject is what routes are matched against.
type subject struct {
	run      store.Run
	kind     detectors.Kind
	metric   string
	severity detectors.Severity
}

// node is one route of the tree, with what it takes from those above filled in.
type node struct {
	path     string // route.routes[0]…
	receiver string
	matchers []matcher
	goesOn   bool // to the next route beside it
	groupBy  []string
	wait     time.Duration
	every    time.Duration
	repeat   time.Duration
	mute     []interval // nothing is told inside
	active   []interval // nothing is told outside of all of them; empty: always
	children []*node
}

// The times of a group where no route sets them.
const (
	// defaultWait is long enough for the findings that come of one epoch and the next of a
	// small model, and short beside what a person needs to look up.
	defaultWait     = 3 * time.Second
	defaultInterval = time.Minute
	defaultRepeat   = 4 * time.Hour
)

// rootOf makes the tree of a valid config.
func rootOf(c *Config) *node {
	above := &node{receiver: logReceiver, groupBy: []string{"run"}, wait: defaultWait, every: defaultInterval, repeat: defaultRepeat}
	if len(c.Receivers) > 0 {
		above.receiver = c.Receivers[0].Name
	}
	return newNode(&c.Route, above, "route", intervalsOf(c))
}

func newNode(r *Route, above *node, path string, times map[string]interval) *node {
	n := &node{
		path: path, receiver: cmp.Or(r.Receiver, above.receiver), goesOn: r.Continue, groupBy: above.groupBy,
		wait: span(r.GroupWait, above.wait), every: span(r.GroupInterval, above.every), repeat: span(r.RepeatInterval, above.repeat),
	}
	if r.GroupBy != nil {
		n.groupBy = r.GroupBy
	}
	n.matchers, _ = matchersOf(r.Match, r.Matchers) // Validate has seen them
	for i := range r.Routes {
		n.children = append(n.children, newNode(&r.Routes[i], n, fmt.Sprintf("%s.routes[%d]", path, i), times))
	}
	for _, name := range r.MuteTimes {
		n.mute = append(n.mute, times[name])
	}
	for _, name := range r.ActiveTimes {
		n.active = append(n.active, times[name])
	}
	return n
}

func span(d *Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.Std()
}

// find returns the routes that a finding takes: at each level the first that matches, and
// those that match after one that goes on; where none does, the one above them.
func (n *node) find(s subject) []*node {
	var out []*node
	for _, child := range n.children {
		if !matchAll(child.matchers, s) {
			continue
		}
		out = append(out, child.find(s)...)
		if !child.goesOn {
			break
		}
	}
	if len(out) == 0 {
		return []*node{n}
	}
	return out
}

func rank(severity string) int { return detectors.Severity(severity).Rank() }
