package web

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/internal/timespan"
	"github.com/epochwatch/epochwatch/sql/store"
)

// alertsLimit is how many messages are listed unless asked otherwise.
const alertsLimit = 100

// WantedSilence is the body of POST /api/v1/silences.
type WantedSilence struct {
	Matchers []string `json:"matchers"`
	Author   string   `json:"author"`
	Comment  string   `json:"comment"`
	For      string   `json:"for,omitempty"`   // 90m, 1d; this or
	Until    string   `json:"until,omitempty"` // morning, 08:00, 2026-03-14T08:00, with a zone or by the clock of the config's
}

// End returns when the silence ends, or a *WrongError; its clock is that of the zone of now.
func (w WantedSilence) End(now time.Time) (time.Time, error) {
	at, err := timespan.End(w.For, w.Until, now)
	if err != nil {
		return at, &WrongError{Err: err}
	}
	return at, nil
}

// WantedAcknowledgement is the body of POST /api/v1/acknowledgements: what a message tells, or
// all that was told of a run and goes on.
type WantedAcknowledgement struct {
	Message string `json:"message,omitempty"` // its id
	Run     string `json:"run,omitempty"`     // its id
	Project string `json:"project,omitempty"` // of the run, where its id stands in several
	Author  string `json:"author"`
}

// maxAuthor bounds the name of an author in bytes.
const maxAuthor = 200

// Validate returns a *WrongError where nothing, or nobody, is named.
func (w WantedAcknowledgement) Validate() error {
	switch {
	case (w.Message == "") == (w.Run == ""):
		return &WrongError{Err: errors.New("name a message or a run, one of them")}
	case strings.TrimSpace(w.Author) == "" || len(w.Author) > maxAuthor:
		return &WrongError{Err: fmt.Errorf("author names who has seen it, in at most %d bytes", maxAuthor)}
	case w.Run != "" && !contract.ValidName(w.Run), w.Project != "" && !contract.ValidName(w.Project):
		return &WrongError{Err: errors.New("a run's id and a project have 1 to 64 letters, digits, - and _")}
	}
	return nil
}

// Acknowledged is the answer.
type Acknowledged struct {
	// Problems is how many were told and go on: in how many groups of all receivers.
	Problems int `json:"problems"`
}

// WrongError says what is wrong with what was asked.
type WrongError struct{ Err error }

func (e *WrongError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *WrongError) Unwrap() error { return e.Err }

func (s *server) alerts(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	project, limit, ok := s.query(w, q, alertsLimit)
	if !ok {
		return
	}
	run := q.Get("run")
	if run != "" {
		if _, ok := runID(w, run); !ok {
			return
		}
	}
	v, err := s.o.Reader.Alerts(r.Context(), project, run, limit)
	s.reply(w, r, v, err)
}

func (s *server) routing(w http.ResponseWriter, r *http.Request) {
	project, _, ok := s.query(w, r.URL.Query(), 0)
	if !ok {
		return
	}
	id, ok := runID(w, r.PathValue("id"))
	if !ok {
		return
	}
	v, err := s.o.Reader.Routing(r.Context(), project, id)
	s.reply(w, r, v, err)
}

func (s *server) silences(w http.ResponseWriter, r *http.Request) {
	v, err := s.o.Reader.Silences(r.Context())
	s.reply(w, r, v, err)
}

func (s *server) silence(w http.ResponseWriter, r *http.Request) {
	var wish WantedSilence
	if !body(w, r, &wish) {
		return
	}
	v, err := s.o.Reader.Silence(r.Context(), wish)
	if wrong, ok := errors.AsType[*WrongError](err); ok {
		problem(w, http.StatusBadRequest, wrong.Error())
		return
	}
	s.reply(w, r, v, err)
}

func (s *server) acknowledge(w http.ResponseWriter, r *http.Request) {
	var wish WantedAcknowledgement
	if !body(w, r, &wish) {
		return
	}
	done, err := s.o.Reader.Acknowledge(r.Context(), wish)
	if wrong, ok := errors.AsType[*WrongError](err); ok {
		problem(w, http.StatusBadRequest, wrong.Error())
		return
	}
	s.reply(w, r, done, err)
}

func (s *server) endSilence(w http.ResponseWriter, r *http.Request) {
	err := s.o.Reader.EndSilence(r.Context(), r.PathValue("id"))
	if errors.Is(err, store.ErrNotFound) {
		problem(w, http.StatusNotFound, "there is no such silence, or it has ended")
		return
	}
	s.reply(w, r, map[string]string{"id": r.PathValue("id"), "state": "ended"}, err)
}
