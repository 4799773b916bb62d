package store

import (
	"context"
	"errors"
	"time"
)

// The errors a store returns, besides those of the connection.
var (
	// ErrNotFound is returned by the Find methods when there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrAmbiguous is returned by FindRun when the id stands in several projects
	// and none was named.
	ErrAmbiguous = errors.New("the id stands in several projects")
	// ErrNewerSchema is returned on opening a database that a newer version of the
	// program has migrated.
	ErrNewerSchema = errors.New("the database has a newer schema than this program knows")
)

// Store is everything the program keeps. It is safe for concurrent use. Both
// implementations pass the suite in sql/storetest.
type Store interface {
	// Ingest runs fn in one read-write transaction and commits when it returns nil.
	// fn may be run again from the start after a serialization failure, so it must
	// not change anything outside before Ingest returns. Inside fn only the Tx writes:
	// SQLite has one writer, which a second one would wait for in vain.
	Ingest(ctx context.Context, fn func(Tx) error) error

	// FindRun returns one run by its id; project may be empty while the id is
	// unique. It returns ErrNotFound or ErrAmbiguous.
	FindRun(ctx context.Context, project, id string) (Run, error)
	// ListRuns returns runs, newest first.
	ListRuns(ctx context.Context, f RunFilter) ([]Run, error)
	// ListAttempts returns the attempts of a run in order.
	ListAttempts(ctx context.Context, runPK int64) ([]Attempt, error)
	// ListEpochs returns every stored epoch of a run, ordered by attempt and sequence
	// number, replaced ones included; Curve leaves those out.
	ListEpochs(ctx context.Context, runPK int64) ([]Epoch, error)
	// ListFindings, ListCommands and ListMessages return those of a run, oldest first.
	ListFindings(ctx context.Context, runPK int64) ([]Finding, error)
	ListCommands(ctx context.Context, runPK int64) ([]Command, error)
	ListMessages(ctx context.Context, runPK int64) ([]Message, error)
	// ListFiring returns findings that fire, of runs that train, the gravest and then the
	// newest first.
	ListFiring(ctx context.Context, limit int) ([]RunFinding, error)
	// ListQuarantined returns refused messages, newest first.
	ListQuarantined(ctx context.Context, limit int) ([]Quarantined, error)

	// FindMessage returns one message to people, with its run and finding.
	// It returns ErrNotFound.
	FindMessage(ctx context.Context, id string) (MessageDetail, error)
	// FindOrder returns how a message stands to the others of its group.
	FindOrder(ctx context.Context, id string) (Order, error)
	// NextGroup returns when the next group is due; zero: none waits.
	NextGroup(ctx context.Context) (time.Time, error)
	// AddSilence stores a silence; one of the same id is replaced. The groups that it, or
	// the one it replaces, keeps from telling are due at its CreatedAt.
	AddSilence(ctx context.Context, s Silence) error
	// Acknowledge notes that somebody has seen a problem, and returns how many groups it is
	// told in. 0: it is over, or was told to nobody.
	Acknowledge(ctx context.Context, s Seen) (int, error)
	// ListAcknowledgements returns those who have seen the problem that a message speaks of,
	// in the order in which they said so.
	ListAcknowledgements(ctx context.Context, messageID string) ([]Acknowledgement, error)
	// ListSilences returns the silences that end after a time, oldest first.
	ListSilences(ctx context.Context, after time.Time) ([]Silence, error)
	// ListRecentMessages returns the messages of a run, or of all for 0, newest first.
	ListRecentMessages(ctx context.Context, runPK int64, limit int) ([]Message, error)
	// ListEnds returns messages about ends of runs to a channel of a receiver, newest first:
	// those that are queued, and those made since a time.
	ListEnds(ctx context.Context, receiver, channel string, since time.Time, limit int) ([]Message, error)
	// ListDeliveries returns the attempts at a message, oldest first.
	ListDeliveries(ctx context.Context, messageID string) ([]Delivery, error)
	// ListWaiting returns findings that are in a group and were not told, of a run or of
	// all for 0, newest first: those that wait, and those that something keeps back.
	ListWaiting(ctx context.Context, runPK int64, limit int) ([]Waiting, error)
	// RecordDelivery stores one attempt at a message and the state it led to.
	RecordDelivery(ctx context.Context, d Delivery) error

	// Work starts the workers of the job queue and returns when they run; the
	// returned function stops them, waiting for jobs in progress until ctx ends.
	// A job whose worker died is worked again.
	Work(ctx context.Context, handlers map[string]JobFunc, periodic []Periodic) (stop func(ctx context.Context) error, err error)
	// Upkeep removes refused messages received before the time given and lets the
	// engine tidy up.
	Upkeep(ctx context.Context, before time.Time) error

	// Ping returns nil when the database answers and can be written.
	Ping(ctx context.Context) error
	// Engine is "postgres" or "sqlite".
	Engine() string
	Close() error
}

