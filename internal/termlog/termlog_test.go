package termlog_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/termlog"
)

func TestHandlerKeepsTheRulesOfSlog(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	slogtest.Run(t, func(*testing.T) slog.Handler {
		b.Reset()
		return termlog.New(&b, termlog.Options{})
	}, func(t *testing.T) map[string]any { return parse(t, b.String()) })
}

// parse reads one line back: "15:04:05 INFO  msg a=b G.c=d".
func parse(t *testing.T, line string) map[string]any {
	t.Helper()
	out := map[string]any{}
	words := strings.Fields(line)
	if _, err := time.Parse(time.TimeOnly, words[0]); err == nil {
		out[slog.TimeKey] = words[0]
		words = words[1:]
	}
	out[slog.LevelKey] = words[0]
	out[slog.MessageKey] = words[1]
	for _, w := range words[2:] {
		key, value, ok := strings.Cut(w, "=")
		require.True(t, ok, w)
		in := out
		groups := strings.Split(key, ".")
		for _, g := range groups[:len(groups)-1] {
			if in[g] == nil {
				in[g] = map[string]any{}
			}
			in = in[g].(map[string]any)
		}
		in[groups[len(groups)-1]] = value
	}
	return out
}

func TestARecordIsOneLineAndCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	log := slog.New(termlog.New(&b, termlog.Options{}))
	log.Info("a\nb\x1b[2J", "key", "x\ny \x1b[31m", "empty", "", "rate", 0.1+0.2, "took", 1234567*time.Nanosecond)
	require.Equal(t, 1, strings.Count(b.String(), "\n"))
	require.NotContains(t, b.String(), "\x1b")
	require.Contains(t, b.String(), `INFO  a b [2J key="x\ny \x1b[31m" empty="" rate=0.3 took=1.235ms`)
}

func TestLevelAndColour(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	level := new(slog.LevelVar)
	log := slog.New(termlog.New(&b, termlog.Options{Level: level, Colour: true}))
	log.Debug("hidden")
	require.Empty(t, b.String())
	level.Set(slog.LevelDebug)
	log.Debug("seen")
	log.Error("seen too", "n", 1)
	require.Contains(t, b.String(), "\x1b[2mDEBUG\x1b[0m seen")
	require.Contains(t, b.String(), "\x1b[31mERROR\x1b[0m seen too \x1b[2mn=\x1b[0m1")
}
