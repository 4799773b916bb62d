package bus

import (
	"bytes"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestServerLogLevels(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newServerLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	l.Noticef("notice %d", 1)
	l.Warnf("warning %d", 2)
	l.Errorf("error %d", 3)
	l.Debugf("debug %d", 4)
	l.Tracef("trace %d", 5)
	require.NoError(t, l.failed())
	l.Fatalf("fatal %d", 6)
	l.Fatalf("fatal %d", 7)
	require.EqualError(t, l.failed(), "fatal 6")
	for _, want := range []string{`DEBUG msg="nats server" said="notice 1"`, `WARN msg="nats server" said="warning 2"`, `WARN msg="nats server" said="error 3"`, `ERROR msg="nats server" said="fatal 6"`} {
		require.Contains(t, out.String(), want)
	}
	require.NotContains(t, out.String(), "debug 4")
	require.NotContains(t, out.String(), "trace 5")
}

func TestComplaintsThatComeAgainAreLowered(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	l := newServerLog(slog.New(slog.NewTextHandler(&out, nil))) // info and above
	now := time.Now()
	l.now = func() time.Time { return now }
	complain := func(client int) {
		l.Errorf(fmt.Sprintf("127.0.0.1:%d - cid:%d - authentication error - %d", client, client, client))
	}
	shown := func() int { return strings.Count(out.String(), "level=WARN") }
	for client := range 100 {
		complain(client)
	}
	require.Equal(t, 1, shown())
	l.Errorf("something else")
	require.Equal(t, 2, shown())
	now = now.Add(repeatAfter)
	complain(1)
	require.Equal(t, 3, shown())

	for kind := range 3 * maxKinds {
		l.Warnf(strconv.Itoa(kind))
	}
	require.LessOrEqual(t, len(l.last), maxKinds)
}
