package notice_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

func TestScrubKeepsTheNatureOfAnError(t *testing.T) {
	t.Parallel()
	require.NoError(t, notice.Scrub(nil, "hunter2"))
	base := errors.New("no: hunter2")
	notifytest.RequireOutcome(t, notice.Scrub(base, "hunter2"), notifytest.Again)
	notifytest.RequireOutcome(t, notice.Scrub(fmt.Errorf("x: %w", &store.PermanentError{Err: base}), "hunter2"), notifytest.Never)
	err := notice.Scrub(fmt.Errorf("x: %w", &store.RetryAfterError{After: time.Minute, Err: base}), "hunter2")
	notifytest.RequireOutcome(t, err, notifytest.After)
	require.Equal(t, "x: no: <secret>", err.Error())
	require.ErrorIs(t, notice.Scrub(fmt.Errorf("x: %w", context.DeadlineExceeded), "hunter2"), context.DeadlineExceeded)
	require.ErrorIs(t, notice.Scrub(fmt.Errorf("x: %w", context.Canceled), "hunter2"), context.Canceled)
	require.NotErrorIs(t, notice.Scrub(base, "hunter2"), base, "the chain would show it again")
}

func TestScrubFindsASecretInEachForm(t *testing.T) {
	t.Parallel()
	hook := secret.Value("https://hooks.slack.com/services/T00000000/B00000000/abcDEF123456")
	mail := secret.Value("smtp://bot:p%40ss%2Fword@mail.example.org:587")
	for _, leak := range []string{
		`Post "` + hook.Reveal() + `": dial tcp: refused`,
		"no hook /services/T00000000/B00000000/abcDEF123456 here", "unknown abcDEF123456", "team T00000000",
		"535 no p@ss/word", "535 no p%40ss%2Fword", url.QueryEscape(hook.Reveal()),
		"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00bot\x00p@ss/word")),
		"AUTH LOGIN " + base64.StdEncoding.EncodeToString([]byte("p@ss/word")),
	} {
		got := notice.Scrub(errors.New(leak), hook, mail).Error()
		require.Contains(t, got, secret.Hidden, leak)
		for _, s := range []string{"abcDEF123456", "T00000000", "p@ss", "p%40ss", "AGJvdABw", "cEBzcw"} {
			require.NotContains(t, got, s, leak)
		}
	}
	require.Equal(t, "dial hooks.slack.com: services down", notice.Scrub(errors.New("dial hooks.slack.com: services down"), hook).Error(), "what is no secret stays")
}

func TestASecretInsideAnotherLeavesNoRest(t *testing.T) {
	t.Parallel()
	short, long := secret.Value("prod-key-1"), secret.Value("prod-key-1-and-more")
	address := secret.Value("https://bot:prod-key-1-and-more-still@hooks.example.org/x")
	for _, order := range [][]secret.Value{{short, long, address}, {address, long, short}} {
		for text, want := range map[string]string{
			"no login with prod-key-1":                      "no login with <secret>",
			"no login with prod-key-1-and-more":             "no login with <secret>",
			"no login with prod-key-1-and-more-still":       "no login with <secret>",
			"no login at " + address.Reveal() + ": refused": "no login at <secret>: refused",
		} {
			require.Equal(t, want, notice.ScrubText(text, order...))
		}
	}
}

func TestNoSecretSurvivesScrubbing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9+/=_.:@%-]{8,40}`).Draw(t, "secret")
		before := rapid.StringMatching(`[a-z ]{0,10}`).Draw(t, "before")
		got := notice.ScrubText(before+s+before+url.QueryEscape(s), secret.Value(s))
		require.NotContains(t, got, s)
		require.NotContains(t, got, url.QueryEscape(s))
	})
}
