package notifytest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// SlackToken and SlackChannel are what the stand-in takes; SlackChannelID is the id of the
// channel, as Slack answers it.
const (
	SlackToken     = "xoxb-stand-in-0123456789"
	SlackChannel   = "#training"
	SlackChannelID = "C0STANDIN1"
)

// SlackMessage is one message that the stand-in took in.
type SlackMessage struct {
	Channel  string
	TS       string
	ThreadTS string
	Text     string
	Blocks   json.RawMessage
	Metadata json.RawMessage
	ID       string // of metadata.event_payload; empty for an incoming webhook
	Webhook  bool
	Loud     bool // a reply that is shown in the channel as well
	Edits    int  // how often chat.update has changed it
}

// SlackCall is one request, also of one that was answered with an error.
type SlackCall struct {
	Method string // chat.postMessage, …, or "webhook"
	Form   url.Values
}

// Slack is a stand-in of Slack. Its script (Fail, FailAlways, Mend) answers
// chat.postMessage and webhooks; FailHistory the methods that read.
type Slack struct {
	script
	traps
	reading script
	filing  script
	editing script
	opening script
	bell    bell
	server  *httptest.Server
	closed  chan struct{}

	mu       sync.Mutex
	messages []SlackMessage // guarded by mu
	files    []SlackFile    // guarded by mu
	whispers []SlackWhisper // guarded by mu
	socket   *socket        // who listens; guarded by mu
	pressed  int            // guarded by mu
	calls    []SlackCall    // guarded by mu
}

// NewSlack starts a stand-in that ends with the test.
func NewSlack(tb testing.TB) *Slack {
	tb.Helper()
	s := &Slack{closed: make(chan struct{})}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /services/{path...}", s.webhook)
	mux.HandleFunc("POST /api/chat.postMessage", s.api("chat.postMessage", &s.script, s.post))
	mux.HandleFunc("POST /api/chat.update", s.api("chat.update", &s.editing, s.update))
	mux.HandleFunc("POST /api/files.getUploadURLExternal", s.api("files.getUploadURLExternal", &s.filing, s.fileURL))
	mux.HandleFunc("POST /api/apps.connections.open", s.connectionsOpen)
	mux.HandleFunc("GET /socket", s.socketServe)
	mux.HandleFunc("POST /api/chat.postEphemeral", s.api("chat.postEphemeral", &s.filing, s.ephemeral))
	mux.HandleFunc("POST /api/conversations.members", s.api("conversations.members", &s.reading, func(url.Values) map[string]any {
		return map[string]any{"members": []string{"U0", SlackMember}, "response_metadata": map[string]any{"next_cursor": ""}}
	}))
	mux.HandleFunc("POST /upload/{id}", s.fileBytes)
	mux.HandleFunc("POST /api/files.completeUploadExternal", s.api("files.completeUploadExternal", &s.filing, s.fileDone))
	mux.HandleFunc("POST /api/conversations.history", s.api("conversations.history", &s.reading, s.history))
	mux.HandleFunc("POST /api/conversations.replies", s.api("conversations.replies", &s.reading, s.history))
	mux.HandleFunc("POST /api/conversations.list", s.api("conversations.list", &s.reading, s.list))
	mux.HandleFunc("POST /api/auth.test", s.api("auth.test", &s.reading, func(url.Values) map[string]any {
		return map[string]any{"url": "https://stand-in.slack.com/", "team": "stand-in", "user": "epochwatch", "team_id": "T0", "user_id": "U0", "bot_id": "B0"}
	}))
	s.server = httptest.NewServer(s.around(mux, s.closed))
	tb.Cleanup(func() {
		close(s.closed)
		s.server.Close()
	})
	return s
}

// APIURL is what a receiver's api_url is to be.
func (s *Slack) APIURL() string { return s.server.URL + "/api/" }

// WebhookURL is an incoming webhook; its path is the secret.
func (s *Slack) WebhookURL() string {
	return s.server.URL + "/services/T00000000/B00000000/s3cr3tWebhookPath"
}

// FailHistory is Fail for the methods that read.
func (s *Slack) FailHistory(answers ...Answer) { s.reading.Fail(answers...) }

// Messages returns what was taken in, in order.
func (s *Slack) Messages() []SlackMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.messages)
}

// Calls returns the requests, in order.
func (s *Slack) Calls() []SlackCall {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Wait returns the messages as soon as there are n, or what there is with an error when ctx
// ends before.
func (s *Slack) Wait(ctx context.Context, n int) ([]SlackMessage, error) {
	for {
		rung := s.bell.wait()
		if m := s.Messages(); len(m) >= n {
			return m, nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			m := s.Messages()
			return m, fmt.Errorf("%d of %d messages came: %w", len(m), n, ctx.Err())
		}
	}
}

func (s *Slack) take(m SlackMessage) SlackMessage {
	s.mu.Lock()
	m.TS = fmt.Sprintf("%d.%06d", 4_000_000_000, len(s.messages)+1) // after any clock's now
	s.messages = append(s.messages, m)
	s.mu.Unlock()
	s.bell.ring()
	return m
}

func (s *Slack) call(c SlackCall) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, c)
}

