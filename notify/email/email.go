// Package email sends notices as mail: text and HTML, threaded by run.
//
// The Message-ID is made from the message's id, so that a try that is repeated because its
// answer was lost is the same mail to every program that compares the two; some mailboxes
// keep both.
package email

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/mail"
	"net/url"
	"strings"
	"time"

	gomail "github.com/wneessen/go-mail"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/chart"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Timeout is how long one mail may take, greeting to answer: servers that check what they
// take in are slow on purpose. It must stay below what the queue gives a job (30 s).
const Timeout = 25 * time.Second

// Options say to whom, from whom and through which server.
type Options struct {
	To   []string
	From string
	// SMTP is smtp://[user:password@]host[:587] or smtps://[user:password@]host[:465].
	SMTP secret.Value
	// Roots are the authorities that may vouch for the server; nil: those of the system.
	Roots *x509.CertPool
	Log   *slog.Logger
}

type channel struct {
	o      Options
	server Server
	from   *mail.Address
	to     []string // bare addresses
}

// New returns the channel, or an error when an address cannot be read. It does not talk to
// the server.
func New(o Options) (notice.Channel, error) {
	c := &channel{o: o}
	if o.Log == nil {
		c.o.Log = slog.New(slog.DiscardHandler)
	}
	var err error
	if c.server, err = ParseServer(o.SMTP); err != nil {
		return nil, fmt.Errorf("smtp: %w", err)
	}
	if c.from, err = mail.ParseAddress(o.From); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	for _, to := range o.To {
		a, err := mail.ParseAddress(to)
		if err != nil {
			return nil, fmt.Errorf("to: %w", err)
		}
		c.to = append(c.to, a.Address)
	}
	if len(c.to) == 0 {
		return nil, errors.New("to: nobody")
	}
	return c, nil
}

// Send hands the notice to the mail server. The reference is the Message-ID. A server that
// refuses some of the recipients for good still gets the mail for the others.
func (c *channel) Send(ctx context.Context, n notice.Notice) (string, error) {
	m, err := c.compose(n)
	if err != nil {
		return "", &store.PermanentError{Err: fmt.Errorf("write the mail: %w", err)}
	}
	if err := c.deliver(ctx, m); err != nil {
		return "", notice.Scrub(fmt.Errorf("mail through %s: %w", c.server.Host, err), c.o.SMTP, c.server.Password)
	}
	return m.GetMessageID(), nil
}

// compose writes the mail.
func (c *channel) compose(n notice.Notice) (*gomail.Msg, error) {
	s := notice.Tell(n)
	m := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	if err := m.From(c.o.From); err != nil {
		return nil, err
	}
	if err := m.To(c.o.To...); err != nil {
		return nil, err
	}
	m.Subject(notice.Shorten(s.Subject, 180))
	m.SetDateWithValue(n.CreatedAt)
	m.SetMessageIDWithValue(messageID(n.ID, c.domain()))
	// The mails of one run hang together under a root that was never sent, and so do those
	// of one digest.
	root := "<" + messageID(thread(n), c.domain()) + ">"
	parent := root
	if n.Told != "" && n.Told != root && !strings.ContainsAny(n.Told, "\r\n") {
		parent = n.Told
		root += " " + n.Told
	}
	m.SetGenHeaderPreformatted(gomail.HeaderReferences, root)
	m.SetGenHeaderPreformatted(gomail.HeaderInReplyTo, parent)
	// Answers of machines ("out of office") to machines are mail loops.
	m.SetGenHeader("Auto-Submitted", "auto-generated")
	m.SetGenHeader("X-Auto-Response-Suppress", "All")
	// No machine reads what comes back: it asks the sender, who keeps the config.
	m.SetGenHeader("List-Unsubscribe", "<mailto:"+url.PathEscape(c.from.Address)+"?subject=unsubscribe%20"+url.PathEscape(n.Receiver)+">")
	m.SetBodyString(gomail.TypeTextPlain, s.Text())
	l := letter{Story: s}
	picture, err := chart.Draw(n)
	if err != nil {
		c.o.Log.Warn("mail: the message goes without its picture", slog.String("message_id", n.ID), slog.Any("error", err))
	}
	if picture != nil {
		l.Picture = pictureID + "." + n.ID + "@" + c.domain()
		l.Alt = chart.Alt(n)
		err := m.EmbedReader("curve.png", bytes.NewReader(picture), gomail.WithFileContentType("image/png"), gomail.WithFileContentID("<"+l.Picture+">"))
		if err != nil {
			return nil, err
		}
	}
	body, err := renderHTML(l)
	if err != nil {
		return nil, err
	}
	m.AddAlternativeString(gomail.TypeTextHTML, body)
	return m, nil
}

// pictureID begins the content id of the curve.
const pictureID = "curve"

// thread names what the mail belongs to. Ids of runs and projects are letters, digits, _
// and -; the name of a digest is free text.
func thread(n notice.Notice) string {
	if n.Digest != nil {
		return "digest." + hex.EncodeToString([]byte(notice.Shorten(n.Digest.Name, 40)))
	}
	return "run." + n.Run.Project + "." + n.Run.ID
}

// domain is what stands behind the @ of our message ids: the sender's.
func (c *channel) domain() string {
	_, domain, _ := strings.Cut(c.from.Address, "@")
	return domain
}

func messageID(local, domain string) string { return "epochwatch." + local + "@" + domain }
