package notifytest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"net/http/httptest"
	"net/mail"
	"slices"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// MailUser and MailPassword are what a mail server that wants a login takes.
const (
	MailUser     = "watch"
	MailPassword = "p@ss/word:1"
)

// MailOptions say what kind of server it is.
type MailOptions struct {
	StartTLS bool // offers STARTTLS
	TLS      bool // speaks TLS from the start
	Login    bool // wants MailUser and MailPassword
}

// Mail is one mail that was taken in.
type Mail struct {
	From     string
	To       []string
	Data     []byte
	TLS      bool
	User     string
	Message  *mail.Message // nil when Data is not a mail
	Accepted bool          // false when it was taken in and then refused
}

// MailServer is a real SMTP server on a loopback address. FailMail, FailRcpt and FailData
// let the next such command be refused.
type MailServer struct {
	traps
	o      MailOptions
	bell   bell
	server *smtp.Server
	addr   string
	roots  *x509.CertPool

	mu                 sync.Mutex
	mails              []Mail            // guarded by mu
	onMail, onData     []*smtp.SMTPError // guarded by mu
	onRcpt             map[string][]*smtp.SMTPError
	dropData, hangData bool // guarded by mu
	closed             chan struct{}
}

// NewMailServer starts a server that ends with the test.
func NewMailServer(tb testing.TB, o MailOptions) *MailServer {
	tb.Helper()
	m := &MailServer{o: o, onRcpt: map[string][]*smtp.SMTPError{}, closed: make(chan struct{})}
	// httptest holds a certificate for 127.0.0.1 and localhost's like; borrow it.
	lender := httptest.NewTLSServer(nil)
	config := &tls.Config{Certificates: lender.TLS.Certificates, MinVersion: tls.VersionTLS12}
	m.roots = x509.NewCertPool()
	m.roots.AddCert(lender.Certificate())
	lender.Close()
	m.server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{m: m, conn: c}, nil
	}))
	m.server.Domain = "stand-in.example"
	m.server.AllowInsecureAuth = true // whether to log in without TLS is the client's to decide
	m.server.ErrorLog = log.New(io.Discard, "", 0)
	m.server.MaxMessageBytes = 1 << 20
	var config2 net.ListenConfig
	l, err := config2.Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatalf("listen: %v", err)
	}
	m.addr = l.Addr().String()
	if o.StartTLS {
		m.server.TLSConfig = config
	}
	if o.TLS {
		l = tls.NewListener(l, config)
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = m.server.Serve(l)
	}()
	tb.Cleanup(func() {
		close(m.closed)
		_ = m.server.Close()
		_ = l.Close() // the server closes only a listener that Serve has come to
		<-served
	})
	return m
}

// URL is the address for a config, with the user and password when it wants a login.
func (m *MailServer) URL() string {
	scheme, login := "smtp", ""
	if m.o.TLS {
		scheme = "smtps"
	}
	if m.o.Login {
		login = MailUser + ":" + MailPassword + "@"
	}
	return scheme + "://" + login + m.addr
}

// Addr is host:port.
func (m *MailServer) Addr() string { return m.addr }

// Roots vouch for the server's certificate.
func (m *MailServer) Roots() *x509.CertPool { return m.roots }

// FailMail lets the next MAIL FROM be refused with a code such as 451 or 550.
func (m *MailServer) FailMail(code int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onMail = append(m.onMail, refusal(code, text))
}

// FailRcpt lets the next RCPT TO of an address be refused.
func (m *MailServer) FailRcpt(to string, code int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onRcpt[to] = append(m.onRcpt[to], refusal(code, text))
}

// FailData lets the next mail be refused when it has been read.
func (m *MailServer) FailData(code int, text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.onData = append(m.onData, refusal(code, text))
}

// LoseAnswer lets the next mail be taken in and the connection be cut before the answer.
func (m *MailServer) LoseAnswer() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.dropData = true
}

// Hang lets the next mail wait for its answer until the test ends.
func (m *MailServer) Hang() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hangData = true
}

func refusal(code int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{code / 100, 0, 0}, Message: text}
}

// Mails returns what was taken in, in order.
func (m *MailServer) Mails() []Mail {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.mails)
}

// Wait returns the mails as soon as there are n, or what there is with an error when ctx
// ends before.
func (m *MailServer) Wait(ctx context.Context, n int) ([]Mail, error) {
	for {
		rung := m.bell.wait()
		if mails := m.Mails(); len(mails) >= n {
			return mails, nil
		}
		select {
		case <-rung:
		case <-ctx.Done():
			mails := m.Mails()
			return mails, fmt.Errorf("%d of %d mails came: %w", len(mails), n, ctx.Err())
		}
	}
}

// pop takes the first refusal of a list, under the server's lock.
func (m *MailServer) pop(list *[]*smtp.SMTPError) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(*list) == 0 {
		return nil
	}
	err := (*list)[0]
	*list = (*list)[1:]
	return err
}

// mailData stands where the traps of others have a path.
const mailData = "data"

// TrapMail is Trap for the next mail.
func (m *MailServer) TrapMail(at Moment, do func(host string)) { m.Trap(mailData, at, do) }

type mailSession struct {
	m    *MailServer
	conn *smtp.Conn
	user string
	from string
	to   []string
	// answered is called when the answer to a mail is out.
	answered func()
}

func (s *mailSession) AuthMechanisms() []string {
	if !s.m.o.Login {
		return nil
	}
	return []string{sasl.Plain}
}

func (s *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != MailUser || password != MailPassword {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "bad login of " + user + " with " + password}
		}
		s.user = user
		return nil
	}), nil
}

func (s *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if s.m.o.Login && s.user == "" {
		return smtp.ErrAuthRequired
	}
	s.from = from
	return s.m.pop(&s.m.onMail)
}

func (s *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.m.mu.Lock()
	list := s.m.onRcpt[to]
	if len(list) > 0 {
		s.m.onRcpt[to] = list[1:]
	}
	s.m.mu.Unlock()
	if len(list) > 0 {
		return list[0]
	}
	s.to = append(s.to, to)
	return nil
}

func (s *mailSession) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	sprung, trapped := s.m.take(mailData)
	if trapped && sprung.moment == Arrived {
		sprung.do(s.m.addr)
		return s.conn.Conn().Close()
	}
	refused := s.m.pop(&s.m.onData)
	_, encrypted := s.conn.TLSConnectionState()
	got := Mail{From: s.from, To: s.to, Data: data, TLS: encrypted, User: s.user, Accepted: refused == nil}
	if msg, err := mail.ReadMessage(bytes.NewReader(data)); err == nil {
		got.Message = msg
	}
	s.m.mu.Lock()
	s.m.mails = append(s.m.mails, got)
	drop, hang := s.m.dropData, s.m.hangData
	s.m.dropData, s.m.hangData = false, false
	s.m.mu.Unlock()
	s.m.bell.ring()
	if trapped && sprung.moment == Worked {
		sprung.do(s.m.addr)
		drop = true
	} else if trapped {
		s.answered = func() { sprung.do(s.m.addr) }
	}
	if hang {
		<-s.m.closed
	}
	if drop {
		_ = s.conn.Conn().Close()
	}
	return refused
}

// Reset is also called right after each mail is answered.
func (s *mailSession) Reset() {
	s.from, s.to = "", nil
	if s.answered != nil {
		s.answered()
		s.answered = nil
	}
}

func (s *mailSession) Logout() error { return nil }
