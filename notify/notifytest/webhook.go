package notifytest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
)

// WebhookCall is one request that came in, answered well or not.
type WebhookCall struct {
	Header http.Header
	Body   []byte
	Taken  bool
}

// Webhook is a stand-in of a webhook receiver.
type Webhook struct {
	script
	traps
	bell   bell
	server *httptest.Server
	closed chan struct{}

	mu    sync.Mutex
	calls []WebhookCall // guarded by mu
}

// NewWebhook starts a stand-in that ends with the test.
func NewWebhook(tb testing.TB) *Webhook {
	tb.Helper()
	h := &Webhook{closed: make(chan struct{})}
	h.server = httptest.NewServer(h.around(http.HandlerFunc(h.serve), h.closed))
	tb.Cleanup(func() {
		close(h.closed)
		h.server.Close()
	})
	return h
}

// URL is where it listens.
func (h *Webhook) URL() string { return h.server.URL + "/hook" }

// Calls returns what came, in order.
func (h *Webhook) Calls() []WebhookCall {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

// Wait returns the calls as soon as there are n, or what there is with an error when ctx
// ends before.
func (h *Webhook) Wait(ctx context.Context, n int) ([]WebhookCall, error) {
	for {
		rung := h.bell.wait()
		if c := h.Calls(); len(c) >= n {
			return c, nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			c := h.Calls()
			return c, fmt.Errorf("%d of %d requests came: %w", len(c), n, ctx.Err())
		}
	}
}

func (h *Webhook) serve(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	answer := h.next()
	h.mu.Lock()
	h.calls = append(h.calls, WebhookCall{Header: r.Header.Clone(), Body: body, Taken: answer == nil || answer.Accept})
	h.mu.Unlock()
	h.bell.ring()
	if answer != nil && answer.head(w, r, h.closed) {
		fmt.Fprint(w, answer.Error)
	}
}
