package main

import (
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/ingest/history"
)

// openInput opens a file, or standard input, with its size where that is known.
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), 0, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	s, err := f.Stat()
	switch {
	case err != nil:
	case s.Mode().IsRegular():
		return f, s.Size(), nil
	default:
		return f, 0, nil
	}
	return nil, 0, errors.Join(err, f.Close())
}

// readLog reads a training log, or a folder that TensorBoard's callback has written, and
// shows on a terminal how far it is.
func readLog(cmd *cobra.Command, name string) (history.Log, error) {
	if s, err := os.Stat(name); name != "-" && err == nil && s.IsDir() {
		return history.ReadFolder(os.DirFS(name), name)
	}
	in, size, err := openInput(cmd, name)
	if err != nil {
		return history.Log{}, err
	}
	defer in.Close()
	p := newReading(in, cmd.ErrOrStderr(), name, size)
	log, err := history.Read(p, called(name))
	p.done()
	log.Source = name
	return log, err
}
