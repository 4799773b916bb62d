package postgres

// query is one statement. A test prepares every constant of this type against a real
// database, and finds SQL that stands elsewhere.
type query string

const (
	qSchemaVersion query = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
	qJobVersion    query = `SELECT coalesce(max(version), 0) FROM river_migration WHERE line = 'main'`
	qHasTable      query = `SELECT to_regclass($1) IS NOT NULL`
	qWritable      query = `SELECT current_setting('transaction_read_only') = 'off'`

	runColumns = `r.pk, r.project, r.id, r.name, r.tags, r.state, r.end_reason, r.started_at, r.ended_at,
		r.last_sign_at, r.revision, r.started::text, (SELECT count(*) FROM attempt a WHERE a.run_pk = r.pk)`

	// Both in the order of the keys: two transactions wait for each other, never in a ring.
	qInsertRuns query = `INSERT INTO run (project, id, started_at, last_sign_at)
		SELECT u.project, u.id, now(), now() FROM unnest($1::text[], $2::text[]) AS u(project, id)
		WHERE NOT EXISTS (SELECT 1 FROM run r WHERE r.project = u.project AND r.id = u.id)
		ORDER BY u.project COLLATE "C", u.id COLLATE "C" ON CONFLICT (project, id) DO NOTHING`
	qLockRuns query = `SELECT ` + runColumns + ` FROM run r
		WHERE (r.project, r.id) IN (SELECT * FROM unnest($1::text[], $2::text[]))
		ORDER BY r.project, r.id FOR NO KEY UPDATE OF r`
	qRunByKey query = `SELECT ` + runColumns + ` FROM run r WHERE r.project = $1 AND r.id = $2`
	qRunByPK  query = `SELECT ` + runColumns + ` FROM run r WHERE r.pk = $1`
	qRunsByID query = `SELECT ` + runColumns + ` FROM run r WHERE r.id = $1 ORDER BY r.project LIMIT 2`
	qRuns     query = `SELECT ` + runColumns + ` FROM run r
		WHERE ($1::text = '' OR r.project = $1) AND ($2::text = '' OR r.state = $2)
		ORDER BY r.started_at DESC, r.pk DESC LIMIT $3`
	qUpdateRun query = `UPDATE run SET name = $2, tags = $3, state = $4, end_reason = $5, started_at = $6, ended_at = $7,
		last_sign_at = $8, revision = $9, started = $10::text::json WHERE pk = $1`

	attemptColumns = `run_pk, id, started_at, next_seq, gaps::text, state, ended_at, started::text`

	qAttempts       query = `SELECT ` + attemptColumns + ` FROM attempt WHERE run_pk = $1 ORDER BY id`
	qAttemptsOf     query = `SELECT ` + attemptColumns + ` FROM attempt WHERE run_pk = ANY($1) ORDER BY run_pk, id`
	qUpsertAttempts query = `INSERT INTO attempt (run_pk, id, started_at, next_seq, gaps, state, ended_at, started)
		SELECT u.run_pk, u.id, u.started_at, u.next_seq, u.gaps::json, u.state, u.ended_at, u.started::json
		FROM unnest($1::bigint[], $2::text[], $3::timestamptz[], $4::bigint[], $5::text[], $6::text[], $7::timestamptz[], $8::text[])
		AS u(run_pk, id, started_at, next_seq, gaps, state, ended_at, started)
		ON CONFLICT (run_pk, id) DO UPDATE SET started_at = excluded.started_at, next_seq = excluded.next_seq,
		gaps = excluded.gaps, state = excluded.state, ended_at = excluded.ended_at, started = excluded.started`

	qEpochs query = `SELECT e.run_pk, e.attempt, e.seq, e.epoch, e.ended_at, e.seconds, e.learning_rate, e.step,
		e.first_batch_loss, m.names, m.numbers
		FROM epoch e LEFT JOIN LATERAL (
			SELECT array_agg(v.metric) AS names, array_agg(coalesce(v.value, v.nonfinite::double precision)) AS numbers
			FROM metric_value v WHERE v.epoch_pk = e.pk
		) m ON true WHERE e.run_pk = $1 ORDER BY e.attempt, e.seq`
	// The metrics of an epoch go with the epoch: those of one stored before are left alone.
	qInsertEpochs query = `WITH fresh AS (
			INSERT INTO epoch (run_pk, attempt, seq, epoch, ended_at, seconds, learning_rate, step, first_batch_loss)
			SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[],
				$6::double precision[], $7::double precision[], $8::bigint[], $9::double precision[])
			ON CONFLICT (run_pk, attempt, seq) DO NOTHING RETURNING pk, run_pk, attempt, seq
		)
		INSERT INTO metric_value (epoch_pk, metric, value, nonfinite)
		SELECT fresh.pk, m.metric, m.value, m.nonfinite
		FROM unnest($10::bigint[], $11::text[], $12::bigint[], $13::text[], $14::double precision[], $15::text[])
			AS m(run_pk, attempt, seq, metric, value, nonfinite)
		JOIN fresh ON fresh.run_pk = m.run_pk AND fresh.attempt = m.attempt AND fresh.seq = m.seq
		ON CONFLICT (epoch_pk, metric) DO NOTHING`

	qInsertBatches query = `INSERT INTO batches (run_pk, attempt, seq, epoch, batch, count, metrics)
		SELECT u.run_pk, u.attempt, u.seq, u.epoch, u.batch, u.count, u.metrics::json
		FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])
		AS u(run_pk, attempt, seq, epoch, batch, count, metrics)
		ON CONFLICT (run_pk, attempt, seq) DO NOTHING`

	qHeld query = `SELECT run_pk, attempt, seq, received_at, event FROM held WHERE run_pk = $1 ORDER BY attempt, seq`
	qHold query = `INSERT INTO held (run_pk, attempt, seq, received_at, event)
		SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::timestamptz[], $5::bytea[])
		ON CONFLICT (run_pk, attempt, seq) DO NOTHING`
	qRelease query = `DELETE FROM held WHERE (run_pk, attempt, seq) IN (SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]))`

	findingColumns = `id, run_pk, kind, metric, onset_epoch, severity, fired_epoch, resolved_epoch, confidence,
		reason, summary, evidence::text, advice::text, opened_at`

	qFindings query = `SELECT ` + findingColumns + ` FROM finding WHERE run_pk = $1 ORDER BY pk`
	qFiring   query = `SELECT ` + findingColumns + ` FROM finding
		WHERE resolved_epoch IS NULL AND run_pk IN (SELECT pk FROM run WHERE state = 'running')
		ORDER BY CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END DESC, pk DESC LIMIT $1`
	qFinding        query = `SELECT ` + findingColumns + ` FROM finding WHERE id = $1`
	qUpsertFindings query = `INSERT INTO finding (id, run_pk, kind, metric, onset_epoch, severity, fired_epoch, resolved_epoch,
		confidence, reason, summary, evidence, advice, opened_at)
		SELECT u.id, u.run_pk, u.kind, u.metric, u.onset_epoch, u.severity, u.fired_epoch, u.resolved_epoch,
		u.confidence, u.reason, u.summary, u.evidence::json, u.advice::json, u.opened_at
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::bigint[], $8::bigint[],
			$9::double precision[], $10::text[], $11::text[], $12::text[], $13::text[], $14::timestamptz[]) WITH ORDINALITY
		AS u(id, run_pk, kind, metric, onset_epoch, severity, fired_epoch, resolved_epoch, confidence, reason, summary,
			evidence, advice, opened_at, place)
		ORDER BY u.place
		ON CONFLICT (run_pk, kind, metric, onset_epoch) DO UPDATE SET severity = excluded.severity,
		fired_epoch = excluded.fired_epoch, resolved_epoch = excluded.resolved_epoch, confidence = excluded.confidence,
		reason = excluded.reason, summary = excluded.summary, evidence = excluded.evidence, advice = excluded.advice`

	qCommands query = `SELECT run_pk, body::text, state, finding_id, decided_epoch, applied_epoch, answer, before, after,
		answered_at, effect, forecast, proposed_by FROM command WHERE run_pk = $1 ORDER BY pk`

	commandRows = `unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[],
			$7::double precision[], $8::double precision[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[],
			$14::text[], $15::double precision[], $16::double precision[], $17::timestamptz[], $18::text[], $19::bytea[], $20::text[]) WITH ORDINALITY
		AS u(id, run_pk, attempt, caused_by, kind, issued_at, expected, wanted, body, state, finding_id, decided_epoch,
			applied_epoch, answer, before, after, answered_at, effect, forecast, proposed_by, place)`

	// Two steps, because a row may be there under its id or under its cause, and only the
	// first is to be brought up to date.
	qInsertCommands query = `INSERT INTO command (id, run_pk, attempt, caused_by, kind, issued_at, expected, wanted, body, state,
		finding_id, decided_epoch, applied_epoch, answer, before, after, answered_at, effect, forecast, proposed_by)
		SELECT u.id, u.run_pk, u.attempt, u.caused_by, u.kind, u.issued_at, u.expected, u.wanted, u.body::json, u.state,
		u.finding_id, u.decided_epoch, u.applied_epoch, u.answer, u.before, u.after, u.answered_at, u.effect, u.forecast,
		u.proposed_by
		FROM ` + commandRows + ` ORDER BY u.place ON CONFLICT DO NOTHING`
	qUpdateCommands query = `UPDATE command c SET issued_at = u.issued_at, expected = u.expected, wanted = u.wanted,
		body = u.body::json, state = u.state, finding_id = u.finding_id, decided_epoch = u.decided_epoch,
		applied_epoch = u.applied_epoch, answer = u.answer, before = u.before, after = u.after,
		answered_at = u.answered_at, effect = u.effect, forecast = u.forecast,
		proposed_by = u.proposed_by
		FROM ` + commandRows + ` WHERE c.id = u.id`

	messageColumns = `id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference, group_id, thread, repeated, body`

	qMessages query = `SELECT ` + messageColumns + ` FROM message WHERE run_pk = $1 OR id IN (
		SELECT message_id FROM message_finding WHERE run_pk = $1) ORDER BY pk`
	qHasMessage     query = `SELECT count(*) FROM message WHERE id = $1`
	qMessage        query = `SELECT ` + messageColumns + ` FROM message WHERE id = $1`
	qInsertMessages query = `INSERT INTO message (` + messageColumns + `)
		SELECT u.id, u.run_pk, u.finding_id, u.receiver, u.channel, u.event, u.state, u.attempts, u.last_error, u.created_at,
		u.sent_at, u.reference, u.group_id, u.thread, u.repeated, u.body
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[],
			$10::timestamptz[], $11::timestamptz[], $12::text[], $13::text[], $14::text[], $15::boolean[], $16::text[]) WITH ORDINALITY
		AS u(id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference,
			group_id, thread, repeated, body, place)
		ORDER BY u.place ON CONFLICT DO NOTHING RETURNING id`
	// Of messages that were there already nothing is changed: they have their findings.
	qInsertMessageFindings query = `INSERT INTO message_finding (message_id, finding_id, run_pk)
		SELECT u.message_id, u.finding_id, f.run_pk FROM unnest($1::text[], $2::text[]) AS u(message_id, finding_id)
		JOIN finding f ON f.id = u.finding_id JOIN message m ON m.id = u.message_id
		WHERE NOT EXISTS (SELECT 1 FROM message_finding x WHERE x.message_id = u.message_id) ON CONFLICT DO NOTHING`
	qMessageFindings query = `SELECT ` + findingColumns + ` FROM finding WHERE id IN (
		SELECT finding_id FROM message_finding WHERE message_id = $1) ORDER BY pk`
	qRunsByPK query = `SELECT ` + runColumns + ` FROM run r WHERE r.pk = ANY($1)`

	groupColumns = `id, receiver, labels::text, wait, every, repeat, opened_at, head, messages, first_told_at, told_at, due_at,
		news::text, asks, acked_at`
	groupedColumns = `group_id, finding_id, run_pk, joined_at, told, told_severity, why`

	// One look at the groups at a time; the number is this program's own.
	qLockGroups query = `SELECT pg_advisory_xact_lock(5721093174822)`
	qDueGroups  query = `SELECT ` + groupColumns + ` FROM message_group WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED`
	qGroup      query = `SELECT ` + groupColumns + ` FROM message_group WHERE id = $1 FOR UPDATE`
	// What is told as over, and is over, stays on record and is not looked at.
	qGrouped query = `SELECT ` + groupedColumns + ` FROM grouped_finding m WHERE group_id = ANY($1)
		AND (told <> 'resolved' OR EXISTS (SELECT 1 FROM finding f WHERE f.id = m.finding_id AND f.resolved_epoch IS NULL))
		ORDER BY joined_at, finding_id`
	qFindingsByID query = `SELECT ` + findingColumns + ` FROM finding WHERE id = ANY($1)`
	qNextGroup    query = `SELECT min(due_at) FROM message_group`
	qFirstTold    query = `SELECT count(*) FROM message_group WHERE receiver = $1 AND first_told_at >= $2`
	// Groups in the order of their ids: two transactions wait for each other, never in a ring.
	qKnownGroups query = `SELECT id FROM message_group WHERE id = ANY($1)
		OR id IN (SELECT group_id FROM grouped_finding WHERE finding_id = ANY($2))
		OR head IN (SELECT id FROM finding WHERE run_pk = ANY($3)) ORDER BY id FOR UPDATE`
	qJoinGroups query = `INSERT INTO message_group (id, receiver, labels, wait, every, repeat, opened_at, due_at)
		SELECT u.id, u.receiver, u.labels::json, u.wait, u.every, u.repeat, u.opened_at, u.due_at
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::timestamptz[], $8::timestamptz[])
		AS u(id, receiver, labels, wait, every, repeat, opened_at, due_at) ORDER BY u.id COLLATE "C"
		ON CONFLICT (id) DO UPDATE SET wait = excluded.wait, every = excluded.every, repeat = excluded.repeat,
		due_at = least(message_group.due_at, excluded.due_at)`
	qJoinFindings query = `INSERT INTO grouped_finding (group_id, finding_id, run_pk, joined_at)
		SELECT DISTINCT ON (u.finding_id, g.receiver) u.group_id, u.finding_id, u.run_pk, u.joined_at
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[]) WITH ORDINALITY
		AS u(group_id, finding_id, run_pk, joined_at, place)
		JOIN message_group g ON g.id = u.group_id WHERE NOT EXISTS (
			SELECT 1 FROM grouped_finding m JOIN message_group o ON o.id = m.group_id
			WHERE m.finding_id = u.finding_id AND o.receiver = g.receiver)
		ORDER BY u.finding_id, g.receiver, u.place ON CONFLICT DO NOTHING`
	qNudgeGroups query = `UPDATE message_group g SET due_at = least(g.due_at, u.due_at)
		FROM (SELECT m.group_id AS id, min(n.due_at) AS due_at FROM unnest($1::text[], $2::timestamptz[]) AS n(finding_id, due_at)
			JOIN grouped_finding m ON m.finding_id = n.finding_id GROUP BY m.group_id) u WHERE g.id = u.id`
	qUpsertGroup query = `INSERT INTO message_group (id, receiver, labels, wait, every, repeat, opened_at, head, messages,
		first_told_at, told_at, due_at, news, asks, acked_at)
		VALUES ($1, $2, $3::text::json, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13::text::json, $14, $15)
		ON CONFLICT (id) DO UPDATE SET wait = excluded.wait, every = excluded.every, repeat = excluded.repeat,
		head = excluded.head, messages = excluded.messages, first_told_at = excluded.first_told_at,
		told_at = excluded.told_at, due_at = excluded.due_at, news = excluded.news, asks = excluded.asks,
		acked_at = excluded.acked_at`
	qAddNews query = `UPDATE message_group g SET news = (g.news::jsonb || n.commands)::json, asks = g.asks OR n.asks,
		due_at = least(g.due_at, n.due_at)
		FROM (SELECT f.id AS head, jsonb_agg(u.command ORDER BY u.place) AS commands, bool_or(u.asks) AS asks, min(u.due_at) AS due_at
			FROM unnest($1::bigint[], $2::text[], $3::boolean[], $4::timestamptz[]) WITH ORDINALITY AS u(run_pk, command, asks, due_at, place)
			JOIN finding f ON f.run_pk = u.run_pk GROUP BY f.id) n
		WHERE g.head = n.head`
	qUpsertGrouped query = `INSERT INTO grouped_finding (` + groupedColumns + `)
		SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::timestamptz[], $5::text[], $6::text[], $7::text[])
		ON CONFLICT (group_id, finding_id) DO UPDATE SET told = excluded.told, told_severity = excluded.told_severity, why = excluded.why`
	qUngroup query = `DELETE FROM grouped_finding WHERE (group_id, finding_id) IN (SELECT * FROM unnest($1::text[], $2::text[]))`

	qOpenOfMessage query = `SELECT g.id, g.first_told_at FROM message m JOIN message_group g ON g.id = m.group_id
		LEFT JOIN message f ON f.id = m.thread
		WHERE m.id = $1 AND g.head <> '' AND coalesce(f.created_at, m.created_at) >= g.first_told_at FOR UPDATE OF g`
	qOpenOfRun query = `SELECT id, first_told_at FROM message_group WHERE head <> ''
		AND id IN (SELECT group_id FROM grouped_finding WHERE run_pk = $1 AND told = 'firing') ORDER BY id FOR UPDATE`
	qAcknowledge query = `INSERT INTO acknowledgement (group_id, opened_at, author, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`
	qNoteSeen    query = `UPDATE message_group SET acked_at = coalesce(acked_at, $2),
		news = (news::jsonb || '["acknowledged"]')::json, due_at = least(due_at, $3) WHERE id = $1`
	qAcknowledgements query = `SELECT a.author, a.at FROM message m LEFT JOIN message f ON f.id = m.thread
		JOIN acknowledgement a ON a.group_id = m.group_id AND a.opened_at = coalesce(f.created_at, m.created_at)
		WHERE m.id = $1 ORDER BY a.at, a.author`
	// Progress says less than an update or a resolution, but all of what progress said before.
	qOrder query = `SELECT coalesce(bool_or(o.pk > m.pk AND o.state = 'sent' AND (o.event <> 'progress' OR m.event = 'progress')), false),
		coalesce(bool_or(o.pk > m.pk AND o.state NOT IN ('sent', 'dead') AND (o.event <> 'progress' OR m.event = 'progress')), false),
		coalesce(bool_or(o.pk < m.pk AND o.state = 'sending'), false)
		FROM message m JOIN message o ON o.group_id = m.group_id AND o.receiver = m.receiver AND o.channel = m.channel
		WHERE m.id = $1 AND m.group_id <> ''`

	silenceColumns = `id, matchers::text, author, comment, created_at, starts_at, ends_at`

	qAddSilence query = `INSERT INTO silence (id, matchers, author, comment, created_at, starts_at, ends_at)
		VALUES ($1, $2::text::json, $3, $4, $5, $6, $7)
		ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, author = excluded.author, comment = excluded.comment,
		starts_at = excluded.starts_at, ends_at = excluded.ends_at`
	qWakeHeld query = `UPDATE message_group SET due_at = least(due_at, $1) WHERE id IN (
		SELECT group_id FROM grouped_finding WHERE why <> '' AND told <> 'resolved')`
	qSilences query = `SELECT ` + silenceColumns + ` FROM silence WHERE ends_at > $1 ORDER BY pk`
	qRecent   query = `SELECT ` + messageColumns + ` FROM message WHERE $1 = 0 OR run_pk = $1 OR id IN (
		SELECT message_id FROM message_finding WHERE run_pk = $1) ORDER BY pk DESC LIMIT $2`
	qEnds query = `SELECT ` + messageColumns + ` FROM message WHERE pk IN (
		SELECT pk FROM message WHERE state = 'queued' AND event = 'run_ended' AND receiver = $1 AND channel = $2
		UNION SELECT pk FROM message WHERE created_at >= $3 AND event = 'run_ended' AND receiver = $1 AND channel = $2)
		ORDER BY pk DESC LIMIT $4`
	qDeliveries query = `SELECT message_id, at, state, error, reference FROM delivery WHERE message_id = $1 ORDER BY pk`
	qWaiting    query = `SELECT ` + groupedColumns + ` FROM grouped_finding WHERE told = '' AND ($1 = 0 OR run_pk = $1)
		ORDER BY joined_at DESC LIMIT $2`
	qGroupsByID query = `SELECT ` + groupColumns + ` FROM message_group WHERE id = ANY($1)`

	// A delivery that was announced as sending and then ends is one attempt; one that is kept back is none.
	qDeliver query = `WITH told AS (
			UPDATE message SET
			attempts = attempts + CASE WHEN $2 = 'sending' OR $2 <> 'queued' AND state <> 'sending' THEN 1 ELSE 0 END,
			state = $2,
			last_error = CASE $2 WHEN 'sending' THEN last_error ELSE $3 END,
			reference = CASE $4 WHEN '' THEN reference ELSE $4 END,
			sent_at = CASE $2 WHEN 'sent' THEN $5 ELSE sent_at END
			WHERE id = $1 RETURNING id
		)
		INSERT INTO delivery (message_id, at, state, error, reference) SELECT id, $5::timestamptz, $2::text, $3::text, $4::text FROM told`
	// The queue gave the job up without the worker's knowing, for instance because it was killed each time.
	qBuryMessages query = `UPDATE message SET state = 'dead' WHERE state IN ('queued', 'sending', 'failed') AND id IN (
		SELECT args->>'message_id' FROM river_job WHERE kind = 'send_message' AND state IN ('discarded', 'cancelled'))`

	qQuarantined query = `SELECT pk, received_at, subject, message_id, stream_seq, reason, detail, size, payload
		FROM quarantine ORDER BY received_at DESC, pk DESC LIMIT $1`
	qQuarantine query = `INSERT INTO quarantine (received_at, subject, message_id, stream_seq, reason, detail, size, payload, digest)
		SELECT * FROM unnest($1::timestamptz[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::bytea[], $9::bytea[])
		ON CONFLICT (stream_seq, digest) DO NOTHING`
	qForget query = `DELETE FROM quarantine WHERE received_at < $1`
)
