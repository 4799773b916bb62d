package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"github.com/epochwatch/epochwatch/sql/store"
)

// errBusy says that another program held the database for longer than we wait.
var errBusy = errors.New("the database is locked by another program")

// plain returns err without its driver's type, so that nobody outside can come to depend
// on it. What the rows themselves are to blame for is a *store.PermanentError: ingest sets
// such an event aside and goes on. Errors of contexts and of database/sql stay what they are.
func plain(err error) error {
	var own *driver.Error
	if !errors.As(err, &own) {
		return err
	}
	switch own.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return errBusy
	case lib.SQLITE_CONSTRAINT, lib.SQLITE_TOOBIG, lib.SQLITE_MISMATCH, lib.SQLITE_RANGE:
		return &store.PermanentError{Err: errors.New(own.Error())}
	}
	return errors.New(own.Error())
}
