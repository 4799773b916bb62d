package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxPayload is the largest message that the embedded server takes, in bytes. It is above
// the contract's limit, so that a message over that limit reaches the quarantine and is
// seen, and is not only turned away.
const maxPayload = 1 << 20

// embedded is a NATS server inside this process.
type embedded struct {
	srv      *server.Server
	password string // of the daemon's own login
}

// embed starts a server. Its streams are written through to the disk with each message:
// an acknowledgement holds, also when the machine loses power.
func embed(o Options) (*embedded, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder for the streams: %w", err)
	}
	host, port, err := choosePort(o)
	if err != nil {
		return nil, err
	}
	e, err := start(o, host, port)
	if err != nil && o.MayMove && port != server.RANDOM_PORT && portTaken(host, port) {
		return start(o, host, server.RANDOM_PORT) // taken since it was tried
	}
	return e, err
}

func start(o Options, host string, port int) (*embedded, error) {
	gate, password := newGate(o.Token)
	srv, err := server.NewServer(&server.Options{
		ServerName:                 "epochwatch",
		Host:                       host,
		Port:                       port,
		JetStream:                  true,
		StoreDir:                   o.Dir,
		SyncAlways:                 true,
		MaxPayload:                 maxPayload,
		NoSigs:                     true, // signals are the daemon's
		DisableJetStreamBanner:     true,
		CustomClientAuthentication: gate,
	})
	if err != nil {
		return nil, fmt.Errorf("setting up the embedded NATS server: %w", err)
	}
	log := newServerLog(o.Log)
	srv.SetLoggerV2(log, false, false, false)
	srv.Start() // returns when it listens, or has said why it does not
	if err := log.failed(); err != nil {
		stop(srv)
		return nil, fmt.Errorf("starting the embedded NATS server in %s: %w", o.Dir, err)
	}
	return &embedded{srv: srv, password: password}, nil
}

// stop ends the server and waits for its goroutines.
func stop(srv *server.Server) {
	srv.Shutdown()
	srv.WaitForShutdown()
}

// connection is how the daemon itself connects: inside the process, by its own login.
func (e *embedded) connection() []nats.Option {
	return []nats.Option{nats.InProcessServer(e.srv), nats.UserInfo(daemonUser, e.password)}
}

// url is the address for clients on this machine.
func (e *embedded) url() string {
	addr, ok := e.srv.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	host := addr.IP.String()
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "nats://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// choosePort finds out whether Listen is free. When it is taken and the server may move,
// the port is server.RANDOM_PORT, and that is said.
func choosePort(o Options) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return "", 0, fmt.Errorf("NATS cannot listen on %q: want host:port, as in %s", o.Listen, DefaultListen)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("NATS cannot listen on %s: the port is not within 0 to 65535", o.Listen)
	}
	warnOpen(o.Log, host)
	if port == 0 {
		port = server.RANDOM_PORT
	}
	err = tryListen(o.Listen)
	switch {
	case err == nil:
		return host, port, nil
	case addrInUse(err) && o.MayMove:
		o.Log.Warn("the port for NATS is taken, a free one is used", "taken", o.Listen)
		return host, server.RANDOM_PORT, nil
	case addrInUse(err):
		return "", 0, fmt.Errorf("NATS cannot listen on %s: the port is taken: stop what listens there, or name another address: %w", o.Listen, err)
	default:
		return "", 0, fmt.Errorf("NATS cannot listen on %s: %w", o.Listen, err)
	}
}

func warnOpen(log *slog.Logger, host string) {
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		log.Warn("NATS listens beyond this machine, and the token crosses the network unencrypted", "host", host)
	}
}

func portTaken(host string, port int) bool {
	return addrInUse(tryListen(net.JoinHostPort(host, strconv.Itoa(port))))
}

// tryListen listens for an instant. Its error is the bare cause, without the address.
func tryListen(addr string) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err == nil {
		return l.Close()
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}
