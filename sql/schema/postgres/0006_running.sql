-- +goose Up
-- The few runs that train among all that ever did: what fires in them may keep a finding of another run from being told.
CREATE INDEX run_running ON run (pk) WHERE state = 'running';

-- +goose Down
DROP INDEX run_running;
