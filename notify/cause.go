package notify

import (
	"cmp"
	"slices"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// byCause orders the findings of a group: the worst run first, and in it the most likely
// cause first, as in the run's verdict.
func byCause(members []store.GroupMember) []store.GroupMember {
	type standing struct{ firing, severity int }
	runs := map[int64]standing{}
	for _, m := range members {
		s := runs[m.RunPK]
		if m.Finding.Firing() {
			s = standing{1, max(s.severity, m.Finding.Severity.Rank())}
		}
		runs[m.RunPK] = s
	}
	out := slices.Clone(members)
	slices.SortStableFunc(out, func(a, b store.GroupMember) int {
		return cmp.Or(
			cmp.Compare(runs[b.RunPK].firing, runs[a.RunPK].firing),
			cmp.Compare(runs[b.RunPK].severity, runs[a.RunPK].severity),
			cmp.Compare(a.RunPK, b.RunPK),
			compareFindings(a.Finding, b.Finding))
	})
	return out
}

// membersOf puts what else a message speaks of under its runs.
func membersOf(head store.Run, also []store.RunFinding) (symptoms []store.Finding, others []notice.Member) {
	at := map[int64]int{}
	for _, o := range also {
		if o.Run.PK == head.PK {
			symptoms = append(symptoms, o.Finding)
			continue
		}
		i, ok := at[o.Run.PK]
		if !ok {
			i = len(others)
			at[o.Run.PK] = i
			others = append(others, notice.Member{Run: o.Run})
		}
		others[i].Symptoms = append(others[i].Symptoms, o.Finding)
	}
	slices.SortStableFunc(symptoms, compareFindings)
	for i := range others {
		m := &others[i]
		slices.SortStableFunc(m.Symptoms, compareFindings)
		m.Finding, m.Symptoms = m.Symptoms[0], m.Symptoms[1:]
	}
	return symptoms, others
}

func compareFindings(a, b store.Finding) int { return detectors.ByCause(&a.Finding, &b.Finding) }
