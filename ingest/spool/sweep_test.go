package spool_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/ingest/spool"
	"github.com/epochwatch/epochwatch/internal/filelock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// broker takes events until it is told to fail.
type broker struct {
	mu     sync.Mutex
	got    map[string]string // by message id
	failAt int               // refuse when so many have been taken; -1: never
}

func (b *broker) publish(_ context.Context, subject, id string, data []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failAt >= 0 && len(b.got) >= b.failAt {
		return errors.New("the broker is away")
	}
	b.got[id] = subject + " " + string(data)
	return nil
}

func newBroker() *broker { return &broker{got: map[string]string{}, failAt: -1} }

const attempt = "01970000-0000-7000-8000-000000000001"

func event(seq int) string { return fmt.Sprintf(`{"version":1,"seq":%d}`, seq) }

func write(t *testing.T, dir, url string, lines ...string) string {
	t.Helper()
	path := filepath.Join(dir, "default.r1."+attempt+".jsonl")
	head := fmt.Sprintf(`{"spool":1,"project":"default","run":"r1","attempt":"%s","url":%s,"pid":1}`, attempt, url)
	require.NoError(t, os.WriteFile(path, []byte(head+"\n"+strings.Join(lines, "\n")+"\n"), 0o600))
	return path
}

func sweep(t *testing.T, dir string, b *broker) spool.Report {
	t.Helper()
	r, err := spool.Sweep(t.Context(), dir, spool.Target{URLs: []string{"nats://127.0.0.1:4222"}, Daemon: true}, b.publish, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	return r
}

func events(n int) []string {
	var out []string
	for i := range n {
		out = append(out, event(i+1))
	}
	return out
}

func TestASpoolIsDeliveredAndRemoved(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"null", `"nats://127.0.0.1:4222"`, `"nats://other:1,nats://127.0.0.1:4222/"`} {
		dir, b := t.TempDir(), newBroker()
		write(t, dir, url, events(40)...)
		r := sweep(t, dir, b)
		require.Equal(t, 40, r.Delivered())
		require.Zero(t, r.Left())
		require.Len(t, b.got, 40)
		require.Equal(t, contract.EventSubject("default", "r1")+" "+event(7), b.got[contract.MessageID("r1", attempt, 7)])
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	}
}

func TestWhatIsAcknowledgedIsNotSentAgain(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, "null", events(40)...)
	require.NoError(t, os.WriteFile(strings.TrimSuffix(path, ".jsonl")+".acked", []byte("38"), 0o600))
	require.Equal(t, 2, sweep(t, dir, b).Delivered())
}

func TestABrokerThatGoesAwayLosesNothing(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, "null", events(40)...)
	b.failAt = 20
	r := sweep(t, dir, b)
	require.FileExists(t, path)
	require.Equal(t, 16, r.Delivered())
	require.Equal(t, 24, r.Left())
	require.Contains(t, r.Files[0].Reason, "away")
	b.failAt = -1
	require.Zero(t, sweep(t, dir, b).Left())
	require.Len(t, b.got, 40)
	require.NoFileExists(t, path)
}

func TestTheSpoolOfALivingOwnerIsLeftAlone(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, "null", events(3)...)
	f, err := os.Open(path)
	require.NoError(t, err)
	require.NoError(t, filelock.TryExclusive(f))
	r := sweep(t, dir, b)
	require.Contains(t, r.Files[0].Reason, "alive")
	require.Positive(t, r.Left())
	require.Empty(t, b.got)
	require.NoError(t, f.Close())
	require.Equal(t, 3, sweep(t, dir, b).Delivered())
}

func TestWhatIsMeantForOthersIsLeftWithTheReason(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, `"nats://elsewhere:4222"`, events(3)...)
	r := sweep(t, dir, b)
	require.Contains(t, r.Files[0].Reason, "elsewhere")
	require.FileExists(t, path)
	require.Empty(t, b.got)
}

func TestRubbishIsPassedOver(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, "null", event(1), "rubbish", `{"seq":0}`, strings.Repeat("x", 300<<10), event(2))
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = f.WriteString(`{"version":1,"seq":3`) // cut off by a SIGKILL
	require.NoError(t, err)
	require.NoError(t, f.Close())
	r := sweep(t, dir, b)
	require.Equal(t, 2, r.Delivered())
	require.Equal(t, 3, r.Files[0].Unread)
	require.Len(t, b.got, 2)
	require.Contains(t, r.Files[0].Reason, "kept as default.r1."+attempt+".unread")
	require.Equal(t, 1, r.Left(), "not everything was acknowledged")
	require.NoFileExists(t, path)
	require.FileExists(t, strings.TrimSuffix(path, ".jsonl")+".unread")
	require.Empty(t, sweep(t, dir, b).Files, "it is not looked at again")
}

func TestAnAddressIsTheSameHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for url, delivered := range map[string]int{
		"nats://127.0.0.1:4222": 1, "nats://localhost": 1, "NATS://LOCALHOST:4222/": 1, "127.0.0.1": 1, " nats://a:1 , nats://127.0.0.1:4222": 1,
		"nats://127.0.0.1:4223": 0, "tls://127.0.0.1:4222": 0, "nats://127.0.0.11:4222": 0, "": 0, "nats://%zz": 0,
	} {
		dir, b := t.TempDir(), newBroker()
		write(t, dir, strconv.Quote(url), event(1))
		require.Equal(t, delivered, sweep(t, dir, b).Delivered(), url)
	}
}

func TestWhatNamesNoAddressIsForTheDaemonOfTheFolder(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	write(t, dir, "null", events(3)...)
	r, err := spool.Sweep(t.Context(), dir, spool.Target{URLs: []string{"nats://127.0.0.1:4222"}}, b.publish, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Contains(t, r.Files[0].Reason, "daemon of its data folder")
	require.Equal(t, 1, r.Left())
	require.Empty(t, b.got)
}

// A broker that refuses is not asked again for each spool of the folder.
func TestABrokerThatIsAwayIsAskedOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i := range 5 {
		path := write(t, dir, "null", events(20)...)
		require.NoError(t, os.Rename(path, filepath.Join(dir, fmt.Sprintf("default.x%d.%s.jsonl", i, attempt))))
	}
	var asked atomic.Int32
	r, err := spool.Sweep(t.Context(), dir, spool.Target{Daemon: true}, func(context.Context, string, string, []byte) error {
		asked.Add(1)
		return errors.New("away")
	}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.LessOrEqual(t, asked.Load(), int32(16), "one batch")
	require.Len(t, r.Files, 5)
	require.Equal(t, 100, r.Left())
	for _, f := range r.Files {
		require.Equal(t, "away", f.Reason)
	}
}

// A number that a full disk cost is no hole to lose what follows in, whatever the order.
func TestGapsAndDisorderLoseNothing(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	var lines []string
	for seq := 60; seq > 0; seq-- {
		if seq != 30 {
			lines = append(lines, event(seq))
		}
	}
	path := write(t, dir, "null", lines...)
	b.failAt = 40
	r := sweep(t, dir, b)
	require.Equal(t, 32, r.Delivered())
	require.NoFileExists(t, strings.TrimSuffix(path, ".jsonl")+".acked", "nothing is acknowledged from 1 on")
	b.failAt = -1
	require.Zero(t, sweep(t, dir, b).Left())
	require.Len(t, b.got, 59)
}

// A spool that another one delivers, removes and makes anew between opening and locking is
// not the one that was opened; here: many sweeps at once, each event at least once, no error.
func TestManySweepsAtOnce(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	for i := range 20 {
		path := write(t, dir, "null", events(30)...)
		require.NoError(t, os.Rename(path, filepath.Join(dir, fmt.Sprintf("default.r1.%d.jsonl", i))))
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, err := spool.Sweep(t.Context(), dir, spool.Target{Daemon: true}, b.publish, slog.New(slog.DiscardHandler))
			if err != nil {
				t.Errorf("sweep: %v", err)
			}
			for _, f := range r.Files {
				if f.Reason != "" && !strings.Contains(f.Reason, "alive") {
					t.Errorf("%s: %s", f.Path, f.Reason)
				}
			}
		})
	}
	wg.Wait()
	sweep(t, dir, b) // what one sweep left to another that then had just begun
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestASweepEndsWithItsContext(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	path := write(t, dir, "null", events(40)...)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := spool.Sweep(ctx, dir, spool.Target{Daemon: true}, func(ctx context.Context, _, _ string, _ []byte) error {
		return ctx.Err()
	}, slog.New(slog.DiscardHandler))
	require.ErrorIs(t, err, context.Canceled)
	require.FileExists(t, path)
	require.Equal(t, 40, sweep(t, dir, b).Delivered())
}

func TestFilesThatAreNoSpoolsStay(t *testing.T) {
	t.Parallel()
	dir, b := t.TempDir(), newBroker()
	for name, text := range map[string]string{
		"empty.jsonl": "", "text.jsonl": "hello\n", "newer.jsonl": "{\"spool\":2}\n",
		"name.jsonl": `{"spool":1,"project":"a.b","run":"r","attempt":"x"}` + "\n", "other.txt": "x",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	r := sweep(t, dir, b)
	require.Len(t, r.Files, 4)
	require.False(t, slices.ContainsFunc(r.Files, func(f spool.File) bool { return f.Reason == "" }))
	require.Empty(t, b.got)
	none, err := spool.Sweep(t.Context(), filepath.Join(dir, "nowhere"), spool.Target{}, b.publish, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.Empty(t, none.Files)
}
