// Package filelock holds whole-file advisory locks that end with the process that holds
// them, so that a lock never outlives its owner. On Unix it is flock, which Python's
// fcntl.flock respects; on Windows it is LockFileEx.
package filelock

import "errors"

// ErrLocked says that another open file, of this process or another, holds a lock that
// does not go together with the one asked for.
var ErrLocked = errors.New("locked by another owner")
