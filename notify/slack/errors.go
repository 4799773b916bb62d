package slack

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	slackapi "github.com/slack-go/slack"

	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// passing are the errors of Slack's API that go away by themselves. All others (a bad
// token, a missing scope, a channel that is not there, blocks it does not like) stay
// until a person mends them.
var passing = map[string]bool{
	"ratelimited": true, "rate_limited": true, "message_limit_exceeded": true,
	"internal_error": true, "fatal_error": true, "service_unavailable": true, "request_timeout": true,
	"team_added_to_org": true, "accesslimited": true,
}

// hints say how to mend the errors that a person meets when setting up.
var hints = map[string]string{
	"channel_not_found":      "no such channel, or the app is not in it: /invite the app there",
	"not_in_channel":         "/invite the app to the channel",
	"is_archived":            "the channel is archived",
	"invalid_auth":           "the token is not one of Slack's",
	"not_authed":             "the token is missing",
	"account_inactive":       "the app was removed from the workspace",
	"token_revoked":          "the token was revoked",
	"token_expired":          "the token has expired",
	"missing_scope":          "give the app this scope on its page, OAuth & Permissions, and reinstall it to the workspace",
	"not_allowed_token_type": "this is a token of another kind: the bot's begins with xoxb-, the app's with xapp-",
	"no_permission":          "the app may not do this: look at its scopes, and reinstall it",
	"restricted_action":      "the workspace lets only some people post in this channel",
}

// classify turns an error of slack-go into that of a channel.
func classify(err error) error {
	if err == nil {
		return nil
	}
	if limited, ok := errors.AsType[*slackapi.RateLimitedError](err); ok {
		return notice.Classify(429, strconv.FormatFloat(limited.RetryAfter.Seconds(), 'f', -1, 64), time.Time{}, "")
	}
	if status, ok := errors.AsType[slackapi.StatusCodeError](err); ok {
		return notice.Classify(status.Code, "", time.Time{}, "")
	}
	if said, ok := errors.AsType[slackapi.SlackErrorResponse](err); ok {
		return classifyAnswer(said)
	}
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return notice.Reach(wrapped.Err)
	}
	return err
}

func classifyAnswer(said slackapi.SlackErrorResponse) error {
	text := said.Err
	if hint := hints[said.Err]; hint != "" {
		text += " (" + hint + ")"
	}
	if said.Needed != "" {
		text += fmt.Sprintf(" (needed: %s; the token has: %s)", said.Needed, said.Provided)
	}
	if more := said.ResponseMetadata.Messages; len(more) > 0 {
		text += "; " + strings.Join(more, "; ")
	}
	err := &slackError{word: said.Err, text: text}
	if passing[said.Err] {
		return err
	}
	return &store.PermanentError{Err: err}
}
