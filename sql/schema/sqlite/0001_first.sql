-- Times are UTC text, 2006-01-02T15:04:05.000000Z: they sort, and SQLite's date functions read them.
-- Columns of type ANY hold a real number, or the text NaN, Infinity or -Infinity: SQLite has no NaN, and a
-- REAL column would drop the sign of -0.0.

-- +goose Up
CREATE TABLE run (
    pk           INTEGER PRIMARY KEY,
    project      TEXT NOT NULL,
    id           TEXT NOT NULL,
    name         TEXT NOT NULL DEFAULT '',
    tags         TEXT NOT NULL DEFAULT '[]', -- JSON
    state        TEXT NOT NULL DEFAULT 'running'
                 CHECK (state IN ('running', 'completed', 'stopped', 'failed', 'interrupted', 'lost')),
    end_reason   TEXT NOT NULL DEFAULT '',
    started_at   TEXT NOT NULL,
    ended_at     TEXT,
    last_sign_at TEXT NOT NULL,
    revision     INTEGER NOT NULL DEFAULT 0,
    started      TEXT, -- JSON of the latest attempt's run_started
    UNIQUE (project, id)
) STRICT;
CREATE INDEX run_started_at ON run (started_at);
CREATE INDEX run_id ON run (id);

CREATE TABLE attempt (
    run_pk     INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    id         TEXT NOT NULL, -- UUIDv7: attempts of a run sort by it
    started_at TEXT NOT NULL,
    next_seq   INTEGER NOT NULL,
    gaps       TEXT NOT NULL DEFAULT '[]', -- JSON: [[from, to], …]
    state      TEXT NOT NULL,
    ended_at   TEXT,
    started    TEXT, -- JSON
    PRIMARY KEY (run_pk, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE epoch (
    pk               INTEGER PRIMARY KEY,
    run_pk           INTEGER NOT NULL,
    attempt          TEXT NOT NULL,
    seq              INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    ended_at         TEXT NOT NULL,
    seconds          ANY CHECK (typeof(seconds) IN ('null', 'real') OR seconds IN ('NaN', 'Infinity', '-Infinity')),
    learning_rate    ANY CHECK (typeof(learning_rate) IN ('null', 'real') OR learning_rate IN ('NaN', 'Infinity', '-Infinity')),
    step             INTEGER,
    first_batch_loss ANY CHECK (typeof(first_batch_loss) IN ('null', 'real') OR first_batch_loss IN ('NaN', 'Infinity', '-Infinity')),
    UNIQUE (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
) STRICT;

-- value is null where nonfinite says what it is, so that sums and averages skip it and say so.
CREATE TABLE metric_value (
    epoch_pk  INTEGER NOT NULL REFERENCES epoch (pk) ON DELETE CASCADE,
    metric    TEXT NOT NULL,
    value     ANY CHECK (typeof(value) IN ('null', 'real')),
    nonfinite TEXT CHECK (nonfinite IN ('NaN', 'Infinity', '-Infinity')),
    PRIMARY KEY (epoch_pk, metric),
    CHECK ((value IS NULL) = (nonfinite IS NOT NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE batches (
    run_pk  INTEGER NOT NULL,
    attempt TEXT NOT NULL,
    seq     INTEGER NOT NULL,
    epoch   INTEGER NOT NULL,
    batch   INTEGER NOT NULL,
    count   INTEGER NOT NULL,
    metrics TEXT NOT NULL, -- JSON: {"loss": {"mean": …, "min": …, "max": …, "last": …}}
    PRIMARY KEY (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    run_pk      INTEGER NOT NULL,
    attempt     TEXT NOT NULL,
    seq         INTEGER NOT NULL,
    received_at TEXT NOT NULL,
    event       BLOB NOT NULL,
    PRIMARY KEY (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
) STRICT;

CREATE TABLE finding (
    pk             INTEGER PRIMARY KEY,
    id             TEXT NOT NULL UNIQUE,
    run_pk         INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    kind           TEXT NOT NULL,
    metric         TEXT NOT NULL,
    onset_epoch    INTEGER NOT NULL,
    severity       TEXT NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    fired_epoch    INTEGER NOT NULL,
    resolved_epoch INTEGER,
    confidence     ANY NOT NULL CHECK (typeof(confidence) = 'real' OR confidence IN ('NaN', 'Infinity', '-Infinity')),
    reason         TEXT NOT NULL,
    summary        TEXT NOT NULL,
    evidence       TEXT NOT NULL, -- JSON
    advice         TEXT NOT NULL, -- JSON
    opened_at      TEXT NOT NULL,
    UNIQUE (run_pk, kind, metric, onset_epoch)
) STRICT;

-- body is the whole command as it is sent; the columns before it repeat what people ask for.
CREATE TABLE command (
    pk            INTEGER PRIMARY KEY,
    id            TEXT NOT NULL UNIQUE,
    run_pk        INTEGER NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    attempt       TEXT NOT NULL,
    caused_by     INTEGER NOT NULL,
    kind          TEXT NOT NULL,
    issued_at     TEXT NOT NULL,
    expected      ANY CHECK (typeof(expected) IN ('null', 'real') OR expected IN ('NaN', 'Infinity', '-Infinity')),
    wanted        ANY CHECK (typeof(wanted) IN ('null', 'real') OR wanted IN ('NaN', 'Infinity', '-Infinity')),
    body          TEXT NOT NULL, -- JSON
    state         TEXT NOT NULL CHECK (state IN ('proposed', 'sent', 'applied', 'refused', 'expired', 'reverted')),
    finding_id    TEXT REFERENCES finding (id) ON DELETE SET NULL,
    decided_epoch INTEGER NOT NULL,
    applied_epoch INTEGER,
    answer        TEXT NOT NULL DEFAULT '',
    before        ANY CHECK (typeof(before) IN ('null', 'real') OR before IN ('NaN', 'Infinity', '-Infinity')),
    after         ANY CHECK (typeof(after) IN ('null', 'real') OR after IN ('NaN', 'Infinity', '-Infinity')),
    answered_at   TEXT,
    effect        TEXT NOT NULL DEFAULT '' CHECK (effect IN ('', 'pending', 'helped', 'no_difference', 'hurt')),
    forecast      BLOB,
    UNIQUE (run_pk, attempt, caused_by, kind)
) STRICT;
CREATE INDEX command_finding ON command (finding_id);

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
CREATE INDEX message_run ON message (run_pk);

CREATE TABLE delivery (
    pk         INTEGER PRIMARY KEY,
    message_id TEXT NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    at         TEXT NOT NULL,
    state      TEXT NOT NULL,
    error      TEXT NOT NULL DEFAULT '',
    reference  TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX delivery_message ON delivery (message_id);

CREATE TABLE quarantine (
    pk          INTEGER PRIMARY KEY,
    received_at TEXT NOT NULL,
    subject     TEXT NOT NULL,
    message_id  TEXT NOT NULL,
    stream_seq  INTEGER NOT NULL,
    reason      TEXT NOT NULL,
    detail      TEXT NOT NULL,
    size        INTEGER NOT NULL,
    payload     BLOB NOT NULL,
    digest      BLOB NOT NULL, -- of the payload: a stream that was made anew counts from 1 again
    UNIQUE (stream_seq, digest)
) STRICT;
CREATE INDEX quarantine_received_at ON quarantine (received_at);

-- Every value of the epochs that count. An attempt that starts again at epoch k replaces what earlier
-- attempts had from k on. "value" is a number or the text NaN, Infinity or -Infinity; "finite" is the
-- number or null, for sums and averages.
CREATE VIEW metric_values AS
SELECT
    r.project,
    r.id AS run,
    e.epoch,
    (SELECT count(*) FROM attempt b WHERE b.run_pk = e.run_pk AND b.id <= e.attempt) AS attempt,
    m.metric,
    coalesce(m.value, m.nonfinite) AS value,
    m.value AS finite
FROM run r
JOIN epoch e ON e.run_pk = r.pk
JOIN metric_value m ON m.epoch_pk = e.pk
WHERE NOT EXISTS (
    SELECT 1 FROM attempt later
    WHERE later.run_pk = e.run_pk AND later.id > e.attempt
      AND (SELECT f.epoch FROM epoch f WHERE f.run_pk = later.run_pk AND f.attempt = later.id ORDER BY f.seq LIMIT 1) <= e.epoch
);

-- +goose Down
DROP VIEW metric_values;
DROP TABLE quarantine;
DROP TABLE delivery;
DROP TABLE message;
DROP TABLE command;
DROP TABLE finding;
DROP TABLE held;
DROP TABLE batches;
DROP TABLE metric_value;
DROP TABLE epoch;
DROP TABLE attempt;
DROP TABLE run;
