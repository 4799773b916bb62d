package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/epochwatch/epochwatch/daemon/config"
)

// listen opens the port of the API. The default one moves to a free one when it is taken;
// an address that was named is an error then.
func listen(ctx context.Context, named string) (net.Listener, bool, error) {
	var lc net.ListenConfig
	address := named
	if address == "" {
		address = config.DefaultHTTP
	}
	l, err := lc.Listen(ctx, "tcp", address)
	moved := false
	if inUse(err) && named == "" {
		moved = true
		l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0")
	}
	switch {
	case err == nil:
		return l, moved, nil
	case inUse(err):
		return nil, false, fmt.Errorf("http: %s is in use by another program: stop it, or name another address with --http", address)
	}
	return nil, false, fmt.Errorf("http: cannot listen at %s: %w: name another address with --http", address, cause(err))
}

// inUse reports whether a port is taken; Windows has a number of its own for it.
func inUse(err error) bool {
	return errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.Errno(10048))
}

// cause takes off what repeats the address.
func cause(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// reachable is the address at which this machine reaches a listener.
func reachable(l net.Listener) (url string, loopback bool) {
	a, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		return "http://" + l.Addr().String(), false
	}
	host := a.IP.String()
	if a.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(a.Port)), a.IP.IsLoopback()
}
