package email_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/email"
)

func TestParseServer(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]email.Server{
		"smtp://mail.example.org":                         {Host: "mail.example.org", Port: 587},
		"smtps://mail.example.org/":                       {Host: "mail.example.org", Port: 465, TLS: true},
		"smtp://127.0.0.1:1025":                           {Host: "127.0.0.1", Port: 1025},
		"smtp://[::1]:25":                                 {Host: "::1", Port: 25},
		"smtp://[::1]":                                    {Host: "::1", Port: 587},
		"smtp://user:password@host:587":                   {Host: "host", Port: 587, User: "user", Password: "password"},
		"smtp://me%40example.org:p%2Fw@host":              {Host: "host", Port: 587, User: "me@example.org", Password: "p/w"},
		"smtp://me@example.org:p@ss/w:rd@host:26":         {Host: "host", Port: 26, User: "me@example.org", Password: "p@ss/w:rd"},
		"smtp://user:100%@host":                           {Host: "host", Port: 587, User: "user", Password: "100%"},
		" smtps://user:password@mail.example.org:8465 \n": {Host: "mail.example.org", Port: 8465, TLS: true, User: "user", Password: "password"},
	} {
		got, err := email.ParseServer(secret.Value(text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "host:25", "http://host", "smtp://", "smtp://host:0", "smtp://host:http", "smtp://host:99999", "smtp://@host", "smtp://:hunter2@host", "smtp://u:hunter2@", "smtp://u:hunter2@ho st"} {
		_, err := email.ParseServer(secret.Value(text))
		require.Error(t, err, text)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestParseServerShowsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringN(12, 40, -1).Draw(t, "address")
		if _, err := email.ParseServer(secret.Value(s)); err != nil {
			require.NotContains(t, err.Error(), s)
		}
	})
}
