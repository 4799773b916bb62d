//go:build unix

package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// TryExclusive takes the exclusive lock on f without waiting. It is held until Unlock or
// until every copy of the file descriptor is closed. The error is ErrLocked when somebody
// else holds it.
func TryExclusive(f *os.File) error { return flock(f, unix.LOCK_EX|unix.LOCK_NB) }

// TryShared takes a shared lock on f without waiting: it goes together with other shared
// locks and with no exclusive one.
func TryShared(f *os.File) error { return flock(f, unix.LOCK_SH|unix.LOCK_NB) }

// Unlock gives the lock back.
func Unlock(f *os.File) error { return flock(f, unix.LOCK_UN) }

func flock(f *os.File, how int) error {
	for {
		err := unix.Flock(int(f.Fd()), how)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EWOULDBLOCK):
			return ErrLocked
		default:
			return fmt.Errorf("locking %s: %w", f.Name(), err)
		}
	}
}
