package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/webhook"
)

func verify(secret string, h http.Header, body []byte) error {
	key := []byte(secret)
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		var err error
		if key, err = base64.StdEncoding.DecodeString(text); err != nil {
			return err
		}
	}
	seconds, err := strconv.ParseInt(h.Get("webhook-timestamp"), 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return errors.New("too old, or a clock is wrong")
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.%s", h.Get("webhook-id"), h.Get("webhook-timestamp"), body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for got := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(want), []byte(got)) {
			return nil
		}
	}
	return errors.New("not signed by whom it should be")
}

// The code above is that of the documentation, to the letter.
func TestTheSnippetInGoVerifies(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/webhook.md")
	require.NoError(t, err)
	own, err := os.ReadFile("verify_test.go")
	require.NoError(t, err)
	_, snippet, found := strings.Cut(string(doc), "```go\n")
	require.True(t, found)
	snippet, _, _ = strings.Cut(snippet, "```")
	require.Contains(t, string(own), snippet)
	for _, s := range secrets {
		h, body := signed(t, s)
		require.NoError(t, verify(s, h, body))
		require.Error(t, verify(s+"x", h, body))
		require.Error(t, verify(s, h, append(body, ' ')))
		h.Set("webhook-timestamp", "1")
		require.Error(t, verify(s, h, body))
	}
}

var secrets = []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "any text"}

// signed is a request as it came.
func signed(t *testing.T, s string) (http.Header, []byte) {
	t.Helper()
	hook := notifytest.NewWebhook(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := webhook.New(webhook.Options{URL: secret.Value(hook.URL()), Secret: secret.Value(s), HTTPClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	_, err = c.Send(t.Context(), notifytest.Specimens()["hostile"])
	require.NoError(t, err)
	call := hook.Calls()[0]
	return call.Header, call.Body
}

func TestTheSnippetInPythonVerifies(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/webhook.md")
	require.NoError(t, err)
	_, snippet, found := strings.Cut(string(doc), "```python\n")
	require.True(t, found)
	snippet, _, _ = strings.Cut(snippet, "```")
	script := snippet + `
import json, sys
given = json.load(sys.stdin)
verify(given["secret"], given["headers"], given["body"].encode())
try:
    verify(given["secret"], given["headers"], given["body"].encode() + b" ")
except ValueError:
    print("verified")
`
	for _, s := range secrets {
		h, body := signed(t, s)
		headers := map[string]string{}
		for name := range h {
			headers[strings.ToLower(name)] = h.Get(name)
		}
		in, err := json.Marshal(map[string]any{"secret": s, "headers": headers, "body": string(body)})
		require.NoError(t, err)
		cmd := exec.CommandContext(t.Context(), "python3", "-c", script)
		cmd.Stdin = bytes.NewReader(in)
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, string(out))
		require.Equal(t, "verified\n", string(out))
	}
}

func TestEveryPayloadIsAsTheSchemaSays(t *testing.T) {
	t.Parallel()
	schema, err := jsonschema.NewCompiler().Compile("../../docs/webhook.schema.json")
	require.NoError(t, err)
	files, err := filepath.Glob("testdata/*.json")
	require.NoError(t, err)
	require.Len(t, files, len(notifytest.Specimens()))
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		require.NoError(t, err)
		require.NoError(t, schema.Validate(v), file)
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(`{"version":2}`))
	require.NoError(t, err)
	require.Error(t, schema.Validate(v))
}
