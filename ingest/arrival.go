package ingest

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// maxSeq is the highest sequence number that is believed: 2^53, what every JSON reader
// can count to. It keeps the number after it within an int64.
const maxSeq = 1 << 53

// arrival is one message of the stream: an event, or the reason why it is none.
type arrival struct {
	msg       jetstream.Msg
	subject   string // as the bus transformed it
	streamSeq uint64
	published time.Time // when the broker stored it; zero if not known
	more      bool      // the broker has more behind it
	// stale is true when the broker holds more that has waited long: what is
	// read now is the past.
	stale   bool
	event   contract.Event
	refused *contract.RefusedError
}

// read decodes a message. A message that cannot be an event has refused set.
func read(msg jetstream.Msg, now time.Time) *arrival {
	a := &arrival{msg: msg, subject: msg.Subject()}
	if meta, err := msg.Metadata(); err == nil {
		a.streamSeq, a.published = meta.Sequence.Stream, meta.Timestamp
		a.more = meta.NumPending > 0
		a.stale = a.more && now.Sub(meta.Timestamp) > staleAfter
	}
	e, err := contract.DecodeEvent(msg.Data())
	if err == nil {
		err = check(a.subject, e)
	}
	if err != nil {
		a.refuse(contract.ReasonInvalid, err)
		return a
	}
	a.event = e
	return a
}

// refuse marks the message for the quarantine, with the reason that err gives, or r.
func (a *arrival) refuse(r contract.Reason, err error) {
	if !errors.As(err, &a.refused) {
		a.refused = &contract.RefusedError{Reason: r, Detail: err.Error()}
	}
}

func (a *arrival) key() store.RunKey {
	return store.RunKey{Project: a.event.Project, ID: a.event.Run}
}

// check holds that an event came on the subject of its run (who may publish what is the
// broker's business, and it goes by subjects) and that its numbers can be kept.
func check(subject string, e contract.Event) error {
	project, run, ok := parseSubject(subject)
	if !ok {
		return &contract.RefusedError{Reason: contract.ReasonSubject, Detail: "the subject is not one of a run's events"}
	}
	if e.Project != project || e.Run != run {
		return &contract.RefusedError{
			Reason: contract.ReasonSubject,
			Detail: fmt.Sprintf("the event is for %s/%s, the subject for %s/%s", e.Project, e.Run, project, run),
		}
	}
	if e.Seq > maxSeq {
		return &contract.RefusedError{Reason: contract.ReasonInvalid, Detail: fmt.Sprintf("seq %d is above 2^53", e.Seq)}
	}
	if y := e.Time.UTC().Year(); y < 1970 || y >= 2200 {
		return &contract.RefusedError{Reason: contract.ReasonInvalid, Detail: fmt.Sprintf("time %s is not of our age", e.Time)}
	}
	return nil
}

// parseSubject takes project and run from an event's subject, in the form that runs
// publish on or in the one that the bus transforms it to:
// epochwatch.v1.p.<partition>.<project>.<run>.event.
func parseSubject(subject string) (project, run string, ok bool) {
	if rest, found := strings.CutPrefix(subject, "epochwatch.v1.p."); found && strings.Count(rest, ".") == 3 {
		_, rest, _ = strings.Cut(rest, ".")
		subject = "epochwatch.v1." + rest
	}
	project, run, ok = contract.ParseSubject(subject)
	return project, run, ok && strings.HasSuffix(subject, ".event")
}

// quarantined is the row of a refused message.
func (a *arrival) quarantined(now time.Time) store.Quarantined {
	payload := a.msg.Data()
	if len(payload) > contract.MaxMessageBytes {
		payload = payload[:contract.MaxMessageBytes]
	}
	return store.Quarantined{
		ReceivedAt: now, Subject: text(a.subject), MessageID: text(a.msg.Headers().Get(jetstream.MsgIDHeader)),
		StreamSeq: a.streamSeq, Reason: a.refused.Reason, Detail: text(a.refused.Detail),
		Size: len(a.msg.Data()), Payload: payload,
	}
}

// maxText is the longest text about a refused message in bytes.
const maxText = 1000

// text makes s fit for every database: valid UTF-8 without U+0000, of bounded length.
func text(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	if len(s) <= maxText {
		return s
	}
	for cut := maxText; ; cut-- {
		if utf8.RuneStart(s[cut]) {
			return s[:cut]
		}
	}
}
