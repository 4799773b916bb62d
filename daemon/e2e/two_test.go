package e2e_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// pair is two daemons on one Postgres and one NATS, with the same receiver.
type pair struct {
	*team         // its daemon is the one that is asked
	other *daemon // knows the services by the name localhost, until they are swapped
}

func newPair(t *testing.T) (*pair, *outsideNATS) {
	t.Helper()
	nats := newOutsideNATS(t)
	w := newTeam(t, binary, grouped("500ms", "500ms"), "--nats", "nats://"+nats.address, "--store", pgtest.New(t))
	p := &pair{team: w}
	text, err := os.ReadFile(filepath.Join(w.dir, "epochwatch.yml"))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "epochwatch.yml")
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "http://127.0.0.1", "http://localhost")), 0o600))
	args := append([]string{"--config", path}, w.args[2:]...)
	w.start()
	p.other = startDaemon(t, binary, t.TempDir(), args...)
	return p, nats
}

// swap has the other daemon asked from now on.
func (p *pair) swap() {
	p.d, p.other = p.other, p.d
	p.dir = p.d.dir
}

// killAsker kills the daemon that asks a service next; after waits for that and starts it
// again.
func (p *pair) killAsker(set func(do func(host string))) (after func()) {
	died := make(chan *daemon, 1)
	one, other := p.d, p.other
	set(func(host string) {
		d := one
		if strings.HasPrefix(host, "localhost") {
			d = other
		}
		d.kill()
		died <- d
	})
	return func() {
		p.t.Helper()
		select {
		case d := <-died:
			p.kills++
			p.startAgain(d)
		case <-time.After(patience):
			p.t.Fatalf("no daemon was killed\n%s\n%s", one.log, other.log)
		}
	}
}

func (p *pair) startAgain(d *daemon) {
	p.t.Helper()
	again := startDaemon(p.t, binary, d.dir, d.args...)
	if d == p.d {
		p.d = again
	} else {
		p.other = again
	}
}

// TestOneOfTwoDaemonsIsKilled kills one while a group waits: the other tells, and what the
// first had begun is not told again.
func TestOneOfTwoDaemonsIsKilled(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	p, nats := newPair(t)
	tr := newTrainer(t, p.dir, "r")
	tr.broker = "nats://" + nats.address
	tr.started()
	for _, phase := range []struct {
		event      store.MessageEvent
		heat, load float64
	}{{store.MessageFiring, 2, 0}, {store.MessageUpdate, 2, 2}, {store.MessageResolved, 0, 0}} {
		tr.shows(phase.heat, phase.load)
		if phase.event != store.MessageResolved { // which does not wait
			p.alerts("r", "the finding waits", func(l report.AlertList) bool { return len(l.Untold) > 0 })
		}
		p.swap()
		p.other.kill()
		p.kills++
		p.told("r", phase.event)
		p.startAgain(p.other)
	}
	count.take(t, p.team, updates{0, 1}, "r")
	p.d.stop(t)
	p.other.stop(t)
}

// TestOneOfTwoDaemonsIsKilledInADelivery kills the one that has just posted to Slack. The
// other takes the message over when it is sure that its worker is gone, which takes a minute,
// so this is not in each run.
func TestOneOfTwoDaemonsIsKilledInADelivery(t *testing.T) {
	t.Parallel()
	if !thorough() {
		t.Skip("waits for minutes: EPOCHWATCH_KILLS above 5")
	}
	count := newCount(t)
	p, nats := newPair(t)
	p.patience = 3 * time.Minute
	tr := newTrainer(t, p.dir, "r")
	tr.broker = "nats://" + nats.address
	tr.started()
	for _, phase := range []struct {
		method     string
		event      store.MessageEvent
		heat, load float64
	}{{"chat.postMessage", store.MessageFiring, 2, 0}, {"chat.update", store.MessageUpdate, 2, 2}, {"chat.postMessage", store.MessageResolved, 0, 0}} {
		after := p.killAsker(func(do func(string)) { p.slack.Trap(phase.method, notifytest.Worked, do) })
		tr.shows(phase.heat, phase.load)
		after()
		began := time.Now()
		p.told("r", phase.event)
		t.Logf("%s: told %s after the kill", phase.event, time.Since(began).Round(time.Second))
	}
	count.take(t, p.team, updates{0, 1}, "r")
	p.d.stop(t)
	p.other.stop(t)
}
