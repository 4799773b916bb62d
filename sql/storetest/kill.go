package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

// envVictim names, in a process that WorkUntilKilled runs in, the database to work on.
const envVictim = "EPOCHWATCH_STORETEST_VICTIM"

// WorkUntilKilled is what TestMain of a store's tests calls first: in a process that
// KillAWorker started it takes one job, says so, and holds it until it is killed. It
// returns at once in any other.
func WorkUntilKilled(open func(ctx context.Context, where string) (store.Store, error)) {
	where := os.Getenv(envVictim)
	if where == "" {
		return
	}
	if err := hold(open, where, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(1)
}

func hold(open func(ctx context.Context, where string) (store.Store, error), where string, said io.Writer) error {
	ctx := context.Background()
	s, err := open(ctx, where)
	if err != nil {
		return err
	}
	_, err = s.Work(ctx, map[string]store.JobFunc{store.JobSendMessage: func(_ context.Context, j store.Job) error {
		fmt.Fprintln(said, "working", j.MessageID)
		select {} // until killed
	}}, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin) // until killed, or the test is gone
	return err
}

// KillAWorker queues a message, has a process of its own begin to work it, kills that
// process and returns the message. The job is then left as running.
func KillAWorker(t *testing.T, s store.Store, where string) store.Message {
	t.Helper()
	m := queueMessage(t, s)
	self, err := os.Executable()
	require.NoError(t, err)
	c := exec.CommandContext(waitContext(t), self, "-test.run=^$")
	c.Env = append(os.Environ(), envVictim+"="+where)
	c.Stderr = os.Stderr
	in, err := c.StdinPipe()
	require.NoError(t, err)
	defer in.Close()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "working "+m.ID, strings.TrimSpace(line))
	require.NoError(t, c.Process.Kill())
	require.Error(t, c.Wait())
	return m
}

// RequireWorkedAgain starts workers on s and waits for the job of m, which must come as
// its second attempt.
func RequireWorkedAgain(t *testing.T, s store.Store, m store.Message) {
	t.Helper()
	jobs := make(chan store.Job, 10)
	work(t, s, handler(func(j store.Job) error { jobs <- j; return nil }))
	j := receive(t, jobs, "the job of the worker that was killed")
	require.Equal(t, m.ID, j.MessageID)
	require.Equal(t, 2, j.Attempt)
	last := queueMessage(t, s)
	require.Equal(t, last.ID, receive(t, jobs, "the next job").MessageID)
	require.Empty(t, jobs)
}
