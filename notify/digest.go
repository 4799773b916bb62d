package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/cronspec"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

const (
	// digestEvery is how often it is looked whether a digest is due, at the latest: a
	// machine that slept, or whose clock was put right, is not to wait for longer.
	digestEvery = 30 * time.Second
	// digestsBack is how many due times are gone back to find the digest before.
	digestsBack = 10
)

// digest is one digest of the config.
type digest struct {
	receiver, project string
	text, zone        string // of the schedule, as the config has them
	clock             cronspec.Clock
}

func digestsOf(c *Config) ([]digest, error) {
	var out []digest
	for i, d := range c.Digests {
		zone := c.zone(d.Zone)
		clock, err := cronspec.ParseClock(d.Schedule, zone)
		if err != nil {
			return nil, fmt.Errorf("digests[%d].schedule: %w", i, err)
		}
		out = append(out, digest{receiver: d.Receiver, project: d.Project, text: strings.TrimSpace(d.Schedule), zone: zone, clock: clock})
	}
	return out, nil
}

// id returns the id of the message of a due time: the same in each daemon. The schedule is
// in it because a receiver may have a daily and a weekly one that fall on the same hour.
func (d *digest) id(channel string, due time.Time) string {
	return idOf(string(store.MessageDigest), d.receiver, channel, d.project, d.text, d.zone, due.UTC().Format(time.RFC3339))
}

func (d *digest) name() string {
	if d.project == "" {
		return "digest"
	}
	return "digest of " + d.project
}

// digestBody is what the message of a digest holds: which runs it tells of, and how they
// stood when it was made.
type digestBody struct {
	Name    string      `json:"name"`
	From    time.Time   `json:"from"`
	To      time.Time   `json:"to"`
	Zone    string      `json:"zone"`
	Ended   []digestRun `json:"ended"`
	Running []digestRun `json:"running"`
	// Together is set where it is about ends that came at once.
	Together bool `json:"together,omitempty"`
	// Before are runs whose end an earlier digest has told and that were heard of since.
	Before []digestRun `json:"before,omitempty"`
}

// digestRun is one run in the body of a digest.
type digestRun struct {
	Project  string      `json:"project"`
	ID       string      `json:"id"`
	Attempts int         `json:"attempts"`
	State    store.State `json:"state"`
	Epochs   int         `json:"epochs"`
}

// in reports whether the same attempt of the same run is in a list.
func (r digestRun) in(list []digestRun) bool {
	return slices.ContainsFunc(list, func(o digestRun) bool {
		return o.Project == r.Project && o.ID == r.ID && o.Attempts == r.Attempts
	})
}

// DigestStore is what is needed of a store.Store to make digests.
type DigestStore interface {
	Ingest(ctx context.Context, fn func(store.Tx) error) error
	FindMessage(ctx context.Context, id string) (store.MessageDetail, error)
	ListRuns(ctx context.Context, f store.RunFilter) ([]store.Run, error)
	ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error)
}

// HasDigests reports whether the config has any.
func (n *Notifier) HasDigests() bool { return len(n.digests) > 0 }

