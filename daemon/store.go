package daemon

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/internal/oneline"
	"github.com/epochwatch/epochwatch/sql/postgres"
	"github.com/epochwatch/epochwatch/sql/sqlite"
	"github.com/epochwatch/epochwatch/sql/store"
)

// OpenStore opens the store at an address. With readOnly it is opened for questions only:
// nothing is made and nothing migrated. The error is one line, says what to do, and holds no
// password.
func OpenStore(ctx context.Context, a config.StoreAddress, readOnly bool, log *slog.Logger) (store.Store, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	var s store.Store
	var err error
	if a.Engine == config.Postgres {
		s, err = postgres.Open(ctx, a.URL.Reveal(), postgres.Options{ReadOnly: readOnly, Log: log})
	} else {
		s, err = sqlite.Open(ctx, a.Path, sqlite.Options{ReadOnly: readOnly, Log: log})
	}
	switch {
	case err == nil:
		return s, nil
	case errors.Is(err, store.ErrNewerSchema):
		return nil, fmt.Errorf("store: %w: run the newer epochwatch, or name another store with --store", err)
	case readOnly && errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("store: %s is not there: no run was stored here yet, or --data or --store names another place", a)
	}
	return nil, fmt.Errorf("store: %w", oneline.Error(err))
}
