-- +goose Up
-- What is told together: the findings of one receiver that a route puts into one group. The times are
-- spans in microseconds. due_at is when the group is to be looked at; null: nothing is to come.
CREATE TABLE message_group (
    id            text COLLATE "C" PRIMARY KEY,
    receiver      text NOT NULL,
    labels        json NOT NULL, -- {"project": …}, what the findings have in common
    wait          bigint NOT NULL,
    every         bigint NOT NULL,
    repeat        bigint NOT NULL,
    opened_at     timestamptz NOT NULL,
    head          text COLLATE "C" NOT NULL DEFAULT '', -- the finding that headed the first message; empty: nothing was told
    messages      bigint NOT NULL DEFAULT 0, -- told so far, to all channels each
    first_told_at timestamptz,
    told_at       timestamptz,
    due_at        timestamptz
);
CREATE INDEX message_group_due ON message_group (due_at);
CREATE INDEX message_group_first ON message_group (receiver, first_told_at);

-- told is what was said last of the finding, told_severity how grave it was then; why says what kept it from being told.
CREATE TABLE grouped_finding (
    group_id      text COLLATE "C" NOT NULL REFERENCES message_group (id) ON DELETE CASCADE,
    finding_id    text COLLATE "C" NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    run_pk        bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    joined_at     timestamptz NOT NULL,
    told          text NOT NULL DEFAULT '' CHECK (told IN ('', 'firing', 'resolved')),
    told_severity text NOT NULL DEFAULT '',
    why           text NOT NULL DEFAULT '',
    PRIMARY KEY (group_id, finding_id)
);
CREATE INDEX grouped_finding_finding ON grouped_finding (finding_id);
CREATE INDEX grouped_finding_run ON grouped_finding (run_pk);

-- A digest is about no one run, the end of a run about no finding.
ALTER TABLE message ALTER COLUMN run_pk DROP NOT NULL;
ALTER TABLE message ALTER COLUMN finding_id DROP NOT NULL;
ALTER TABLE message ADD COLUMN group_id text COLLATE "C" NOT NULL DEFAULT '';
ALTER TABLE message ADD COLUMN thread text COLLATE "C" NOT NULL DEFAULT ''; -- the message that this one goes on from
ALTER TABLE message ADD COLUMN repeated boolean NOT NULL DEFAULT false;
ALTER TABLE message ADD COLUMN body text NOT NULL DEFAULT '';
ALTER TABLE message DROP CONSTRAINT message_finding_id_receiver_channel_event_key;
CREATE UNIQUE INDEX message_once ON message (finding_id, receiver, channel, event) WHERE event <> 'update';
CREATE INDEX message_about ON message (finding_id);
CREATE INDEX message_created ON message (created_at);

-- Every finding that a message speaks of.
CREATE TABLE message_finding (
    message_id text COLLATE "C" NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    finding_id text COLLATE "C" NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    run_pk     bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    PRIMARY KEY (message_id, finding_id)
);
CREATE INDEX message_finding_finding ON message_finding (finding_id);
CREATE INDEX message_finding_run ON message_finding (run_pk);
INSERT INTO message_finding (message_id, finding_id, run_pk) SELECT id, finding_id, run_pk FROM message;

-- +goose Down
DROP TABLE message_finding;
DROP INDEX message_created;
DROP INDEX message_about;
DROP INDEX message_once;
DELETE FROM message WHERE run_pk IS NULL OR finding_id IS NULL OR event NOT IN ('firing', 'resolved');
ALTER TABLE message ADD CONSTRAINT message_finding_id_receiver_channel_event_key UNIQUE (finding_id, receiver, channel, event);
ALTER TABLE message DROP COLUMN body;
ALTER TABLE message DROP COLUMN repeated;
ALTER TABLE message DROP COLUMN thread;
ALTER TABLE message DROP COLUMN group_id;
ALTER TABLE message ALTER COLUMN finding_id SET NOT NULL;
ALTER TABLE message ALTER COLUMN run_pk SET NOT NULL;
DROP TABLE grouped_finding;
DROP TABLE message_group;
