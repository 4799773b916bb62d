-- +goose Up
-- What nobody wants to hear of for a while. Matchers are a list of texts such as project="vision".
CREATE TABLE silence (
    pk         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         text COLLATE "C" NOT NULL UNIQUE,
    matchers   json NOT NULL,
    author     text NOT NULL,
    comment    text NOT NULL,
    created_at timestamptz NOT NULL,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL
);
CREATE INDEX silence_ends_at ON silence (ends_at);

-- +goose Down
DROP TABLE silence;
