package email_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"image/png"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/email"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files")

// pages is a folder to which the mails are written as pages, to be looked at in a browser.
var pages = flag.String("pages", "", "write the received mails into this folder")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bundle is a channel and the server it talks to.
type bundle struct {
	server *notifytest.MailServer
	mail   notice.Channel
	log    *bytes.Buffer
}

func setup(t *testing.T, o notifytest.MailOptions, change ...func(*email.Options)) bundle {
	t.Helper()
	b := bundle{server: notifytest.NewMailServer(t, o), log: new(bytes.Buffer)}
	options := email.Options{
		To: []string{"Team <team@example.org>", "second@example.org"}, From: "epochwatch <watch@example.org>",
		SMTP: secret.Value(b.server.URL()), Roots: b.server.Roots(), Log: slog.New(slog.NewTextHandler(b.log, nil)),
	}
	for _, c := range change {
		c(&options)
	}
	var err error
	b.mail, err = email.New(options)
	require.NoError(t, err)
	return b
}

func specimen(name string) notice.Notice { return notifytest.Specimens()[name] }

// parts returns the bodies of a mail by content type, the picture as bytes.
func parts(t *testing.T, m *mail.Message) map[string]string {
	t.Helper()
	out := map[string]string{}
	unfold(t, textproto.MIMEHeader(m.Header), m.Body, out)
	return out
}

func unfold(t *testing.T, h textproto.MIMEHeader, body io.Reader, out map[string]string) {
	t.Helper()
	kind, params, err := mime.ParseMediaType(h.Get("Content-Type"))
	require.NoError(t, err)
	if strings.HasPrefix(kind, "multipart/") {
		out["outer"] += kind + " "
		for r := multipart.NewReader(body, params["boundary"]); ; {
			p, err := r.NextRawPart()
			if errors.Is(err, io.EOF) {
				return
			}
			require.NoError(t, err)
			unfold(t, p.Header, p, out)
		}
	}
	switch h.Get("Content-Transfer-Encoding") {
	case "quoted-printable":
		body = quotedprintable.NewReader(body)
	case "base64":
		body = base64.NewDecoder(base64.StdEncoding, body)
	}
	raw, err := io.ReadAll(body)
	require.NoError(t, err)
	if kind == "image/png" {
		out["cid"] = h.Get("Content-ID")
		out["disposition"] = h.Get("Content-Disposition")
		out[kind] = string(raw)
		return
	}
	out[kind] = strings.ReplaceAll(string(raw), "\r\n", "\n")
}

func TestTheMailOfEachSpecimen(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, notifytest.MailOptions{})
			_, err := b.mail.Send(t.Context(), n)
			require.NoError(t, err)
			body := parts(t, b.server.Mails()[0].Message)
			require.Equal(t, notice.Tell(n).Text(), body["text/plain"])
			notifytest.Golden(t, *update, name+".html", []byte(body["text/html"]))
			id := strings.Trim(body["cid"], "<>")
			if id == "" {
				require.NotContains(t, body["text/html"], "<img")
				require.Equal(t, "multipart/alternative ", body["outer"])
			} else {
				require.Equal(t, "multipart/related multipart/alternative ", body["outer"], "the text is not an attachment")
				require.Contains(t, body["text/html"], `<img src="cid:`+id+`"`)
				require.Contains(t, body["disposition"], "inline")
				_, err := png.Decode(strings.NewReader(body["image/png"]))
				require.NoError(t, err)
			}
			if *pages != "" {
				page := strings.ReplaceAll(body["text/html"], "cid:"+id, "data:image/png;base64,"+base64.StdEncoding.EncodeToString([]byte(body["image/png"])))
				require.NoError(t, os.WriteFile(filepath.Join(*pages, name+".html"), []byte(page), 0o600))
			}
		})
	}
}

