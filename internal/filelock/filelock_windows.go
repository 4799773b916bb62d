package filelock

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/windows"
)

// Locks of Windows bind readers too. The one byte that is locked lies far behind the end
// of any file, so that what the file says can be read while it is locked.
const lockedByteHigh = 0x7fffffff

// TryExclusive takes the exclusive lock on f without waiting. It is held until Unlock or
// until the file is closed. The error is ErrLocked when somebody else holds it.
func TryExclusive(f *os.File) error {
	return lock(f, windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY)
}

// TryShared takes a shared lock on f without waiting: it goes together with other shared
// locks and with no exclusive one.
func TryShared(f *os.File) error { return lock(f, windows.LOCKFILE_FAIL_IMMEDIATELY) }

// Unlock gives the lock back.
func Unlock(f *os.File) error {
	err := windows.UnlockFileEx(windows.Handle(f.Fd()), 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedByteHigh})
	if err != nil {
		return fmt.Errorf("unlocking %s: %w", f.Name(), err)
	}
	return nil
}

func lock(f *os.File, how uint32) error {
	err := windows.LockFileEx(windows.Handle(f.Fd()), how, 0, 1, 0, &windows.Overlapped{OffsetHigh: lockedByteHigh})
	switch {
	case err == nil:
		return nil
	case errors.Is(err, windows.ERROR_LOCK_VIOLATION), errors.Is(err, windows.ERROR_IO_PENDING):
		return ErrLocked
	default:
		return fmt.Errorf("locking %s: %w", f.Name(), err)
	}
}
