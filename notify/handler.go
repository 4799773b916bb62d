package notify

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// recordTimeout is how long the record of a try may take once the daemon is stopping: what
// the service has said must not be lost then.
const recordTimeout = 5 * time.Second

// afterFiring is when a resolution comes back while the message before it is on its way;
// longestAway is when a message comes back that has waited for long.
const (
	afterFiring = 2 * time.Second
	longestAway = time.Minute
)

// maxAge is when a message is given up whatever its tries: a service that asks for pauses
// for a day is not going to take it, and nobody wants to read it then. The end of a run may
// have waited for a weekend to be over, so it has its tries alone.
const maxAge = 24 * time.Hour

// Messages is what the handler needs of a store.Store.
type Messages interface {
	FindMessage(ctx context.Context, id string) (store.MessageDetail, error)
	FindOrder(ctx context.Context, id string) (store.Order, error)
	ListMessages(ctx context.Context, runPK int64) ([]store.Message, error)
	RecordDelivery(ctx context.Context, d store.Delivery) error
	// What a digest tells is read when it is sent.
	FindRun(ctx context.Context, project, id string) (store.Run, error)
	ListFindings(ctx context.Context, runPK int64) ([]store.Finding, error)
	ListCommands(ctx context.Context, runPK int64) ([]store.Command, error)
	// The end of a run waits until no silence holds; other messages say which one does.
	ListSilences(ctx context.Context, after time.Time) ([]store.Silence, error)
	// Many ends are one message.
	ListEnds(ctx context.Context, receiver, channel string, since time.Time, limit int) ([]store.Message, error)
	ListEpochs(ctx context.Context, runPK int64) ([]store.Epoch, error)
	Ingest(ctx context.Context, fn func(store.Tx) error) error
}

// Handler returns what works the jobs of kind store.JobSendMessage: one try at one message.
// It returns nil for a message that was sent, now or before.
func (n *Notifier) Handler(st Messages) store.JobFunc {
	return func(ctx context.Context, j store.Job) error {
		d, err := st.FindMessage(ctx, j.MessageID)
		if errors.Is(err, store.ErrNotFound) {
			return &store.PermanentError{Err: fmt.Errorf("message %s: %w", j.MessageID, err)}
		}
		if err != nil {
			return fmt.Errorf("read message %s: %w", j.MessageID, err)
		}
		t := &try{n: n, st: st, job: j, d: d}
		return t.run(ctx)
	}
}

// try is one try at one message.
type try struct {
	n   *Notifier
	st  Messages
	job store.Job
	d   store.MessageDetail
}

func (t *try) run(ctx context.Context) error {
	m := t.d.Message
	switch m.State {
	case store.MessageSent:
		return nil
	case store.MessageDead:
		return &store.PermanentError{Err: fmt.Errorf("given up before: %s", m.LastError)}
	}
	l := t.n.lineOf(m.Receiver, m.Channel)
	if l == nil {
		return t.failed(ctx, &store.PermanentError{Err: fmt.Errorf("the config has no channel %s of receiver %q any more", m.Channel, m.Receiver)})
	}
	order, err := t.st.FindOrder(ctx, m.ID)
	if err != nil {
		return err
	}
	if order.NewerSent && t.late() {
		// It would say what no longer holds.
		return t.record(ctx, store.Delivery{State: store.MessageSent, Error: "left out: a later message of the same problem says all of it"})
	}
	if why := t.outOfOrder(order); why != "" {
		return t.standBack(ctx, why, m.State == store.MessageSending)
	}
	told, err := t.before(ctx)
	if err != nil {
		if _, ok := errors.AsType[*store.NotYetError](err); ok {
			return err
		}
		return t.failed(ctx, err)
	}
	if done, err := t.ended(ctx); done || err != nil {
		return err
	}
	about := t.notice(told)
	if about.Silenced, err = t.silenced(ctx); err != nil {
		return t.failed(ctx, err)
	}
	if m.Event == store.MessageDigest {
		if about.Digest, err = t.digest(ctx); err != nil {
			return t.failed(ctx, err)
		}
		about.Link = ""
	}
	if wait := l.gate.enter(ctx, t.lastTry()); wait > 0 {
		t.n.o.Metrics.count(m.Channel, resultPostponed)
		return t.notYet(wait, m.Channel+" of "+m.Receiver+" is busy or rests")
	}
	return t.send(ctx, l, about)
}

// lastTry reports whether the queue will not call again.
func (t *try) lastTry() bool { return t.job.MaxAttempts > 0 && t.job.Attempt >= t.job.MaxAttempts }

// notYet sends a message back to the queue that was not tried: were that counted as a try, the
// back-off would have a message come minutes after others had their turns. It stays away for
// at least a time, and the longer the older it is, up to a minute; not all come back at once.
func (t *try) notYet(wait time.Duration, why string) error {
	age := t.n.o.Now().Sub(t.d.Message.CreatedAt)
	wait = max(wait, min(age/8, longestAway))
	return &store.NotYetError{After: wait + time.Duration(rand.Int64N(int64(wait/4)+1)), Why: why}
}

