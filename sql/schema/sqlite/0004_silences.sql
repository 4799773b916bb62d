-- +goose Up
-- What nobody wants to hear of for a while. Matchers are a list of texts such as project="vision".
CREATE TABLE silence (
    pk         INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    matchers   TEXT NOT NULL,
    author     TEXT NOT NULL,
    comment    TEXT NOT NULL,
    created_at TEXT NOT NULL,
    starts_at  TEXT NOT NULL,
    ends_at    TEXT NOT NULL
) STRICT;
CREATE INDEX silence_ends_at ON silence (ends_at);

-- +goose Down
DROP TABLE silence;
