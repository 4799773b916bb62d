package daemon

import (
	"context"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Actor does what people ask of runs: for the API, and whoever else asks in a person's name.
type Actor struct {
	Runs    *ingest.Service
	Control *control.Controller
}

var _ web.Actor = Actor{}

// Act returns the command that was made or decided on, as a report.Command. Its errors are
// those that web.Actor names.
func (a Actor) Act(ctx context.Context, project, run string, w control.Wish) (any, error) {
	if err := w.Validate(); err != nil {
		return nil, &control.RefusedError{Reason: err.Error()}
	}
	decide := a.Control.Wish(w)
	var done store.Command
	err := a.Runs.Act(ctx, project, run, func(s ingest.Situation) ([]store.Command, error) {
		commands, err := decide(s)
		if err == nil {
			done = commands[0]
		}
		return commands, err
	})
	if err != nil {
		return nil, err
	}
	return report.CommandOf(done), nil
}
