package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/bus"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/ingest/spool"
	"github.com/epochwatch/epochwatch/internal/oneline"
)

// ackWithin bounds the wait for one acknowledgement: a broker that answers nothing must
// not hold a person up.
const ackWithin = 5 * time.Second

func newSyncCommand() *cobra.Command {
	var address, data string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Deliver what training processes left on disk",
		Long: `sync delivers the events that a training accepted while no daemon could be reached. A
daemon does so by itself for its own data folder; this is for trainings that were meant for
an address, and for certainty.

Exit codes: 0 everything was acknowledged; 1 something is left, and why.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := folder.Find(address, data, os.Getenv)
			if err != nil {
				return withCode(exitUsage, err)
			}
			r, err := sweep(cmd.Context(), t)
			if err != nil {
				return err
			}
			if asJSON {
				err = encodeLine(cmd.OutOrStdout(), r)
			} else {
				err = writeSync(cmd.OutOrStdout(), r)
			}
			if err == nil && r.Left() > 0 {
				return withCode(exitNo, nil)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&address, "url", "", "`URL` of NATS, nats://[token@]host:port[,…]")
	cmd.Flags().StringVar(&data, "data", "", "data `DIR`, whose folder spool is looked into (default the user's state folder)")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// sweep delivers the spools of the target's folder. Without a daemon they are counted.
func sweep(ctx context.Context, t folder.Target) (spool.Report, error) {
	away := fmt.Errorf("no daemon runs on %s: start one with epochwatch up", t.Dir)
	publish := func(context.Context, string, string, []byte) error { return away }
	if len(t.URLs) > 0 {
		p, err := bus.Dial(ctx, t.URLs, t.Token, t.Creds)
		if err == nil {
			defer p.Close()
			publish = func(ctx context.Context, subject, id string, data []byte) error {
				ctx, cancel := context.WithTimeout(ctx, ackWithin)
				defer cancel()
				return p.Publish(ctx, subject, id, data)
			}
		} else {
			away = err
		}
	}
	to := spool.Target{URLs: t.URLs, Daemon: !t.Named}
	r, err := spool.Sweep(ctx, folder.SpoolDir(t.Dir), to, publish, slog.New(slog.DiscardHandler))
	if err != nil {
		return r, fmt.Errorf("sync: %w", err)
	}
	return r, nil
}

func writeSync(w io.Writer, r spool.Report) error {
	for _, f := range r.Files {
		line := fmt.Sprintf("%s: %d delivered", filepath.Base(f.Path), f.Delivered)
		if f.Left > 0 {
			line += fmt.Sprintf(", %d left", f.Left)
		}
		if f.Unread > 0 {
			line += fmt.Sprintf(", %d lines were no events", f.Unread)
		}
		if f.Reason != "" {
			line += ": " + f.Reason
		}
		fmt.Fprintln(w, oneline.Printable(line))
	}
	_, err := fmt.Fprintf(w, "%d events delivered, %d left\n", r.Delivered(), r.Left())
	return err
}
