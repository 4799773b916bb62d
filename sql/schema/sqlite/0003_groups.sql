-- +goose Up
-- What is told together: the findings of one receiver that a route puts into one group. The times are
-- spans in microseconds. due_at is when the group is to be looked at; null: nothing is to come.
CREATE TABLE message_group (
    id            TEXT PRIMARY KEY NOT NULL,
    receiver      TEXT NOT NULL,
    labels        TEXT NOT NULL, -- {"project": …}, what the findings have in common
    wait          INTEGER NOT NULL,
    every         INTEGER NOT NULL,
    repeat        INTEGER NOT NULL,
    opened_at     TEXT NOT NULL,
    head          TEXT NOT NULL DEFAULT '', -- the finding that headed the first message; empty: nothing was told
    messages      INTEGER NOT NULL DEFAULT 0, -- told so far, to all channels each
    first_told_at TEXT,
    told_at       TEXT,
    due_at        TEXT
) STRICT;
CREATE INDEX message_group_due ON message_group (due_at);
CREATE INDEX message_group_first ON message_group (receiver, first_told_at);

-- told is what was said last of the finding, told_severity how grave it was then; why says what kept it from being told.
CREATE TABLE grouped_finding (
    group_id      TEXT NOT NULL REFERENCES message_group (id) ON DELETE CASCADE,
    finding_id    TEXT NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    run_pk        INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    joined_at     TEXT NOT NULL,
    told          TEXT NOT NULL DEFAULT '' CHECK (told IN ('', 'firing', 'resolved')),
    told_severity TEXT NOT NULL DEFAULT '',
    why           TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (group_id, finding_id)
) STRICT;
CREATE INDEX grouped_finding_finding ON grouped_finding (finding_id);
CREATE INDEX grouped_finding_run ON grouped_finding (run_pk);

-- A digest is about no one run, the end of a run about no finding. SQLite changes that only by making
-- the table anew; what refers to it steps aside, because dropping it would empty them.
CREATE TABLE message_kept AS SELECT * FROM message;
CREATE TABLE delivery_kept AS SELECT * FROM delivery;
DROP TABLE delivery;
DROP TABLE message;
CREATE TABLE message (
    pk         INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    run_pk     INTEGER REFERENCES run (pk) ON DELETE CASCADE,
    finding_id TEXT REFERENCES finding (id) ON DELETE CASCADE,
    receiver   TEXT NOT NULL,
    channel    TEXT NOT NULL,
    event      TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    sent_at    TEXT,
    reference  TEXT NOT NULL DEFAULT '',
    group_id   TEXT NOT NULL DEFAULT '',
    thread     TEXT NOT NULL DEFAULT '', -- the message that this one goes on from
    repeated   INTEGER NOT NULL DEFAULT 0,
    body       TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO message (pk, id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference)
SELECT pk, id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference FROM message_kept;
DROP TABLE message_kept;
CREATE INDEX message_run ON message (run_pk);
CREATE UNIQUE INDEX message_once ON message (finding_id, receiver, channel, event) WHERE event <> 'update';
CREATE INDEX message_about ON message (finding_id);
CREATE INDEX message_created ON message (created_at);
CREATE TABLE delivery (
    pk         INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    at         TEXT NOT NULL,
    state      TEXT NOT NULL,
    error      TEXT NOT NULL DEFAULT '',
    reference  TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO delivery SELECT * FROM delivery_kept;
DROP TABLE delivery_kept;
CREATE INDEX delivery_message ON delivery (message_id);

-- Every finding that a message speaks of.
CREATE TABLE message_finding (
    message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    finding_id TEXT NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    run_pk     INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    PRIMARY KEY (message_id, finding_id)
) STRICT;
CREATE INDEX message_finding_finding ON message_finding (finding_id);
CREATE INDEX message_finding_run ON message_finding (run_pk);
INSERT INTO message_finding (message_id, finding_id, run_pk) SELECT id, finding_id, run_pk FROM message;

-- +goose Down
DROP TABLE message_finding;
CREATE TABLE message_kept AS SELECT * FROM message WHERE run_pk IS NOT NULL AND finding_id IS NOT NULL AND event IN ('firing', 'resolved');
CREATE TABLE delivery_kept AS SELECT * FROM delivery WHERE message_id IN (SELECT id FROM message_kept);
DROP TABLE delivery;
DROP TABLE message;
CREATE TABLE message (
    pk         INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    run_pk     INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    finding_id TEXT NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    receiver   TEXT NOT NULL,
    channel    TEXT NOT NULL,
    event      TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'dead')),
    attempts   INTEGER NOT NULL DEFAULT 0,
    last_error TEXT NOT NULL DEFAULT '',
    created_at TEXT NOT NULL,
    sent_at    TEXT,
    reference  TEXT NOT NULL DEFAULT '',
    UNIQUE (finding_id, receiver, channel, event)
) STRICT;
INSERT INTO message (pk, id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference)
SELECT pk, id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference FROM message_kept;
DROP TABLE message_kept;
CREATE INDEX message_run ON message (run_pk);
CREATE TABLE delivery (
    pk         INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    at         TEXT NOT NULL,
    state      TEXT NOT NULL,
    error      TEXT NOT NULL DEFAULT '',
    reference  TEXT NOT NULL DEFAULT ''
) STRICT;
INSERT INTO delivery SELECT * FROM delivery_kept;
DROP TABLE delivery_kept;
CREATE INDEX delivery_message ON delivery (message_id);
DROP TABLE grouped_finding;
DROP TABLE message_group;
