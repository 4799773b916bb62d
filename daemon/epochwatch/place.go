package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/notify"
)

// place is where a command looks: flags that many commands share.
type place struct {
	url, data, store, config string
}

func (p *place) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&p.url, "url", "", "`URL` of the daemon's API, http://[token@]host:port (token also from EPOCHWATCH_TOKEN)")
	f.StringVar(&p.data, "data", "", "data `DIR` of the daemon (default the user's state folder)")
	f.StringVar(&p.store, "store", "", "`URL` of a store to read directly: postgres://…, sqlite:///absolute/path or sqlite://relative")
	f.StringVar(&p.config, "config", "", "the daemon's config `FILE`, for the store when no daemon runs")
}

// isHTTP tells an address of the API from one of NATS.
func isHTTP(address string) bool {
	return strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
}

// dir is the data folder.
func (p *place) dir() (string, error) {
	dir, err := folder.DataDir(p.data, os.Getenv)
	return dir, withCodeIf(exitUsage, err)
}

// cfg is the daemon's config, as far as the command was told.
func (p *place) cfg() (*config.Config, error) {
	cfg, err := config.Load(config.Flags{Config: p.config, Data: p.data, Store: p.store}, os.LookupEnv)
	if err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("config: %w", err))
	}
	return cfg, nil
}

// open returns what answers: the API that was named, the store that was named, the daemon
// that holds the data folder, or else the folder's store, opened for reading.
func (p *place) open(ctx context.Context) (source, error) {
	if address := p.api(); address != "" {
		return p.remote(address)
	}
	if p.store != "" {
		return p.direct(ctx)
	}
	dir, err := p.dir()
	if err != nil {
		return nil, err
	}
	e, live, err := folder.ReadEndpoint(dir)
	if err != nil {
		return nil, err
	}
	if live && e.HTTP != "" {
		return newClient(e.HTTP, e.Token), nil
	}
	return p.direct(ctx)
}

// daemon returns the daemon that was named, or that holds the data folder: what changes a run
// can only be asked of one.
func (p *place) daemon() (*client, error) {
	if address := p.api(); address != "" {
		return p.remote(address)
	}
	if p.store != "" {
		return nil, usagef("--store: only a daemon reaches a live run; name it with --url or --data")
	}
	dir, err := p.dir()
	if err != nil {
		return nil, err
	}
	e, live, err := folder.ReadEndpoint(dir)
	if err != nil {
		return nil, err
	}
	if !live || e.HTTP == "" {
		return nil, fmt.Errorf("no daemon runs on %s, and only one reaches a live run: start it with epochwatch up, or name another with --url or --data", dir)
	}
	return newClient(e.HTTP, e.Token), nil
}

// api is the address of the API where one was named; empty where none was.
func (p *place) api() string {
	if p.url == "" && p.store == "" && p.data == "" && isHTTP(os.Getenv(folder.EnvURL)) {
		return os.Getenv(folder.EnvURL)
	}
	return p.url
}

func (p *place) remote(address string) (*client, error) {
	if !isHTTP(address) {
		return nil, usagef("--url: runs are read over HTTP: want http://host:port, as endpoint.json has it under \"http\"")
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" { // err may quote a token
		return nil, usagef("--url: not an address, want http://[token@]host:port")
	}
	token := os.Getenv(folder.EnvToken)
	if u.User != nil {
		token = u.User.Username()
		u.User = nil
	}
	return newClient(u.String(), token), nil
}

// direct opens the store for reading.
func (p *place) direct(ctx context.Context) (source, error) {
	cfg, err := p.cfg()
	if err != nil {
		return nil, err
	}
	dir, err := p.dir()
	if err != nil {
		return nil, err
	}
	a, err := cfg.StoreAddress(dir)
	if err != nil {
		return nil, withCode(exitUsage, fmt.Errorf("store: %w", err))
	}
	detectors, err := cfg.Watch()
	if err != nil {
		return nil, withCode(exitUsage, err)
	}
	s, err := daemon.OpenStore(ctx, a, true, nil)
	if err != nil {
		return nil, err
	}
	n, err := notify.New(*cfg.Notify(), notify.Options{})
	if err != nil {
		return nil, errors.Join(withCode(exitUsage, fmt.Errorf("config: %w", err)), s.Close())
	}
	return storeSource{daemon.Reader{Store: s, Detectors: detectors, Notifier: n}}, nil
}

// source answers what the commands ask.
type source interface {
	web.Reader
	io.Closer
}

// storeSource is a store that was opened for reading.
type storeSource struct{ daemon.Reader }

var errNoDaemon = errors.New("no daemon runs on this data folder: start one (epochwatch up), or name it with --url")

// Silence needs a daemon: the store was opened for reading.
func (storeSource) Silence(context.Context, web.WantedSilence) (any, error) { return nil, errNoDaemon }

// Acknowledge needs one too.
func (storeSource) Acknowledge(context.Context, web.WantedAcknowledgement) (web.Acknowledged, error) {
	return web.Acknowledged{}, errNoDaemon
}

// EndSilence needs a daemon too.
func (storeSource) EndSilence(context.Context, string) error { return errNoDaemon }

func (s storeSource) Close() error { return s.Store.Close() }

func withCodeIf(code int, err error) error {
	if err == nil {
		return nil
	}
	return withCode(code, err)
}
