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
		"\x1b[31mred\u202e\a":          "[31mred",
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

func TestPrintable(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a  b · ▇ é":                              "a  b · ▇ é",
		"\x1b]0;title\a\x1b[2J":                   " ]0;title  [2J",
		"a\r\nb\u2028c\u0085d\u009be":             "a  b c d e",
		"\u202eabc\u2066\u200f\u061c\ufeff\u200b": "abc",
		"می\u200cخواهم":                           "می\u200cخواهم",
		"\xff\x9b":                                "\ufffd\ufffd",
	} {
		require.Equal(t, want, oneline.Printable(in), "%q", in)
	}
}
