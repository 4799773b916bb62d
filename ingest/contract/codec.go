package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
)

// Reason is why a message was refused: a short, stable label for metrics and for
// the quarantine.
type Reason string

// The reasons.
const (
	ReasonTooLarge  Reason = "too_large" // over MaxMessageBytes
	ReasonMalformed Reason = "malformed" // not one JSON object, or cut short
	ReasonVersion   Reason = "version"   // another major version
	ReasonType      Reason = "wrong_type"
	ReasonInvalid   Reason = "invalid" // well-formed, but against the contract
	ReasonSubject   Reason = "subject" // the message is not for the subject it came on
)

// RefusedError is returned by the decoders for a message that is not of this
// contract. It never wraps an I/O error: the same bytes are refused for ever.
type RefusedError struct {
	Reason Reason
	Detail string
}

func (e *RefusedError) Error() string { return string(e.Reason) + ": " + e.Detail }

func refuse(r Reason, format string, args ...any) error {
	return &RefusedError{Reason: r, Detail: fmt.Sprintf(format, args...)}
}

var nameRE = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// ValidName reports whether s may be the id of a run or the name of a project.
func ValidName(s string) bool { return nameRE.MatchString(s) }

// EventSubject is where a run publishes its events.
func EventSubject(project, run string) string {
	return "epochwatch.v1." + project + "." + run + ".event"
}

// CommandSubject is where a run hears its commands.
func CommandSubject(project, run string) string {
	return "epochwatch.v1." + project + "." + run + ".command"
}

// MessageID is the Nats-Msg-Id of an event: JetStream drops a second one within
// its window; the store drops it for ever.
func MessageID(run, attempt string, seq int64) string {
	return fmt.Sprintf("%s.%s.%d", run, attempt, seq)
}

// ParseSubject takes project and run from an event or command subject.
func ParseSubject(subject string) (project, run string, ok bool) {
	p := strings.Split(subject, ".")
	if len(p) != 5 || p[0] != "epochwatch" || p[1] != "v1" || !ValidName(p[2]) || !ValidName(p[3]) {
		return "", "", false
	}
	return p[2], p[3], p[4] == "event" || p[4] == "command"
}

// DecodeEvent reads one event. A message that cannot be one gives a
// *RefusedError. An event whose type is unknown is returned without a body.
func DecodeEvent(b []byte) (Event, error) {
	var e Event
	if err := decode(b, &e); err != nil {
		return Event{}, err
	}
	if err := e.validate(); err != nil {
		return Event{}, err
	}
	return e, nil
}

// EncodeEvent writes one event. It returns a *RefusedError when the event is not
// valid or too large.
func EncodeEvent(e Event) ([]byte, error) {
	if err := e.validate(); err != nil {
		return nil, err
	}
	return encode(e)
}

// DecodeCommand reads one command. A message that cannot be one gives a
// *RefusedError.
func DecodeCommand(b []byte) (Command, error) {
	var c Command
	if err := decode(b, &c); err != nil {
		return Command{}, err
	}
	if err := c.validate(); err != nil {
		return Command{}, err
	}
	return c, nil
}

// EncodeCommand writes one command. It returns a *RefusedError when the command
// is not valid or too large.
func EncodeCommand(c Command) ([]byte, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	return encode(c)
}

func encode(v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, refuse(ReasonInvalid, "%v", err)
	}
	if len(b) > MaxMessageBytes {
		return nil, refuse(ReasonTooLarge, "%d bytes, at most %d", len(b), MaxMessageBytes)
	}
	// What a reader would refuse is not written.
	if _, err := strict(b); err != nil {
		return nil, err
	}
	return b, nil
}

