package notify

import (
	"slices"

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

// find returns the route that a finding takes: the deepest one on the way along the first
// that matches at each level. What it leaves out is filled in from those above.
func (r Route) find(s subject) Route {
	for _, child := range r.Routes {
		if !child.matches(s) {
			continue
		}
		if child.Receiver == "" {
			child.Receiver = r.Receiver
		}
		if child.GroupBy == nil {
			child.GroupBy = r.GroupBy
		}
		if child.GroupWait == 0 {
			child.GroupWait = r.GroupWait
		}
		if child.RepeatInterval == 0 {
			child.RepeatInterval = r.RepeatInterval
		}
		return child.find(s)
	}
	return r
}

func (r Route) matches(s subject) bool {
	for key, want := range r.Match {
		ok := false
		switch key {
		case "project":
			ok = s.run.Project == want
		case "run":
			ok = s.run.ID == want || s.run.Name == want
		case "tag":
			ok = slices.Contains(s.run.Tags, want)
		case "kind":
			ok = string(s.kind) == want
		case "severity":
			ok = string(s.severity) == want
		case "metric":
			ok = s.metric == want
		}
		if !ok {
			return false
		}
	}
	return true
}

func rank(severity string) int { return detectors.Severity(severity).Rank() }
