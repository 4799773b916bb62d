package ingest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"

	"github.com/epochwatch/epochwatch/sql/store"
)

// fault says whose fault a failed transaction is.
type fault int

const (
	// faultUnknown is one that says nothing of itself.
	faultUnknown fault = iota
	// faultStore is the database's: away, full, busy. Trying again will help.
	faultStore
	// faultEvent is that of what was to be stored: it will fail for ever.
	faultEvent
)

// panicError is a panic in a transaction, caught.
type panicError struct {
	value any
	stack []byte
}

func (e *panicError) Error() string { return fmt.Sprintf("panic: %v", e.value) }

// recovered turns a panic into an error; it is to be deferred.
func recovered(err *error) {
	if v := recover(); v != nil {
		*err = &panicError{v, debug.Stack()}
	}
}

// SQLite's primary result codes that speak of the data: TOOBIG, CONSTRAINT, MISMATCH, RANGE.
var sqliteData = map[int]bool{18: true, 19: true, 20: true, 25: true}

// faultOf tells whose fault an error is: a store says so with a *store.PermanentError.
// Where it hands on its driver's error, that is asked by the methods that such errors
// have, so that no driver is imported here.
func faultOf(err error) fault {
	if _, ok := errors.AsType[*panicError](err); ok {
		return faultEvent
	}
	if _, ok := errors.AsType[*store.PermanentError](err); ok {
		return faultEvent
	}
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) {
		// Cardinality, data exception, integrity, program limit exceeded.
		for _, class := range []string{"21", "22", "23", "54"} {
			if strings.HasPrefix(pg.SQLState(), class) {
				return faultEvent
			}
		}
		return faultStore
	}
	var lite interface{ Code() int }
	if errors.As(err, &lite) {
		if sqliteData[lite.Code()&0xff] {
			return faultEvent
		}
		return faultStore
	}
	var wire net.Error
	if errors.As(err, &wire) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
		return faultStore
	}
	return faultUnknown
}
