package notify_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// engines open the same database as often as they are called.
func engines(t *testing.T) map[string]func(*testing.T) func() store.Store {
	t.Helper()
	return map[string]func(*testing.T) func() store.Store{
		"sqlite": func(t *testing.T) func() store.Store {
			t.Helper()
			path := filepath.Join(t.TempDir(), "store.db")
			return func() store.Store {
				st, err := sqlite.Open(t.Context(), path, sqlite.Options{})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, st.Close()) })
				return st
			}
		},
		"postgres": func(t *testing.T) func() store.Store {
			t.Helper()
			address := pgtest.New(t)
			return func() store.Store {
				st, err := postgres.Open(t.Context(), address, postgres.Options{})
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, st.Close()) })
				return st
			}
		},
	}
}

// digests returns the messages of digests in a store, oldest first.
func digests(t *testing.T, st store.Store) []store.Message {
	t.Helper()
	all, err := st.ListRecentMessages(t.Context(), 0, 1000)
	require.NoError(t, err)
	var out []store.Message
	for _, m := range slices.Backward(all) {
		if m.Event == store.MessageDigest {
			out = append(out, m)
		}
	}
	return out
}

func at(t *testing.T, text string) time.Time {
	t.Helper()
	moment, err := time.Parse(time.RFC3339, text)
	require.NoError(t, err)
	return moment
}

// told are the ids of the runs that a digest tells of.
func told(t *testing.T, m store.Message) (ended, running []string) {
	t.Helper()
	var b struct{ Ended, Running []struct{ ID string } }
	require.NoError(t, json.Unmarshal([]byte(m.Body), &b))
	for _, r := range b.Ended {
		ended = append(ended, r.ID)
	}
	for _, r := range b.Running {
		running = append(running, r.ID)
	}
	return ended, running
}

const daily = `
zone: Europe/Berlin
digests: [{receiver: team, schedule: "%s"}]`

