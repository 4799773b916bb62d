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

	mu sync.Mutex
	id string // of the channel, once known; guarded by mu
}

// Send posts the notice; one about a resolution goes into the thread of the first message
// and is shown in the channel as well. The reference is CHANNEL:TIMESTAMP.
func (b *bot) Send(ctx context.Context, n notice.Notice) (string, error) {
	told, thread, _ := strings.Cut(n.Told, ":")
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
	m := compose(notice.Tell(n))
	options := []slackapi.MsgOption{
		slackapi.MsgOptionText(m.text, false), // escaped already
		slackapi.MsgOptionBlocks(m.blocks...),
		slackapi.MsgOptionMetadata(slackapi.SlackMetadata{EventType: EventType, EventPayload: map[string]any{"id": n.ID}}),
		slackapi.MsgOptionDisableLinkUnfurl(),
		slackapi.MsgOptionDisableMediaUnfurl(),
	}
	if thread != "" {
		options = append(options, slackapi.MsgOptionTS(thread), slackapi.MsgOptionBroadcast())
	}
	id, ts, err := b.api.PostMessageContext(ctx, b.channel, options...)
	if err != nil {
		return "", notice.Scrub(fmt.Errorf("post to slack channel %s: %w", b.channel, classify(err)), b.token)
	}
	b.setID(id)
	return reference(id, ts), nil
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
