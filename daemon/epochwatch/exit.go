package main

import (
	"errors"
	"fmt"

	"github.com/epochwatch/epochwatch/internal/oneline"
)

// The exit codes, the same for every command.
const (
	exitOK     = 0
	exitNo     = 1 // it worked, and the answer is no: something is left, wrong, or not there
	exitUsage  = 2 // bad input: a flag, an argument, a config, a file that cannot be read as what it should be
	exitFailed = 3 // it could not be done: a port is taken, the daemon or the database is away
)

// exitError ends the program with a code. With a nil err there is nothing more to say:
// the command has written its answer.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// withCode gives an error its exit code. A nil err with another code than 0 ends the
// program silently.
func withCode(code int, err error) error {
	if err == nil && code == exitOK {
		return nil
	}
	return &exitError{code: code, err: err}
}

func usagef(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// exitOf returns the code for an error and the one line that is said about it, which may
// be empty.
func exitOf(err error, otherwise int) (int, string) {
	if err == nil {
		return exitOK, ""
	}
	var e *exitError
	if !errors.As(err, &e) {
		return otherwise, oneline.Text(err.Error())
	}
	if e.err == nil {
		return e.code, ""
	}
	return e.code, oneline.Text(err.Error())
}
