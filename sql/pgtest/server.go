package pgtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// keeper runs the server until its input ends, which it does with the test binary, and
// leaves nothing behind. SIGQUIT stops Postgres at once: the data are thrown away.
const keeper = `
"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c fsync=off -c full_page_writes=off \
	-c synchronous_commit=off -c wal_level=minimal -c max_wal_senders=0 -c max_connections=200 >"$2/log" 2>&1 &
pid=$!
cat >/dev/null
kill -QUIT "$pid"
wait "$pid"
cd / && rm -rf "$2"
`

// start makes a server in a folder of its own and returns the address of its first
// database.
func start() (string, error) {
	bin, err := binaries()
	if err != nil {
		return "", err
	}
	// Not t.TempDir: the server outlives the test that started it; and short, because the
	// path of a socket must be.
	dir, err := os.MkdirTemp("", "pg")
	if err != nil {
		return "", err
	}
	attr, err := unprivileged(dir)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	initdb := exec.CommandContext(ctx, filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"),
		"-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	initdb.Dir, initdb.SysProcAttr = dir, attr
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", errors.Join(fmt.Errorf("initdb: %w: %s", err, out), os.RemoveAll(dir))
	}
	k := exec.Command("/bin/sh", "-c", keeper, "keeper", bin, dir) //nolint:noctx // it ends with this process
	k.Dir, k.SysProcAttr = dir, attr
	// The keeper reads this pipe. Its other end is never closed here: the end of the
	// process does it.
	in, err := k.StdinPipe()
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	if err := k.Start(); err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	held = append(held, in)
	u := url.URL{Scheme: "postgres", User: url.User("postgres"), Path: "/postgres", RawQuery: url.Values{"host": {dir}}.Encode()}
	return u.String(), ready(ctx, u.String(), filepath.Join(dir, "log"))
}

// held keeps the pipe from being collected, which would close it.
var held []any

func ready(ctx context.Context, address, log string) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c, err := pgx.Connect(ctx, address)
		if err == nil {
			return c.Close(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			said, readErr := os.ReadFile(log)
			return errors.Join(fmt.Errorf("postgres does not answer: %w: %s", err, said), readErr)
		}
	}
}

// binaries returns the folder of the server's programs: on the PATH, or where Debian puts
// them, the newest version.
func binaries() (string, error) {
	if p, err := exec.LookPath("initdb"); err == nil {
		// What stands on the PATH may be a link to one program of many.
		if p, err = filepath.EvalSymlinks(p); err == nil {
			return filepath.Dir(p), nil
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return "", err
	}
	if len(found) == 0 {
		return "", errors.New("initdb is neither on the PATH nor under /usr/lib/postgresql (apt-get install postgresql)")
	}
	slices.SortFunc(found, func(a, b string) int { // 9 before 15
		return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
	})
	return filepath.Dir(found[len(found)-1]), nil
}
