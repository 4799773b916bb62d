package daemon

import (
	"context"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Reader answers what people ask of a store, for the API and for the commands.
type Reader struct {
	Store     store.Store
	Detectors detectors.Config // to read a run's verdict with
}

var _ web.Reader = Reader{}

// Runs returns a report.RunList.
func (r Reader) Runs(ctx context.Context, f store.RunFilter) (any, error) {
	return report.ListRuns(ctx, r.Store, f)
}

// Run returns a report.RunDocument.
func (r Reader) Run(ctx context.Context, project, id string) (any, error) {
	return report.LoadRun(ctx, r.Store, project, id, r.Detectors)
}

// Quarantine returns what was refused, newest first.
func (r Reader) Quarantine(ctx context.Context, limit int) (web.RefusedList, error) {
	all, err := r.Store.ListQuarantined(ctx, limit)
	if err != nil {
		return web.RefusedList{}, err
	}
	return web.NewRefusedList(all), nil
}
