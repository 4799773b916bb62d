package webhook_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"flag"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/notify/webhook"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func setup(t *testing.T, signedWith secret.Value) (*notifytest.Webhook, notice.Channel) {
	t.Helper()
	hook := notifytest.NewWebhook(t)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := webhook.New(webhook.Options{
		URL: secret.Value(hook.URL() + "/p4th-s3cr3t-0123"), Secret: signedWith, HTTPClient: &http.Client{Transport: transport},
		Now: func() time.Time { return notifytest.SpecimenTime },
	})
	require.NoError(t, err)
	return hook, c
}

func TestThePayloadOfEachSpecimen(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hook, c := setup(t, "key")
			ref, err := c.Send(t.Context(), n)
			require.NoError(t, err)
			require.Equal(t, n.ID, ref)
			var out bytes.Buffer
			require.NoError(t, json.Indent(&out, hook.Calls()[0].Body, "", "  "))
			notifytest.Golden(t, *update, name+".json", append(out.Bytes(), '\n'))
		})
	}
}

// The vector of the Standard Webhooks specification's own libraries.
func TestSignIsThatOfTheStandard(t *testing.T) {
	t.Parallel()
	key, err := webhook.Key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
	require.NoError(t, err)
	got := webhook.Sign(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	require.Equal(t, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", got)
}

func TestARequestIsSigned(t *testing.T) {
	t.Parallel()
	key := []byte("0123456789abcdef01234567")
	for _, s := range []secret.Value{secret.Value("whsec_" + base64.StdEncoding.EncodeToString(key)), secret.Value(key)} {
		hook, c := setup(t, s)
		n := notifytest.Specimens()["rising_loss"]
		_, err := c.Send(t.Context(), n)
		require.NoError(t, err)
		call := hook.Calls()[0]
		stamp := strconv.FormatInt(notifytest.SpecimenTime.Unix(), 10)
		require.Equal(t, n.ID, call.Header.Get("webhook-id"))
		require.Equal(t, stamp, call.Header.Get("webhook-timestamp"))
		require.Equal(t, webhook.Sign(key, n.ID, stamp, call.Body), call.Header.Get("webhook-signature"))
		require.Equal(t, "application/json", call.Header.Get("Content-Type"))
	}
}

func TestARepeatHasTheSameID(t *testing.T) {
	t.Parallel()
	hook, c := setup(t, "key")
	n := notifytest.Specimens()["rising_loss"]
	hook.Fail(notifytest.Answer{Status: 500, Accept: true})
	_, err := c.Send(t.Context(), n)
	notifytest.RequireOutcome(t, err, notifytest.Again)
	n.Again = true
	_, err = c.Send(t.Context(), n)
	require.NoError(t, err)
	calls := hook.Calls()
	require.Equal(t, calls[0].Header.Get("webhook-id"), calls[1].Header.Get("webhook-id"))
	require.Equal(t, calls[0].Body, calls[1].Body)
}

func TestWithoutASecretNothingIsSigned(t *testing.T) {
	t.Parallel()
	hook, c := setup(t, "")
	_, err := c.Send(t.Context(), notifytest.Specimens()["plateau"])
	require.NoError(t, err)
	require.Empty(t, hook.Calls()[0].Header.Values("webhook-signature"))
	require.NotEmpty(t, hook.Calls()[0].Header.Get("webhook-id"))
}

func TestAStatusIsRetriedOrNot(t *testing.T) {
	t.Parallel()
	for _, s := range notifytest.Statuses() {
		if s.RetryAfter != "" && s.RetryAfter != "7" && s.RetryAfter != "3" {
			continue // the other forms of Retry-After are the table's own test
		}
		hook, c := setup(t, "key")
		hook.Fail(notifytest.Answer{Status: s.Status, RetryAfter: map[string]int{"7": 7, "3": 3}[s.RetryAfter]})
		_, err := c.Send(t.Context(), notifytest.Specimens()["plateau"])
		s.Require(t, err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := notifytest.NewWebhook(t)
	redirect := http.RedirectHandler(elsewhere.URL(), http.StatusTemporaryRedirect)
	here := newServer(t, redirect)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c, err := webhook.New(webhook.Options{URL: secret.Value(here), Secret: "key", HTTPClient: &http.Client{Transport: transport}})
	require.NoError(t, err)
	_, err = c.Send(t.Context(), notifytest.Specimens()["plateau"])
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.Empty(t, elsewhere.Calls())
}

func TestABadSecretIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := webhook.New(webhook.Options{URL: "https://example.org", Secret: "whsec_hunter2!"})
	require.Error(t, err)
	require.NotContains(t, err.Error(), "hunter2")
}

func TestNoErrorShowsASecret(t *testing.T) {
	t.Parallel()
	for _, answer := range []notifytest.Answer{{Status: 404, Error: "no /hook/p4th-s3cr3t-0123, key hunter2hunter2"}, {Status: 500}, {Hang: true}} {
		hook, c := setup(t, "hunter2hunter2")
		hook.FailAlways(answer)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, err := c.Send(ctx, notifytest.Specimens()["plateau"])
		cancel()
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cr3t")
		require.NotContains(t, err.Error(), "hunter2")
		require.True(t, strings.HasPrefix(err.Error(), "post to 127.0.0.1:"), err)
	}
}
