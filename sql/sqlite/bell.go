package sqlite

import (
	"context"
	"database/sql"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riversqlite"
)

// jobDriver is River's for SQLite, but for how workers hear of new jobs. River's own way is a
// table that it reads twenty times a second; one daemon has the database to itself, so a
// bell in its memory does, and an idle one sleeps.
type jobDriver struct {
	*riversqlite.Driver
	bell bell
}

func newDriver(db *sql.DB, b bell) *jobDriver {
	return &jobDriver{Driver: riversqlite.New(db), bell: b}
}

// SupportsListener is riverdriver.Driver's.
func (d *jobDriver) SupportsListener() bool { return true }

// SupportsListenNotify is riverdriver.Driver's: nothing is written for listeners.
func (d *jobDriver) SupportsListenNotify() bool { return false }

// GetListener is riverdriver.Driver's.
func (d *jobDriver) GetListener(*riverdriver.GetListenenerParams) riverdriver.Listener { return d.bell }

// bell is rung when jobs have been committed. It is a riverdriver.Listener.
type bell chan struct{}

func newBell() bell { return make(bell, 1) }

func (b bell) ring() {
	select {
	case b <- struct{}{}:
	default: // it rings already
	}
}

// The notification that River's Postgres triggers send, as its workers read it.
var newJobs = riverdriver.Notification{Topic: "river_insert", Payload: `{"queue": "` + river.QueueDefault + `"}`}

// WaitForNotification is riverdriver.Listener's.
func (b bell) WaitForNotification(ctx context.Context) (*riverdriver.Notification, error) {
	select {
	case <-b:
		n := newJobs
		return &n, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Connect is riverdriver.Listener's, as are the rest: there is no connection.
func (b bell) Connect(context.Context) error { return nil }

// Close does nothing.
func (b bell) Close(context.Context) error { return nil }

// Ping does nothing.
func (b bell) Ping(context.Context) error { return nil }

// Listen does nothing.
func (b bell) Listen(context.Context, string) error { return nil }

// Unlisten does nothing.
func (b bell) Unlisten(context.Context, string) error { return nil }

// Schema is empty: SQLite has none.
func (b bell) Schema() string { return "" }

// SetAfterConnectExec does nothing.
func (b bell) SetAfterConnectExec(string) {}
