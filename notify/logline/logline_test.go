package logline_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/logline"
	"github.com/epochwatch/epochwatch/notify/notifytest"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTheBlockOfASpecimen(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"rising_loss", "resolved", "hostile"} {
		var out bytes.Buffer
		_, err := logline.New(logline.Options{Out: &out}).Send(t.Context(), notifytest.Specimens()[name])
		require.NoError(t, err)
		notifytest.Golden(t, *update, name+".txt", out.Bytes())
		require.NotContains(t, out.String(), "\x1b", "text of strangers must not steer a terminal")
	}
}

func TestARecordOfTheLog(t *testing.T) {
	t.Parallel()
	for name, level := range map[string]string{"rising_loss": "WARN", "loss_nan": "ERROR", "resolved": "INFO", "epoch_gap": "INFO"} {
		var out bytes.Buffer
		c := logline.New(logline.Options{Log: slog.New(slog.NewJSONHandler(&out, nil))})
		n := notifytest.Specimens()[name]
		_, err := c.Send(t.Context(), n)
		require.NoError(t, err)
		require.Equal(t, 1, strings.Count(out.String(), "\n"), "one record a notice")
		var record map[string]any
		require.NoError(t, json.Unmarshal(out.Bytes(), &record))
		require.Equal(t, level, record["level"], name)
		require.Equal(t, n.Run.ID, record["run"])
		require.Equal(t, string(n.Finding.Kind), record["kind"])
		require.Contains(t, record["text"], "\nLook     epochwatch runs show r-20260314\n")
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestAPipeThatIsGoneIsAnError(t *testing.T) {
	t.Parallel()
	_, err := logline.New(logline.Options{Out: brokenPipe{}}).Send(t.Context(), notifytest.Specimens()["plateau"])
	notifytest.RequireOutcome(t, err, notifytest.Again)
}
