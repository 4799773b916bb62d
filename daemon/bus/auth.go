package bus

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/epochwatch/epochwatch/ingest/contract"
)

// daemonUser is the login of the daemon itself.
const daemonUser = "epochwatch-daemon"

// gate is the embedded server's doorkeeper: it maps what a client shows to what it may do.
type gate struct {
	trainer, daemon [sha256.Size]byte // of the token and of the daemon's password
}

// newGate lets in trainers with the token, and the daemon with the password returned.
func newGate(token string) (*gate, string) {
	password := rand.Text() + rand.Text() // 256 bits and some
	return &gate{trainer: sha256.Sum256([]byte(token)), daemon: sha256.Sum256([]byte(password))}, password
}

// Check implements server.Authentication.
func (g *gate) Check(c server.ClientAuthentication) bool {
	opts := c.GetOpts()
	switch {
	case same(g.trainer, opts.Token):
		c.RegisterUser(&server.User{Username: "trainer", Permissions: trainerPermissions()})
		return true
	case opts.Username == daemonUser && same(g.daemon, opts.Password):
		c.RegisterUser(&server.User{Username: daemonUser})
		return true
	default:
		return false
	}
}

// same compares in constant time, whatever the length.
func same(want [sha256.Size]byte, got string) bool {
	sum := sha256.Sum256([]byte(got))
	return subtle.ConstantTimeCompare(want[:], sum[:]) == 1
}

// trainerPermissions is what a training process may do: publish events of runs, hear
// commands to runs, and hear the acknowledgements in its inbox. Everything else is denied:
// the JetStream API, the stored events, the commands of others to publish.
func trainerPermissions() *server.Permissions {
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Allow: []string{contract.EventSubject("*", "*")}},
		Subscribe: &server.SubjectPermission{Allow: []string{contract.CommandSubject("*", "*"), "_INBOX.>"}},
	}
}
