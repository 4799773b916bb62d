package daemon

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/notify/slack"
	"github.com/epochwatch/epochwatch/sql/store"
)

// notebook is what answers need of a store.Store.
type notebook interface {
	AddSilence(ctx context.Context, s store.Silence) error
	Acknowledge(ctx context.Context, s store.Seen) (int, error)
}

// answers does what people press under messages.
type answers struct {
	notes notebook
	// noted is called after something was noted that messages show.
	noted func()
	// do asks for an action (approve, decline, revert, stop) on a command of a run in a
	// person's name; nil where nothing takes such wishes.
	do func(ctx context.Context, project, run, action, command, by string) error
}

var _ slack.Daemon = answers{}

func (a answers) ask(ctx context.Context, run slack.Run, action, command, by string) error {
	if a.do == nil {
		return &slack.RefusedError{Reason: "this daemon takes no such wishes"}
	}
	return a.do(ctx, run.Project, run.ID, action, command, by)
}

// Approve implements slack.Daemon.
func (a answers) Approve(ctx context.Context, run slack.Run, command, by string) error {
	return a.ask(ctx, run, "approve", command, by)
}

// Decline implements slack.Daemon.
func (a answers) Decline(ctx context.Context, run slack.Run, command, by string) error {
	return a.ask(ctx, run, "decline", command, by)
}

// Revert implements slack.Daemon.
func (a answers) Revert(ctx context.Context, run slack.Run, command, by string) error {
	return a.ask(ctx, run, "revert", command, by)
}

// Stop implements slack.Daemon.
func (a answers) Stop(ctx context.Context, run slack.Run, by string) error {
	return a.ask(ctx, run, "stop", "", by)
}

// Silence implements slack.Daemon.
func (a answers) Silence(ctx context.Context, m slack.Mute, by string) error {
	matchers := []string{"project=" + strconv.Quote(m.Run.Project)}
	if m.Run.ID != "" {
		matchers = append(matchers, "run="+strconv.Quote(m.Run.ID))
	}
	if m.Kind != "" {
		matchers = append(matchers, "kind="+strconv.Quote(m.Kind))
	}
	now := time.Now().UTC()
	s, err := notify.NewSilence(matchers, by, "muted in Slack", now, m.Until.Sub(now))
	if err != nil {
		return &slack.RefusedError{Reason: err.Error()}
	}
	if err := a.notes.AddSilence(ctx, s); err != nil {
		return fmt.Errorf("mute: %w", err)
	}
	return nil
}

// Acknowledge implements slack.Daemon.
func (a answers) Acknowledge(ctx context.Context, message, by string) error {
	n, err := a.notes.Acknowledge(ctx, notify.Seen(message, 0, by, time.Now()))
	switch {
	case err != nil:
		return err
	case n == 0:
		return &slack.RefusedError{Reason: "it is over by now, or a specimen"}
	}
	a.noted()
	return nil
}

func (r *running) answers() answers {
	return answers{notes: r.store, noted: r.notifier.Stored, do: r.wish}
}

// wish asks a run for something in a person's name.
func (r *running) wish(ctx context.Context, project, run, action, command, by string) error {
	_, err := r.actor.Act(ctx, project, run, control.Wish{Action: control.Action(action), Command: command, By: by})
	return refusal(run, err)
}

// refusal tells what the person who pressed is to hear from what went wrong with a run.
func refusal(run string, err error) error {
	var refused *control.RefusedError
	switch {
	case errors.As(err, &refused):
		return &slack.RefusedError{Reason: refused.Reason}
	case errors.Is(err, store.ErrNotFound) && run == notify.SpecimenRun: // somebody may have named a run so
		return &slack.RefusedError{Reason: "this is a specimen, and its buttons are heard"}
	case errors.Is(err, store.ErrNotFound):
		return &slack.RefusedError{Reason: "the daemon knows no such run"}
	case errors.Is(err, ingest.ErrSameCause):
		return &slack.RefusedError{Reason: ingest.ErrSameCause.Error()}
	}
	return err
}
