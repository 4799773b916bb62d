package sqlite

import (
	"database/sql"
	"path/filepath"
	"testing"

	"github.com/pressly/goose/v3"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/schema"
)

// The migration to groups makes the table of messages anew: nothing of it may be lost, up or down.
func TestMessagesSurviveTheMigrationToGroups(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	db, err := sql.Open("sqlite", dsn(filepath.Join(t.TempDir(), "store.db"), "foreign_keys(ON)"))
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close()) }()
	db.SetMaxOpenConns(1)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, schema.SQLite(), goose.WithDisableGlobalRegistry(true))
	require.NoError(t, err)
	_, err = p.UpTo(ctx, 2)
	require.NoError(t, err)
	for _, statement := range []string{
		`insert into run (pk, project, id, started_at, last_sign_at) values (1, 'p', 'r', 't', 't')`,
		`insert into finding (id, run_pk, kind, metric, onset_epoch, severity, fired_epoch, confidence, reason, summary, evidence, advice, opened_at)
			values ('f', 1, 'plateau', 'loss', 3, 'warning', 5, 0.5, '', '', '{}', '[]', 't')`,
		`insert into message (pk, id, run_pk, finding_id, receiver, channel, event, state, attempts, created_at)
			values (7, 'm', 1, 'f', 'team', 'slack', 'firing', 'sent', 2, 't')`,
		`insert into delivery (message_id, at, state) values ('m', 't', 'sending'), ('m', 'u', 'sent')`,
	} {
		_, err := db.ExecContext(ctx, statement)
		require.NoError(t, err, statement)
	}
	count := func(from string) (n int) {
		require.NoError(t, db.QueryRowContext(ctx, "select count(*) from "+from).Scan(&n))
		return n
	}
	whole := func() {
		require.Equal(t, 1, count(`message where pk = 7 and id = 'm' and run_pk = 1 and finding_id = 'f' and state = 'sent' and attempts = 2 and sent_at is null`))
		require.Equal(t, 2, count(`delivery where message_id = 'm'`))
		require.Zero(t, count(`pragma_foreign_key_check`))
	}
	_, err = p.Up(ctx)
	require.NoError(t, err)
	whole()
	require.Equal(t, 1, count(`message_finding where message_id = 'm' and finding_id = 'f' and run_pk = 1`))
	_, err = p.DownTo(ctx, 2)
	require.NoError(t, err)
	whole()
	_, err = p.Up(ctx)
	require.NoError(t, err)
	whole()
}
