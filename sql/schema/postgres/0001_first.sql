-- Keys are collated "C", so that attempts sort as they do in Go and in SQLite.
-- Documents are json and not jsonb, which would drop the sign of -0 and refuse \u0000.

-- +goose Up
CREATE TABLE run (
    pk           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    project      text COLLATE "C" NOT NULL,
    id           text COLLATE "C" NOT NULL,
    name         text NOT NULL DEFAULT '',
    tags         text[] NOT NULL DEFAULT '{}',
    state        text NOT NULL DEFAULT 'running'
                 CHECK (state IN ('running', 'completed', 'stopped', 'failed', 'interrupted', 'lost')),
    end_reason   text NOT NULL DEFAULT '',
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz,
    last_sign_at timestamptz NOT NULL,
    revision     bigint NOT NULL DEFAULT 0,
    started      json, -- the latest attempt's run_started
    UNIQUE (project, id)
);
CREATE INDEX run_started_at ON run (started_at);
CREATE INDEX run_id ON run (id);

CREATE TABLE attempt (
    run_pk     bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    id         text COLLATE "C" NOT NULL, -- UUIDv7: attempts of a run sort by it
    started_at timestamptz NOT NULL,
    next_seq   bigint NOT NULL,
    gaps       json NOT NULL DEFAULT '[]', -- [[from, to], …]
    state      text NOT NULL,
    ended_at   timestamptz,
    started    json,
    PRIMARY KEY (run_pk, id)
);

CREATE TABLE epoch (
    pk               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_pk           bigint NOT NULL,
    attempt          text COLLATE "C" NOT NULL,
    seq              bigint NOT NULL,
    epoch            bigint NOT NULL,
    ended_at         timestamptz NOT NULL,
    seconds          double precision,
    learning_rate    double precision,
    step             bigint,
    first_batch_loss double precision,
    UNIQUE (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
);

-- value is null where nonfinite says what it is, so that sums and averages skip it and say so.
CREATE TABLE metric_value (
    epoch_pk  bigint NOT NULL REFERENCES epoch (pk) ON DELETE CASCADE,
    metric    text COLLATE "C" NOT NULL,
    value     double precision CHECK (value NOT IN ('NaN', 'Infinity', '-Infinity')),
    nonfinite text CHECK (nonfinite IN ('NaN', 'Infinity', '-Infinity')),
    PRIMARY KEY (epoch_pk, metric),
    CHECK ((value IS NULL) = (nonfinite IS NOT NULL))
);

CREATE TABLE batches (
    run_pk  bigint NOT NULL,
    attempt text COLLATE "C" NOT NULL,
    seq     bigint NOT NULL,
    epoch   bigint NOT NULL,
    batch   bigint NOT NULL,
    count   bigint NOT NULL,
    metrics json NOT NULL, -- {"loss": {"mean": …, "min": …, "max": …, "last": …}}
    PRIMARY KEY (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
);

CREATE TABLE held (
    run_pk      bigint NOT NULL,
    attempt     text COLLATE "C" NOT NULL,
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    event       bytea NOT NULL,
    PRIMARY KEY (run_pk, attempt, seq),
    FOREIGN KEY (run_pk, attempt) REFERENCES attempt (run_pk, id) ON DELETE CASCADE
);

CREATE TABLE finding (
    pk             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id             text COLLATE "C" NOT NULL UNIQUE,
    run_pk         bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    kind           text NOT NULL,
    metric         text NOT NULL,
    onset_epoch    bigint NOT NULL,
    severity       text NOT NULL CHECK (severity IN ('info', 'warning', 'critical')),
    fired_epoch    bigint NOT NULL,
    resolved_epoch bigint,
    confidence     double precision NOT NULL,
    reason         text NOT NULL,
    summary        text NOT NULL,
    evidence       json NOT NULL,
    advice         json NOT NULL,
    opened_at      timestamptz NOT NULL,
    UNIQUE (run_pk, kind, metric, onset_epoch)
);

-- body is the whole command as it is sent; the columns before it repeat what people ask for.
CREATE TABLE command (
    pk            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id            text COLLATE "C" NOT NULL UNIQUE,
    run_pk        bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    attempt       text COLLATE "C" NOT NULL,
    caused_by     bigint NOT NULL,
    kind          text NOT NULL,
    issued_at     timestamptz NOT NULL,
    expected      double precision,
    wanted        double precision,
    body          json NOT NULL,
    state         text NOT NULL CHECK (state IN ('proposed', 'sent', 'applied', 'refused', 'expired', 'reverted')),
    finding_id    text COLLATE "C" REFERENCES finding (id) ON DELETE SET NULL,
    decided_epoch bigint NOT NULL,
    applied_epoch bigint,
    answer        text NOT NULL DEFAULT '',
    before        double precision,
    after         double precision,
    answered_at   timestamptz,
    effect        text NOT NULL DEFAULT '' CHECK (effect IN ('', 'pending', 'helped', 'no_difference', 'hurt')),
    forecast      bytea,
    UNIQUE (run_pk, attempt, caused_by, kind)
);
CREATE INDEX command_finding ON command (finding_id);

CREATE TABLE message (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text COLLATE "C" NOT NULL UNIQUE,
    run_pk     bigint NOT NULL REFERENCES run (pk) ON DELETE CASCADE,
    finding_id text COLLATE "C" NOT NULL REFERENCES finding (id) ON DELETE CASCADE,
    receiver   text NOT NULL,
    channel    text NOT NULL,
    event      text NOT NULL,
    state      text NOT NULL CHECK (state IN ('queued', 'sending', 'sent', 'failed', 'dead')),
    attempts   bigint NOT NULL DEFAULT 0,
    last_error text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    sent_at    timestamptz,
    reference  text NOT NULL DEFAULT '',
    UNIQUE (finding_id, receiver, channel, event)
);
CREATE INDEX message_run ON message (run_pk);

CREATE TABLE delivery (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    message_id text COLLATE "C" NOT NULL REFERENCES message (id) ON DELETE CASCADE,
    at         timestamptz NOT NULL,
    state      text NOT NULL,
    error      text NOT NULL DEFAULT '',
    reference  text NOT NULL DEFAULT ''
);
CREATE INDEX delivery_message ON delivery (message_id);

CREATE TABLE quarantine (
    pk          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    subject     text NOT NULL,
    message_id  text NOT NULL,
    stream_seq  bigint NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    size        bigint NOT NULL,
    payload     bytea NOT NULL,
    digest      bytea NOT NULL, -- of the payload: a stream that was made anew counts from 1 again
    UNIQUE (stream_seq, digest)
);
CREATE INDEX quarantine_received_at ON quarantine (received_at);

-- Every value of the epochs that count. An attempt that starts again at epoch k replaces what earlier
-- attempts had from k on. "value" may be NaN, Infinity or -Infinity; "finite" is the number or null, for
-- sums and averages.
CREATE VIEW metric_values AS
SELECT
    r.project,
    r.id AS run,
    e.epoch,
    (SELECT count(*) FROM attempt b WHERE b.run_pk = e.run_pk AND b.id <= e.attempt) AS attempt,
    m.metric,
    coalesce(m.value, m.nonfinite::double precision) AS value,
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
