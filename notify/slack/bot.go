package slack

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/internal/secret"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// EventType is the metadata type by which our messages are known in a channel's history;
// its payload is {"id": the message's id}.
const EventType = "epochwatch_message"

const (
	// lookBack is how far before a message was made its history is read: Slack's clock
	// and ours need not agree.
	lookBack = 10 * time.Minute
	// maxPages bounds the reading of a busy channel; a page has pageSize messages.
	maxPages = 10
	pageSize = 200
)

// bot posts as an app with a token.
type bot struct {
	api     *slackapi.Client
	token   secret.Value
	channel string
	log     *slog.Logger
	buttons bool // somebody listens to them

	mu sync.Mutex
	id string // of the channel, once known; guarded by mu
}

// Send posts the notice, its curve in it. What comes of it later (an update, its
// resolution) is written into that first message, and said in its thread. The reference is
// CHANNEL:TIMESTAMP of what was posted.
func (b *bot) Send(ctx context.Context, n notice.Notice) (string, error) {
	told, thread, _ := strings.Cut(n.Told, ":")
	if n.Digest != nil {
		told, thread = "", "" // each stands for itself
	}
	if n.Again {
		ref, err := b.find(ctx, n, told, thread)
		switch {
		case ref != "":
			return ref, nil
		case err != nil && !isPermanent(err):
			return "", notice.Scrub(fmt.Errorf("look for an earlier try: %w", err), b.token)
		case err != nil:
			b.log.WarnContext(ctx, "slack: cannot look for an earlier try, a message may come twice",
				slog.String("message_id", n.ID), slog.Any("error", notice.Scrub(err, b.token)))
		}
	}
	ref, err := b.send(ctx, n, told, thread)
	if err != nil {
		return "", notice.Scrub(fmt.Errorf("post to slack channel %s: %w", b.channel, err), b.token)
	}
	return ref, nil
}

func (b *bot) send(ctx context.Context, n notice.Notice, told, thread string) (string, error) {
	p := b.upload(ctx, n)
	whole := b.compose(n, p)
	if thread == "" {
		return b.postWhole(ctx, n, whole, p, "", false)
	}
	if n.Event != store.MessageUpdate && n.Event != store.MessageResolved && n.Event != store.MessageProgress {
		return b.postWhole(ctx, n, whole, p, thread, true)
	}
	err := b.edit(ctx, n, whole, p, told, thread)
	switch {
	case err != nil && !gone(err):
		return "", err
	case err != nil && n.Event == store.MessageProgress:
		return n.Told, nil // nobody misses it
	case err != nil: // somebody has deleted it, or it is too old to be edited
		return b.postWhole(ctx, n, whole, p, thread, true)
	}
	// An edit disturbs nobody. What must be heard again is shown in the channel as well.
	if n.Event == store.MessageProgress {
		return b.post(ctx, n, composeProgress(notice.Tell(n)), thread, false)
	}
	loud := n.Repeat || n.Event == store.MessageUpdate && n.Finding.Severity == detectors.SeverityCritical
	return b.post(ctx, n, composeNews(notice.Tell(n)), thread, loud)
}

// compose gives the notice its form, with buttons where presses reach us.
func (b *bot) compose(n notice.Notice, p picture) composed {
	m := compose(notice.Tell(n), p)
	if b.buttons {
		m.blocks = append(m.blocks, buttons(n)...)
	}
	return m
}

// postWhole posts a message with its picture; where Slack does not take the picture within
// it, it is hung below.
func (b *bot) postWhole(ctx context.Context, n notice.Notice, m composed, p picture, thread string, loud bool) (string, error) {
	ref, err := b.post(ctx, n, m, thread, loud)
	if err == nil || p.id == "" || !badBlocks(err) {
		return ref, err
	}
	if ref, err = b.post(ctx, n, b.compose(n, picture{}), thread, loud); err != nil {
		return "", err
	}
	channel, ts, _ := strings.Cut(ref, ":")
	if thread != "" {
		ts = thread
	}
	if _, err := b.uploadTo(ctx, p, channel, ts); err != nil {
		b.pictureLost(ctx, n, err)
	}
	return ref, nil
}

