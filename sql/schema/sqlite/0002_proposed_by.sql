-- +goose Up
-- Who proposed a command that waits, or waited, for a person; empty where nobody was asked.
ALTER TABLE command ADD COLUMN proposed_by text NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE command DROP COLUMN proposed_by;