func decode(b []byte, into any) error {
	if len(b) > MaxMessageBytes {
		return refuse(ReasonTooLarge, "%d bytes, at most %d", len(b), MaxMessageBytes)
	}
	b, err := strict(b)
	if err != nil {
		return err
	}
	// The version is read alone first: nothing else can be relied on before it.
	var head struct {
		Version json.RawMessage `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return refuse(ReasonMalformed, "%v", err)
	}
	if v := string(head.Version); v != "1" {
		if v == "" {
			v = "none"
		}
		return refuse(ReasonVersion, "version %.20s, this reader speaks %d", v, Version)
	}
	if err := json.Unmarshal(b, into); err != nil {
		var te *json.UnmarshalTypeError
		if errors.As(err, &te) || errors.Is(err, ErrNotANumber) {
			return refuse(ReasonType, "%v", err)
		}
		return refuse(ReasonInvalid, "%v", err)
	}
	return nil
}

func (e *Event) validate() error {
	switch {
	case e.Version != Version:
		return refuse(ReasonVersion, "version %d, this reader speaks %d", e.Version, Version)
	case e.Type == "":
		return refuse(ReasonInvalid, "type is missing")
	case !ValidName(e.Project):
		return refuse(ReasonInvalid, "project %.80q does not match %s", e.Project, nameRE)
	case !ValidName(e.Run):
		return refuse(ReasonInvalid, "run %.80q does not match %s", e.Run, nameRE)
	case !ValidName(e.Attempt):
		return refuse(ReasonInvalid, "attempt %.80q does not match %s", e.Attempt, nameRE)
	case e.Seq < 1:
		return refuse(ReasonInvalid, "seq %d is below 1", e.Seq)
	case e.Time.IsZero():
		return refuse(ReasonInvalid, "time is missing")
	}
	return e.validateBody()
}

// validateBody holds that the body which the type names is there and sound, and
// drops any other.
func (e *Event) validateBody() error {
	missing := func() error { return refuse(ReasonInvalid, "the body %q is missing", e.Type) }
	kept := Event{
		Version: e.Version, Type: e.Type, Project: e.Project, Run: e.Run,
		Attempt: e.Attempt, Seq: e.Seq, Time: e.Time,
	}
	switch e.Type {
	case TypeRunStarted:
		if e.RunStarted == nil {
			return missing()
		}
		if err := validEpoch("initial_epoch", e.RunStarted.InitialEpoch); err != nil {
			return err
		}
		kept.RunStarted = e.RunStarted
	case TypeEpochEnded:
		if e.EpochEnded == nil {
			return missing()
		}
		if err := validEpoch("epoch", e.EpochEnded.Epoch); err != nil {
			return err
		}
		if err := validMetricNames(e.EpochEnded.Metrics); err != nil {
			return err
		}
		if e.EpochEnded.Metrics == nil {
			return refuse(ReasonInvalid, "metrics is missing")
		}
		kept.EpochEnded = e.EpochEnded
	case TypeBatches:
		if e.Batches == nil {
			return missing()
		}
		if err := validEpoch("epoch", e.Batches.Epoch); err != nil {
			return err
		}
		if e.Batches.Batch < 0 || e.Batches.Count < 1 {
			return refuse(ReasonInvalid, "batch %d is below 0 or count %d below 1", e.Batches.Batch, e.Batches.Count)
		}
		if err := validMetricNames(e.Batches.Metrics); err != nil {
			return err
		}
		kept.Batches = e.Batches
	case TypeHeartbeat:
		if e.Heartbeat == nil {
			return missing()
		}
		if p := e.Heartbeat.Epoch; p != nil {
			if err := validEpoch("epoch", *p); err != nil {
				return err
			}
		}
		kept.Heartbeat = e.Heartbeat
	case TypeCommandResult:
		if e.CommandResult == nil {
			return missing()
		}
		switch e.CommandResult.Outcome {
		case OutcomeApplied, OutcomeRefused, OutcomeExpired:
		default:
			return refuse(ReasonInvalid, "outcome %.40q is none of applied, refused, expired", e.CommandResult.Outcome)
		}
		if !ValidName(e.CommandResult.ID) {
			return refuse(ReasonInvalid, "id %.80q does not match %s", e.CommandResult.ID, nameRE)
		}
		if p := e.CommandResult.Epoch; p != nil {
			if err := validEpoch("epoch", *p); err != nil {
				return err
			}
		}
		kept.CommandResult = e.CommandResult
	case TypeRunEnded:
		if e.RunEnded == nil {
			return missing()
		}
		switch e.RunEnded.State {
		case EndCompleted, EndStopped, EndFailed, EndInterrupted:
		default:
			return refuse(ReasonInvalid, "state %.40q is none of completed, stopped, failed, interrupted", e.RunEnded.State)
		}
		kept.RunEnded = e.RunEnded
	}
	*e = kept
	return nil
}

// validEpoch holds that an epoch fits the 32 bits it is stored in.
func validEpoch(field string, epoch int) error {
	if epoch < 0 || epoch > math.MaxInt32 {
		return refuse(ReasonInvalid, "%s %d is not within 0 to %d", field, epoch, math.MaxInt32)
	}
	return nil
}

// validMetricNames holds that every name can be stored and be part of a key.
func validMetricNames[V any](metrics map[string]V) error {
	for name := range metrics {
		if name == "" || len(name) > MaxMetricName {
			return refuse(ReasonInvalid, "metric name %.80q has %d bytes, not 1 to %d", name, len(name), MaxMetricName)
		}
	}
	return nil
}

func (c *Command) validate() error {
	switch {
	case c.Version != Version:
		return refuse(ReasonVersion, "version %d, this reader speaks %d", c.Version, Version)
	case c.Type != "command":
		return refuse(ReasonInvalid, "type %.40q is not \"command\"", c.Type)
	case !ValidName(c.ID):
		return refuse(ReasonInvalid, "id %.80q does not match %s", c.ID, nameRE)
	case !ValidName(c.Project):
		return refuse(ReasonInvalid, "project %.80q does not match %s", c.Project, nameRE)
	case !ValidName(c.Run):
		return refuse(ReasonInvalid, "run %.80q does not match %s", c.Run, nameRE)
	case !ValidName(c.Attempt):
		return refuse(ReasonInvalid, "attempt %.80q does not match %s", c.Attempt, nameRE)
	case c.CausedBy < 0:
		return refuse(ReasonInvalid, "caused_by %d is below 0", c.CausedBy)
	case c.ExpiresAt.IsZero():
		return refuse(ReasonInvalid, "expires_at is missing")
	}
	if err := validEpoch("expires_epoch", c.ExpiresEpoch); err != nil {
		return err
	}
	switch c.Kind {
	case KindReduceLR, KindSetLR, KindRollback:
		if c.Wanted == nil || !c.Wanted.Finite() || *c.Wanted <= 0 {
			return refuse(ReasonInvalid, "%s wants a positive learning rate", c.Kind)
		}
	case KindStop:
	case KindRevert:
		if c.Reverts == "" {
			return refuse(ReasonInvalid, "revert does not say which command")
		}
	default:
		return refuse(ReasonInvalid, "kind %.40q is unknown", c.Kind)
	}
	return nil
}
