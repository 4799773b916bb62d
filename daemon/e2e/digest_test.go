package e2e_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// daily is a digest that was due some minutes ago, once a day.
func daily(minutes int) string {
	due := time.Now().UTC().Add(-time.Duration(minutes) * time.Minute)
	return fmt.Sprintf("  - {receiver: team, schedule: \"%d %d * * *\", zone: UTC}\n", due.Minute(), due.Hour())
}

// digests waits until there are the digests of so many due times, through each channel, and
// returns their messages. What is sent is held against what arrived.
func (w *team) digests(n int) []report.Alert {
	w.t.Helper()
	var out []report.Alert
	until(w.t, fmt.Sprintf("%d digests are told", n), func() bool {
		var list report.AlertList
		if w.get("/api/v1/alerts?limit=500", &list) != nil {
			return false
		}
		out = nil
		for _, m := range list.Messages {
			if m.Event == store.MessageDigest && m.State == store.MessageSent {
				out = append(out, m)
			}
		}
		return len(out) >= n*len(channels)
	})
	a, known := w.arrived(), map[string]bool{}
	for _, m := range out {
		known[m.ID] = true
		most := 1
		if m.Channel != "slack" {
			most += w.kills
		}
		got := a[m.Channel][m.ID]
		require.True(w.t, got >= 1 && got <= most, "%s: a digest arrived %d times\n%s", m.Channel, got, w.d.log)
	}
	require.Empty(w.t, a.strangers(known))
	return out
}

// trained stores a run that began an hour ago.
func (w *team) trained() {
	w.t.Helper()
	tr := newTrainer(w.t, w.dir, "early")
	tr.behind = time.Hour
	tr.started()
	tr.shows(0, 0)
	until(w.t, "the run is stored", func() bool {
		doc, err := show(w.bin, w.dir, "early")
		return err == nil && len(doc.Epochs) == 1
	})
}

// TestTheDaemonIsKilledInADigest has a digest due while no daemon is up. The one that starts
// is killed while a service has the digest, and the next one too, and it is told once.
func TestTheDaemonIsKilledInADigest(t *testing.T) {
	t.Parallel()
	for _, s := range []service{post, mailServer, webhook} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			w := newTeam(t, binary, grouped("1s", "1s"))
			w.start()
			w.trained()
			w.kill()
			first := daily(2)
			w.configure(grouped("1s", "1s") + "digests:\n" + first)
			for _, at := range []notifytest.Moment{notifytest.Arrived, notifytest.Worked} {
				ready := make(chan struct{})
				var kill func()
				s.set(w, at, func(string) {
					<-ready
					kill()
				})
				w.start()
				var gone func()
				kill, gone = w.deadly()
				close(ready)
				gone()
			}
			w.start()
			told := w.digests(1)
			require.Len(t, told, len(channels))

			// Later, the digest after it is told at start, which shows that the one before was
			// looked at again; and it is not told again.
			w.kill()
			w.configure(grouped("1s", "1s") + "digests:\n" + first + daily(1))
			w.start()
			both := w.digests(2)
			require.Len(t, both, 2*len(channels))
			ids := map[string]bool{}
			for _, m := range both {
				ids[m.ID] = true
			}
			for _, m := range told {
				require.True(t, ids[m.ID], "the digest is the same message")
			}
			t.Logf("%d kills, 2 digests, %d messages: slack %d, mail %d, webhook %d arrived", w.kills, len(both),
				len(w.slack.Messages()), len(w.mail.Mails()), len(w.hook.Calls()))
			w.d.stop(t)
		})
	}
}

// TestTheDaemonIsKilledInADigestOfEachMinute waits for the clock, so it is not in each run.
func TestTheDaemonIsKilledInADigestOfEachMinute(t *testing.T) {
	t.Parallel()
	if !thorough() {
		t.Skip("waits for up to a minute: EPOCHWATCH_KILLS above 5")
	}
	w := newTeam(t, binary, grouped("1s", "1s")+"digests: [{receiver: team, schedule: \"* * * * *\"}]\n")
	w.start()
	w.trained()
	kill, gone := w.deadly()
	post.set(w, notifytest.Worked, func(string) { kill() })
	gone()
	w.start()
	require.Len(t, w.digests(1), len(channels))
	w.d.stop(t)
}
