package web

import (
	"context"
	"errors"
	"net/http"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest"
)

// Actor does what a person asks of a run. Act returns what became of the command, which
// marshals to one of a run's commands. Its errors are *control.RefusedError,
// ingest.ErrSameCause and those of store.Store.
type Actor interface {
	Act(ctx context.Context, project, run string, w control.Wish) (any, error)
}

// act takes a wish: a JSON object of control.Wish.
func (s *server) act(w http.ResponseWriter, r *http.Request) {
	project, _, ok := s.query(w, r.URL.Query(), 0)
	if !ok {
		return
	}
	id, ok := runID(w, r.PathValue("id"))
	if !ok {
		return
	}
	var wish control.Wish
	if !body(w, r, &wish) {
		return
	}
	if err := wish.Validate(); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	done, err := s.o.Actor.Act(r.Context(), project, id, wish)
	var refused *control.RefusedError
	switch {
	case errors.As(err, &refused):
		problem(w, http.StatusUnprocessableEntity, refused.Reason)
	case errors.Is(err, ingest.ErrSameCause):
		problem(w, http.StatusUnprocessableEntity, "the same was asked at this moment of the run already; ask again when its next epoch has ended")
	default:
		s.reply(w, r, done, err)
	}
}
