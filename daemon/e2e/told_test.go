package e2e_test

import (
	"fmt"
	"testing"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// service sets a trap in one of the services: at a moment of its next request.
type service struct {
	name string
	set  func(w *team, at notifytest.Moment, do func())
}

func slackMethod(part string) service {
	return service{"slack " + part, func(w *team, at notifytest.Moment, do func()) { w.slack.Trap(part, at, do) }}
}

var (
	mailServer = service{"mail", func(w *team, at notifytest.Moment, do func()) { w.mail.TrapMail(at, do) }}
	webhook    = service{"webhook", func(w *team, at notifytest.Moment, do func()) { w.hook.Trap("", at, do) }}
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

// TestADeliveryIsCutOff kills the daemon while a service has its request: when it has
// arrived, when it is done and the answer is not out, and when the answer is out and may not
// be on record.
func TestADeliveryIsCutOff(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	for _, s := range steps(thorough()) {
		t.Run(fmt.Sprintf("%s, then %s, %s", s.firing.name, s.later.name, s.moment), func(t *testing.T) {
			t.Parallel()
			w := newTeam(t, binary, grouped("200ms", "200ms"))
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
				kill, thenRestart := w.deadly()
				phase.at.set(w, s.moment, kill)
				tr.shows(phase.heat, phase.load)
				thenRestart()
				w.told("r", phase.event)
			}
			count.take(t, w, 1, "r")
			w.d.stop(t)
		})
	}
}

// TestADeliveryIsCutOffBefore kills the daemon when a finding is on record and its group is
// not due, and when its messages are queued and no worker has taken them.
func TestADeliveryIsCutOffBefore(t *testing.T) {
	t.Parallel()
	count := newCount(t)
	t.Run("before the group is due", func(t *testing.T) {
		t.Parallel()
		w := newTeam(t, binary, grouped("1500ms", "1s"))
		w.start()
		tr := newTrainer(t, w.dir, "r")
		tr.started()
		tr.shows(2, 0)
		w.alerts("r", "the finding waits", func(l report.AlertList) bool { return len(l.Untold) > 0 })
		w.kill()
		w.restart()
		w.told("r", store.MessageFiring)
		tr.shows(2, 2)
		w.alerts("r", "the second finding waits", func(l report.AlertList) bool { return len(l.Untold) > 0 })
		w.kill()
		w.restart()
		w.told("r", store.MessageUpdate)
		tr.shows(0, 0)
		w.told("r", store.MessageResolved)
		count.take(t, w, 1, "r")
		w.d.stop(t)
	})
}
