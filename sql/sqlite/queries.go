package sqlite

// query is one statement. A test prepares every constant of this type against a real
// database, and finds SQL that stands elsewhere.
type query string

const (
	qSchemaVersion query = `SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied`
	qJobVersion    query = `SELECT coalesce(max(version), 0) FROM river_migration WHERE line = 'main'`
	qHasTable      query = `SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = ?`

	runColumns = `r.pk, r.project, r.id, r.name, r.tags, r.state, r.end_reason, r.started_at, r.ended_at,
		r.last_sign_at, r.revision, r.started, (SELECT count(*) FROM attempt a WHERE a.run_pk = r.pk)`

	qInsertRun query = `INSERT INTO run (project, id, started_at, last_sign_at) VALUES (?1, ?2, ?3, ?3)
		ON CONFLICT (project, id) DO NOTHING`
	qRunByKey query = `SELECT ` + runColumns + ` FROM run r WHERE r.project = ? AND r.id = ?`
	qRunByPK  query = `SELECT ` + runColumns + ` FROM run r WHERE r.pk = ?`
	qRunsByID query = `SELECT ` + runColumns + ` FROM run r WHERE r.id = ? ORDER BY r.project LIMIT 2`
	qRuns     query = `SELECT ` + runColumns + ` FROM run r
		WHERE (?1 = '' OR r.project = ?1) AND (?2 = '' OR r.state = ?2)
		ORDER BY r.started_at DESC, r.pk DESC LIMIT ?3`
	qUpdateRun query = `UPDATE run SET name = ?, tags = ?, state = ?, end_reason = ?, started_at = ?, ended_at = ?,
		last_sign_at = ?, revision = ?, started = ? WHERE pk = ?`

	qAttempts query = `SELECT run_pk, id, started_at, next_seq, gaps, state, ended_at, started FROM attempt
		WHERE run_pk = ? ORDER BY id`
	qUpsertAttempt query = `INSERT INTO attempt (run_pk, id, started_at, next_seq, gaps, state, ended_at, started)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_pk, id) DO UPDATE SET started_at = excluded.started_at, next_seq = excluded.next_seq,
		gaps = excluded.gaps, state = excluded.state, ended_at = excluded.ended_at, started = excluded.started`

	qEpochs query = `SELECT pk, run_pk, attempt, seq, epoch, ended_at, seconds, learning_rate, step, first_batch_loss
		FROM epoch WHERE run_pk = ? ORDER BY attempt, seq`
	qMetrics query = `SELECT m.epoch_pk, m.metric, m.value, m.nonfinite FROM epoch e
		JOIN metric_value m ON m.epoch_pk = e.pk WHERE e.run_pk = ?`
	qInsertEpoch query = `INSERT INTO epoch (run_pk, attempt, seq, epoch, ended_at, seconds, learning_rate, step, first_batch_loss)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (run_pk, attempt, seq) DO NOTHING`
	qInsertMetric query = `INSERT INTO metric_value (epoch_pk, metric, value, nonfinite) VALUES (?, ?, ?, ?)`

	qInsertBatches query = `INSERT INTO batches (run_pk, attempt, seq, epoch, batch, count, metrics) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_pk, attempt, seq) DO NOTHING`

	qHeld query = `SELECT run_pk, attempt, seq, received_at, event FROM held WHERE run_pk = ? ORDER BY attempt, seq`
	qHold query = `INSERT INTO held (run_pk, attempt, seq, received_at, event) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (run_pk, attempt, seq) DO NOTHING`
	qRelease query = `DELETE FROM held WHERE run_pk = ? AND attempt = ? AND seq = ?`

	findingColumns = `id, run_pk, kind, metric, onset_epoch, severity, fired_epoch, resolved_epoch, confidence,
		reason, summary, evidence, advice, opened_at`

	qFindings query = `SELECT ` + findingColumns + ` FROM finding WHERE run_pk = ? ORDER BY pk`
	qFiring   query = `SELECT ` + findingColumns + ` FROM finding
		WHERE resolved_epoch IS NULL AND run_pk IN (SELECT pk FROM run WHERE state = 'running')
		ORDER BY CASE severity WHEN 'critical' THEN 2 WHEN 'warning' THEN 1 ELSE 0 END DESC, pk DESC LIMIT ?`
	qFiringRuns query = `SELECT ` + runColumns + ` FROM run r WHERE r.state = 'running'
		AND EXISTS (SELECT 1 FROM finding f WHERE f.run_pk = r.pk AND f.resolved_epoch IS NULL)`
	qFinding       query = `SELECT ` + findingColumns + ` FROM finding WHERE id = ?`
	qUpsertFinding query = `INSERT INTO finding (` + findingColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (run_pk, kind, metric, onset_epoch) DO UPDATE SET severity = excluded.severity,
		fired_epoch = excluded.fired_epoch, resolved_epoch = excluded.resolved_epoch, confidence = excluded.confidence,
		reason = excluded.reason, summary = excluded.summary, evidence = excluded.evidence, advice = excluded.advice`

	qCommands query = `SELECT run_pk, body, state, finding_id, decided_epoch, applied_epoch, answer, before, after,
		answered_at, effect, forecast, proposed_by FROM command WHERE run_pk = ? ORDER BY pk`
	qUpsertCommand query = `INSERT INTO command (id, run_pk, attempt, caused_by, kind, issued_at, expected, wanted, body,
		state, finding_id, decided_epoch, applied_epoch, answer, before, after, answered_at, effect, forecast,
		proposed_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET issued_at = excluded.issued_at, expected = excluded.expected, wanted = excluded.wanted,
		body = excluded.body, state = excluded.state, finding_id = excluded.finding_id, decided_epoch = excluded.decided_epoch,
		applied_epoch = excluded.applied_epoch, answer = excluded.answer, before = excluded.before, after = excluded.after,
		answered_at = excluded.answered_at, effect = excluded.effect, forecast = excluded.forecast,
		proposed_by = excluded.proposed_by
		ON CONFLICT (run_pk, attempt, caused_by, kind) DO NOTHING`

	messageColumns = `id, run_pk, finding_id, receiver, channel, event, state, attempts, last_error, created_at, sent_at, reference, group_id, thread, repeated, body`

	qMessages query = `SELECT ` + messageColumns + ` FROM message WHERE run_pk = ?1 OR id IN (
		SELECT message_id FROM message_finding WHERE run_pk = ?1) ORDER BY pk`
	qHasMessage    query = `SELECT count(*) FROM message WHERE id = ?`
	qMessage       query = `SELECT ` + messageColumns + ` FROM message WHERE id = ?`
	qInsertMessage query = `INSERT INTO message (` + messageColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`
	qInsertMessageFinding query = `INSERT INTO message_finding (message_id, finding_id, run_pk)
		SELECT ?1, id, run_pk FROM finding WHERE id = ?2 ON CONFLICT DO NOTHING`
	qMessageFindings query = `SELECT ` + findingColumns + ` FROM finding WHERE id IN (
		SELECT finding_id FROM message_finding WHERE message_id = ?) ORDER BY pk`
	qMessageRuns query = `SELECT ` + runColumns + ` FROM run r WHERE r.pk IN (SELECT run_pk FROM message_finding WHERE message_id = ?)`

	groupColumns   = `id, receiver, labels, wait, every, repeat, opened_at, head, messages, first_told_at, told_at, due_at, news, asks, acked_at`
	groupedColumns = `group_id, finding_id, run_pk, joined_at, told, told_severity, why`

	qDueGroups query = `SELECT ` + groupColumns + ` FROM message_group WHERE due_at <= ? ORDER BY due_at LIMIT ?`
	qGroup     query = `SELECT ` + groupColumns + ` FROM message_group WHERE id = ?`
	// What is told as over, and is over, stays on record and is not looked at.
	live = `(m.told <> 'resolved' OR EXISTS (SELECT 1 FROM finding f WHERE f.id = m.finding_id AND f.resolved_epoch IS NULL))`

	qGrouped       query = `SELECT ` + groupedColumns + ` FROM grouped_finding m WHERE group_id = ? AND ` + live + ` ORDER BY joined_at, finding_id`
	qGroupFindings query = `SELECT ` + findingColumns + ` FROM finding WHERE id IN (SELECT m.finding_id FROM grouped_finding m WHERE m.group_id = ? AND ` + live + `)`
	qGroupRuns     query = `SELECT ` + runColumns + ` FROM run r WHERE r.pk IN (SELECT m.run_pk FROM grouped_finding m WHERE m.group_id = ? AND ` + live + `)`
	qNextGroup     query = `SELECT min(due_at) FROM message_group`
	qFirstTold     query = `SELECT count(*) FROM message_group WHERE receiver = ? AND first_told_at >= ?`
	qJoinGroup     query = `INSERT INTO message_group (id, receiver, labels, wait, every, repeat, opened_at, due_at)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET wait = excluded.wait, every = excluded.every, repeat = excluded.repeat,
		due_at = min(coalesce(due_at, excluded.due_at), excluded.due_at)`
	qJoinFinding query = `INSERT INTO grouped_finding (group_id, finding_id, run_pk, joined_at) SELECT ?1, ?2, ?3, ?4
		WHERE NOT EXISTS (SELECT 1 FROM grouped_finding m JOIN message_group o ON o.id = m.group_id
			WHERE m.finding_id = ?2 AND o.receiver = ?5)`
	qNudgeGroup query = `UPDATE message_group SET due_at = min(coalesce(due_at, ?2), ?2)
		WHERE id IN (SELECT group_id FROM grouped_finding WHERE finding_id = ?1)`
	qUpsertGroup query = `INSERT INTO message_group (id, receiver, labels, wait, every, repeat, opened_at, head, messages,
		first_told_at, told_at, due_at, news, asks, acked_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET wait = excluded.wait, every = excluded.every, repeat = excluded.repeat,
		head = excluded.head, messages = excluded.messages, first_told_at = excluded.first_told_at,
		told_at = excluded.told_at, due_at = excluded.due_at, news = excluded.news, asks = excluded.asks,
		acked_at = excluded.acked_at`
	qAddNews query = `UPDATE message_group SET news = json_insert(news, '$[#]', ?2), asks = asks OR ?3,
		due_at = min(coalesce(due_at, ?4), ?4)
		WHERE head <> '' AND head IN (SELECT id FROM finding WHERE run_pk = ?1)`
	qUpsertGrouped query = `INSERT INTO grouped_finding (` + groupedColumns + `) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (group_id, finding_id) DO UPDATE SET told = excluded.told, told_severity = excluded.told_severity, why = excluded.why`
	qUngroup query = `DELETE FROM grouped_finding WHERE group_id = ? AND finding_id = ?`

	qOpenOfMessage query = `SELECT g.id, g.first_told_at FROM message m JOIN message_group g ON g.id = m.group_id
		LEFT JOIN message f ON f.id = m.thread
		WHERE m.id = ? AND g.head <> '' AND coalesce(f.created_at, m.created_at) >= g.first_told_at`
	qOpenOfRun query = `SELECT id, first_told_at FROM message_group WHERE head <> ''
		AND id IN (SELECT group_id FROM grouped_finding WHERE run_pk = ? AND told = 'firing') ORDER BY id`
	qAcknowledge query = `INSERT INTO acknowledgement (group_id, opened_at, author, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`
	qNoteSeen    query = `UPDATE message_group SET acked_at = coalesce(acked_at, ?2), news = json_insert(news, '$[#]', 'acknowledged'),
		due_at = min(coalesce(due_at, ?3), ?3) WHERE id = ?1`
	qAcknowledgements query = `SELECT a.author, a.at FROM message m LEFT JOIN message f ON f.id = m.thread
		JOIN acknowledgement a ON a.group_id = m.group_id AND a.opened_at = coalesce(f.created_at, m.created_at)
		WHERE m.id = ? ORDER BY a.at, a.author`
	// Progress says less than an update or a resolution, but all of what progress said before.
	qOrder query = `SELECT coalesce(max(o.pk > m.pk AND o.state = 'sent' AND (o.event <> 'progress' OR m.event = 'progress')), 0),
		coalesce(max(o.pk > m.pk AND o.state NOT IN ('sent', 'dead') AND (o.event <> 'progress' OR m.event = 'progress')), 0),
		coalesce(max(o.pk < m.pk AND o.state = 'sending'), 0)
		FROM message m JOIN message o ON o.group_id = m.group_id AND o.receiver = m.receiver AND o.channel = m.channel
		WHERE m.id = ? AND m.group_id <> ''`

	silenceColumns = `id, matchers, author, comment, created_at, starts_at, ends_at`

	qAddSilence query = `INSERT INTO silence (id, matchers, author, comment, created_at, starts_at, ends_at) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET matchers = excluded.matchers, author = excluded.author, comment = excluded.comment,
		starts_at = excluded.starts_at, ends_at = excluded.ends_at`
	qWakeHeld query = `UPDATE message_group SET due_at = min(coalesce(due_at, ?1), ?1) WHERE id IN (
		SELECT group_id FROM grouped_finding WHERE why <> '' AND told <> 'resolved')`
	qSilences query = `SELECT ` + silenceColumns + ` FROM silence WHERE ends_at > ? ORDER BY pk`
	qRecent   query = `SELECT ` + messageColumns + ` FROM message WHERE ?1 = 0 OR run_pk = ?1 OR id IN (
		SELECT message_id FROM message_finding WHERE run_pk = ?1) ORDER BY pk DESC LIMIT ?2`
	qEnds query = `SELECT ` + messageColumns + ` FROM message WHERE pk IN (
		SELECT pk FROM message WHERE state = 'queued' AND event = 'run_ended' AND receiver = ?1 AND channel = ?2
		UNION SELECT pk FROM message WHERE created_at >= ?3 AND event = 'run_ended' AND receiver = ?1 AND channel = ?2)
		ORDER BY pk DESC LIMIT ?4`
	qDeliveries query = `SELECT message_id, at, state, error, reference FROM delivery WHERE message_id = ? ORDER BY pk`
	qWaiting    query = `SELECT ` + groupedColumns + ` FROM grouped_finding WHERE told = '' AND (?1 = 0 OR run_pk = ?1)
		ORDER BY joined_at DESC LIMIT ?2`

	// A delivery that was announced as sending and then ends is one attempt; one that is kept back is none.
	qDeliver query = `UPDATE message SET
		attempts = attempts + (?2 = 'sending' OR ?2 <> 'queued' AND state <> 'sending'),
		state = ?2,
		last_error = CASE ?2 WHEN 'sending' THEN last_error ELSE ?3 END,
		reference = CASE ?4 WHEN '' THEN reference ELSE ?4 END,
		sent_at = CASE ?2 WHEN 'sent' THEN ?5 ELSE sent_at END
		WHERE id = ?1`
	qInsertDelivery query = `INSERT INTO delivery (message_id, at, state, error, reference) VALUES (?, ?, ?, ?, ?)`
	// The queue gave the job up without the worker's knowing, for instance because it was killed each time.
	qBuryMessages query = `UPDATE message SET state = 'dead' WHERE state IN ('queued', 'sending', 'failed') AND id IN (
		SELECT json_extract(args, '$.message_id') FROM river_job WHERE kind = 'send_message' AND state IN ('discarded', 'cancelled'))`

	qQuarantined query = `SELECT pk, received_at, subject, message_id, stream_seq, reason, detail, size, payload
		FROM quarantine ORDER BY received_at DESC, pk DESC LIMIT ?`
	qQuarantine query = `INSERT INTO quarantine (received_at, subject, message_id, stream_seq, reason, detail, size, payload, digest)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (stream_seq, digest) DO NOTHING`
	qForget query = `DELETE FROM quarantine WHERE received_at < ?`

	// One daemon owns the database, so whatever is still running at its start was left by one that died.
	qRescueJobs query = `UPDATE river_job SET state = 'available', scheduled_at = datetime('now', 'subsec')
		WHERE state = 'running' AND attempt < max_attempts`
	qBuryJobs query = `UPDATE river_job SET state = 'discarded', finalized_at = datetime('now', 'subsec')
		WHERE state = 'running'`
	qDepose query = `DELETE FROM river_leader`

	qOptimize query = `PRAGMA optimize`
)
