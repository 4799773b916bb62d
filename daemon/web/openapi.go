package web

import (
	_ "embed"
	"net/http"
)

// openAPI describes the API: OpenAPI 3.1.
//
//go:embed openapi.json
var openAPI []byte

// OpenAPI returns the description of the API, OpenAPI 3.1 as JSON.
func OpenAPI() []byte { return openAPI }

func (s *server) description(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // who asked is gone when it fails
}
