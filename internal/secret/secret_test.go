package secret_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/secret"
)

func TestASecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	v := struct{ Token secret.Value }{"hunter2"}
	b, err := json.Marshal(v)
	require.NoError(t, err)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "token", v.Token, "all", v)
	for _, text := range []string{fmt.Sprint(v), fmt.Sprintf("%+v", v), fmt.Sprintf("%#v", v), fmt.Sprintf("%s %q", v.Token, v.Token), string(b), log.String()} {
		require.NotContains(t, text, "hunter2")
		require.Contains(t, text, "secret")
	}
	require.Equal(t, "hunter2", v.Token.Reveal())
	require.Empty(t, secret.Value("").String())
}
