package bus_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// keys makes a pair of keys of the kind that create makes.
func keys(t *testing.T, create func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string) {
	t.Helper()
	k, err := create()
	require.NoError(t, err)
	public, err := k.PublicKey()
	require.NoError(t, err)
	return k, public
}

// granted returns the subjects that a line of deploy/nats.md gives a user.
func granted(t *testing.T, user, flag string) jwt.StringList {
	t.Helper()
	text, err := os.ReadFile("../../deploy/nats.md")
	require.NoError(t, err)
	line := regexp.MustCompile(`(?m)^ +nsc add user .*--name ` + user + `\b.*$`).FindString(string(text))
	require.NotEmpty(t, line, user)
	found := regexp.MustCompile(flag + ` '([^']+)'`).FindStringSubmatch(line)
	if found == nil {
		return nil
	}
	return strings.Split(found[1], ",")
}

// deployed starts an outside server as deploy/nats.conf and deploy/nats.md have it, and
// returns its address and the credentials files of the daemon and of a trainer.
func deployed(t *testing.T) (url, daemon, trainer string) {
	t.Helper()
	dir := t.TempDir()
	operator, operatorKey := keys(t, nkeys.CreateOperator)
	account, accountKey := keys(t, nkeys.CreateAccount)
	_, systemKey := keys(t, nkeys.CreateAccount)

	oc := jwt.NewOperatorClaims(operatorKey)
	oc.SystemAccount = systemKey
	ojwt, err := oc.Encode(operator)
	require.NoError(t, err)
	ac := jwt.NewAccountClaims(accountKey)
	ac.Limits.JetStreamLimits = jwt.JetStreamLimits{MemoryStorage: -1, DiskStorage: -1, Streams: -1, Consumer: -1}
	ajwt, err := ac.Encode(operator)
	require.NoError(t, err)
	sjwt, err := jwt.NewAccountClaims(systemKey).Encode(operator)
	require.NoError(t, err)
	accounts := fmt.Sprintf("operator: %s\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: {\n%s: %s\n%s: %s\n}\n", ojwt, systemKey, accountKey, ajwt, systemKey, sjwt)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "accounts.conf"), []byte(accounts), 0o600))

	conf, err := os.ReadFile("../../deploy/nats.conf")
	require.NoError(t, err)
	text := strings.NewReplacer("0.0.0.0:4222", "127.0.0.1:-1", "/var/lib/nats", filepath.Join(dir, "js")).Replace(string(conf))
	path := filepath.Join(dir, "nats.conf")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	o, err := server.ProcessConfigFile(path)
	require.NoError(t, err)
	o.NoSigs, o.NoLog = true, true
	s, err := server.NewServer(o)
	require.NoError(t, err)
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	require.True(t, s.ReadyForConnections(10*time.Second))

	login := func(name string) string {
		pair, public := keys(t, nkeys.CreateUser)
		uc := jwt.NewUserClaims(public)
		uc.Pub.Allow, uc.Sub.Allow = granted(t, name, "--allow-pub"), granted(t, name, "--allow-sub")
		ujwt, err := uc.Encode(account)
		require.NoError(t, err)
		seed, err := pair.Seed()
		require.NoError(t, err)
		creds, err := jwt.FormatUserConfig(ujwt, seed)
		require.NoError(t, err)
		path := filepath.Join(dir, name+".creds")
		require.NoError(t, os.WriteFile(path, creds, 0o600))
		return path
	}
	return s.ClientURL(), login("daemon"), login("trainer")
}

func TestTheTemplateForAnOutsideServerHolds(t *testing.T) {
	t.Parallel()
	url, daemon, login := deployed(t)
	_, err := nats.Connect(url)
	require.ErrorIs(t, err, nats.ErrAuthorization, "nobody gets in without a login")

	// The daemon can do all it needs.
	b := start(t, bus.Options{Dir: t.TempDir(), URLs: []string{url}, Creds: daemon})
	require.NoError(t, b.Ready(t.Context()))
	require.NotEmpty(t, b.Consumers())

	v := make(chan string, 16)
	nc, err := nats.Connect(url, nats.UserCredentials(login), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { v <- err.Error() }))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	tr := trainer{nc, v}
	heard, err := nc.SubscribeSync("epochwatch.v1.proj.run.command")
	require.NoError(t, err)
	require.NoError(t, nc.Flush())

	// A trainer can do what it must.
	p, err := bus.Dial(within(t, 10*time.Second), []string{url}, "", login)
	require.NoError(t, err)
	t.Cleanup(p.Close)
	require.NoError(t, p.Publish(t.Context(), event, "run.a.1", []byte("{}")))
	holds(t, b, 1)

	// And nothing else, least of all speak for the daemon.
	for _, subject := range []string{
		"epochwatch.v1.proj.run.command", "epochwatch.v1.p.0.proj.run.event", "$JS.API.STREAM.DELETE.EPOCHWATCH",
		"$JS.API.STREAM.PURGE.EPOCHWATCH", "$JS.API.CONSUMER.MSG.NEXT.EPOCHWATCH.ingest-0", "$SYS.REQ.SERVER.PING", "anything",
	} {
		require.NoError(t, nc.Publish(subject, []byte("{}")))
		tr.refused(t, subject)
	}
	for _, subject := range []string{">", "epochwatch.v1.>", event, "$JS.>"} {
		_, err := nc.SubscribeSync(subject)
		require.NoError(t, err)
		tr.refused(t, subject)
	}
	n, _, err := heard.Pending()
	require.NoError(t, err)
	require.Zero(t, n, "no command of a trainer arrives")

	// Only the daemon's own does.
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	require.NoError(t, b.SendCommand(t.Context(), contract.Command{
		Version: contract.Version, Type: "command", ID: "c1", Kind: contract.KindStop, Project: "proj", Run: "run",
		Attempt: "01970000-0000-7000-8000-000000000001", CausedBy: 1, IssuedBy: "anna", IssuedAt: at, ExpiresAt: at.Add(time.Minute), ExpiresEpoch: 9,
	}))
	m, err := heard.NextMsg(5 * time.Second)
	require.NoError(t, err)
	require.Contains(t, string(m.Data), `"c1"`)
}