func TestTheHeadersOfAMail(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	n := specimen("rising_loss")
	ref, err := b.mail.Send(t.Context(), n)
	require.NoError(t, err)
	got := b.server.Mails()[0]
	require.Equal(t, "watch@example.org", got.From)
	require.Equal(t, []string{"team@example.org", "second@example.org"}, got.To)
	h := got.Message.Header
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	require.NoError(t, err)
	require.Equal(t, "[epochwatch] resnet-small: loss rising since epoch 17 (0.740 → 0.758)", subject)
	require.Equal(t, "<epochwatch."+n.ID+"@example.org>", h.Get("Message-ID"))
	require.Equal(t, h.Get("Message-ID"), ref)
	require.Equal(t, "auto-generated", h.Get("Auto-Submitted"))
	require.Equal(t, "<mailto:watch@example.org?subject=unsubscribe%20team>", h.Get("List-Unsubscribe"))
	date, err := h.Date()
	require.NoError(t, err)
	require.True(t, date.Equal(n.CreatedAt))
	require.Equal(t, "<epochwatch.run.vision.r-20260314@example.org>", h.Get("References"))

	resolved := specimen("resolved")
	resolved.ID, resolved.Told = "second", ref
	_, err = b.mail.Send(t.Context(), resolved)
	require.NoError(t, err)
	h2 := b.server.Mails()[1].Message.Header
	require.Equal(t, h.Get("References")+" "+ref, h2.Get("References"), "threaded by run, below the first message")
	require.Equal(t, ref, h2.Get("In-Reply-To"))
}

func TestARepeatIsTheSameMail(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	n := specimen("rising_loss")
	b.server.LoseAnswer()
	_, err := b.mail.Send(t.Context(), n)
	notifytest.RequireOutcome(t, err, notifytest.Again)
	n.Again = true
	_, err = b.mail.Send(t.Context(), n)
	require.NoError(t, err)
	got := b.server.Mails()
	require.Len(t, got, 2)
	require.Equal(t, got[0].Message.Header.Get("Message-ID"), got[1].Message.Header.Get("Message-ID"))
}

func TestTextOfStrangersStaysText(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	_, err := b.mail.Send(t.Context(), specimen("hostile"))
	require.NoError(t, err)
	got := b.server.Mails()[0]
	require.Empty(t, got.Message.Header.Get("Bcc"), "a line end in a name makes no header")
	require.Len(t, got.To, 2)
	html := parts(t, got.Message)["text/html"]
	for _, evil := range []string{"<script", "<img src=x", "<b>", "<!channel", "</pre>💥", "\x1b"} {
		require.NotContains(t, html, evil)
	}
	require.Contains(t, html, "&lt;b&gt;not bold&lt;/b&gt;")
}

func TestEncryptionAndLogin(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]notifytest.MailOptions{
		"plain":                 {},
		"starttls":              {StartTLS: true},
		"starttls with login":   {StartTLS: true, Login: true},
		"smtps":                 {TLS: true},
		"smtps with login":      {TLS: true, Login: true},
		"login on this machine": {Login: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, o)
			_, err := b.mail.Send(t.Context(), specimen("rising_loss"))
			require.NoError(t, err)
			got := b.server.Mails()[0]
			require.Equal(t, o.StartTLS || o.TLS, got.TLS, "STARTTLS is used where offered")
			require.Equal(t, o.Login, got.User == notifytest.MailUser)
		})
	}
}

func TestACertificateNobodyVouchesForIsRefused(t *testing.T) {
	t.Parallel()
	for _, o := range []notifytest.MailOptions{{StartTLS: true}, {TLS: true}} {
		b := setup(t, o, func(o *email.Options) { o.Roots = nil })
		_, err := b.mail.Send(t.Context(), specimen("rising_loss"))
		notifytest.RequireOutcome(t, err, notifytest.Never)
		require.ErrorContains(t, err, "certificate")
		require.Empty(t, b.server.Mails())
	}
}

