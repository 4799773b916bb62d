package column

import (
	"slices"

	"github.com/epochwatch/epochwatch/sql/store"
)

// About returns the ids of the findings that a message speaks of.
func About(m *store.Message) []string {
	if len(m.Findings) > 0 || m.FindingID == "" {
		return m.Findings
	}
	return []string{m.FindingID}
}

// Joined returns the groups that are joined, each once and with its earliest time.
func Joined(joins []store.Join) []store.Group {
	at := map[string]int{}
	var out []store.Group
	for _, j := range joins {
		if j.Resolved {
			continue
		}
		i, ok := at[j.Group.ID]
		if !ok {
			at[j.Group.ID] = len(out)
			out = append(out, j.Group)
			continue
		}
		if due := j.Group.DueAt; due != nil && (out[i].DueAt == nil || due.Before(*out[i].DueAt)) {
			out[i].DueAt = due
		}
	}
	return out
}

// Members puts groups together with what was read of their findings.
func Members(groups []store.Group, grouped []store.Grouped, findings []store.Finding, runs []store.Run) []store.GroupState {
	finding, run := map[string]store.Finding{}, map[int64]store.Run{}
	for _, f := range findings {
		finding[f.ID] = f
	}
	for _, r := range runs {
		run[r.PK] = r
	}
	at := map[string]int{}
	out := make([]store.GroupState, len(groups))
	for i, g := range groups {
		at[g.ID], out[i].Group = i, g
	}
	for _, g := range grouped {
		i := at[g.GroupID]
		out[i].Members = append(out[i].Members, store.GroupMember{
			Grouped: g, RunFinding: store.RunFinding{Run: run[g.RunPK], Finding: finding[g.FindingID]},
		})
	}
	return out
}

// WithRuns puts findings together with their runs; those whose run was not read are left out.
func WithRuns(findings []store.Finding, runs []store.Run) []store.RunFinding {
	run := map[int64]store.Run{}
	for _, r := range runs {
		run[r.PK] = r
	}
	out := make([]store.RunFinding, 0, len(findings))
	for _, f := range findings {
		if r, ok := run[f.RunPK]; ok {
			out = append(out, store.RunFinding{Run: r, Finding: f})
		}
	}
	return out
}

// Also puts the findings of a message, but for the one that heads it, together with their runs.
func Also(head string, findings []store.Finding, runs []store.Run) []store.RunFinding {
	return slices.DeleteFunc(WithRuns(findings, runs), func(f store.RunFinding) bool { return f.Finding.ID == head })
}

// Waiting puts findings that were not told together with what was read of them, in the
// order of grouped.
func Waiting(groups []store.Group, grouped []store.Grouped, findings []store.Finding, runs []store.Run) []store.Waiting {
	at := map[store.Grouped]store.Waiting{}
	for _, s := range Members(groups, grouped, findings, runs) {
		for _, m := range s.Members {
			at[m.Grouped] = store.Waiting{Group: s.Group, Member: m}
		}
	}
	var out []store.Waiting
	for _, g := range grouped {
		out = append(out, at[g])
	}
	return out
}
