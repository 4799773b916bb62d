package notice

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Post posts JSON and classifies the answer. Its errors name the host alone: the rest of
// the address may be a secret.
func Post(ctx context.Context, client *http.Client, address secret.Value, header http.Header, body []byte) error {
	u, err := url.Parse(address.Reveal())
	if err != nil || u.Host == "" {
		return &store.PermanentError{Err: errors.New("the address is not a URL")}
	}
	err = post(ctx, client, u, header, body)
	if err == nil {
		return nil
	}
	return Scrub(fmt.Errorf("post to %s: %w", u.Host, err), address)
}

func post(ctx context.Context, client *http.Client, u *url.URL, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "epochwatch")
	resp, err := client.Do(req)
	if err != nil {
		if wrapped, ok := errors.AsType[*url.Error](err); ok { // holds the whole address
			err = wrapped.Err
		}
		return Reach(err)
	}
	defer resp.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(resp.Body, 1024)) // the status has said it; the text is an extra
	return Classify(resp.StatusCode, resp.Header.Get("Retry-After"), time.Now(), string(said))
}

// Client returns a copy of base (http.DefaultClient when nil) that follows no redirect: a
// message and its signature go to the address in the config, or nowhere.
func Client(base *http.Client) *http.Client {
	if base == nil {
		base = http.DefaultClient
	}
	c := *base
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}