// Two daemons look every half hour, over both days on which the clock is changed: there
// is one digest a day, on the minute.
func TestDigestsOnTheDaysThatChangeTheClock(t *testing.T) {
	t.Parallel()
	for name, open := range engines(t) {
		for schedule, want := range map[string][]string{
			"0 8 * * *":  {"2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z", "2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z", "2026-10-26T07:00:00Z"},
			"30 2 * * *": {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z", "2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		} {
			t.Run(name+" "+schedule, func(t *testing.T) {
				t.Parallel()
				again := open(t)
				w := newWorld(t, again(), team+fmt.Sprintf(daily, schedule))
				other := newWorld(t, again(), team+fmt.Sprintf(daily, schedule))
				other.clock = w.clock
				second, err := notify.New(*parse(t, team+fmt.Sprintf(daily, schedule)), notify.Options{Now: w.clock.now})
				require.NoError(t, err)
				for _, from := range []string{"2026-03-27T23:00:00Z", "2026-10-23T22:00:00Z"} {
					up := at(t, from)
					w.clock.pass(up.Sub(w.clock.now()))
					for end := up.Add(3 * 24 * time.Hour); w.clock.now().Before(end); w.clock.pass(30 * time.Minute) {
						var both sync.WaitGroup
						for n, st := range map[*notify.Notifier]store.Store{w.n: w.st, second: other.st} {
							both.Go(func() {
								next, err := n.LookDigests(t.Context(), st, up)
								if err != nil || !next.After(w.clock.now()) {
									t.Errorf("next at %s: %v", next, err)
								}
							})
						}
						both.Wait()
					}
				}
				var got []string
				for _, m := range digests(t, w.st) {
					got = append(got, m.CreatedAt.UTC().Format(time.RFC3339))
				}
				require.Equal(t, want, got)
			})
		}
	}
}

// A restart tells what was missed, once; what an earlier digest has told is not told again,
// and what was heard of too late for it is.
func TestADigestThatWasMissedIsToldAtStart(t *testing.T) {
	t.Parallel()
	for name, open := range engines(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			again := open(t)
			w := newWorld(t, again(), team+fmt.Sprintf(daily, "0 8 * * *"))
			w.clock.pass(at(t, "2026-06-10T05:00:00Z").Sub(w.clock.now()))
			look := func(up time.Time) {
				t.Helper()
				_, err := w.n.LookDigests(t.Context(), w.st, up)
				require.NoError(t, err)
			}
			look(w.clock.now())
			require.Empty(t, digests(t, w.st), "nothing was here when it was due")
			up := w.clock.now()
			w.happen(store.Run{ID: "first", State: store.StateCompleted}, "")
			w.happen(store.Run{ID: "long"}, "")
			w.clock.pass(time.Hour + time.Second) // 08:00:01
			look(up)
			require.Len(t, digests(t, w.st), 1)

			// The daemon is away over the digest of the next day; a run ended right after the
			// first digest, one was heard of again.
			w.clock.pass(time.Minute)
			w.happen(store.Run{ID: "second", State: store.StateFailed}, "")
			w.happen(store.Run{ID: "first", State: store.StateCompleted}, "")
			w.clock.pass(30 * time.Hour)
			for range 2 { // and starts twice
				other := newWorld(t, again(), team+fmt.Sprintf(daily, "0 8 * * *"))
				other.clock.pass(w.clock.now().Sub(other.clock.now()))
				_, err := other.n.LookDigests(t.Context(), other.st, other.clock.now())
				require.NoError(t, err)
			}
			got := digests(t, w.st)
			require.Len(t, got, 2)
			ended, running := told(t, got[0])
			require.Equal(t, []string{"first"}, ended)
			require.Equal(t, []string{"long"}, running)
			ended, running = told(t, got[1])
			require.Equal(t, []string{"second"}, ended)
			require.Equal(t, []string{"long"}, running)

			// Away for days: one digest, of all that time.
			w.happen(store.Run{ID: "long", State: store.StateCompleted}, "")
			w.clock.pass(3 * 24 * time.Hour)
			look(w.clock.now())
			got = digests(t, w.st)
			require.Len(t, got, 3)
			ended, running = told(t, got[2])
			require.Equal(t, []string{"long"}, ended, "neither of those told before")
			require.Empty(t, running)
		})
	}
}

func TestDigestsOfOneHourAreApart(t *testing.T) {
	t.Parallel()
	w := newWorld(t, onSQLite(t), team+`digests:
  - {receiver: team, schedule: "0 8 * * *"}
  - {receiver: team, schedule: "0 8 * * 1"}
  - {receiver: team, schedule: "0 8 * * 1", project: speech}
`)
	w.clock.pass(at(t, "2026-06-15T07:59:00Z").Sub(w.clock.now())) // a Monday
	up := w.clock.now()
	w.happen(store.Run{ID: "a"}, "")
	w.happen(store.Run{ID: "b", Project: "speech"}, "")
	w.clock.pass(time.Minute)
	next, err := w.n.LookDigests(t.Context(), w.st, up)
	require.NoError(t, err)
	require.Equal(t, "2026-06-16T08:00:00Z", next.Format(time.RFC3339))
	got := digests(t, w.st)
	require.Len(t, got, 3)
	_, running := told(t, got[2])
	require.Equal(t, []string{"b"}, running)
}

