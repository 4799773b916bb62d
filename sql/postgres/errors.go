package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/epochwatch/epochwatch/sql/store"
)

// errConflict says that the transaction ran into another one and may be run again.
var errConflict = errors.New("another transaction was in the way")

// plain returns err without its driver's type, so that nobody outside can come to depend
// on it. What the rows themselves are to blame for is a *store.PermanentError: ingest sets
// such an event aside and goes on. A context's error stays what it is.
func plain(err error) error {
	if err == nil {
		return nil
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded, errConflict, pgx.ErrTxClosed} {
		if errors.Is(err, known) {
			return fmt.Errorf("%w (%s)", known, err.Error())
		}
	}
	if own, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch own.Code {
		case "40001", "40P01": // serialization failure, deadlock
			return fmt.Errorf("%w: %s", errConflict, own.Message)
		}
		switch own.Code[:min(2, len(own.Code))] {
		case "21", "22", "23", "54": // cardinality, data, integrity, a limit of the program
			return &store.PermanentError{Err: errors.New(err.Error())}
		}
	}
	return errors.New(err.Error())
}
