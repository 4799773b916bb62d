package folder

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/internal/filelock"
)

// The names in a data folder.
const (
	lockName     = "lock"
	tokenName    = "token"
	endpointName = "endpoint.json"
	spoolName    = "spool"
)

// ErrInUse says that another daemon holds the folder.
var ErrInUse = errors.New("data folder is in use")

// InUseError is ErrInUse with who holds the folder.
type InUseError struct {
	Dir string
	PID int // 0 when it could not be read
}

func (e *InUseError) Error() string {
	by := "another epochwatch daemon"
	if e.PID > 0 {
		by = fmt.Sprintf("%s (pid %d)", by, e.PID)
	}
	return fmt.Sprintf("data folder %s is in use by %s: stop it, or name another folder with --data", e.Dir, by)
}

// Is makes errors.Is(err, ErrInUse) true.
func (e *InUseError) Is(target error) bool { return target == ErrInUse }

// Folder is a data folder that this process holds until Close.
type Folder struct {
	dir  string
	lock *os.File
}

// Open creates dir where it is missing, mode 0700, and takes its lock. The error is an
// *InUseError when a daemon holds it, and says what to do when the folder cannot be
// written to.
func Open(dir string) (*Folder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening data folder %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, unwritable(dir, err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, unwritable(dir, err)
	}
	f := &Folder{dir: dir, lock: lock}
	if err := f.take(); err != nil {
		lock.Close()
		return nil, err
	}
	if err := os.MkdirAll(f.SpoolDir(), 0o700); err != nil {
		lock.Close()
		return nil, unwritable(dir, err)
	}
	return f, nil
}

// Who only asks whether a daemon lives holds the lock for an instant. Open waits that
// instant out, so that asking never keeps a daemon from starting.
const (
	lockTries = 10
	lockPause = 20 * time.Millisecond
)

func (f *Folder) take() error {
	for try := 1; ; try++ {
		err := filelock.TryExclusive(f.lock)
		switch {
		case err == nil:
			return f.writePID()
		case !errors.Is(err, filelock.ErrLocked):
			return fmt.Errorf("opening data folder: %w (a folder on a local disk can be locked)", err)
		case try == lockTries:
			return &InUseError{Dir: f.dir, PID: lockPID(f.lock)}
		}
		<-time.After(lockPause)
	}
}

func (f *Folder) writePID() error {
	if err := f.lock.Truncate(0); err != nil {
		return unwritable(f.dir, err)
	}
	if _, err := f.lock.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0); err != nil {
		return unwritable(f.dir, err)
	}
	return nil
}

// lockPID is the pid that the text of the lock names, 0 when it names none.
func lockPID(lock io.ReaderAt) int {
	buf := make([]byte, 32)
	n, _ := lock.ReadAt(buf, 0) // io.EOF: the text is shorter than the buffer
	pid, err := strconv.Atoi(string(bytes.TrimSpace(buf[:n])))
	if err != nil || pid < 0 {
		return 0
	}
	return pid
}

func unwritable(dir string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = fmt.Errorf("%s %s: %w", pe.Op, pe.Path, pe.Err)
	}
	return fmt.Errorf("data folder %s cannot be written to: %w: make it writable, or name another folder with --data", dir, err)
}

// Dir is the folder's absolute path.
func (f *Folder) Dir() string { return f.dir }

// SpoolDir is where training processes of this machine keep what is not acknowledged.
func (f *Folder) SpoolDir() string { return SpoolDir(f.dir) }

// SpoolDir is the spool folder of the data folder dir.
func SpoolDir(dir string) string { return filepath.Join(dir, spoolName) }

// Token returns the folder's token for trainers: 43 characters of [A-Za-z0-9_-], 256 random
// bits, made at the first call ever and kept, so that running callbacks get back in after
// the daemon was restarted.
func (f *Folder) Token() (string, error) {
	path := filepath.Join(f.dir, tokenName)
	b, err := os.ReadFile(path)
	switch {
	case err == nil:
		token := strings.TrimSpace(string(b))
		if token == "" || strings.ContainsAny(token, " \t\r\n") {
			return "", fmt.Errorf("token file %s does not hold one word: remove it to have a new token made", path)
		}
		return token, nil
	case !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("reading the token: %w", err)
	}
	random := make([]byte, 32)
	rand.Read(random) // never fails: it ends the program instead
	token := base64.RawURLEncoding.EncodeToString(random)
	if err := writeWhole(path, []byte(token+"\n")); err != nil {
		return "", fmt.Errorf("making the token: %w", err)
	}
	return token, nil
}

// Close removes endpoint.json and gives the folder back. The lock file stays: removing it
// would let two daemons hold locks on two files of one name.
func (f *Folder) Close() error {
	err := f.RemoveEndpoint()
	if cerr := f.lock.Close(); cerr != nil && !errors.Is(cerr, fs.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("giving back data folder %s: %w", f.dir, cerr))
	}
	return err
}