// Two daemons that watch the same store hand one digest over, with what was found and done.
func TestADigestArrives(t *testing.T) {
	t.Parallel()
	for name, open := range engines(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			hook := notifytest.NewWebhook(t)
			transport := &http.Transport{}
			t.Cleanup(transport.CloseIdleConnections)
			text := fmt.Sprintf(`receivers: [{name: team, webhook: {url: "%s"}}, {name: quiet, webhook: {url: "https://h/x"}}]
route: {receiver: quiet}
digests: [{receiver: team, schedule: "0 8 * * 1", zone: Europe/Berlin}]`, hook.URL())
			again := open(t)
			clock := newClock()
			clock.pass(at(t, "2026-06-15T05:00:00Z").Sub(clock.now()))
			w := newWorld(t, again(), text)
			w.clock = clock
			w.happen(store.Run{ID: "good", Name: "<good>", State: store.StateCompleted}, "")
			w.happen(store.Run{ID: "bad"}, store.MessageFiring, finding("bad", detectors.KindPlateau, warning))
			from, to := contract.Number(0.1), contract.Number(0.01)
			require.NoError(t, w.st.Ingest(ctx, func(tx store.Tx) error {
				runs, err := tx.LockRuns(ctx, []store.RunKey{{Project: "vision", ID: "bad"}})
				if err != nil {
					return err
				}
				pk := runs[0].Run.PK
				return tx.Write(ctx, store.Changes{
					Attempts: []store.Attempt{{RunPK: pk, ID: attempt, StartedAt: clock.now(), NextSeq: 1, State: store.StateRunning}},
					Commands: []store.Command{{
						Command: contract.Command{
							ID: "01957f2a-0000-7000-8000-0000000000cc", Attempt: attempt, Kind: contract.KindReduceLR, Expected: &from, Wanted: &to,
							CausedBy: 5, IssuedBy: "policy", IssuedAt: clock.now(),
						},
						RunPK: pk, State: store.CommandApplied, DecidedEpoch: 5, AppliedEpoch: new(6), Effect: store.EffectHelped,
					}},
				})
			}))
			clock.pass(2 * time.Hour) // 09:00: it was missed

			var all sync.WaitGroup
			watching, stop := context.WithCancel(ctx)
			var watches, ends []func(context.Context) error
			for range 2 {
				st := again()
				n, err := notify.New(*parse(t, text), notify.Options{Now: clock.now, HTTPClient: &http.Client{Transport: transport}, Base: "https://watch.example.org/runs/"})
				require.NoError(t, err)
				require.True(t, n.HasDigests())
				end, err := st.Work(ctx, map[string]store.JobFunc{store.JobSendMessage: n.Handler(st)}, nil)
				require.NoError(t, err)
				ends = append(ends, end)
				watches = append(watches, func(ctx context.Context) error { return n.WatchDigests(ctx, st) })
			}
			// Only now: on SQLite, who begins to work takes what others work on for left by the dead.
			for _, watch := range watches {
				all.Go(func() {
					if err := watch(watching); err != nil {
						t.Errorf("watching: %v", err)
					}
				})
			}
			_, err := hook.Wait(ctx, 1)
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				got := digests(t, w.st)
				return len(got) == 1 && got[0].State == store.MessageSent
			}, patience, 20*time.Millisecond)
			stop()
			all.Wait()
			for _, end := range ends {
				require.NoError(t, end(ctx))
			}
			calls := hook.Calls()
			require.Len(t, calls, 1)
			var got struct {
				Type string
				Data struct {
					Text, Link string
					Digest     struct {
						Ended, Running []struct {
							Run      struct{ ID string }
							Findings []struct{ Kind string }
							Commands []struct{ Effect string }
						}
					}
				}
			}
			require.NoError(t, json.Unmarshal(calls[0].Body, &got))
			require.Equal(t, "digest", got.Type)
			require.Empty(t, got.Data.Link)
			require.Contains(t, got.Data.Text, "1 change of the learning rate: 1 helped, 0 made it worse.")
			require.Contains(t, got.Data.Text, "healthy")
			require.Contains(t, got.Data.Text, "CEST")
			require.Equal(t, "good", got.Data.Digest.Ended[0].Run.ID)
			require.Equal(t, "bad", got.Data.Digest.Running[0].Run.ID)
			require.Equal(t, "plateau", got.Data.Digest.Running[0].Findings[0].Kind)
			require.Equal(t, "helped", got.Data.Digest.Running[0].Commands[0].Effect)
		})
	}
}