// send hands the message over, within a turn of the gate, and records what came of it.
func (t *try) send(ctx context.Context, l *line, about notice.Notice) error {
	m := t.d.Message
	if err := t.record(ctx, store.Delivery{State: store.MessageSending}); err != nil {
		l.gate.giveBack()
		return err
	}
	// Of two that look at the same moment each is on record by now, and sees the other.
	order, err := t.st.FindOrder(ctx, m.ID)
	if why := t.outOfOrder(order); err != nil || why != "" {
		l.gate.giveBack()
		if err != nil {
			return err
		}
		return t.standBack(ctx, why, true)
	}
	bounded, cancel := context.WithTimeout(ctx, l.timeout)
	defer cancel()
	start := t.n.o.Now()
	reference, err := l.to.Send(bounded, about)
	// The channels keep their own secrets out of errors; a service may know those of others.
	err = notice.Scrub(err, t.n.secrets...)
	t.n.o.Metrics.observe(m.Channel, t.n.o.Now().Sub(start))
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		// The daemon stops. The message stays "sending": nobody knows whether it arrived.
		l.gate.giveBack()
		return fmt.Errorf("send message %s: %w", m.ID, err)
	}
	l.gate.leave(ofService(err))
	if err != nil {
		return t.failed(ctx, err)
	}
	if err := t.record(ctx, store.Delivery{State: store.MessageSent, Reference: reference}); err != nil {
		return err
	}
	t.n.o.Metrics.count(m.Channel, resultSent)
	if m.Channel == channelLog {
		return nil // it has just said so itself
	}
	t.n.o.Log.InfoContext(ctx, "message sent", slog.String("message_id", m.ID), slog.String("receiver", m.Receiver),
		slog.String("channel", m.Channel), slog.String("event", string(m.Event)))
	return nil
}

// ofService says of an error whether it is the service that is in trouble, and for how long
// it wants to be left alone. A refusal of this one message says nothing about the next.
func ofService(err error) (failed bool, pause time.Duration) {
	var permanent *store.PermanentError
	var later *store.RetryAfterError
	switch {
	case err == nil, errors.As(err, &permanent):
		return false, 0
	case errors.As(err, &later):
		return true, later.After
	}
	return true, 0
}

// notice gathers what the message speaks of.
func (t *try) notice(told string) notice.Notice {
	m := t.d.Message
	symptoms, others := membersOf(t.d.Run, t.d.Also)
	var news []string
	if m.Event == store.MessageProgress {
		news = newsOf(m.Body)
	}
	return notice.Notice{
		ID: m.ID, Event: m.Event, Receiver: m.Receiver, CreatedAt: m.CreatedAt, Told: told,
		Again: m.State != store.MessageQueued, Repeat: m.Repeated, Symptoms: symptoms, Others: others,
		Run: t.d.Run, Finding: t.d.Finding, Commands: t.d.Commands, Epochs: t.d.Epochs,
		Link: t.n.link(t.d.Run), Acknowledged: t.d.Acknowledged, News: news, Zone: t.n.zone,
	}
}

// silenced says which silence keeps back what is still to come of the finding.
func (t *try) silenced(ctx context.Context) (string, error) {
	if t.d.Finding.ID == "" || t.d.Message.GroupID == "" {
		return "", nil
	}
	silences, err := t.st.ListSilences(ctx, t.n.o.Now())
	h := holder{n: t.n, now: t.n.o.Now(), silences: silences}
	return h.bySilence(subjectOf(store.RunFinding{Run: t.d.Run, Finding: t.d.Finding})).why, err
}

// failed records a try that did not succeed and returns what the queue is to do.
func (t *try) failed(ctx context.Context, err error) error {
	m := t.d.Message
	var permanent *store.PermanentError
	state, result := store.MessageFailed, resultFailed
	if errors.As(err, &permanent) || t.lastTry() || m.Event != store.MessageRunEnded && t.n.o.Now().Sub(m.CreatedAt) > maxAge {
		state, result = store.MessageDead, resultDead
	}
	if err := t.record(ctx, store.Delivery{State: state, Error: err.Error()}); err != nil {
		return err
	}
	t.n.o.Metrics.count(m.Channel, result)
	// The first failure and the last are worth a line; those between say the same.
	if state == store.MessageDead || m.LastError != err.Error() {
		t.n.o.Log.WarnContext(ctx, "message not sent", slog.String("message_id", m.ID), slog.String("receiver", m.Receiver),
			slog.String("channel", m.Channel), slog.String("state", string(state)), slog.Any("error", err))
	}
	if state == store.MessageDead && permanent == nil {
		return &store.PermanentError{Err: err}
	}
	return err
}

// record stores a step of the try, also while the daemon is stopping.
func (t *try) record(ctx context.Context, d store.Delivery) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	d.MessageID, d.At = t.d.Message.ID, t.n.o.Now()
	if err := t.st.RecordDelivery(ctx, d); err != nil {
		return fmt.Errorf("record that message %s is %s: %w", d.MessageID, d.State, err)
	}
	return nil
}
