package slack

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	slackapi "github.com/slack-go/slack"
	"github.com/slack-go/slack/socketmode"

	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// Daemon is what presses of buttons ask for. By names who pressed, as it stands on the
// record, in at most 64 characters. An error of type *RefusedError is said to who pressed;
// any other is logged, and that person told that it did not work.
type Daemon interface {
	Approve(ctx context.Context, run Run, command, by string) error
	Decline(ctx context.Context, run Run, command, by string) error
	Revert(ctx context.Context, run Run, command, by string) error
	Stop(ctx context.Context, run Run, by string) error
	// Acknowledge notes who has seen what a message tells.
	Acknowledge(ctx context.Context, message, by string) error
	// Silence keeps messages about the run (and the kind alone, where one is given, of
	// every run) from being told until a time.
	Silence(ctx context.Context, m Mute, by string) error
}

// Run names a run.
type Run struct{ Project, ID string }

// Mute is what is not to be told: one run, or one kind of finding in a project.
type Mute struct {
	Run   Run    // ID is empty where a kind is muted
	Kind  string // empty where a run is muted
	Until time.Time
}

// RefusedError says why nothing was done: the question is decided already, the run has
// ended, its owner does not allow it.
type RefusedError struct{ Reason string }

func (e *RefusedError) Error() string { return e.Reason }

// ListenOptions say whose presses are heard.
type ListenOptions struct {
	Token    secret.Value // xoxb-…: to answer
	AppToken secret.Value // xapp-…, with connections:write
	// Allow are the ids (U…) of those who may press, by the receiver of the message. A
	// receiver without: everybody who is a member of the channel that it stands in.
	Allow      map[string][]string
	APIURL     string // of a stand-in; empty: Slack
	HTTPClient *http.Client
	Log        *slog.Logger
	Zone       *time.Location   // of "until morning", 8 o'clock; nil: UTC
	Now        func() time.Time // nil: time.Now
}

const (
	// queued is how many presses wait while one is worked.
	queued = 64
	// answerTime is how long the work of one press may take.
	answerTime = 20 * time.Second
	// ackWithin is how long Slack waits for the acknowledgement of a press that is still
	// worked. After 3 s it would show to who pressed that it failed.
	ackWithin = 2 * time.Second
	// membersFor is how long it is known who is in a channel.
	membersFor = 2 * time.Minute
	// firstPause and longestPause stand between two tries to listen, where Slack refuses.
	firstPause   = 5 * time.Second
	longestPause = 10 * time.Minute
)

type listener struct {
	o       ListenOptions
	api     *slackapi.Client
	daemon  Daemon
	members map[string]membership // by channel; one goroutine alone
}

// pressed is a callback of Slack, and what is closed when it is worked.
type pressed struct {
	callback slackapi.InteractionCallback
	worked   chan struct{}
}

type membership struct {
	ids  map[string]bool
	read time.Time
}

// Listen hears the buttons through Slack's socket mode, which needs no address of ours that
// others can reach, and returns when ctx ends. What goes wrong is logged and tried again.
func Listen(ctx context.Context, o ListenOptions, d Daemon) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	l := &listener{o: o, api: o.client(), daemon: d, members: map[string]membership{}}
	presses := make(chan pressed, queued)
	worked := make(chan struct{})
	go func() {
		defer close(worked)
		for {
			select {
			case <-ctx.Done():
				return
			case p := <-presses:
				l.work(ctx, p.callback)
				close(p.worked)
			}
		}
	}()
	for pause := firstPause; ctx.Err() == nil; pause = min(pause*2, longestPause) {
		begun := o.Now()
		err := l.connect(ctx, presses)
		if o.Now().Sub(begun) > longestPause {
			pause = firstPause
		}
		if ctx.Err() != nil {
			break
		}
		o.Log.WarnContext(ctx, "slack: buttons are not heard", slog.Any("error", notice.Scrub(classify(err), o.Token, o.AppToken)), slog.Duration("again_in", pause))
		wait(ctx, pause)
	}
	<-worked
}

