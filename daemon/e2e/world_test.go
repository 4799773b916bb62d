package e2e_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience bounds every wait: a machine with other work on it is slow, not broken.
const patience = 60 * time.Second

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "epochwatch-e2e")
	if err == nil {
		binary, err = build(dir)
	}
	code := 1
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else {
		code = m.Run()
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// build builds the daemon with the tags given.
func build(dir string, tags ...string) (string, error) {
	out := filepath.Join(dir, "epochwatch")
	args := []string{"build", "-o", out}
	for _, tag := range tags {
		args = append(args, "-tags", tag)
	}
	b, err := exec.Command("go", append(args, "../epochwatch")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, b)
	}
	return out, nil
}

// python returns a Python that can train, or skips; EPOCHWATCH_PYTHON makes it an error.
func python(t *testing.T) string {
	t.Helper()
	named := os.Getenv("EPOCHWATCH_PYTHON")
	p := named
	if p == "" {
		p, _ = filepath.Abs("../../.venv/bin/python")
	}
	out, err := exec.CommandContext(t.Context(), p, "-c", "import importlib.util as u, sys; sys.exit(not all(map(u.find_spec, ('epochwatch', 'keras', 'jax'))))").CombinedOutput()
	if err != nil && named != "" {
		require.NoError(t, err, "EPOCHWATCH_PYTHON=%s has no epochwatch, keras or jax: %s", p, out)
	}
	if err != nil {
		t.Skipf("SKIPPED: no Python with epochwatch, keras and jax at %s; run `make test`", p)
	}
	return p
}

// kills returns how often each part is killed.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("EPOCHWATCH_KILLS")); err == nil {
		return n
	}
	return 5
}

// moments is the seeded source of random moments.
func moments(t *testing.T) *rand.Rand {
	t.Helper()
	seed, err := strconv.ParseUint(os.Getenv("EPOCHWATCH_SEED"), 10, 64)
	if err != nil {
		seed = 1
	}
	t.Logf("EPOCHWATCH_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 2))
}

// process is a child whose death can be waited for.
type process struct {
	*exec.Cmd
	gone chan struct{}
	err  error
}

func start(t *testing.T, cmd *exec.Cmd) *process {
	t.Helper()
	require.NoError(t, cmd.Start())
	p := &process{Cmd: cmd, gone: make(chan struct{})}
	go func() { p.err = cmd.Wait(); close(p.gone) }()
	t.Cleanup(p.kill)
	return p
}

// kill sends SIGKILL and waits.
func (p *process) kill() {
	_ = p.Process.Kill() // it may be gone
	<-p.gone
}

// daemon is the real program on a data folder.
type daemon struct {
	*process
	dir  string
	args []string
	log  *tail
}

func startDaemon(t *testing.T, bin, dir string, args ...string) *daemon {
	t.Helper()
	d := &daemon{dir: dir, args: args, log: &tail{}}
	cmd := exec.Command(bin, append([]string{"up", "--data", dir}, args...)...)
	cmd.Stderr, cmd.Stdout = d.log, d.log
	// A file left by a killed daemon would be taken for this one's.
	_ = os.Remove(filepath.Join(dir, "endpoint.json"))
	d.process = start(t, cmd)
	d.ready(t)
	return d
}

func (d *daemon) ready(t *testing.T) {
	t.Helper()
	until(t, "the daemon is ready", func() bool {
		select {
		case <-d.gone:
			t.Fatalf("the daemon ended: %v\n%s", d.err, d.log)
		default:
		}
		_, err := os.Stat(filepath.Join(d.dir, "endpoint.json"))
		return err == nil
	})
}

// stop ends the daemon cleanly.
func (d *daemon) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, d.Process.Signal(syscall.SIGTERM))
	select {
	case <-d.gone:
		require.NoError(t, d.err, d.log.String())
	case <-time.After(patience):
		t.Fatalf("the daemon did not stop\n%s", d.log)
	}
}

// until polls what happens in another process, where there is no signal to wait for.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	within(t, patience, what, ok)
}

// within is until with a patience of its own.
func within(t *testing.T, patience time.Duration, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !ok() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatalf("waited %s in vain: %s", patience, what)
		}
	}
}

// tail keeps what a process writes.
type tail struct {
	mu sync.Mutex
	b  []byte
}

func (l *tail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.b = append(l.b, p...)
	return len(p), nil
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.b[max(0, len(l.b)-8000):])
}

// printed is one line of the training's own record.
type printed struct {
	Started int      `json:"started"`
	Done    bool     `json:"done"`
	Epoch   *int     `json:"epoch"`
	Loss    *float64 `json:"loss"`
	Rate    float64  `json:"rate"`
}

// training is a real fit in a process of its own.
type training struct {
	*process
	lines chan printed
	errs  *tail
}

func startTraining(t *testing.T, py, dir string, env []string, args ...string) *training {
	t.Helper()
	cmd := exec.Command(py, append([]string{filepath.Join("testdata", "train.py")}, args...)...)
	cmd.Env = append(os.Environ(), "KERAS_BACKEND=jax", "EPOCHWATCH_DATA="+dir, "EPOCHWATCH_URL=", "EPOCHWATCH_TOKEN=")
	cmd.Env = append(cmd.Env, env...)
	tr := &training{lines: make(chan printed, 10000), errs: &tail{}}
	cmd.Stderr = tr.errs
	r, w := io.Pipe()
	cmd.Stdout = w
	go func() {
		defer close(tr.lines)
		s := bufio.NewScanner(r)
		for s.Scan() {
			var p printed
			if json.Unmarshal(s.Bytes(), &p) == nil {
				tr.lines <- p
			}
		}
	}()
	tr.process = start(t, cmd)
	go func() { <-tr.gone; _ = w.Close() }()
	return tr
}

// next returns the next line of the record, and false when the training is over.
func (tr *training) next(t *testing.T) (printed, bool) {
	t.Helper()
	select {
	case p, ok := <-tr.lines:
		return p, ok
	case <-time.After(patience):
		t.Fatalf("the training says nothing\n%s", tr.errs)
	}
	return printed{}, false
}

// thorough reports whether more is asked for than each run of the tests can spend.
func thorough() bool { return kills() > 5 }
