package e2e_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// settled waits until everything printed is stored and every message has been sent.
func settled(t *testing.T, bin, dir, run string, r *record, state store.State) report.RunDocument {
	t.Helper()
	var doc report.RunDocument
	var err error
	until(t, "the run is stored whole", func() bool {
		if doc, err = show(bin, dir, run); err != nil {
			return false
		}
		if state != "" && doc.Run.State != state || len(doc.Epochs) < len(r.losses) {
			return false
		}
		for _, m := range doc.Messages {
			if m.State != store.MessageSent {
				return false
			}
		}
		return true
	})
	require.NoError(t, err)
	return doc
}

// hook starts a receiver of webhooks and returns the arguments that have the daemon use it.
func hook(t *testing.T) (*notifytest.Webhook, []string) {
	t.Helper()
	w := notifytest.NewWebhook(t)
	config := filepath.Join(t.TempDir(), "epochwatch.yml")
	text := fmt.Sprintf("receivers:\n  - name: team\n    webhook: {url: %s, secret: %s}\nroute: {receiver: team}\n", w.URL(), "whsec_"+base64.StdEncoding.EncodeToString([]byte("a secret of the tests")))
	require.NoError(t, os.WriteFile(config, []byte(text), 0o600))
	return w, []string{"--config", config}
}

// received returns the messages that arrived. A webhook that was on its way when the
// daemon died is sent again under the same webhook-id, as Standard Webhooks has it: a
// receiver counts by that, and so does this.
func received(w *notifytest.Webhook) []string {
	var ids []string
	for _, c := range w.Calls() {
		if id := c.Header.Get("webhook-id"); c.Taken && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// trainAndKill trains to the end while a part is killed n times, each at a random moment
// within wait after an epoch.
func trainAndKill(t *testing.T, tr *training, n int, random *rand.Rand, wait time.Duration, kill func()) *record {
	t.Helper()
	r := newRecord()
	done := 0
	for {
		p, ok := tr.next(t)
		if !ok {
			break
		}
		r.take(p)
		if p.Epoch == nil || done == n || random.IntN(6) != 0 {
			continue
		}
		time.Sleep(time.Duration(random.Int64N(int64(wait)))) //nolint:forbidigo // the moment of death is random
		kill()
		done++
	}
	<-tr.gone
	require.NoError(t, tr.err, tr.errs.String())
	require.Equal(t, n, done, "the training ended before the part was killed as often as asked")
	return r
}

func TestTheDaemonIsKilled(t *testing.T) {
	t.Parallel()
	py, n := python(t), kills()
	dir := t.TempDir()
	w, args := hook(t)
	d := startDaemon(t, binary, dir, args...)
	tr := startTraining(t, py, dir, nil, "--run", "d", "--rate", "4", "--auto-lr", "--epochs", strconv.Itoa(30+10*n))
	r := trainAndKill(t, tr, n, moments(t), 60*time.Millisecond, func() {
		d.kill()
		d = startDaemon(t, binary, dir, args...)
	})
	doc := settled(t, binary, dir, "d", r, store.StateCompleted)
	got := received(w)
	require.Empty(t, append(r.wrong(doc, got), notArrived(doc, got)...), "%s", d.log)
	require.NotEmpty(t, doc.Findings, "a rate of 4 has to be found out, or nothing was tested")
	t.Logf("daemon killed %d times: %d epochs, %d findings, %d commands, %d messages", n, len(doc.Epochs), len(doc.Findings), len(doc.Commands), len(got))
	d.stop(t)
}

func TestTheTrainerIsKilled(t *testing.T) {
	t.Parallel()
	py, n, random := python(t), kills(), moments(t)
	dir := t.TempDir()
	w, args := hook(t)
	d := startDaemon(t, binary, dir, args...)
	r := newRecord()
	for range n {
		tr := startTraining(t, py, dir, nil, "--run", "t", "--first", strconv.Itoa(r.next()), "--epochs", "400")
		for left := 1 + random.IntN(12); left > 0; {
			p, ok := tr.next(t)
			require.True(t, ok, tr.errs.String())
			r.take(p)
			if p.Epoch != nil {
				left--
			}
		}
		time.Sleep(time.Duration(random.IntN(60)) * time.Millisecond) //nolint:forbidigo // the moment of death is random
		tr.kill()
		for p := range tr.lines {
			r.take(p)
		}
	}
	doc := settled(t, binary, dir, "t", r, "")
	require.Empty(t, r.wrong(doc, received(w)), "%s", d.log)
	require.Equal(t, n, doc.Run.Attempts)
	t.Logf("trainer killed %d times: %d epochs, %d findings", n, len(doc.Epochs), len(doc.Findings))
	d.stop(t)
}

// TestAPlantedFaultIsFound holds that the checker would see what it is there for: a
// daemon that acknowledges before it commits loses epochs when it is killed.
func TestAPlantedFaultIsFound(t *testing.T) {
	t.Parallel()
	py := python(t)
	bin, err := build(t.TempDir(), "planted_ack_first")
	require.NoError(t, err)
	dir := t.TempDir()
	d := startDaemon(t, bin, dir)
	tr := startTraining(t, py, dir, nil, "--run", "p", "--epochs", "50", "--pause", "0.1")
	// The planted fault holds each commit back for 3 s, and what was acknowledged is lost once
	// the broker has that on disk: a moment within those is one to find it at.
	r := trainAndKill(t, tr, 3, moments(t), 2500*time.Millisecond, func() {
		d.kill()
		d = startDaemon(t, bin, dir)
	})
	var doc report.RunDocument
	until(t, "the end of the run is stored", func() bool {
		doc, err = show(bin, dir, "p")
		return err == nil && len(doc.Epochs) > 0 && doc.Epochs[len(doc.Epochs)-1].Epoch == 49
	})
	require.NotEmpty(t, r.wrong(doc, nil), "the fault was not found: the test would not see it either")
	d.stop(t)
}
