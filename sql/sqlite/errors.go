package sqlite

import (
	"errors"

	driver "modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"
)

// errBusy says that another program held the database for longer than we wait.
var errBusy = errors.New("the database is locked by another program")

// plain returns err without its driver's type, so that nobody outside can come to depend
// on it. Errors of contexts and of database/sql stay what they are.
func plain(err error) error {
	var own *driver.Error
	if !errors.As(err, &own) {
		return err
	}
	switch own.Code() & 0xff {
	case lib.SQLITE_BUSY, lib.SQLITE_LOCKED:
		return errBusy
	}
	return errors.New(own.Error())
}
