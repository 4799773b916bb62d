package spool_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/ingest/spool"
)

// Whatever is in a spool and its marker: what is published are whole lines of the file, and
// the file goes away only when it was read to its end.
func FuzzSweep(f *testing.F) {
	const head = `{"spool":1,"project":"p","run":"r","attempt":"a","url":null}` + "\n"
	f.Add([]byte(head+event(1)+"\n"+event(2)+"\n"), []byte("1"))
	f.Add([]byte(head+event(1)+"\nrubbish\n"+event(2)+"\n"+`{"seq":`), []byte("x"))
	f.Add([]byte(head+`{"seq":9223372036854775807}`+"\n"+`{"seq":-1}`+"\n\n"), []byte("-3"))
	f.Add([]byte(head+strings.Repeat("y", 300<<10)+"\n"+event(7)), []byte(""))
	f.Add([]byte(head[:20]), []byte("0"))
	f.Add([]byte("null\n"), []byte("99999999999999999999"))
	f.Add([]byte(head+`{"seq":1e3}`+"\n"+`{"seq":"1"}`+"\n[]\n"), []byte(" 7 \n"))
	f.Fuzz(func(t *testing.T, text, acked []byte) {
		dir, b := t.TempDir(), newBroker()
		path := filepath.Join(dir, "p.r.a.jsonl")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "p.r.a.acked"), acked, 0o600))
		r, err := spool.Sweep(t.Context(), dir, spool.Target{Daemon: true}, b.publish, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		require.Len(t, r.Files, 1)
		lines := map[string]bool{}
		if whole := bytes.LastIndexByte(text, '\n'); whole >= 0 {
			for line := range bytes.SplitSeq(text[:whole], []byte("\n")) {
				lines[string(line)] = true
			}
		}
		for id, got := range b.got {
			_, line, _ := strings.Cut(got, " ")
			require.True(t, lines[line], "%s is no line of the file", id)
		}
		_, err = os.Stat(path)
		gone := os.IsNotExist(err)
		switch one := r.Files[0]; {
		case one.Reason == "":
			require.True(t, gone)
			require.Zero(t, one.Unread)
		case one.Unread > 0 && gone:
			require.FileExists(t, filepath.Join(dir, "p.r.a.unread"))
		default:
			require.False(t, gone, "%s, and yet it is gone", one.Reason)
		}
	})
}
