package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/internal/oneline"
	"github.com/epochwatch/epochwatch/internal/termlog"
	"github.com/epochwatch/epochwatch/notify"
)

func newAlertsTestCommand() *cobra.Command {
	var flags config.Flags
	var receiver string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "test",
		Short: "Send a specimen to a receiver, or say what the service refused and how to mend it",
		Long: `Sends a specimen, with curve, verdict and buttons, through every channel of a receiver of the
config, each once. It needs no daemon. One line a channel says what came of it.

Exit codes: 0 every channel took it; 1 one did not, or there is none; 2 the config is bad or has
no such receiver.`,
		Example: `  epochwatch alerts test --receiver team
  epochwatch alerts test --receiver team --config epochwatch.yml --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return alertsTest(cmd.Context(), flags, receiver, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&receiver, "receiver", "", "`NAME` of the receiver")
	f.StringVar(&flags.Config, "config", "", "YAML `FILE` with the config (default EPOCHWATCH_CONFIG)")
	f.BoolVar(&asJSON, "json", false, "one JSON object a channel")
	return cmd
}

// proof is one line of --json.
type proof struct {
	Receiver  string  `json:"receiver"`
	Channel   string  `json:"channel"`
	OK        bool    `json:"ok"`
	Reference string  `json:"reference,omitempty"`
	Error     string  `json:"error,omitempty"`
	Seconds   float64 `json:"seconds"`
}

func alertsTest(ctx context.Context, flags config.Flags, receiver string, asJSON bool, out, errOut io.Writer) error {
	if receiver == "" {
		return usagef("--receiver is missing: the name of one of the config's receivers")
	}
	cfg, err := config.Load(flags, os.LookupEnv)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("config: %w", err))
	}
	log := slog.New(termlog.New(errOut, termlog.Options{Level: slog.LevelWarn, Colour: colour(errOut)}))
	n, err := notify.New(*cfg.Notify(), notify.Options{Log: log, Out: out, Base: cfg.Page()})
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("config: %w", err))
	}
	proofs, err := n.Prove(ctx, receiver)
	if err != nil {
		return withCode(exitUsage, err)
	}
	code := exitOK
	if len(proofs) == 0 {
		code = exitNo
		fmt.Fprintf(errOut, "epochwatch: receiver %s has no channel: nobody would be told\n", receiver)
	}
	for _, p := range proofs {
		line := proof{Receiver: receiver, Channel: p.Channel, OK: p.Err == nil, Reference: p.Reference, Seconds: p.Took.Seconds()}
		if p.Buttons {
			line.Channel += " buttons"
		}
		if p.Err != nil {
			code, line.Error = exitNo, oneline.Text(p.Err.Error())
		}
		switch {
		case asJSON:
			_ = json.NewEncoder(out).Encode(line)
		case p.Err != nil:
			fmt.Fprintf(out, "%-13s refused: %s\n", line.Channel, line.Error)
		case p.Buttons:
			fmt.Fprintf(out, "%-13s would be heard (%.1f s): while a daemon runs, a press on the specimen is answered\n", line.Channel, line.Seconds)
		default:
			fmt.Fprintf(out, "%-13s took it (%.1f s): look whether you see the curve\n", line.Channel, line.Seconds)
		}
	}
	return withCode(code, nil)
}
