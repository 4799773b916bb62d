-- +goose Up
-- More of the few among all that ever were: ends of runs, what is untold, what is kept back.
CREATE INDEX message_ended ON message (receiver, channel, created_at) WHERE event = 'run_ended';
CREATE INDEX grouped_finding_untold ON grouped_finding (joined_at) WHERE told = '';
CREATE INDEX grouped_finding_held ON grouped_finding (group_id) WHERE why <> '';

-- +goose Down
DROP INDEX grouped_finding_held;
DROP INDEX grouped_finding_untold;
DROP INDEX message_ended;
