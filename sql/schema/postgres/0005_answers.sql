-- +goose Up
-- What became of a run since the group told of it: ids of commands, and 'acknowledged'. asks: one of them waits for a person.
ALTER TABLE message_group ADD COLUMN news json NOT NULL DEFAULT '[]';
ALTER TABLE message_group ADD COLUMN asks boolean NOT NULL DEFAULT false;
ALTER TABLE message_group ADD COLUMN acked_at timestamptz; -- when somebody had seen what it tells; null again with its next first message
CREATE INDEX message_group_head ON message_group (head);

-- Who has seen what a group told, from its first message (opened_at, the group's first_told_at) to its resolution.
CREATE TABLE acknowledgement (
    group_id  text COLLATE "C" NOT NULL REFERENCES message_group (id) ON DELETE CASCADE,
    opened_at timestamptz NOT NULL,
    author    text NOT NULL,
    at        timestamptz NOT NULL,
    PRIMARY KEY (group_id, opened_at, author)
);

DROP INDEX message_once;
CREATE UNIQUE INDEX message_once ON message (finding_id, receiver, channel, event) WHERE event NOT IN ('update', 'progress');
CREATE INDEX message_of_group ON message (group_id);

-- +goose Down
DROP INDEX message_of_group;
DELETE FROM message WHERE event = 'progress';
DROP INDEX message_once;
CREATE UNIQUE INDEX message_once ON message (finding_id, receiver, channel, event) WHERE event <> 'update';
DROP TABLE acknowledgement;
DROP INDEX message_group_head;
ALTER TABLE message_group DROP COLUMN acked_at;
ALTER TABLE message_group DROP COLUMN asks;
ALTER TABLE message_group DROP COLUMN news;
