package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"epochwatch": main})
}

// patience is how long a script waits for what must happen.
const patience = 20 * time.Second

func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			golden, err := filepath.Abs("../../ingest/contract/v1")
			if err != nil {
				return err
			}
			e.Setenv("GOLDEN", golden)
			e.Setenv("TENSORBOARD", filepath.Join(golden, "..", "..", "history", "testdata", "tensorboard"))
			e.Setenv("HOME", e.WorkDir)
			// Ports that were free a moment ago: the scripts run beside each other.
			for _, name := range []string{"NATS", "HTTP"} {
				address, err := freeAddress()
				if err != nil {
					return err
				}
				e.Setenv(name, address)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "oneline": oneLineOf, "ready": ready, "publish": publish, "until": until, "taken": taken, "gone": gone, "nosecret": noSecret, "terminate": terminate, "spoolfor": spoolFor, "tokenof": tokenOf, "leaky": leaky,
		},
	})
}

func freeAddress() (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// code N COMMAND…: the command ends with exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	want, err := strconv.Atoi(args[0])
	if err != nil || neg {
		ts.Fatalf("usage: code N COMMAND…")
	}
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		e, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = e.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// oneline: stderr of the last command is one line, and stdout is empty.
func oneLineOf(ts *testscript.TestScript, neg bool, _ []string) {
	text := ts.ReadFile("stderr")
	if neg || strings.Count(text, "\n") != 1 || !strings.HasPrefix(text, "epochwatch: ") {
		ts.Fatalf("not one line on stderr: %q", text)
	}
	if out := ts.ReadFile("stdout"); out != "" {
		ts.Fatalf("stdout is not empty: %q", out)
	}
}

// ready DIR: waits until the daemon of the data folder is.
func ready(ts *testscript.TestScript, _ bool, args []string) {
	dir := ts.MkAbs(args[0])
	wait(ts, "a daemon is ready in "+dir, func() bool {
		e, live, err := folder.ReadEndpoint(dir)
		return err == nil && live && e.NATS != ""
	})
}

// gone FILE: waits until the file is not there any more.
func gone(ts *testscript.TestScript, _ bool, args []string) {
	wait(ts, args[0]+" is gone", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return os.IsNotExist(err)
	})
}

// terminate: sends SIGTERM to the command in the background.
func terminate(ts *testscript.TestScript, _ bool, _ []string) {
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(syscall.SIGTERM))
	}
}

// until TEXT COMMAND…: runs the command until its stdout has the text.
func until(ts *testscript.TestScript, _ bool, args []string) {
	wait(ts, fmt.Sprintf("%v says %q", args[1:], args[0]), func() bool {
		_ = ts.Exec(args[1], args[2:]...) // asked again until it succeeds
		return strings.Contains(ts.ReadFile("stdout"), args[0])
	})
}

func wait(ts *testscript.TestScript, what string, ask func() bool) {
	deadline := time.After(patience)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ask() {
		select {
		case <-tick.C:
		case <-deadline:
			ts.Fatalf("not within %s: %s", patience, what)
		}
	}
}

// publish DIR PROJECT RUN FILE…: sends messages to the daemon of the data folder, as a
// callback does.
func publish(ts *testscript.TestScript, _ bool, args []string) {
	e, _, err := folder.ReadEndpoint(ts.MkAbs(args[0]))
	ts.Check(err)
	nc, err := nats.Connect(e.NATS, nats.Token(e.Token))
	ts.Check(err)
	defer nc.Close()
	js, err := jetstream.New(nc)
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, f := range args[3:] {
		_, err = js.Publish(ctx, contract.EventSubject(args[1], args[2]), []byte(ts.ReadFile(f)))
		ts.Check(err)
	}
}

// taken NAME: listens at a port for the rest of the script and puts its address into an
// environment variable.
func taken(ts *testscript.TestScript, _ bool, args []string) {
	var lc net.ListenConfig
	l, err := lc.Listen(context.Background(), "tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = l.Close() })
	ts.Setenv(args[0], l.Addr().String())
}

// nosecret SECRETFILE FILE…: what stands in the first file stands in none of the others.
func noSecret(ts *testscript.TestScript, _ bool, args []string) {
	secret := strings.TrimSpace(ts.ReadFile(args[0]))
	for _, f := range args[1:] {
		if secret == "" || strings.Contains(ts.ReadFile(f), secret) {
			ts.Fatalf("%s holds the secret of %s", f, args[0])
		}
	}
}

// spoolfor URL FROM TO: a copy of a spool that is meant for another address.
func spoolFor(ts *testscript.TestScript, _ bool, args []string) {
	text := strings.Replace(ts.ReadFile(args[1]), "nats://elsewhere:4222", args[0], 1)
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

// tokenof DIR: puts the token of a data folder into EPOCHWATCH_TOKEN.
func tokenOf(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv("EPOCHWATCH_TOKEN", strings.TrimSpace(ts.ReadFile(filepath.Join(args[0], "token"))))
}

func TestEveryCommandStandsOnce(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range commands() {
		require.False(t, seen[c.Name()], c.Name())
		seen[c.Name()] = true
	}
}