// WatchDigests queues digests when they are due, until ctx ends. Several daemons may do so
// on the same store. One that was due while no daemon was up is told at once, unless the
// next one has been due since.
func (n *Notifier) WatchDigests(ctx context.Context, st DigestStore) error {
	up := n.o.Now()
	for {
		next, err := n.LookDigests(ctx, st, up)
		wait := digestEvery
		if err != nil && ctx.Err() == nil {
			n.o.Log.WarnContext(ctx, "a digest is late", slog.Any("error", err))
		}
		if !next.IsZero() {
			wait = min(max(next.Sub(n.o.Now()), time.Millisecond), digestEvery)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// LookDigests queues the last digest of each schedule that is not queued yet, and returns
// when the next one is due; zero: none. up is since when the daemon has been up: a digest
// due before that is left out where the store has no run from before it.
func (n *Notifier) LookDigests(ctx context.Context, st DigestStore, up time.Time) (time.Time, error) {
	var next time.Time
	var errs []error
	for i := range n.digests {
		d := &n.digests[i]
		now := n.o.Now()
		if due := d.clock.Last(now); !due.IsZero() {
			if err := n.lookDigest(ctx, st, d, due, up); err != nil {
				errs = append(errs, fmt.Errorf("digest for %s, due %s: %w", d.receiver, due.Format(time.RFC3339), err))
			}
		}
		if at := d.clock.Next(now); !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, errors.Join(errs...)
}

func (n *Notifier) lookDigest(ctx context.Context, st DigestStore, d *digest, due, up time.Time) error {
	if len(n.channelsOf(d.receiver)) == 0 {
		return nil
	}
	_, queued, err := n.findDigest(ctx, st, d, due)
	if err != nil || queued {
		return err
	}
	runs, err := st.ListRuns(ctx, store.RunFilter{Project: d.project})
	if err != nil {
		return err
	}
	missed := due.Before(up)
	if missed && !slices.ContainsFunc(runs, func(r store.Run) bool { return r.StartedAt.Before(due) }) {
		return nil
	}
	body, err := n.digestBody(ctx, st, d, due, runs)
	if err != nil {
		return err
	}
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	var messages []store.Message
	for _, channel := range n.channelsOf(d.receiver) {
		messages = append(messages, store.Message{
			ID: d.id(channel, due), Receiver: d.receiver, Channel: channel, Event: store.MessageDigest,
			State: store.MessageQueued, CreatedAt: body.To, Body: string(text),
		})
	}
	return st.Ingest(ctx, func(tx store.Tx) error { return tx.Write(ctx, store.Changes{Messages: messages}) })
}

// findDigest returns the digest of a due time, by whatever channel.
func (n *Notifier) findDigest(ctx context.Context, st DigestStore, d *digest, due time.Time) (digestBody, bool, error) {
	for _, channel := range n.channelsOf(d.receiver) {
		m, err := st.FindMessage(ctx, d.id(channel, due))
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return digestBody{}, false, err
		}
		b, err := readDigest(m.Message)
		return b, true, err
	}
	return digestBody{}, false, nil
}

func readDigest(m store.Message) (digestBody, error) {
	var b digestBody
	if err := json.Unmarshal([]byte(m.Body), &b); err != nil {
		return b, fmt.Errorf("what digest %s covers cannot be read: %w", m.ID, err)
	}
	return b, nil
}

// digestBody says what is to be told: what was heard of since the digest before. A run that
// ended and was in that one is not told again; one that ended just before it, and was heard
// of too late, is told now.
func (n *Notifier) digestBody(ctx context.Context, st DigestStore, d *digest, due time.Time, runs []store.Run) (digestBody, error) {
	b := digestBody{Name: d.name(), To: n.o.Now().UTC().Truncate(time.Microsecond), Zone: d.zone, Ended: []digestRun{}, Running: []digestRun{}}
	b.From = d.clock.Last(due.Add(-time.Nanosecond))
	if b.From.IsZero() {
		b.From = due
	}
	since := b.From
	var told, trained []digestRun
	for at, i := b.From, 0; i < digestsBack && !at.IsZero(); at, i = d.clock.Last(at.Add(-time.Nanosecond)), i+1 {
		before, found, err := n.findDigest(ctx, st, d, at)
		if err != nil {
			return b, err
		}
		if found {
			b.From, since = before.To, before.From
			told, trained = slices.Concat(before.Ended, before.Before), before.Running
			break
		}
	}
	for _, run := range runs {
		r := digestRun{Project: run.Project, ID: run.ID, Attempts: run.Attempts, State: run.State}
		if run.State != store.StateRunning && !r.in(trained) && !run.LastSignAt.After(since) {
			continue
		}
		if run.State != store.StateRunning && r.in(told) {
			b.Before = append(b.Before, r)
			continue
		}
		epochs, err := st.ListEpochs(ctx, run.PK)
		if err != nil {
			return b, err
		}
		r.Epochs = len(store.Curve(epochs))
		if run.State == store.StateRunning {
			b.Running = append(b.Running, r)
		} else {
			b.Ended = append(b.Ended, r)
		}
	}
	return b, nil
}

// digest gathers what a digest tells: the runs that its body names, with what was found and
// done.
func (t *try) digest(ctx context.Context) (*notice.Digest, error) {
	b, err := readDigest(t.d.Message)
	if err != nil {
		return nil, &store.PermanentError{Err: err}
	}
	zone, err := cronspec.Zone(b.Zone)
	if err != nil {
		zone = time.UTC
	}
	d := &notice.Digest{Name: b.Name, From: b.From, To: b.To, Zone: zone, Together: b.Together}
	if d.Ended, err = t.digestRuns(ctx, b.Ended); err != nil {
		return nil, err
	}
	d.Running, err = t.digestRuns(ctx, b.Running)
	return d, err
}

func (t *try) digestRuns(ctx context.Context, refs []digestRun) ([]notice.DigestRun, error) {
	var out []notice.DigestRun
	for _, ref := range refs {
		run, err := t.st.FindRun(ctx, ref.Project, ref.ID)
		if errors.Is(err, store.ErrNotFound) {
			continue // removed since
		}
		if err != nil {
			return nil, err
		}
		findings, err := t.st.ListFindings(ctx, run.PK)
		if err != nil {
			return nil, err
		}
		commands, err := t.st.ListCommands(ctx, run.PK)
		if err != nil {
			return nil, err
		}
		// As it stood when the digest was made: it may have ended, or begun again, since.
		run.State, run.Attempts = ref.State, ref.Attempts
		findings = slices.DeleteFunc(findings, func(f store.Finding) bool { return f.Severity.Rank() < detectors.SeverityWarning.Rank() })
		slices.SortStableFunc(findings, compareFindings)
		out = append(out, notice.DigestRun{Run: run, Findings: findings, Commands: commands, Epochs: ref.Epochs})
	}
	return out, nil
}
