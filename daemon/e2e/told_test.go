package e2e_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// service sets a trap in one of the services: at a moment of its next request.
type service struct {
	name string
	set  func(w *team, at notifytest.Moment, do func(host string))
}

func slackMethod(part string) service {
	return service{"slack " + part, func(w *team, at notifytest.Moment, do func(string)) { w.slack.Trap(part, at, do) }}
}

var (
	mailServer = service{"mail", func(w *team, at notifytest.Moment, do func(string)) { w.mail.TrapMail(at, do) }}
	webhook    = service{"webhook", func(w *team, at notifytest.Moment, do func(string)) { w.hook.Trap("", at, do) }}
	post       = slackMethod("chat.postMessage")
	edit       = slackMethod("chat.update")
	fileURL    = slackMethod("files.getUploadURLExternal")
	fileBytes  = slackMethod("/upload/")
	fileDone   = slackMethod("files.completeUploadExternal")
)

// step is where the daemon is killed: at the first message, at its update and at its
// resolution.
type step struct {
	firing, later service
	moment        notifytest.Moment
}

// steps are the moments of a delivery; without all, those that differ most.
func steps(all bool) []step {
	if !all {
		return []step{
			{post, post, notifytest.Arrived},
			{post, post, notifytest.Worked},
			{post, edit, notifytest.Answered},
			{fileDone, edit, notifytest.Worked},
			{fileBytes, fileURL, notifytest.Arrived},
			{mailServer, mailServer, notifytest.Worked},
			{mailServer, mailServer, notifytest.Answered},
			{webhook, webhook, notifytest.Worked},
			{webhook, webhook, notifytest.Answered},
		}
	}
	var out []step
	for _, at := range []notifytest.Moment{notifytest.Arrived, notifytest.Worked, notifytest.Answered} {
		for _, s := range []service{post, fileURL, fileBytes, fileDone, mailServer, webhook} {
			out = append(out, step{s, s, at})
		}
		out = append(out, step{post, edit, at})
	}
	return out
}

// TestTheDaemonIsKilledInADelivery kills the daemon while a service has its request: when it has
// arrived, when it is done and the answer is not out, and when the answer is out and may not
// be on record.
func TestTheDaemonIsKilledInADelivery(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	for _, s := range steps(thorough()) {
		t.Run(fmt.Sprintf("%s, then %s, %s", s.firing.name, s.later.name, s.moment), func(t *testing.T) {
			t.Parallel()
			cutOff(t, count, s, newTeam(t, binary, grouped("200ms", "200ms")))
		})
	}
	t.Run("on Postgres", func(t *testing.T) {
		t.Parallel()
		if !thorough() {
			t.Skip("waits for minutes: EPOCHWATCH_KILLS above 5")
		}
		w := newTeam(t, binary, grouped("200ms", "200ms"), "--store", pgtest.New(t))
		w.patience = 3 * time.Minute // the queue first makes sure that the worker is gone
		cutOff(t, count, step{post, edit, notifytest.Worked}, w)
	})
}

func cutOff(t *testing.T, count *count, s step, w *team) {
	t.Helper()
	w.start()
	tr := newTrainer(t, w.dir, "r")
	tr.started()
	tr.shows(0, 0)
	for _, phase := range []struct {
		at         service
		event      store.MessageEvent
		heat, load float64
	}{
		{s.firing, store.MessageFiring, 2, 0},
		{s.later, store.MessageUpdate, 2, 2},
		{s.later, store.MessageResolved, 0, 0},
	} {
		kill, gone := w.deadly()
		phase.at.set(w, s.moment, func(string) { kill() })
		tr.shows(phase.heat, phase.load)
		gone()
		w.start()
		w.told("r", phase.event)
	}
	count.take(t, w, exactly(1), "r")
	w.d.stop(t)
}

