package email

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/textproto"
	"time"

	gomail "github.com/wneessen/go-mail"
	"github.com/wneessen/go-mail/smtp"

	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// logins are the ways to log in, best first. PLAIN and LOGIN show the password to the
// server: go-mail uses them only under TLS, or to this machine itself.
var logins = []gomail.SMTPAuthType{
	gomail.SMTPAuthSCRAMSHA256, gomail.SMTPAuthSCRAMSHA1, gomail.SMTPAuthPlain, gomail.SMTPAuthLogin, gomail.SMTPAuthCramMD5,
}

// deliver holds one SMTP conversation.
func (c *channel) deliver(ctx context.Context, m *gomail.Msg) error {
	var conn net.Conn
	client, err := c.client(ctx, &conn)
	if err != nil {
		return err
	}
	// go-mail looks at the context only while it dials, and leaves the connection open
	// when the greeting or the login goes wrong.
	defer func() {
		if conn != nil {
			_ = conn.Close()
		}
	}()
	session, err := client.DialToSMTPClientWithContext(ctx)
	if err != nil {
		return withContext(ctx, classify(c.reach(ctx, err)))
	}
	if err := c.hand(ctx, session, m); err != nil {
		return withContext(ctx, classify(err))
	}
	_ = session.Quit() // the server has the mail; whether it says goodbye does not matter
	return nil
}

// reach says of a server that was not reached, or said nothing, what a person can do.
func (c *channel) reach(ctx context.Context, err error) error {
	if refusedForGood(err) {
		return err
	}
	port := ""
	var record tls.RecordHeaderError
	if ctx.Err() != nil || notice.Refused(err) || errors.As(err, &record) {
		port = "; mail is mostly taken at 587 by smtp:// and at 465 by smtps://"
		if c.server.Port == 465 && !c.server.TLS {
			port = "; port 465 mostly speaks TLS from the start: smtps://"
		}
	}
	err = notice.Reach(withContext(ctx, err))
	if port != "" {
		err = fmt.Errorf("%w%s", err, port)
	}
	return err
}

// client prepares a go-mail client whose connection is put into conn and closed when ctx ends.
func (c *channel) client(ctx context.Context, conn *net.Conn) (*gomail.Client, error) {
	timeout := Timeout
	if until, ok := ctx.Deadline(); ok {
		timeout = time.Until(until) + time.Second // ctx closes the connection first
	}
	config := &tls.Config{ServerName: c.server.Host, RootCAs: c.o.Roots, MinVersion: tls.VersionTLS12}
	options := []gomail.Option{
		gomail.WithPort(c.server.Port),
		gomail.WithTimeout(max(timeout, time.Millisecond)),
		gomail.WithTLSConfig(config),
		gomail.WithTLSPolicy(gomail.TLSOpportunistic),
		gomail.WithDialContextFunc(func(dial context.Context, network, address string) (net.Conn, error) {
			var err error
			if c.server.TLS {
				*conn, err = (&tls.Dialer{Config: config}).DialContext(dial, network, address)
			} else {
				*conn, err = (&net.Dialer{}).DialContext(dial, network, address)
			}
			if err != nil {
				*conn = nil
				return nil, err
			}
			opened := *conn
			context.AfterFunc(ctx, func() { _ = opened.Close() })
			return opened, nil
		}),
	}
	if c.server.TLS {
		options = append(options, gomail.WithSSL())
	}
	if c.server.User != "" {
		options = append(options, gomail.WithOpportunisticSMTPAuth(logins...),
			gomail.WithUsername(c.server.User), gomail.WithPassword(c.server.Password.Reveal()))
	}
	client, err := gomail.NewClient(c.server.Host, options...)
	if err != nil {
		return nil, &store.PermanentError{Err: err}
	}
	return client, nil
}

// hand gives the mail to the server. Recipients that it refuses for good are left out; when
// it refuses one for now (greylisting, a full mailbox), nobody gets the mail until the next
// try, because one that some have cannot be sent again to the others alone.
func (c *channel) hand(ctx context.Context, session *smtp.Client, m *gomail.Msg) error {
	if err := session.Mail("<" + c.from.Address + ">"); err != nil {
		return fmt.Errorf("sender %s: %w", c.from.Address, err)
	}
	taken := 0
	var refused error
	for _, to := range c.to {
		err := session.Rcpt("<" + to + ">")
		if err == nil {
			taken++
			continue
		}
		err = fmt.Errorf("recipient %s: %w", to, err)
		if !refusedForGood(err) {
			return err
		}
		refused = errors.Join(refused, err)
	}
	if taken == 0 {
		return refused
	}
	if refused != nil {
		c.o.Log.WarnContext(ctx, "mail: a recipient was refused, the others get the message", slog.Any("error", refused))
	}
	w, err := session.Data()
	if err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	if err := write(w, m); err != nil {
		return fmt.Errorf("hand over: %w", err)
	}
	return nil
}

// write writes the mail; only the answer to its end says that the server has taken it.
func write(w io.WriteCloser, m *gomail.Msg) error {
	if _, err := m.WriteTo(w); err != nil {
		return err // the dot that ends a mail is not sent: half a mail is none
	}
	return w.Close()
}

// classify tells refusals for good (5xx, a certificate nobody vouches for, a password that
// would go over the wire in the clear) from what may pass.
func classify(err error) error {
	var certificate *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case refusedForGood(err):
		return &store.PermanentError{Err: fmt.Errorf("%w%s", err, mend(err))}
	case errors.As(err, &certificate), errors.As(err, &record):
		return &store.PermanentError{Err: err}
	case errors.Is(err, smtp.ErrUnencrypted), errors.Is(err, gomail.ErrNoSupportedAuthDiscovered):
		return &store.PermanentError{Err: fmt.Errorf("%w (the server offers no TLS, or no way to log in that we know)", err)}
	}
	return err
}

// mend says how to mend the refusals that a person meets when setting up.
func mend(err error) string {
	var said *textproto.Error
	if !errors.As(err, &said) {
		return ""
	}
	switch said.Code {
	case 530:
		return " (the server wants a login: smtp://user:password@host)"
	case 534, 535:
		return " (look at user and password; many providers want a password made for this app alone)"
	case 550, 551, 553, 554:
		return " (look at from: and to:, many servers take mail only from addresses of their own)"
	}
	return ""
}

func refusedForGood(err error) bool {
	var said *textproto.Error
	return errors.As(err, &said) && said.Code >= 500
}

// withContext says that it was the time that ended a conversation, where it was: the error
// of a connection closed for that reason does not.
func withContext(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil && !errors.Is(err, cause) {
		return fmt.Errorf("%w: %w", cause, err)
	}
	return err
}
