package web

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
)

// maxBody bounds a request's body in bytes.
const maxBody = 16 << 10

// body reads the JSON object that was sent, and answers what is wrong with it: then it
// returns false.
func body(w http.ResponseWriter, r *http.Request, into any) bool {
	// A form of a page elsewhere cannot send this type.
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		problem(w, http.StatusUnsupportedMediaType, "send Content-Type: application/json")
		return false
	}
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	d.DisallowUnknownFields() // a word misspelt must not change what is done
	err := d.Decode(into)
	if err == nil {
		if _, err = d.Token(); err == nil {
			err = errors.New("there is more behind it")
		} else if errors.Is(err, io.EOF) {
			return true
		}
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
		problem(w, http.StatusRequestEntityTooLarge, "the body has more than 16 KiB")
		return false
	}
	problem(w, http.StatusBadRequest, "the body is not the JSON object that is wanted here: "+err.Error())
	return false
}
