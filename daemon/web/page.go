package web

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
)

// Page is what the landing page says of this daemon. It holds nothing that wants a token.
type Page struct {
	Version string
	NATS    string // where trainers publish
	Data    string // the data folder
}

//go:embed page.html
var pageText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	status, checks := s.state(r.Context())
	var b bytes.Buffer
	err := pageTemplate.Execute(&b, map[string]any{"Page": s.o.Page, "Ready": status == http.StatusOK, "Checks": checks})
	if err != nil {
		s.o.Log.ErrorContext(r.Context(), "writing the page", "error", err)
		problem(w, http.StatusInternalServerError, "the page could not be made")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}
