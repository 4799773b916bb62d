package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/sql/store"
)

// checkWithin is how long one check may wait for an answer.
const checkWithin = 5 * time.Second

func examineConfig(e *examination, p *place) *config.Config {
	cfg, err := p.cfg()
	if err != nil {
		e.add("config", wrong, "", "%v", err)
		return nil
	}
	if p.config == "" && os.Getenv(config.EnvConfig) == "" {
		e.add("config", fine, "", "none: defaults")
	} else {
		e.add("config", fine, "", "valid")
	}
	if n := len(cfg.Rules); n > 0 {
		e.add("rules", fine, "", "%d of your own", n)
	}
	names := make([]string, 0, len(cfg.Receivers))
	for _, r := range cfg.Receivers {
		names = append(names, r.Name)
	}
	if len(names) == 0 {
		e.add("receivers", note, "", "none: findings go to the log and the page")
	} else {
		e.add("receivers", fine, "", "%s", strings.Join(names, ", "))
	}
	return cfg
}

// examineFolder reports whether there is a folder to look into.
func examineFolder(e *examination, dir string) bool {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		e.add("data folder", note, "start a daemon with epochwatch up", "%s is not there yet", dir)
		return false
	case err != nil:
		e.add("data folder", wrong, "", "%v", err)
		return false
	case !info.IsDir():
		e.add("data folder", wrong, "name a folder with --data", "%s is a file", dir)
		return false
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o022 != 0:
		e.add("data folder", wrong, "chmod 700 "+dir, "%s can be written to by others, who could put a token of their own there", dir)
	default:
		e.add("data folder", fine, "", "%s", dir)
	}
	return true
}

// examineDaemon reports whether a daemon holds the folder.
func examineDaemon(ctx context.Context, e *examination, dir string) bool {
	endpoint, live, err := folder.ReadEndpoint(dir)
	switch {
	case err != nil:
		e.add("daemon", wrong, "", "%v", err)
		return live
	case !live && endpoint.NATS != "":
		e.add("daemon", wrong, "start it again with epochwatch up", "was killed: endpoint.json of pid %d is left, and nobody holds the folder", endpoint.PID)
		return false
	case !live:
		e.add("daemon", wrong, "start one with epochwatch up", "none runs on this folder")
		return false
	case endpoint.NATS == "":
		e.add("daemon", wrong, "its log says what it waits for", "holds the folder and is not ready")
		return true
	}
	e.add("daemon", fine, "", "runs with pid %d", endpoint.PID)
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	examineBroker(ctx, e, endpoint)
	examineAPI(ctx, e, endpoint.HTTP)
	return true
}

func examineBroker(ctx context.Context, e *examination, endpoint folder.Endpoint) {
	urls, _, err := folder.ParseURLs(endpoint.NATS)
	if err == nil {
		var b *bus.Publisher
		if b, err = bus.Dial(ctx, urls, endpoint.Token, os.Getenv(folder.EnvCreds)); err == nil {
			b.Close()
		}
	}
	if err != nil {
		e.add("broker", wrong, "see the daemon's log", "%s lets no trainer in: %v", endpoint.NATS, err)
		return
	}
	e.add("broker", fine, "", "%s lets trainers in", endpoint.NATS)
}

func examineAPI(ctx context.Context, e *examination, base string) {
	c := newClient(base, "")
	defer c.http.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", http.NoBody)
	if err != nil {
		e.add("api", wrong, "", "%v", err)
		return
	}
	a, err := c.http.Do(r)
	if err != nil {
		e.add("api", wrong, "see the daemon's log", "%s does not answer", base)
		return
	}
	defer a.Body.Close()
	if a.StatusCode != http.StatusOK {
		e.add("api", wrong, "the daemon's log says which part", "%s says that the daemon cannot take events now", base)
		return
	}
	e.add("api", fine, "", "%s is ready", base)
}

func examineStore(ctx context.Context, e *examination, cfg *config.Config, dir string, live bool) {
	a, err := cfg.StoreAddress(dir)
	if err != nil {
		e.add("store", wrong, "", "%v", err)
		return
	}
	if _, err := os.Stat(a.Path); a.Engine == config.SQLite && errors.Is(err, fs.ErrNotExist) {
		state, advice := note, ""
		if live {
			state, advice = wrong, "name the daemon's own with --config or --store"
		}
		e.add("store", state, advice, "%s is not there yet", a)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkWithin)
	defer cancel()
	s, err := daemon.OpenStore(ctx, a, true, nil)
	if err != nil {
		e.add("store", wrong, "", "%v", err)
		return
	}
	defer func() { _ = s.Close() }() // it was only read
	runs, err := s.ListRuns(ctx, store.RunFilter{})
	if err != nil {
		e.add("store", wrong, "", "%s: %v", a, err)
		return
	}
	e.add("store", fine, "", "%s, %s", a, count(len(runs), "run"))
	refused, err := s.ListQuarantined(ctx, quarantineLimit)
	switch {
	case err != nil:
		e.add("quarantine", wrong, "", "%v", err)
	case len(refused) == quarantineLimit:
		e.add("quarantine", note, "see epochwatch quarantine", "%d messages or more were refused", quarantineLimit)
	case len(refused) > 0:
		e.add("quarantine", note, "see epochwatch quarantine", "%s refused", count(len(refused), "message"))
	default:
		e.add("quarantine", fine, "", "no message was refused")
	}
}

// examineSpools counts what training processes of this machine have not got rid of.
func examineSpools(e *examination, dir string) {
	files, err := filepath.Glob(filepath.Join(folder.SpoolDir(dir), "*.jsonl"))
	switch {
	case err != nil:
		e.add("spools", wrong, "", "%v", err)
	case len(files) == 0:
		e.add("spools", fine, "", "none")
	default:
		e.add("spools", note, "deliver what dead ones left with epochwatch sync", "%s of training processes, living ones included", count(len(files), "file"))
	}
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
