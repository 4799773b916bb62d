package notifytest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/gorilla/websocket"
)

// SlackAppToken opens the socket of the stand-in; SlackMember is in its channel.
const (
	SlackAppToken = "xapp-stand-in-0123456789"
	SlackMember   = "U0MEMBER01"
)

// ErrUnheard is of a press whose listener went before it acknowledged it: Slack shows to who
// pressed that it failed.
var ErrUnheard = errors.New("the listener went before it acknowledged the press")

// SlackWhisper is a message that one person alone sees.
type SlackWhisper struct{ User, Text string }

// SlackPress is a press of a button, or of an option of a menu.
type SlackPress struct {
	User, Name string
	TS         string // of the message
	ActionID   string
	Value      string // of the button, or of the option
}

// socket is the connected side of socket mode.
type socket struct {
	conn  *websocket.Conn
	acks  chan string
	ended chan struct{}
}

// Whispers returns what was said to one person alone, in order.
func (s *Slack) Whispers() []SlackWhisper {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.whispers)
}

// connectionsOpen is apps.connections.open: it takes the app's token alone.
func (s *Slack) connectionsOpen(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	answer := s.opening.next()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.FormValue("token")
	}
	out := map[string]any{"ok": true, "url": strings.Replace(s.server.URL, "http", "ws", 1) + "/socket"}
	switch {
	case token != SlackAppToken && strings.HasPrefix(token, "xoxb-"):
		out = map[string]any{"ok": false, "error": "not_allowed_token_type"}
	case token != SlackAppToken:
		out = map[string]any{"ok": false, "error": "invalid_auth"}
	case answer != nil:
		if !answer.head(w, r, s.closed) {
			return
		}
		out = map[string]any{"ok": false, "error": answer.Error}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// FailOpening is Fail for apps.connections.open.
func (s *Slack) FailOpening(answers ...Answer) { s.opening.Fail(answers...) }

func (s *Slack) socketServe(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	k := &socket{conn: conn, acks: make(chan string, 64), ended: make(chan struct{})}
	defer func() { _ = conn.Close() }()
	defer close(k.ended)
	_ = conn.WriteJSON(map[string]any{"type": "hello", "num_connections": 1, "connection_info": map[string]any{"app_id": "A0STANDIN"}})
	s.mu.Lock()
	s.socket = k
	s.mu.Unlock()
	s.bell.ring()
	go func() {
		select {
		case <-s.closed:
			_ = conn.Close()
		case <-k.ended:
		}
	}()
	for {
		var ack struct {
			EnvelopeID string `json:"envelope_id"`
		}
		if err := conn.ReadJSON(&ack); err != nil {
			return
		}
		k.acks <- ack.EnvelopeID
	}
}

// Connected returns when somebody listens, or the error of ctx.
func (s *Slack) Connected(ctx context.Context) error {
	_, err := s.connected(ctx)
	return err
}

func (s *Slack) connected(ctx context.Context) (*socket, error) {
	for {
		rung := s.bell.wait()
		s.mu.Lock()
		k := s.socket
		s.mu.Unlock()
		if k != nil {
			return k, nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return nil, fmt.Errorf("nobody listens: %w", ctx.Err())
		}
	}
}

// Disconnect asks the listener to connect again, as Slack does every few hours.
func (s *Slack) Disconnect(ctx context.Context) error {
	k, err := s.connected(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.socket = nil
	s.mu.Unlock()
	return k.conn.WriteJSON(map[string]any{"type": "disconnect", "reason": "refresh_requested"})
}

// Press presses, and returns when the press was acknowledged.
func (s *Slack) Press(ctx context.Context, p SlackPress) error {
	k, err := s.connected(ctx)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(s.Messages(), func(m SlackMessage) bool { return m.TS == p.TS })
	if i < 0 {
		return errors.New("there is no such message")
	}
	m := s.Messages()[i]
	action := map[string]any{"action_id": p.ActionID, "block_id": blockOf(m.Blocks), "type": "button", "value": p.Value, "action_ts": "1"}
	if p.ActionID == "mute" {
		action = map[string]any{"action_id": p.ActionID, "block_id": blockOf(m.Blocks), "type": "overflow", "selected_option": map[string]any{"value": p.Value}, "action_ts": "1"}
	}
	s.mu.Lock()
	s.pressed++
	id := fmt.Sprintf("envelope-%d", s.pressed)
	s.mu.Unlock()
	err = k.conn.WriteJSON(map[string]any{
		"type": "interactive", "envelope_id": id, "accepts_response_payload": true,
		"payload": map[string]any{
			"type": "block_actions", "user": map[string]any{"id": p.User, "name": p.Name, "username": p.Name},
			"channel":   map[string]any{"id": m.Channel, "name": strings.TrimPrefix(SlackChannel, "#")},
			"message":   map[string]any{"type": "message", "ts": m.TS, "text": m.Text, "blocks": m.Blocks},
			"container": map[string]any{"type": "message", "message_ts": m.TS, "channel_id": m.Channel},
			"actions":   []any{action},
		},
	})
	if err != nil {
		return err
	}
	select {
	case got := <-k.acks:
		if got != id {
			return fmt.Errorf("%s was acknowledged, not %s", got, id)
		}
		return nil
	case <-k.ended:
		return ErrUnheard
	case <-ctx.Done():
		return fmt.Errorf("the press was not acknowledged: %w", ctx.Err())
	}
}

// blockOf is the id of the block with the buttons.
func blockOf(blocks json.RawMessage) string {
	var list []struct {
		Type string `json:"type"`
		ID   string `json:"block_id"`
	}
	_ = json.Unmarshal(blocks, &list)
	for _, b := range list {
		if b.Type == "actions" {
			return b.ID
		}
	}
	return ""
}

// ephemeral is chat.postEphemeral.
func (s *Slack) ephemeral(form url.Values) map[string]any {
	if !ours(form.Get("channel")) {
		return map[string]any{"error": "channel_not_found"}
	}
	s.mu.Lock()
	s.whispers = append(s.whispers, SlackWhisper{User: form.Get("user"), Text: form.Get("text")})
	s.mu.Unlock()
	s.bell.ring()
	return map[string]any{"message_ts": "1.0"}
}

// Until returns when done does, which is asked after each thing that happens.
func (s *Slack) Until(ctx context.Context, done func() bool) error {
	for {
		rung := s.bell.wait()
		if done() {
			return nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
