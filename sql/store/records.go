package store

import (
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// RunKey names a run.
type RunKey struct{ Project, ID string }

// State is where a run stands.
type State string

// The states of a run.
const (
	StateRunning     State = "running"
	StateCompleted   State = "completed"   // fit returned, EarlyStopping included
	StateStopped     State = "stopped"     // by our command
	StateFailed      State = "failed"      // an exception
	StateInterrupted State = "interrupted" // Ctrl-C or SIGTERM
	StateLost        State = "lost"        // no sign for 45 s while the daemon was listening
)

// Run is one run: one fit(), or several under the same id.
type Run struct {
	PK        int64 // the store's own key
	Project   string
	ID        string
	Name      string
	Tags      []string
	State     State
	EndReason string // exception, or the command that stopped it
	Attempts  int
	StartedAt time.Time  // the trainer's clock; when first heard of, if run_started is missing
	EndedAt   *time.Time // nil while running
	// LastSignAt is when the daemon last heard of it, by the daemon's clock.
	LastSignAt time.Time
	// Revision rises by one with each transaction that folds into the run: a monitor
	// in memory is good only for the revision it was left at.
	Revision int64
	// Started is the run_started of the latest attempt; nil before it came.
	Started *contract.RunStarted
}

// RunFilter narrows ListRuns; zero values do not.
type RunFilter struct {
	Project string
	State   State
	Limit   int
}

// SeqRange is a range of sequence numbers, both ends included.
type SeqRange struct{ From, To int64 }

// Attempt is one fit() of a run. Attempts are ordered by ID, a UUIDv7; their number
// (1, 2, …) is their place in that order.
type Attempt struct {
	RunPK     int64
	ID        string
	StartedAt time.Time
	// NextSeq is the first sequence number not yet folded: all below it were seen
	// or given up.
	NextSeq int64
	// Gaps are the sequence numbers below NextSeq that were given up after waiting
	// and have not come since.
	Gaps    []SeqRange
	State   State
	EndedAt *time.Time
	Started *contract.RunStarted
}

// RunState is a locked run with its attempts in order.
type RunState struct {
	Run      Run
	Attempts []Attempt
}

// Epoch is one stored epoch.
type Epoch struct {
	RunPK          int64
	Attempt        string
	Seq            int64
	Epoch          int
	EndedAt        time.Time // the trainer's clock
	Seconds        *float64
	LearningRate   *float64
	Step           *int64
	FirstBatchLoss *float64
	Metrics        map[string]float64 // non-finite values are themselves
}

// Batches is one stored summary of consecutive batches.
type Batches struct {
	RunPK   int64
	Attempt string
	Seq     int64
	Body    contract.Batches
}

// Held is an event that came before one of its predecessors and waits for it.
type Held struct {
	RunPK      int64
	Attempt    string
	Seq        int64
	ReceivedAt time.Time // the daemon's clock
	Event      []byte    // as received
}

// Finding is a stored finding.
type Finding struct {
	ID    string // UUIDv5 of run and key: the same finding has the same id always
	RunPK int64
	detectors.Finding
	OpenedAt time.Time // the daemon's clock
}

// CommandState is where a command stands.
type CommandState string

// The states of a command.
const (
	CommandProposed CommandState = "proposed" // shadow, or waiting for a person
	CommandSent     CommandState = "sent"
	CommandApplied  CommandState = "applied"
	CommandRefused  CommandState = "refused"
	CommandExpired  CommandState = "expired"
	CommandReverted CommandState = "reverted"
)

// Effect is what came of an applied command.
type Effect string

// The effects.
const (
	EffectPending      Effect = "pending"
	EffectHelped       Effect = "helped"
	EffectNoDifference Effect = "no_difference"
	EffectHurt         Effect = "hurt"
)

// Command is a stored command with what became of it.
type Command struct {
	contract.Command
	RunPK     int64
	State     CommandState
	FindingID string // what led to it; may be empty
	// DecidedEpoch is the epoch after which it was decided; AppliedEpoch the first
	// one trained with the new value, nil until then.
	DecidedEpoch int
	AppliedEpoch *int
	Answer       string // why it was refused or expired
	Before       *float64
	After        *float64
	AnsweredAt   *time.Time
	Effect       Effect // empty until applied
	// ProposedBy is who proposed a command that waits, or waited, for a person: "policy".
	// Empty where nobody was asked. IssuedBy is then who approved it, once someone has.
	ProposedBy string
	// Forecast is what the policy expected without the command, as it wrote it down
	// when it decided: what the effect is judged against.
	Forecast []byte
}

// AwaitsPerson reports whether the command is a proposal that a person may approve or
// decline. One made in shadow mode is none: it only says what would have been done.
func (c *Command) AwaitsPerson() bool {
	return c.State == CommandProposed && c.Bounds.Mode == contract.ModeAsk
}

// declinedBy begins the answer to a proposal that a person did not want.
const declinedBy = "declined by "

// Decline has the command, which awaits a person, be one that somebody did not want. IssuedBy
// stays as it was, by which such a command is known.
func (c *Command) Decline(by, reason string, at time.Time) {
	c.State, c.AnsweredAt, c.Answer = CommandRefused, &at, declinedBy+by
	if reason != "" {
		c.Answer += ": " + reason
	}
}

// Declined returns who declined the command, with the reason where they gave one, and whether
// a person did.
func (c *Command) Declined() (by string, ok bool) {
	if c.State != CommandRefused || c.ProposedBy == "" || c.IssuedBy != c.ProposedBy {
		return "", false
	}
	return strings.TrimPrefix(c.Answer, declinedBy), true
}

// MessageState is where a message to people stands.
type MessageState string

// The states of a message.
const (
	MessageQueued  MessageState = "queued"
	MessageSending MessageState = "sending" // handed to the channel, answer not yet recorded
	MessageSent    MessageState = "sent"
	MessageFailed  MessageState = "failed" // will be tried again
	MessageDead    MessageState = "dead"   // given up
)

// MessageEvent is what is told.
type MessageEvent string

// The events that are told.
const (
	MessageFiring MessageEvent = "firing"
	MessageUpdate MessageEvent = "update" // of a problem that was told: more of it, worse, or still there
	// MessageProgress is what was done about a problem that was told. Only channels that can
	// edit what they said take it: it disturbs nobody.
	MessageProgress MessageEvent = "progress"
	MessageResolved MessageEvent = "resolved"
	MessageRunEnded MessageEvent = "run_ended" // finished, failed, or lost
	MessageDigest   MessageEvent = "digest"
)

// Message is one message to one channel of one receiver.
type Message struct {
	ID        string
	RunPK     int64
	FindingID string
	Receiver  string
	Channel   string // slack, email, webhook, log
	Event     MessageEvent
	State     MessageState
	Attempts  int
	LastError string
	CreatedAt time.Time
	SentAt    *time.Time
	// Reference is what the service calls it (a Slack timestamp, a Message-ID).
	Reference string
	// GroupID is the group that it is about; empty for a message of its own.
	GroupID string
	// Thread is the id of the message that this one goes on from, of the same channel;
	// empty for the first.
	Thread   string
	Repeated bool   // nothing is new
	Body     string // what a digest covers, or the news of progress, as its maker wrote it down
	// Findings are the ids of all findings that it speaks of, FindingID too. They are
	// written, and not read back: MessageDetail has the findings themselves. Where there
	// are none, FindingID is meant.
	Findings []string
}

// MessageDetail is a message with what it speaks of. Run and Finding are zero where the
// message has none.
type MessageDetail struct {
	Message  Message
	Run      Run
	Finding  Finding
	Commands []Command
	Epochs   []Epoch // the curve, replaced epochs left out
	// Also are the other findings that it speaks of, with their runs, oldest first.
	Also []RunFinding
	// Acknowledged are those who have seen the problem it speaks of, in the order in which
	// they said so.
	Acknowledged []Acknowledgement
}

// Order says how a message stands to the others of its group to the same channel. All is
// false for one without a group.
type Order struct {
	NewerSent    bool // a later one that says all of it
	NewerWaits   bool // such a one is queued, with the service, or to be tried again
	OlderSending bool // an earlier one is with the service, or was when a daemon was killed
}

// Acknowledgement is somebody's word to have seen a problem that was told.
type Acknowledgement struct {
	By string
	At time.Time
}

// Seen asks for a problem to be noted as seen.
type Seen struct {
	MessageID string // a message about it; or
	RunPK     int64  // all problems that were told of a run and fire
	Acknowledgement
	DueAt time.Time // when its groups are to be looked at
}

// NewsAcknowledged stands among a group's News where others have a command's id.
const NewsAcknowledged = "acknowledged"

// News is that a command of a run is new, or that something became of it. The groups that
// were told of with a finding of the run at their head note it, until they are resolved, and
// are looked at by DueAt.
type News struct {
	RunPK   int64
	Command string // its id
	Asks    bool   // it waits for a person
	DueAt   time.Time
}

// RunFinding is a finding with its run.
type RunFinding struct {
	Run     Run
	Finding Finding
}

// Group is a set of findings of one receiver that are told together.
type Group struct {
	ID       string
	Receiver string
	Labels   map[string]string // what its findings have in common
	// Wait is how long the first message waits for more findings, Every how long a later
	// one does after it, Repeat when it is said again that the problem goes on; 0: never.
	Wait, Every, Repeat time.Duration
	OpenedAt            time.Time
	// Head is the finding that headed the first message since the group had nothing more
	// to tell; empty: nothing was told since.
	Head        string
	Messages    int // how many were told, ever
	FirstToldAt *time.Time
	ToldAt      *time.Time
	// DueAt is when it is to be looked at; nil: when a finding joins or changes.
	DueAt *time.Time
	// News are the ids of commands of the run that heads it that changed since it told, and
	// NewsAcknowledged. Asks is true when one of them waits for a person.
	News []string
	Asks bool
	// AckedAt is when somebody first said to have seen what it told; nil: nobody has since
	// its latest first message.
	AckedAt *time.Time
}

// Grouped is a finding in a group.
type Grouped struct {
	GroupID   string
	FindingID string
	RunPK     int64
	JoinedAt  time.Time
	// Told is what was said last of it, MessageFiring or MessageResolved; empty: nothing.
	Told         MessageEvent
	ToldSeverity detectors.Severity // how grave it was then
	// Why says what kept it from being told; empty: nothing did.
	Why string
}

// GroupMember is a finding in a group, with its run.
type GroupMember struct {
	Grouped
	RunFinding
}

// GroupState is a locked group with its findings, in the order in which they joined.
type GroupState struct {
	Group   Group
	Members []GroupMember
}

// Silence keeps what matches from being told for a while.
type Silence struct {
	ID        string
	Matchers  []string // all must hold; as in the routes of the config
	Author    string
	Comment   string
	CreatedAt time.Time
	StartsAt  time.Time
	EndsAt    time.Time
}

// Waiting is a finding in a group that was not told.
type Waiting struct {
	Group  Group
	Member GroupMember
}

// Join puts a finding into a group, which is made where it is missing. A finding is in one
// group of a receiver: where it is in one already it stays. Every group that has the
// finding is looked at by the DueAt of Group at the latest. That is all where Resolved is
// set: nobody need be told of the end of what nobody was told of.
type Join struct {
	Group    Group
	Finding  string
	RunPK    int64
	At       time.Time
	Resolved bool
}

// Delivery is one attempt at a message. One whose State is MessageQueued is none: Error says
// what keeps the message back.
type Delivery struct {
	MessageID string
	At        time.Time
	State     MessageState // what the message's state becomes
	Error     string
	Reference string
}

// Quarantined is a message that was refused.
type Quarantined struct {
	ID         int64
	ReceivedAt time.Time
	Subject    string
	MessageID  string
	StreamSeq  uint64 // of the broker: the same message is kept once
	Reason     contract.Reason
	Detail     string
	Size       int
	Payload    []byte // at most contract.MaxMessageBytes
}