// TestTheDaemonIsKilledBeforeADelivery kills the daemon when a finding is on record and its group is
// not due, and when its messages are queued and no worker has taken them.
func TestTheDaemonIsKilledBeforeADelivery(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	for engine, args := range map[string]func(t *testing.T) []string{
		"sqlite":   func(*testing.T) []string { return nil },
		"postgres": func(t *testing.T) []string { t.Helper(); return []string{"--store", pgtest.New(t)} },
	} {
		t.Run("before the group is due, "+engine, func(t *testing.T) {
			t.Parallel()
			w := newTeam(t, binary, grouped("1s", "1s"), args(t)...)
			w.start()
			tr := newTrainer(t, w.dir, "r")
			tr.started()
			waits := func(l report.AlertList) bool { return len(l.Untold) > 0 }
			tr.shows(2, 0)
			w.alerts("r", "the finding waits", waits)
			w.kill()
			w.start()
			w.told("r", store.MessageFiring)
			tr.shows(2, 2)
			w.alerts("r", "the second finding waits", waits)
			w.kill()
			w.start()
			w.told("r", store.MessageUpdate)
			tr.shows(0, 0)
			w.told("r", store.MessageResolved)
			count.take(t, w, exactly(1), "r")
			w.d.stop(t)
		})
	}
	t.Run("queued", func(t *testing.T) {
		t.Parallel()
		w := newTeam(t, binary, grouped("100ms", "100ms"))
		w.start()
		// Two messages are with each service, which is as many as it is given at once.
		held, release := make(chan string, 6), make(chan struct{})
		for range 2 {
			for _, s := range []service{post, mailServer, webhook} {
				s.set(w, notifytest.Arrived, func(string) {
					held <- s.name
					<-release
				})
			}
		}
		runs := []string{"one", "two", "three"}
		trainers := map[string]*trainer{}
		for i, run := range runs {
			trainers[run] = newTrainer(t, w.dir, run)
			trainers[run].started()
			trainers[run].shows(2, 0)
			for range 3 {
				if i < 2 {
					select {
					case <-held:
					case <-time.After(patience):
						t.Fatalf("the services were not asked\n%s", w.d.log)
					}
				}
			}
		}
		list := w.alerts("three", "its messages are queued", func(l report.AlertList) bool { return len(l.Messages) == 3 })
		for _, m := range list.Messages {
			require.Equal(t, store.MessageQueued, m.State, m.Channel)
		}
		w.kill()
		close(release)
		w.start()
		for _, run := range runs {
			w.told(run, store.MessageFiring)
			trainers[run].shows(0, 0)
			w.told(run, store.MessageResolved)
		}
		count.take(t, w, exactly(0), runs...)
		w.d.stop(t)
	})
}

// killsAPart is how often a daemon is killed while it tells of five runs: of more than ten
// within a minute the rest would be told together.
const killsAPart = 15

// TestTheDaemonIsKilledWhileItTells kills it at random moments, while runs go bad, worse and
// well again.
func TestTheDaemonIsKilledWhileItTells(t *testing.T) {
	t.Parallel()
	count, random := newCount(t), moments(t)
	for n, left := 0, kills(); left > 0; n, left = n+1, left-killsAPart {
		part := rand.New(rand.NewPCG(random.Uint64(), 0))
		t.Run(fmt.Sprintf("part %d", n), func(t *testing.T) {
			t.Parallel()
			killedWhileItTells(t, count, part, min(left, killsAPart))
		})
	}
}

func killedWhileItTells(t *testing.T, count *count, random *rand.Rand, kills int) {
	t.Helper()
	w := newTeam(t, binary, grouped("200ms", "200ms"))
	w.start()
	var runs []string
	for w.kills < kills {
		tr := newTrainer(t, w.dir, fmt.Sprintf("r%d", len(runs)))
		runs = append(runs, tr.run)
		tr.started()
		for _, epoch := range [][2]float64{{2, 0}, {2, 2}, {0, 0}} {
			tr.shows(epoch[0], epoch[1])
			time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond) //nolint:forbidigo // the moment of death is random
			if w.kills < kills {
				w.kill()
				w.start()
			}
		}
	}
	for _, run := range runs {
		w.told(run, store.MessageResolved)
	}
	// What was well again before its update was due is not updated.
	count.take(t, w, updates{0, 1}, runs...)
	w.d.stop(t)
}
