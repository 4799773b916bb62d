package notifytest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Moment is a point in the life of a request at which a test may do something, such as
// kill who asked.
type Moment string

// The moments.
const (
	// Arrived is when a request was read. It is not worked, and gets no answer.
	Arrived Moment = "arrived"
	// Worked is when what was asked for is done. It gets no answer.
	Worked Moment = "worked"
	// Answered is right after the answer is out, in full.
	Answered Moment = "answered"
)

// trap does something at a moment of one request.
type trap struct {
	path   string
	moment Moment
	do     func(host string)
}

// traps are those that are set.
type traps struct {
	mu  sync.Mutex
	set []trap // guarded by mu
}

// Trap has do called at a moment of the next request whose path contains part, in the
// request's own goroutine, with the host and port by which the service was asked. It is
// called once.
func (t *traps) Trap(part string, at Moment, do func(host string)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.set = append(t.set, trap{part, at, do})
}

// take returns the trap that a request springs, if it does.
func (t *traps) take(path string) (trap, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.set, func(s trap) bool { return strings.Contains(path, s.path) })
	if i < 0 {
		return trap{}, false
	}
	s := t.set[i]
	t.set = slices.Delete(t.set, i, i+1)
	return s, true
}

// around lets requests spring the traps before they come to next.
func (t *traps) around(next http.Handler, closed <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, sprung := t.take(r.URL.Path)
		if !sprung {
			next.ServeHTTP(w, r)
			return
		}
		// Once the body is read, the server hears it when the client goes.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := httptest.NewRecorder()
		if s.moment != Arrived {
			next.ServeHTTP(answer, r)
		}
		if s.moment == Answered {
			send(w, answer)
			s.do(r.Host)
			return
		}
		s.do(r.Host)
		(&Answer{Hang: true}).head(w, r, closed)
	})
}

// send writes an answer so that the client has all of it before the handler returns.
func send(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	maps.Copy(w.Header(), answer.Header())
	w.Header().Set("Content-Length", strconv.Itoa(answer.Body.Len()))
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
	_ = http.NewResponseController(w).Flush()
}
