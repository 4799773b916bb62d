package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// askWithin is how long one question may take.
	askWithin = 30 * time.Second
	// maxAnswer bounds an answer in bytes: some 100,000 epochs.
	maxAnswer = 256 << 20
)

// client asks a daemon over HTTP.
type client struct {
	base  string
	token secret.Value
	http  *http.Client
}

func newClient(base, token string) *client {
	return &client{
		base: strings.TrimRight(base, "/"), token: secret.Value(token),
		http: &http.Client{Timeout: askWithin, CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token is for this host alone
		}},
	}
}

// Close lets go of connections.
func (c *client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

// inProject asks for what is of a project; of any where none is named.
func inProject(project string) url.Values {
	q := url.Values{}
	if project != "" {
		q.Set("project", project)
	}
	return q
}

// Runs returns an answered report.RunList.
func (c *client) Runs(ctx context.Context, f store.RunFilter) (any, error) {
	q := inProject(f.Project)
	if f.Limit > 0 {
		q.Set("limit", strconv.Itoa(f.Limit))
	}
	var out answered[report.RunList]
	err := c.ask(ctx, "/api/v1/runs", q, &out)
	return out, err
}

// Run returns an answered report.RunDocument.
func (c *client) Run(ctx context.Context, project, id string) (any, error) {
	q := inProject(project)
	var out answered[report.RunDocument]
	err := c.ask(ctx, "/api/v1/runs/"+url.PathEscape(id), q, &out)
	return out, err
}

// Quarantine returns what was refused.
func (c *client) Quarantine(ctx context.Context, limit int) (web.RefusedList, error) {
	var out web.RefusedList
	err := c.ask(ctx, "/api/v1/quarantine", url.Values{"limit": {strconv.Itoa(limit)}}, &out)
	return out, err
}

// Act asks for a wish and returns the command that came of it; a *control.RefusedError where
// the run stays as it is.
func (c *client) Act(ctx context.Context, project, id string, w control.Wish) (report.Command, error) {
	q := inProject(project)
	body, err := json.Marshal(w)
	if err != nil {
		return report.Command{}, fmt.Errorf("write the wish: %w", err)
	}
	var out report.Command
	err = c.request(ctx, http.MethodPost, "/api/v1/runs/"+url.PathEscape(id)+"/commands", q, bytes.NewReader(body), &out)
	return out, err
}

// answered is a document as a daemon wrote it: as JSON it is passed on as it came, so that
// what a newer daemon says more of is not lost.
type answered[D document] struct{ json.RawMessage }

// WriteText reads the document and writes it for a person.
func (a answered[D]) WriteText(w io.Writer, o report.TextOptions) error {
	d, err := a.document()
	if err != nil {
		return err
	}
	return d.WriteText(w, o)
}

func (a answered[D]) document() (D, error) {
	var d D
	if err := json.Unmarshal(a.RawMessage, &d); err != nil {
		return d, fmt.Errorf("read the daemon's answer: %w", err)
	}
	return d, nil
}

// Alerts returns an answered report.AlertList.
func (c *client) Alerts(ctx context.Context, project, run string, limit int) (any, error) {
	q := inProject(project)
	q.Set("limit", strconv.Itoa(limit))
	if run != "" {
		q.Set("run", run)
	}
	var out answered[report.AlertList]
	err := c.ask(ctx, "/api/v1/alerts", q, &out)
	return out, err
}

// Routing returns an answered report.Routing.
func (c *client) Routing(ctx context.Context, project, run string) (any, error) {
	q := inProject(project)
	var out answered[report.Routing]
	err := c.ask(ctx, "/api/v1/runs/"+url.PathEscape(run)+"/routing", q, &out)
	return out, err
}

// Silences returns an answered report.SilenceList.
func (c *client) Silences(ctx context.Context) (any, error) {
	var out answered[report.SilenceList]
	err := c.ask(ctx, "/api/v1/silences", nil, &out)
	return out, err
}

// Silence returns an answered report.SilenceList of the new silence.
func (c *client) Silence(ctx context.Context, w web.WantedSilence) (any, error) {
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	var out answered[report.SilenceList]
	err = c.request(ctx, http.MethodPost, "/api/v1/silences", nil, bytes.NewReader(body), &out)
	return out, err
}

// Acknowledge notes that somebody has seen what was told.
func (c *client) Acknowledge(ctx context.Context, w web.WantedAcknowledgement) (web.Acknowledged, error) {
	var out web.Acknowledged
	body, err := json.Marshal(w)
	if err != nil {
		return out, err
	}
	err = c.request(ctx, http.MethodPost, "/api/v1/acknowledgements", nil, bytes.NewReader(body), &out)
	return out, err
}

// EndSilence ends a silence.
func (c *client) EndSilence(ctx context.Context, id string) error {
	var out json.RawMessage
	return c.request(ctx, http.MethodDelete, "/api/v1/silences/"+url.PathEscape(id), nil, http.NoBody, &out)
}

func (c *client) ask(ctx context.Context, path string, q url.Values, into any) error {
	return c.request(ctx, http.MethodGet, path, q, http.NoBody, into)
}

func (c *client) request(ctx context.Context, method, path string, q url.Values, body io.Reader, into any) error {
	address := c.base + path
	if len(q) > 0 {
		address += "?" + q.Encode()
	}
	r, err := http.NewRequestWithContext(ctx, method, address, body)
	if err != nil {
		return fmt.Errorf("ask the daemon at %s: %w", c.base, err)
	}
	r.Header.Set("Authorization", "Bearer "+c.token.Reveal())
	if body != http.NoBody {
		r.Header.Set("Content-Type", "application/json")
	}
	a, err := c.http.Do(r)
	if err != nil {
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err // the rest repeats the address
		}
		return fmt.Errorf("the daemon at %s does not answer: %w: see epochwatch doctor", c.base, err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(io.LimitReader(a.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("read the answer of the daemon at %s: %w", c.base, err)
	}
	if a.StatusCode != http.StatusOK {
		return c.refused(a.StatusCode, b)
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("read the answer of the daemon at %s: %w", c.base, err)
	}
	return nil
}

// refused turns a problem document back into the error it was made of.
func (c *client) refused(status int, body []byte) error {
	var p struct{ Detail string }
	if json.Unmarshal(body, &p) != nil || p.Detail == "" {
		p.Detail = http.StatusText(status)
	}
	switch status {
	case http.StatusNotFound:
		return store.ErrNotFound
	case http.StatusConflict:
		return store.ErrAmbiguous
	case http.StatusUnprocessableEntity:
		return &control.RefusedError{Reason: p.Detail}
	case http.StatusUnauthorized:
		return fmt.Errorf("the daemon at %s refuses the token: give its own with EPOCHWATCH_TOKEN, or name its data folder with --data", c.base)
	}
	return fmt.Errorf("the daemon at %s answers %d: %s", c.base, status, p.Detail)
}
