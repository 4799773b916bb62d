package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Reader answers what people ask of a store, for the API and for the commands.
type Reader struct {
	Store     store.Store
	Detectors detectors.Config // to read a run's verdict with
	Notifier  *notify.Notifier // to say who would be told; nil where that is not asked
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

// Alerts returns a report.AlertList, of all runs when id is empty.
func (r Reader) Alerts(ctx context.Context, project, id string, limit int) (any, error) {
	if id == "" {
		return report.LoadAlerts(ctx, r.Store, nil, limit)
	}
	run, err := r.Store.FindRun(ctx, project, id)
	if err != nil {
		return nil, err
	}
	return report.LoadAlerts(ctx, r.Store, &run, limit)
}

// Silences returns a report.SilenceList of those that have not ended.
func (r Reader) Silences(ctx context.Context) (any, error) {
	all, err := r.Store.ListSilences(ctx, time.Now())
	return report.SilencesOf(all), err
}

// Silence stores a silence and returns a report.SilenceList of it alone.
func (r Reader) Silence(ctx context.Context, w web.WantedSilence) (any, error) {
	now := time.Now().Truncate(time.Microsecond) // as it is kept
	if r.Notifier != nil {
		now = now.In(r.Notifier.Zone())
	}
	end, err := w.End(now)
	if err != nil {
		return nil, err
	}
	s, err := notify.NewSilence(w.Matchers, w.Author, w.Comment, now, end.Sub(now))
	if err != nil {
		return nil, &web.WrongError{Err: err}
	}
	return report.SilencesOf([]store.Silence{s}), r.Store.AddSilence(ctx, s)
}

// Acknowledge notes that somebody has seen what was told.
func (r Reader) Acknowledge(ctx context.Context, w web.WantedAcknowledgement) (web.Acknowledged, error) {
	if err := w.Validate(); err != nil {
		return web.Acknowledged{}, err
	}
	pk := int64(0)
	if w.Run != "" {
		run, err := r.Store.FindRun(ctx, w.Project, w.Run)
		if err != nil {
			return web.Acknowledged{}, err
		}
		pk = run.PK
	}
	n, err := r.Store.Acknowledge(ctx, notify.Seen(w.Message, pk, w.Author, time.Now()))
	if err == nil && n > 0 && r.Notifier != nil {
		r.Notifier.Stored()
	}
	return web.Acknowledged{Problems: n}, err
}

// EndSilence ends a silence now. It returns store.ErrNotFound.
func (r Reader) EndSilence(ctx context.Context, id string) error {
	all, err := r.Store.ListSilences(ctx, time.Now())
	if err != nil {
		return err
	}
	for _, s := range all {
		if s.ID == id {
			s.EndsAt, s.CreatedAt = time.Now(), time.Now()
			return r.Store.AddSilence(ctx, s)
		}
	}
	return store.ErrNotFound
}

// Routing returns a report.Routing.
func (r Reader) Routing(ctx context.Context, project, id string) (any, error) {
	run, err := r.Store.FindRun(ctx, project, id)
	if err != nil {
		return nil, err
	}
	if r.Notifier == nil {
		return nil, errors.New("no config, so nobody knows who is told")
	}
	now := time.Now()
	all, err := r.Notifier.Explain(ctx, r.Store, run, now)
	return report.RoutingOf(run, all, now), err
}
