package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// twoRules find what the trainings of these tests are told to show: a warning each, for as
// long as the metric is above 1.
const twoRules = `rules:
  - {name: heat, when: last("heat") > 1}
  - {name: load, when: last("load") > 1}
`

// team is a daemon whose one receiver has a Slack, a mail server and a webhook. They run in
// the test, so they outlive the daemon.
type team struct {
	t     *testing.T
	bin   string
	dir   string
	args  []string
	slack *notifytest.Slack
	mail  *notifytest.MailServer
	hook  *notifytest.Webhook
	d     *daemon
	kills int
	// patience bounds the wait for a message.
	patience time.Duration
}

// newTeam starts the three services; more stands behind the receiver in the config. The
// daemon is not started yet.
func newTeam(t *testing.T, bin, more string, args ...string) *team {
	t.Helper()
	w := &team{
		t: t, bin: bin, dir: t.TempDir(), slack: notifytest.NewSlack(t),
		mail: notifytest.NewMailServer(t, notifytest.MailOptions{}), hook: notifytest.NewWebhook(t), patience: patience,
	}
	w.args = append([]string{"--config", w.configure(more)}, args...)
	return w
}

// configure writes a config and returns its path: always the same.
func (w *team) configure(more string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, "epochwatch.yml")
	text := fmt.Sprintf(`receivers:
  - name: team
    slack: {token: %s, channel: "%s", api_url: "%s", app_token: %s}
    email: {to: [team@example.org], from: watch@example.org, smtp: "%s"}
    webhook: {url: "%s", secret: %s}
`, notifytest.SlackToken, notifytest.SlackChannel, w.slack.APIURL(), notifytest.SlackAppToken, w.mail.URL(), w.hook.URL(),
		"whsec_"+base64.StdEncoding.EncodeToString([]byte("a secret of the tests"))) + more
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// grouped is the route of most tests: one message a run, soon.
func grouped(wait, every string) string {
	return fmt.Sprintf("route: {receiver: team, group_by: [run], group_wait: %s, group_interval: %s, repeat_interval: 0s}\n", wait, every) + twoRules
}

func (w *team) start() {
	w.t.Helper()
	w.d = startDaemon(w.t, w.bin, w.dir, w.args...)
}

// kill kills the daemon.
func (w *team) kill() {
	w.d.kill()
	w.kills++
}

// deadly returns what kills the daemon out of a service, and what waits until that has
// happened.
func (w *team) deadly() (kill, gone func()) {
	d, died := w.d, make(chan struct{})
	kill = sync.OnceFunc(func() {
		d.kill()
		close(died)
	})
	return kill, func() {
		w.t.Helper()
		select {
		case <-died:
		case <-time.After(patience + patience/2): // a digest may be a minute away
			w.t.Fatalf("the daemon was not killed: what was to kill it did not come\n%s", d.log)
		}
		w.kills++
	}
}

// get asks the daemon's API.
func (w *team) get(path string, into any) error {
	e, live, err := folder.ReadEndpoint(w.dir)
	if err != nil || !live {
		return fmt.Errorf("no daemon: %w", err)
	}
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, e.HTTP+path, http.NoBody)
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+e.Token)
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = a.Body.Close() }()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		return err
	}
	if a.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s: %s", path, a.Status, strings.TrimSpace(string(b)))
	}
	return json.Unmarshal(b, into)
}

// alerts waits until what was told of a run, and what was not, is as ok wants it.
func (w *team) alerts(run, what string, ok func(report.AlertList) bool) report.AlertList {
	w.t.Helper()
	var list report.AlertList
	var err error
	defer func() {
		if w.t.Failed() {
			w.t.Logf("at the end: %v %+v\n%s", err, list, w.d.log)
		}
	}()
	within(w.t, w.patience, run+": "+what, func() bool {
		list = report.AlertList{}
		err = w.get("/api/v1/alerts?limit=500&run="+run, &list)
		return err == nil && ok(list)
	})
	return list
}

// told waits until an event about a run was sent through each channel.
func (w *team) told(run string, event store.MessageEvent) {
	w.t.Helper()
	w.alerts(run, "told through all channels: "+string(event), func(l report.AlertList) bool {
		sent := 0
		for _, m := range l.Messages {
			if m.Event == event && m.State == store.MessageSent {
				sent++
			}
		}
		return sent == 3
	})
}
