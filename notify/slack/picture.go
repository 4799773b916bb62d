package slack

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/notify/chart"
	"github.com/epochwatch/epochwatch/notify/notice"
)

// uploadTime is how long the picture may hold up the message.
const uploadTime = 6 * time.Second

// picture is a curve that Slack has; without an id there is none.
type picture struct {
	id  string
	alt string
	png []byte
}

// upload hands the curve to Slack. A message is worth more than its picture: what goes
// wrong is logged, and the message goes without it.
func (b *bot) upload(ctx context.Context, n notice.Notice) picture {
	png, err := chart.Draw(n)
	if err == nil && png == nil {
		return picture{}
	}
	p := picture{alt: notice.Shorten(chart.Alt(n), 1000), png: png}
	if err == nil {
		bounded, cancel := context.WithTimeout(ctx, uploadTime)
		defer cancel()
		p.id, err = b.uploadTo(bounded, p, "", "")
	}
	if err != nil {
		b.pictureLost(ctx, n, err)
		return picture{}
	}
	return p
}

// uploadTo hands the curve to Slack and shares it in a thread, or with nobody yet.
func (b *bot) uploadTo(ctx context.Context, p picture, channel, thread string) (string, error) {
	f, err := b.api.UploadFileContext(ctx, slackapi.UploadFileParameters{
		Reader: bytes.NewReader(p.png), FileSize: len(p.png), Filename: "curve.png", Title: "curve", AltTxt: p.alt,
		Channel: channel, ThreadTimestamp: thread,
	})
	if err != nil {
		return "", fmt.Errorf("upload the curve: %w", classify(err))
	}
	return f.ID, nil
}

func (b *bot) pictureLost(ctx context.Context, n notice.Notice, err error) {
	b.log.WarnContext(ctx, "slack: the message goes without its picture",
		slog.String("message_id", n.ID), slog.Any("error", notice.Scrub(err, b.token)))
}

// slackError is what Slack answered, in its own word.
type slackError struct {
	word string
	text string
}

func (e *slackError) Error() string { return e.text }

func said(err error) string {
	if e, ok := errors.AsType[*slackError](err); ok {
		return e.word
	}
	return ""
}

// badBlocks reports whether Slack did not like the form of a message: a picture that it has
// just been given may not be ready yet.
func badBlocks(err error) bool {
	switch said(err) {
	case "invalid_blocks", "invalid_blocks_format", "slack_file_not_found", "invalid_attachments":
		return true
	}
	return false
}

// gone reports whether a message cannot be edited, now or ever.
func gone(err error) bool {
	switch said(err) {
	case "message_not_found", "cant_update_message", "edit_window_closed", "thread_not_found", "channel_type_not_supported":
		return true
	}
	return false
}
