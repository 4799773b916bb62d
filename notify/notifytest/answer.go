package notifytest

import (
	"net/http"
	"strconv"
	"sync"
)

// Answer is one way for a service to misbehave.
type Answer struct {
	Status     int    // HTTP status; 0 is 200
	RetryAfter int    // seconds, sent as Retry-After when above 0
	Error      string // of Slack's web API: {"ok": false, "error": …}; of others the body
	// Hang lets the request wait until the client gives up or the stand-in is closed.
	Hang bool
	// Accept takes the message in all the same: the answer is lost, the message is there.
	Accept bool
}

// script holds the answers that are to come.
type script struct {
	mu     sync.Mutex
	queue  []Answer // guarded by mu
	always *Answer  // guarded by mu
}

// Fail lets the next requests be answered so, one each; then all is well again.
func (s *script) Fail(answers ...Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue = append(s.queue, answers...)
}

// FailAlways lets every request be answered so until Mend.
func (s *script) FailAlways(a Answer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &a
}

// Mend lets all be well again.
func (s *script) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue, s.always = nil, nil
}

// next returns the answer to this request; nil when all is well.
func (s *script) next() *Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) > 0 {
		a := s.queue[0]
		s.queue = s.queue[1:]
		return &a
	}
	return s.always
}

// head writes what an answer says in status and headers, and waits when it is to hang. It
// returns false when nothing more is to be written.
func (a *Answer) head(w http.ResponseWriter, r *http.Request, closed <-chan struct{}) bool {
	if a.Hang {
		select {
		case <-r.Context().Done():
		case <-closed:
		}
		return false
	}
	if a.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfter))
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	return true
}

// bell tells waiters that something has come.
type bell struct {
	mu sync.Mutex
	ch chan struct{} // closed at the next ring; guarded by mu
}

func (b *bell) wait() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
