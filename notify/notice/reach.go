package notice

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// windowsRefused is what Windows calls a refused connection.
const windowsRefused = syscall.Errno(10061)

// Refused reports whether nothing listened where a service was looked for.
func Refused(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, windowsRefused)
}

// Reach adds to the error of a service that was not reached what a person can do about it,
// where that is known. What a service says itself is its channel's to explain.
func Reach(err error) error {
	if hint := reachHint(err); hint != "" {
		return fmt.Errorf("%w (%s)", err, hint)
	}
	return err
}

func reachHint(err error) string {
	var name *net.DNSError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	var invalid x509.CertificateInvalidError
	var record tls.RecordHeaderError
	var slow net.Error
	switch {
	case errors.As(err, &name) && name.IsNotFound:
		return "look at the name of the host, or at this machine's DNS"
	case Refused(err):
		return "nothing listens there: look at host and port"
	case errors.As(err, &unknown):
		return "this machine does not know who signed the certificate: add it to the system's, or name its file in SSL_CERT_FILE"
	case errors.As(err, &host):
		return "the certificate is for another name: use one of its names in the config"
	case errors.As(err, &invalid):
		return "has the certificate expired, or is this machine's clock wrong?"
	case errors.As(err, &record):
		return "the port does not speak TLS from the start: look at port and scheme"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &slow) && slow.Timeout():
		return "no answer in time: is a firewall in between, or is it the port of something else?"
	}
	return ""
}