func (o *ListenOptions) client() *slackapi.Client {
	options := []slackapi.Option{slackapi.OptionHTTPClient(notice.Client(o.HTTPClient)), slackapi.OptionAppLevelToken(o.AppToken.Reveal())}
	if o.APIURL != "" {
		options = append(options, slackapi.OptionAPIURL(strings.TrimRight(o.APIURL, "/")+"/"))
	}
	return slackapi.New(o.Token.Reveal(), options...)
}

// ProveButtons asks Slack whether it would let the app token listen to buttons. Its error
// says what it refuses and how to mend it.
func ProveButtons(ctx context.Context, o ListenOptions) error {
	_, _, err := o.client().StartSocketModeContext(ctx)
	return notice.Scrub(classify(err), o.Token, o.AppToken)
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// connect listens until Slack refuses or ctx ends.
func (l *listener) connect(ctx context.Context, presses chan<- pressed) error {
	var acks sync.WaitGroup
	defer acks.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	client := socketmode.New(l.api)
	ended := make(chan error, 1)
	go func() { ended <- client.RunContext(ctx) }()
	for {
		select {
		case err := <-ended:
			if err == nil {
				err = errors.New("the connection ended")
			}
			return err
		case e := <-client.Events:
			p, ok := l.event(ctx, client, e, presses)
			if ok {
				acks.Go(func() { l.ackWorked(ctx, client, e.Request.EnvelopeID, p) })
			}
		}
	}
}

// event takes what Slack says. It returns true for a press that waits to be worked, and is to
// be acknowledged then.
func (l *listener) event(ctx context.Context, client *socketmode.Client, e socketmode.Event, presses chan<- pressed) (pressed, bool) {
	switch e.Type {
	case socketmode.EventTypeConnected:
		l.o.Log.InfoContext(ctx, "slack: buttons are heard")
	case socketmode.EventTypeConnectionError:
		if failed, ok := e.Data.(*slackapi.ConnectionErrorEvent); ok {
			l.o.Log.WarnContext(ctx, "slack: buttons are not heard", slog.Any("error", notice.Scrub(classify(failed.ErrorObj), l.o.Token, l.o.AppToken)), slog.Duration("again_in", failed.Backoff))
		}
	}
	if e.Request == nil || e.Request.EnvelopeID == "" {
		return pressed{}, false
	}
	cb, ok := e.Data.(slackapi.InteractionCallback)
	if !ok || cb.Type != slackapi.InteractionTypeBlockActions {
		l.ack(ctx, client, e.Request.EnvelopeID)
		return pressed{}, false
	}
	p := pressed{cb, make(chan struct{})}
	select {
	case presses <- p:
		return p, true
	default: // it is not acknowledged, so Slack shows to who pressed that it failed
		l.o.Log.WarnContext(ctx, "slack: too many presses at once, one is dropped", slog.String("user", cb.User.ID))
	}
	return pressed{}, false
}

// ackWorked acknowledges a press when it is worked, or has taken long. One that the daemon
// does not come to, because it stops, is left to Slack, which shows that it failed.
func (l *listener) ackWorked(ctx context.Context, client *socketmode.Client, envelope string, p pressed) {
	late := time.NewTimer(ackWithin)
	defer late.Stop()
	select {
	case <-p.worked:
	case <-late.C:
	case <-ctx.Done():
		return
	}
	l.ack(ctx, client, envelope)
}

func (l *listener) ack(ctx context.Context, client *socketmode.Client, envelope string) {
	if err := client.AckCtx(ctx, envelope, nil); err != nil && ctx.Err() == nil {
		l.o.Log.WarnContext(ctx, "slack: a press was not acknowledged", slog.Any("error", notice.Scrub(err, l.o.Token, l.o.AppToken)))
	}
}
