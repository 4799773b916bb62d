//go:build unix

package pgtest

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is a Postgres of one test's own, which the test may kill and start again.
type Server struct {
	// URL is the address of its database; it stays the same.
	URL  string
	bin  string
	dir  string
	attr *syscall.SysProcAttr
	cmd  *exec.Cmd
}

// NewServer starts a server and stops it when the test ends. Like New it skips, or fails,
// where there is no Postgres to start.
func NewServer(t testing.TB) *Server {
	t.Helper()
	bin, err := binaries()
	if err != nil {
		missing(t, err)
	}
	dir, err := os.MkdirTemp("", "pg") //nolint:usetesting // the path of a socket must be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	attr, err := unprivileged(dir)
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}
	s := &Server{URL: u.String(), bin: bin, dir: dir, attr: attr}
	initdb := exec.CommandContext(t.Context(), filepath.Join(bin, "initdb"), "-D", s.data(), "-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v: %s", err, out)
	}
	t.Cleanup(s.Kill)
	s.Start(t)
	return s
}

func (s *Server) data() string { return filepath.Join(s.dir, "data") }

// Start starts the server, again after Kill, and returns when it answers.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		s.cmd = exec.CommandContext(context.WithoutCancel(ctx), filepath.Join(s.bin, "postgres"), "-D", s.data(), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "logging_collector=off")
		s.cmd.Dir, s.cmd.SysProcAttr = s.dir, s.attr
		if err := s.cmd.Start(); err != nil {
			t.Fatal(err)
		}
		gone := make(chan struct{})
		go func(c *exec.Cmd) { _ = c.Wait(); close(gone) }(s.cmd)
		if s.answers(ctx, gone) {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("postgres in %s does not answer", s.dir)
		}
	}
}

// answers waits for the server; false says that it ended, as it does while children of a
// killed one still hold its memory.
func (s *Server) answers(ctx context.Context, gone <-chan struct{}) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if c, err := pgx.Connect(ctx, s.URL); err == nil {
			return c.Close(ctx) == nil
		}
		select {
		case <-tick.C:
		case <-gone:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// Kill ends the server and all its children with SIGKILL.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL) // it may be gone
}
