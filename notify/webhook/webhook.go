// Package webhook posts notices as JSON, signed as Standard Webhooks says: the headers
// webhook-id, webhook-timestamp and webhook-signature ("v1," and the base64 of the
// HMAC-SHA256 of id.timestamp.body). A repeat has the same webhook-id, so a receiver that
// keeps the ids it has seen takes each message in once.
package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// Timeout is how long a receiver may take; Standard Webhooks recommends 15 to 30 s.
const Timeout = 15 * time.Second

// Options say where to post and how to sign.
type Options struct {
	URL secret.Value
	// Secret signs; "whsec_" and base64, or any text, which is then the key itself.
	// Without one nothing is signed.
	Secret     secret.Value
	HTTPClient *http.Client     // nil: http.DefaultClient
	Now        func() time.Time // nil: time.Now
}

type channel struct {
	o      Options
	key    []byte
	client *http.Client
}

// New returns the channel, or an error when the secret is not what its prefix says.
func New(o Options) (notice.Channel, error) {
	key, err := Key(o.Secret)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &channel{o: o, key: key, client: notice.Client(o.HTTPClient)}, nil
}

// Send posts the notice. The reference is the webhook-id.
func (c *channel) Send(ctx context.Context, n notice.Notice) (string, error) {
	body, err := json.Marshal(payloadOf(n))
	if err != nil {
		return "", fmt.Errorf("write the message as JSON: %w", err)
	}
	stamp := strconv.FormatInt(c.o.Now().Unix(), 10)
	header := http.Header{}
	header.Set("webhook-id", n.ID)
	header.Set("webhook-timestamp", stamp)
	if len(c.key) > 0 {
		header.Set("webhook-signature", Sign(c.key, n.ID, stamp, body))
	}
	if err := notice.Post(ctx, c.client, c.o.URL, header, body); err != nil {
		return "", notice.Scrub(err, c.o.Secret)
	}
	return n.ID, nil
}

// Key returns the key that a secret stands for.
func Key(s secret.Value) ([]byte, error) {
	text, prefixed := strings.CutPrefix(s.Reveal(), "whsec_")
	if !prefixed {
		return []byte(text), nil
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("what follows whsec_ is not base64")
	}
	return key, nil
}

// Sign returns the value of webhook-signature.
func Sign(key []byte, id, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}
