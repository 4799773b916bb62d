package e2e_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/pgtest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// outsideNATS is a NATS server in a process of its own, as a team runs one.
type outsideNATS struct {
	*process
	bin, dir, address string
}

func newOutsideNATS(t *testing.T) *outsideNATS {
	t.Helper()
	n := &outsideNATS{bin: filepath.Join(t.TempDir(), "nats-server"), dir: t.TempDir()}
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", n.bin, "github.com/nats-io/nats-server/v2").CombinedOutput()
	require.NoError(t, err, "%s", out)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	n.address = l.Addr().String()
	require.NoError(t, l.Close())
	n.start(t)
	return n
}

func (n *outsideNATS) start(t *testing.T) {
	t.Helper()
	host, port, err := net.SplitHostPort(n.address)
	require.NoError(t, err)
	n.process = start(t, exec.Command(n.bin, "-js", "-sd", n.dir, "-a", host, "-p", port))
	until(t, "NATS answers", func() bool {
		c, err := net.DialTimeout("tcp", n.address, time.Second)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

func TestNATSIsKilled(t *testing.T) {
	t.Parallel()
	py, n := python(t), kills()
	nats := newOutsideNATS(t)
	url := "nats://" + nats.address
	dir := t.TempDir()
	w, args := hook(t)
	d := startDaemon(t, binary, dir, append(args, "--nats", url)...)
	tr := startTraining(t, py, dir, []string{"EPOCHWATCH_URL=" + url}, "--run", "n", "--rate", "4", "--auto-lr", "--epochs", strconv.Itoa(30+10*n))
	r := trainAndKill(t, tr, n, moments(t), 60*time.Millisecond, func() {
		nats.kill()
		nats.start(t)
	})
	deliverRest(t, dir, url)
	doc := settled(t, binary, dir, "n", r, store.StateCompleted)
	got := received(w)
	require.Empty(t, append(r.wrong(doc, got), notArrived(doc, got)...), "%s", d.log)
	t.Logf("NATS killed %d times: %d epochs, %d findings, %d commands, %d messages", n, len(doc.Epochs), len(doc.Findings), len(doc.Commands), len(got))
	d.stop(t)
}

// deliverRest does what a person does after a bad day: epochwatch sync, until it says that
// nothing is left.
func deliverRest(t *testing.T, dir, url string) {
	t.Helper()
	until(t, "epochwatch sync has delivered everything", func() bool {
		cmd := exec.Command(binary, "sync", "--url", url, "--data", dir)
		cmd.Env = append(os.Environ(), "EPOCHWATCH_TOKEN=")
		return cmd.Run() == nil
	})
}

func TestPostgresIsKilled(t *testing.T) {
	t.Parallel()
	py, n := python(t), kills()
	pg := pgtest.NewServer(t)
	dir := t.TempDir()
	w, args := hook(t)
	d := startDaemon(t, binary, dir, append(args, "--store", pg.URL)...)
	tr := startTraining(t, py, dir, nil, "--run", "g", "--rate", "4", "--auto-lr", "--epochs", strconv.Itoa(30+10*n))
	r := trainAndKill(t, tr, n, moments(t), 60*time.Millisecond, func() {
		pg.Kill()
		pg.Start(t)
	})
	doc := settled(t, binary, dir, "g", r, store.StateCompleted)
	got := received(w)
	require.Empty(t, append(r.wrong(doc, got), notArrived(doc, got)...), "%s", d.log)
	t.Logf("Postgres killed %d times: %d epochs, %d findings, %d commands, %d messages", n, len(doc.Epochs), len(doc.Findings), len(doc.Commands), len(got))
	d.stop(t)
}