func TestTheWrongKindOfPort(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{}, func(o *email.Options) {
		o.SMTP = secret.Value(strings.Replace(o.SMTP.Reveal(), "smtp:", "smtps:", 1))
	})
	_, err := b.mail.Send(t.Context(), specimen("rising_loss"))
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.ErrorContains(t, err, "the port does not speak TLS from the start")
	require.ErrorContains(t, err, "at 587 by smtp://")

	b = setup(t, notifytest.MailOptions{TLS: true}, func(o *email.Options) {
		o.SMTP = secret.Value(strings.Replace(o.SMTP.Reveal(), "smtps:", "smtp:", 1))
	})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // both wait for the other's greeting
	defer cancel()
	_, err = b.mail.Send(ctx, specimen("rising_loss"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.ErrorContains(t, err, "or is it the port of something else?")
	require.ErrorContains(t, err, "at 465 by smtps://")

	b = setup(t, notifytest.MailOptions{}, func(o *email.Options) { o.SMTP = "smtp://127.0.0.1:1" })
	_, err = b.mail.Send(t.Context(), specimen("rising_loss"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.ErrorContains(t, err, "nothing listens there: look at host and port")
}

func TestAWrongPasswordIsNotTriedAgainAndNotShown(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{Login: true, StartTLS: true}, func(o *email.Options) {
		o.SMTP = secret.Value(strings.Replace(o.SMTP.Reveal(), notifytest.MailPassword, "wr0ng-p@ss/word", 1))
	})
	_, err := b.mail.Send(t.Context(), specimen("rising_loss"))
	notifytest.RequireOutcome(t, err, notifytest.Never)
	require.ErrorContains(t, err, "bad login of watch with <secret>", "the server's answer holds the password, ours must not")
	require.NotContains(t, err.Error(), "wr0ng")
}

func TestARefusalIsRetriedOrNot(t *testing.T) {
	t.Parallel()
	for code, want := range map[int]notifytest.Outcome{
		421: notifytest.Again, 450: notifytest.Again, 451: notifytest.Again, 452: notifytest.Again,
		550: notifytest.Never, 552: notifytest.Never, 554: notifytest.Never,
	} {
		for _, when := range []string{"mail", "rcpt", "data"} {
			b := setup(t, notifytest.MailOptions{})
			switch when {
			case "mail":
				b.server.FailMail(code, "as told")
			case "rcpt":
				b.server.FailRcpt("team@example.org", code, "as told")
				b.server.FailRcpt("second@example.org", code, "as told")
			case "data":
				b.server.FailData(code, "as told")
			}
			_, err := b.mail.Send(t.Context(), specimen("plateau"))
			notifytest.RequireOutcome(t, err, want, "%d at %s", code, when)
			require.ErrorContains(t, err, "as told")
		}
	}
}

func TestOneBadAddressDoesNotKeepTheMailFromTheOthers(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	b.server.FailRcpt("second@example.org", 550, "no such user")
	_, err := b.mail.Send(t.Context(), specimen("plateau"))
	require.NoError(t, err)
	require.Equal(t, []string{"team@example.org"}, b.server.Mails()[0].To)
	require.Contains(t, b.log.String(), "no such user")
}

func TestAFullMailboxHoldsTheMailForAll(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	b.server.FailRcpt("second@example.org", 452, "mailbox full")
	_, err := b.mail.Send(t.Context(), specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.Empty(t, b.server.Mails(), "nobody got it, so that nobody gets it twice")
	_, err = b.mail.Send(t.Context(), specimen("plateau"))
	require.NoError(t, err)
	require.Len(t, b.server.Mails()[0].To, 2)
}

func TestAServerThatHangsIsLeftAtTheDeadline(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	b.server.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := b.mail.Send(ctx, specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestACancelledConversationEndsAtOnce(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{})
	b.server.Hang()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		_, _ = b.server.Wait(t.Context(), 1)
	}()
	_, err := b.mail.Send(ctx, specimen("plateau"))
	require.ErrorIs(t, err, context.Canceled)
}

func TestAServerThatIsNotThere(t *testing.T) {
	t.Parallel()
	b := setup(t, notifytest.MailOptions{}, func(o *email.Options) { o.SMTP = "smtp://user:hunter2@127.0.0.1:1" })
	_, err := b.mail.Send(t.Context(), specimen("plateau"))
	notifytest.RequireOutcome(t, err, notifytest.Again)
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), "hunter2")
}
