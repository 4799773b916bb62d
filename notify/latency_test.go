package notify_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// TestFromStoredToHandedOver logs how long a finding takes from its commit to the service
// when no group waits; what group_wait says comes on top. It holds that nothing on the way
// polls for it, which would take seconds.
func TestFromStoredToHandedOver(t *testing.T) {
	t.Parallel()
	const projects, each = 8, 5 // fewer to a receiver than make a storm
	for name, open := range map[string]func(*testing.T) store.Store{"sqlite": onSQLite, "postgres": onPostgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			hook := notifytest.NewWebhook(t)
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			receivers, routes := []string{}, []string{}
			for i := range projects {
				receivers = append(receivers, fmt.Sprintf(`{name: r%d, webhook: {url: "%s"}}`, i, hook.URL()))
				routes = append(routes, fmt.Sprintf(`{match: {project: p%d}, receiver: r%d}`, i, i))
			}
			n, err := notify.New(*parse(t, fmt.Sprintf("receivers: [%s]\nroute: {receiver: r0, group_wait: 0s, routes: [%s]}",
				strings.Join(receivers, ", "), strings.Join(routes, ", "))), notify.Options{HTTPClient: &http.Client{Transport: transport}})
			require.NoError(t, err)
			st := open(t)
			end, err := st.Work(ctx, map[string]store.JobFunc{store.JobSendMessage: n.Handler(st)}, nil)
			require.NoError(t, err)
			watching, stop := context.WithCancel(ctx)
			watched := make(chan error, 1)
			go func() { watched <- n.Watch(watching, st) }()
			w := &world{t: t, n: n, st: st, clock: &clock{t: time.Now()}}
			var took []time.Duration
			for i := range projects * each {
				run := fmt.Sprint("run-", i)
				w.clock.pass(time.Since(w.clock.now()))
				w.happen(store.Run{Project: fmt.Sprint("p", i%projects), ID: run}, store.MessageFiring, finding(run, detectors.KindPlateau, warning))
				began := time.Now()
				n.Stored()
				_, err := hook.Wait(ctx, i+1)
				require.NoError(t, err)
				took = append(took, time.Since(began))
			}
			stop()
			require.NoError(t, <-watched)
			require.NoError(t, end(ctx))
			slices.Sort(took)
			median, p99 := took[len(took)/2], took[len(took)*99/100]
			t.Logf("%s: %d messages, from commit to the service: median %v, p99 %v", name, len(took), median.Round(time.Millisecond), p99.Round(time.Millisecond))
			require.Less(t, median, 4*time.Second)
		})
	}
}
