package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// quarantineLimit is how many refused messages are listed unless asked otherwise.
const quarantineLimit = 100

func (s *server) runs(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	project, limit, ok := s.query(w, q, 0)
	if !ok {
		return
	}
	v, err := s.o.Reader.Runs(r.Context(), store.RunFilter{Project: project, Limit: limit})
	s.reply(w, r, v, err)
}

func (s *server) run(w http.ResponseWriter, r *http.Request) {
	project, _, ok := s.query(w, r.URL.Query(), 0)
	if !ok {
		return
	}
	id, ok := runID(w, r.PathValue("id"))
	if !ok {
		return
	}
	v, err := s.o.Reader.Run(r.Context(), project, id)
	s.reply(w, r, v, err)
}

func (s *server) quarantine(w http.ResponseWriter, r *http.Request) {
	_, limit, ok := s.query(w, r.URL.Query(), quarantineLimit)
	if !ok {
		return
	}
	v, err := s.o.Reader.Quarantine(r.Context(), limit)
	s.reply(w, r, v, err)
}

// runID refuses what no run's id can be.
func runID(w http.ResponseWriter, id string) (string, bool) {
	if !contract.ValidName(id) {
		problem(w, http.StatusBadRequest, "a run's id has 1 to 64 letters, digits, - and _")
		return "", false
	}
	return id, true
}

// query reads project and limit, and refuses what they cannot be.
func (s *server) query(w http.ResponseWriter, q url.Values, limit int) (string, int, bool) {
	project := q.Get("project")
	if project != "" && !contract.ValidName(project) {
		problem(w, http.StatusBadRequest, "a project has 1 to 64 letters, digits, - and _")
		return "", 0, false
	}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			problem(w, http.StatusBadRequest, "limit is a whole number from 1")
			return "", 0, false
		}
		limit = n
	}
	return project, limit, true
}

func (s *server) reply(w http.ResponseWriter, r *http.Request, v any, err error) {
	switch {
	case err == nil:
		answer(w, v)
	case errors.Is(err, store.ErrNotFound):
		problem(w, http.StatusNotFound, "there is no such run")
	case errors.Is(err, store.ErrAmbiguous):
		problem(w, http.StatusConflict, "the id stands in several projects: name one with ?project=")
	case r.Context().Err() != nil: // who asked is gone
	default:
		s.o.Log.ErrorContext(r.Context(), "answering a request", "path", r.URL.Path, "error", err)
		problem(w, http.StatusInternalServerError, "the store could not be read; the daemon's log says why")
	}
}