// edit brings the first message up to date.
func (b *bot) edit(ctx context.Context, n notice.Notice, m composed, p picture, channel, ts string) error {
	_, _, _, err := b.api.UpdateMessageContext(ctx, channel, ts, options(m)...)
	if err = classify(err); err != nil && p.id != "" && badBlocks(err) {
		_, _, _, err = b.api.UpdateMessageContext(ctx, channel, ts, options(b.compose(n, picture{}))...)
		err = classify(err)
	}
	return err
}

func (b *bot) post(ctx context.Context, n notice.Notice, m composed, thread string, loud bool) (string, error) {
	o := append(options(m), slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"id": n.ID}}),
		slackapi.MsgOptionDisableLinkUnfurl(), slackapi.MsgOptionDisableMediaUnfurl())
	if thread != "" {
		o = append(o, slackapi.MsgOptionTS(thread))
		if loud {
			o = append(o, slackapi.MsgOptionBroadcast())
		}
	}
	id, ts, err := b.api.PostMessageContext(ctx, b.channel, o...)
	if err != nil {
		return "", classify(err)
	}
	b.setID(id)
	return reference(id, ts), nil
}

func options(m composed) []slackapi.MsgOption {
	return []slackapi.MsgOption{slackapi.MsgOptionText(m.text, false), slackapi.MsgOptionBlocks(m.blocks...)} // escaped already
}

func reference(channel, ts string) string { return channel + ":" + ts }

func (b *bot) setID(id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if id != "" {
		b.id = id
	}
}

// find returns the reference of an earlier try that did arrive, or nothing.
func (b *bot) find(ctx context.Context, n notice.Notice, channel, thread string) (string, error) {
	if channel == "" {
		var err error
		if channel, err = b.channelID(ctx); err != nil {
			return "", err
		}
	}
	oldest := strconv.FormatInt(n.CreatedAt.Add(-lookBack).Unix(), 10)
	for cursor, page := "", 0; page < maxPages; page++ {
		messages, next, err := b.page(ctx, channel, thread, oldest, cursor)
		if err != nil {
			return "", classify(err)
		}
		for _, m := range messages {
			if m.Metadata.EventType == EventType && m.Metadata.EventPayload["id"] == n.ID {
				return reference(channel, m.Timestamp), nil
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return "", nil
}

// page reads one page of a channel's history, or of a thread.
func (b *bot) page(ctx context.Context, channel, thread, oldest, cursor string) ([]slackapi.Message, string, error) {
	if thread != "" {
		messages, _, next, err := b.api.GetConversationRepliesContext(ctx, &slackapi.GetConversationRepliesParameters{
			ChannelID: channel, Timestamp: thread, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true,
		})
		return messages, next, err
	}
	h, err := b.api.GetConversationHistoryContext(ctx, &slackapi.GetConversationHistoryParameters{
		ChannelID: channel, Oldest: oldest, Cursor: cursor, Limit: pageSize, IncludeAllMetadata: true,
	})
	if err != nil {
		return nil, "", err
	}
	return h.Messages, h.ResponseMetaData.NextCursor, nil
}

var looksLikeID = regexp.MustCompile(`^[CGD][A-Z0-9]{5,}$`)

// channelID returns the channel's id: history knows no names.
func (b *bot) channelID(ctx context.Context) (string, error) {
	b.mu.Lock()
	id := b.id
	b.mu.Unlock()
	if id != "" {
		return id, nil
	}
	if looksLikeID.MatchString(b.channel) {
		return b.channel, nil
	}
	name := strings.TrimPrefix(b.channel, "#")
	for cursor, page := "", 0; page < maxPages; page++ {
		channels, next, err := b.api.GetConversationsContext(ctx, &slackapi.GetConversationsParameters{
			Cursor: cursor, ExcludeArchived: true, Limit: 1000, Types: []string{"public_channel", "private_channel"},
		})
		if err != nil {
			return "", classify(err)
		}
		for _, c := range channels {
			if c.Name == name {
				b.setID(c.ID)
				return c.ID, nil
			}
		}
		if next == "" {
			break
		}
		cursor = next
	}
	return "", &store.PermanentError{Err: errors.New("the channel is not in the list of channels")}
}

func isPermanent(err error) bool {
	var permanent *store.PermanentError
	return errors.As(err, &permanent)
}