// webhook is an incoming webhook: "ok" in plain text, or an error in plain text.
func (s *Slack) webhook(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Text   string          `json:"text"`
		Blocks json.RawMessage `json:"blocks"`
	}
	s.call(SlackCall{Method: "webhook"})
	answer := s.next()
	if r.URL.Path != strings.TrimPrefix(s.WebhookURL(), s.server.URL) {
		answer = &Answer{Status: http.StatusForbidden, Error: "invalid_token"}
	} else if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Text == "" {
		answer = &Answer{Status: http.StatusBadRequest, Error: "invalid_payload"}
	}
	if answer == nil || answer.Accept {
		s.take(SlackMessage{Text: body.Text, Blocks: body.Blocks, Webhook: true})
	}
	if answer == nil {
		fmt.Fprint(w, "ok")
		return
	}
	if answer.head(w, r, s.closed) {
		fmt.Fprint(w, answer.Error)
	}
}

// api is the outer form of Slack's methods: a form in, JSON with "ok" out, errors with
// status 200, the token in the form or as a bearer.
func (s *Slack) api(method string, script *script, work func(url.Values) map[string]any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		if err := r.ParseForm(); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		form := r.Form
		token := form.Get("token")
		if token == "" {
			token, _ = strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		}
		form.Del("token")
		s.call(SlackCall{Method: method, Form: form})
		answer := script.next()
		switch {
		case token == "":
			answer = &Answer{Error: "not_authed"}
		case token != SlackToken:
			answer = &Answer{Error: "invalid_auth"}
		}
		out := map[string]any{}
		if answer == nil || answer.Accept {
			out = work(form)
		}
		if answer != nil {
			if !answer.head(w, r, s.closed) {
				return
			}
			if answer.Status >= 500 {
				fmt.Fprint(w, "<html>Something went wrong</html>")
				return
			}
			if answer.Error != "" {
				out["error"] = answer.Error
			}
		}
		out["ok"] = out["error"] == nil
		_ = json.NewEncoder(w).Encode(out)
	}
}

func ours(channel string) bool {
	return channel == SlackChannelID || strings.TrimPrefix(channel, "#") == strings.TrimPrefix(SlackChannel, "#")
}

// post is chat.postMessage.
func (s *Slack) post(form url.Values) map[string]any {
	blocks := form.Get("blocks")
	switch {
	case !ours(form.Get("channel")):
		return map[string]any{"error": "channel_not_found"}
	case form.Get("text") == "" && blocks == "":
		return map[string]any{"error": "no_text"}
	case blocks != "" && !json.Valid([]byte(blocks)):
		return map[string]any{"error": "invalid_blocks_format"}
	case !s.knowsFiles(blocks):
		return map[string]any{"error": "invalid_blocks"}
	}
	m := SlackMessage{
		Channel: SlackChannelID, ThreadTS: form.Get("thread_ts"), Loud: form.Get("reply_broadcast") == "true", Text: form.Get("text"),
		Blocks: json.RawMessage(blocks), Metadata: json.RawMessage(form.Get("metadata")),
	}
	var meta struct {
		EventPayload struct {
			ID string `json:"id"`
		} `json:"event_payload"`
	}
	if json.Unmarshal(m.Metadata, &meta) == nil {
		m.ID = meta.EventPayload.ID
	}
	m = s.take(m)
	return map[string]any{"channel": m.Channel, "ts": m.TS, "message": map[string]any{"text": m.Text, "ts": m.TS}}
}

// history is conversations.history and, with ts, conversations.replies: newest first, or
// oldest first for replies, in pages. Replies are not in a channel's history unless they
// were broadcast; the stand-in leaves them out.
func (s *Slack) history(form url.Values) map[string]any {
	if form.Get("channel") != SlackChannelID {
		return map[string]any{"error": "channel_not_found"} // names are not taken here
	}
	thread := form.Get("ts")
	var all []map[string]any
	for _, m := range s.Messages() {
		if m.Webhook || thread == "" && m.ThreadTS != "" || thread != "" && m.ThreadTS != thread && m.TS != thread {
			continue
		}
		if thread == "" && m.TS < form.Get("oldest") {
			continue
		}
		out := map[string]any{"type": "message", "ts": m.TS, "text": m.Text}
		if form.Get("include_all_metadata") == "1" && len(m.Metadata) > 0 {
			out["metadata"] = m.Metadata
		}
		all = append(all, out)
	}
	if thread == "" {
		slices.Reverse(all)
	}
	from, _ := strconv.Atoi(form.Get("cursor"))
	limit, err := strconv.Atoi(form.Get("limit"))
	if err != nil || limit < 1 {
		limit = 100
	}
	from = min(from, len(all))
	to := min(from+limit, len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return map[string]any{"messages": append([]map[string]any{}, all[from:to]...), "has_more": next != "", "response_metadata": map[string]any{"next_cursor": next}}
}

// list is conversations.list.
func (s *Slack) list(url.Values) map[string]any {
	return map[string]any{"channels": []map[string]any{
		{"id": "C0OTHER001", "name": "general", "is_channel": true},
		{"id": SlackChannelID, "name": strings.TrimPrefix(SlackChannel, "#"), "is_channel": true, "is_member": true},
	}, "response_metadata": map[string]any{"next_cursor": ""}}
}
