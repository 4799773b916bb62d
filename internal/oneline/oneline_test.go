package oneline_test

import (
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/oneline"
)

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                             "",
		"a":                            "a",
		"a\nb\r\n\n c":                 "a; b; c",
		"connect:\n\th:1 no\n\th:1 no": "connect: h:1 no",
		"tab\there":                    "tab here",
	} {
		require.Equal(t, want, oneline.Text(in))
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	require.NoError(t, oneline.Error(nil))
	require.Same(t, io.EOF, oneline.Error(io.EOF))
	err := oneline.Error(errors.Join(io.EOF, io.ErrClosedPipe))
	require.EqualError(t, err, "EOF; io: read/write on closed pipe")
	require.ErrorIs(t, err, io.ErrClosedPipe)
}
