-- +goose Up
-- The few messages that wait among all that ever were: ends of many runs that wait at once are told together.
CREATE INDEX message_queued ON message (receiver, channel) WHERE state = 'queued';

-- +goose Down
DROP INDEX message_queued;
