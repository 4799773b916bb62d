package ingest

import (
	"context"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Observer hears what has become of runs, each time after it was stored: for a log, or a
// page that follows. It may miss what was stored just before the program was killed, so
// nothing may depend on it. Observe is called from several goroutines and must not wait.
type Observer interface {
	Observe(ctx context.Context, n News)
}

// NewsType says what happened.
type NewsType string

// The types of news.
const (
	NewsRunStarted       NewsType = "run_started" // an attempt began
	NewsRunEnded         NewsType = "run_ended"   // in whatever state Run says, lost included
	NewsRunBack          NewsType = "run_back"    // one that was held lost gives a sign
	NewsFindingOpened    NewsType = "finding_opened"
	NewsFindingEscalated NewsType = "finding_escalated"
	NewsFindingResolved  NewsType = "finding_resolved"
	NewsCommandDecided   NewsType = "command_decided"
	NewsCommandApproved  NewsType = "command_approved" // a proposal, by a person
	NewsCommandAnswered  NewsType = "command_answered" // applied, refused, expired, reverted; a proposal declined
	NewsCommandJudged    NewsType = "command_judged"   // its effect is known
)

// News is one thing that happened to a run.
type News struct {
	Type    NewsType
	Run     store.Run      // as it was stored
	Finding *store.Finding // of finding_…
	Command *store.Command // of command_…
}

// tell hands the news of visits to the observer.
func (s *Service) tell(ctx context.Context, visits []*visit) {
	if s.observer == nil {
		return
	}
	for _, v := range visits {
		for _, n := range v.allNews() {
			n.Run = v.run
			s.observer.Observe(ctx, n)
		}
	}
}

// allNews puts what happened to the run around what happened within it.
func (v *visit) allNews() []News {
	var out []News
	if v.run.Attempts > v.was.Attempts {
		out = append(out, News{Type: NewsRunStarted})
	} else if v.was.State == store.StateLost && v.run.State == store.StateRunning {
		out = append(out, News{Type: NewsRunBack})
	}
	out = append(out, v.news...)
	ran := v.was.State == store.StateRunning || v.run.Attempts > v.was.Attempts
	if v.run.State != store.StateRunning && (ran || v.was.State != v.run.State) {
		out = append(out, News{Type: NewsRunEnded})
	}
	return out
}

func (v *visit) newsOfFinding(t detectors.ChangeType, f store.Finding) {
	types := map[detectors.ChangeType]NewsType{
		detectors.Opened: NewsFindingOpened, detectors.Escalated: NewsFindingEscalated, detectors.Resolved: NewsFindingResolved,
	}
	v.news = append(v.news, News{Type: types[t], Finding: &f})
}

// newsOfCommand takes a command as it was, nil for a new one, and as it is.
func (v *visit) newsOfCommand(was *store.Command, is store.Command) {
	switch {
	case was == nil:
		v.news = append(v.news, News{Type: NewsCommandDecided, Command: &is})
	case was.State == store.CommandProposed && is.State == store.CommandSent:
		v.news = append(v.news, News{Type: NewsCommandApproved, Command: &is})
	case was.State != is.State:
		v.news = append(v.news, News{Type: NewsCommandAnswered, Command: &is})
	case was.Effect != is.Effect:
		v.news = append(v.news, News{Type: NewsCommandJudged, Command: &is})
	}
}
