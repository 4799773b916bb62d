package folder

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/epochwatch/epochwatch/internal/filelock"
	"github.com/epochwatch/epochwatch/internal/secret"
)

// Endpoint says where a daemon can be reached. Printing or logging one hides the token;
// only WriteEndpoint writes it out.
type Endpoint struct {
	NATS  string `json:"nats"` // nats://host:port[,nats://…], without the token
	HTTP  string `json:"http"` // http://host:port
	Token string `json:"token"`
	PID   int    `json:"pid"`
}

// String hides the token.
func (e Endpoint) String() string {
	return fmt.Sprintf("nats %s, http %s, token %s, pid %d", e.NATS, e.HTTP, secret.Value(e.Token), e.PID)
}

// GoString is String: %#v must not show the token either.
func (e Endpoint) GoString() string { return e.String() }

// LogValue hides the token.
func (e Endpoint) LogValue() slog.Value {
	return slog.GroupValue(slog.String("nats", e.NATS), slog.String("http", e.HTTP), slog.Int("pid", e.PID))
}

// WriteEndpoint writes endpoint.json, mode 0600, whole or not at all.
func (f *Folder) WriteEndpoint(e Endpoint) error {
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("writing the endpoint: %w", err)
	}
	if err := writeWhole(filepath.Join(f.dir, endpointName), append(b, '\n')); err != nil {
		return fmt.Errorf("writing the endpoint: %w", err)
	}
	return nil
}

// RemoveEndpoint removes endpoint.json; that there is none is no error.
func (f *Folder) RemoveEndpoint() error {
	if err := os.Remove(filepath.Join(f.dir, endpointName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("removing the endpoint: %w", err)
	}
	return nil
}

// ReadEndpoint reads endpoint.json of the data folder dir, and tells whether a daemon
// holds the folder. Without one the endpoint is what a killed daemon left, or zero. A
// daemon that is not ready yet has none: then the endpoint is zero and live is true.
func ReadEndpoint(dir string) (e Endpoint, live bool, err error) {
	live, err = held(dir)
	if err != nil {
		return Endpoint{}, false, err
	}
	path := filepath.Join(dir, endpointName)
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Endpoint{}, live, nil
	}
	if err != nil {
		return Endpoint{}, live, fmt.Errorf("reading the endpoint: %w", err)
	}
	// The file's text is kept out of the error: it holds the token.
	if json.Unmarshal(b, &e) != nil || e.NATS == "" {
		return Endpoint{}, live, fmt.Errorf("reading the endpoint: %s is not an endpoint file", path)
	}
	return e, live, nil
}

// held tells whether a daemon holds the lock of dir.
func held(dir string) (bool, error) {
	lock, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for a daemon: %w", err)
	}
	defer lock.Close() // gives a lock just taken back
	err = filelock.TryShared(lock)
	if errors.Is(err, filelock.ErrLocked) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for a daemon: %w", err)
	}
	return false, nil
}
