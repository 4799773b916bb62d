package spool

import (
	"net/url"
	"slices"
	"strings"
)

// Target says whose spools are delivered.
type Target struct {
	// URLs are the addresses of the broker that PublishFunc speaks to, without secrets.
	URLs []string
	// Daemon is true for the daemon of the data folder: spools that name no address are
	// meant for it.
	Daemon bool
}

// takes reports whether a spool was meant for the target.
func (t Target) takes(h header) bool {
	if h.URL == nil {
		return t.Daemon
	}
	for u := range strings.SplitSeq(*h.URL, ",") {
		if slices.ContainsFunc(t.URLs, func(own string) bool { return canonical(own) == canonical(u) }) {
			return true
		}
	}
	return false
}

// meantFor says in words whose spool it is.
func meantFor(h header) string {
	if h.URL == nil {
		return "it is meant for the daemon of its data folder"
	}
	return "it is meant for " + *h.URL
}

// canonical is an address in the one form that can be compared: the callback and the
// daemon may write the same address differently. What is no address is left as it is.
func canonical(address string) string {
	address = strings.TrimSpace(address)
	if !strings.Contains(address, "://") {
		address = "nats://" + address
	}
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if host == "localhost" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "4222"
	}
	return u.Scheme + "://" + host + ":" + port
}