// Tx is one ingest transaction.
type Tx interface {
	// LockRuns creates the runs that are missing, locks all rows, in key order so
	// that two daemons cannot deadlock, and returns them in the order asked for, each
	// with its attempts.
	LockRuns(ctx context.Context, keys []RunKey) ([]RunState, error)
	// ListEpochs, ListFindings, ListCommands, ListFiring: as on Store, inside the transaction.
	ListEpochs(ctx context.Context, runPK int64) ([]Epoch, error)
	ListFindings(ctx context.Context, runPK int64) ([]Finding, error)
	ListCommands(ctx context.Context, runPK int64) ([]Command, error)
	ListFiring(ctx context.Context, limit int) ([]RunFinding, error)
	// ListHeld returns the events that wait for an earlier one, by attempt and
	// sequence number.
	ListHeld(ctx context.Context, runPK int64) ([]Held, error)
	// LockGroups locks groups that are due at a time, the longest waiting first, limit at
	// most, and returns them with their findings. One transaction at a time does so: a
	// second one waits for the first. A group that a run is joining right now is left out.
	LockGroups(ctx context.Context, due time.Time, limit int) ([]GroupState, error)
	// LockGroup locks one group, due or not; its ID is empty when it is not there. Only a
	// transaction that has called LockGroups may call it.
	LockGroup(ctx context.Context, id string) (GroupState, error)
	// CountFirstTold returns how many groups of a receiver told their first message since
	// a time.
	CountFirstTold(ctx context.Context, receiver string, since time.Time) (int, error)
	// HasMessage reports whether a message is stored.
	HasMessage(ctx context.Context, id string) (bool, error)
	// Write stores changes. Writing the same changes twice is harmless. It returns a
	// *PermanentError when the rows themselves are at fault and trying again cannot help.
	Write(ctx context.Context, c Changes) error
}

// Changes is what one ingest transaction stores. Rows that exist already are left as
// they are (epochs, batches, messages, quarantine) or brought up to date (the others, but
// for a finding's OpenedAt). The same holds for two rows of one key in one Changes. What
// belongs to an attempt or speaks of a finding comes with it or after it. Times are kept to
// the microsecond and come back in UTC; Run.Attempts is counted, not stored. Postgres
// holds U+FFFD for zero bytes and invalid UTF-8 in text.
type Changes struct {
	Runs        []Run     // by PK; state, times, revision, facts
	Attempts    []Attempt // by (RunPK, ID)
	Epochs      []Epoch   // by (RunPK, Attempt, Seq)
	Batches     []Batches // by (RunPK, Attempt, Seq)
	Hold        []Held    // by (RunPK, Attempt, Seq)
	Release     []Held    // held events that have been folded, removed
	Findings    []Finding // by (RunPK, Kind, Metric, OnsetEpoch)
	Commands    []Command // by ID; a second one for (RunPK, Attempt, CausedBy, Kind) is dropped
	Joins       []Join    // see there
	News        []News    // see there
	Groups      []Group   // by ID
	Grouped     []Grouped // by (GroupID, FindingID)
	Ungroup     []Grouped // removed
	Messages    []Message // by ID, and but for updates and progress by (FindingID, Receiver, Channel, Event); each new one gets its job
	Deliveries  []Delivery
	Quarantined []Quarantined
}
