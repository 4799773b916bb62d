package bus

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
)

// DefaultListen is where the embedded server listens unless told otherwise.
const DefaultListen = "127.0.0.1:4222"

// Options say which NATS is used and how. The zero value of each field but Dir and Token is
// a default. Printing or logging Options hides the tokens.
type Options struct {
	// Listen is the host:port of the embedded server, DefaultListen when empty; port 0 is
	// any free one.
	Listen string
	// MayMove lets the embedded server take a free port when that of Listen is taken. A
	// port that a person named stays where it is: then a taken port is an error.
	MayMove bool
	// Dir is where the embedded server keeps its streams.
	Dir string
	// Token is what trainers show to the embedded server.
	Token string

	// URLs are the addresses of an outside server or cluster, nats://host:port or
	// tls://host:port, without secrets. When there are any, nothing is embedded.
	URLs []string
	// OutsideToken and Creds (path of a credentials file) are shown to the outside server.
	OutsideToken, Creds string

	// Partitions is over how many consumers the runs are spread, 1 to 256, 4 when zero. It is fixed
	// when the stream is made.
	Partitions int
	// Replicas is how many servers of an outside cluster keep each event, 1 to 5, 1 when zero.
	Replicas int
	// Log gets what the server and the connection have to say; nil drops it.
	Log *slog.Logger
}

const (
	defaultPartitions = 4
	maxPartitions     = 256
	maxReplicas       = 5
)

// withDefaults fills in what is zero, and refuses what cannot be.
func (o Options) withDefaults() (Options, error) {
	if o.Listen == "" {
		o.Listen = DefaultListen
	}
	if o.Partitions == 0 {
		o.Partitions = defaultPartitions
	}
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	embedded := len(o.URLs) == 0
	switch {
	case o.Partitions < 1 || o.Partitions > maxPartitions:
		return o, fmt.Errorf("partitions is %d, not within 1 to %d", o.Partitions, maxPartitions)
	case o.Replicas < 1 || o.Replicas > maxReplicas:
		return o, fmt.Errorf("replicas is %d, not within 1 to %d", o.Replicas, maxReplicas)
	case embedded && o.Replicas > 1:
		return o, fmt.Errorf("replicas is %d, but the embedded server is one: replicas need an outside cluster", o.Replicas)
	case embedded && o.Dir == "":
		return o, errors.New("the embedded server has no folder to keep its streams in")
	case embedded && o.Token == "":
		return o, errors.New("the embedded server has no token for trainers")
	}
	for _, u := range o.URLs {
		if strings.Contains(u, "@") {
			return o, errors.New("an address of NATS holds a secret: give the token or the credentials file beside it")
		}
	}
	return o, nil
}

// String names where NATS is and hides the tokens.
func (o Options) String() string {
	if len(o.URLs) > 0 {
		return "outside NATS at " + strings.Join(o.URLs, ",")
	}
	return "embedded NATS at " + o.Listen
}

// GoString is String: %#v must not show the tokens either.
func (o Options) GoString() string { return o.String() }

// LogValue is String.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.String()) }
