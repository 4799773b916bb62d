package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/internal/oneline"
)

// verdict is how a check came out.
type verdict string

// The verdicts.
const (
	fine  verdict = "ok"
	note  verdict = "note"  // worth knowing; nothing is wrong
	wrong verdict = "wrong" // makes doctor exit with 1
)

// finding is the outcome of one check.
type finding struct {
	Check  string  `json:"check"`
	State  verdict `json:"state"`
	Detail string  `json:"detail"`
	Advice string  `json:"advice,omitempty"`
}

// examination is what doctor found.
type examination struct {
	OK     bool      `json:"ok"`
	Checks []finding `json:"checks"`
}

func (e *examination) add(check string, state verdict, advice, format string, args ...any) {
	e.Checks = append(e.Checks, finding{Check: check, State: state, Detail: oneline.Text(fmt.Sprintf(format, args...)), Advice: advice})
	e.OK = e.OK && state != wrong
}

func (e *examination) writeText(w io.Writer) {
	for _, c := range e.Checks {
		line := fmt.Sprintf("%-5s  %-12s %s", c.State, c.Check, c.Detail)
		if c.Advice != "" {
			line += ": " + c.Advice
		}
		fmt.Fprintln(w, oneline.Printable(line))
	}
}

func newDoctorCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check the daemon and all it stands on, a line for each",
		Long: `Checks config, data folder, daemon, broker, API, store, spools and quarantine, and says what to do
about what is wrong. Changes nothing. Exits with 1 when something is wrong.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			e := examine(cmd.Context(), &p)
			if asJSON {
				if err := json.NewEncoder(cmd.OutOrStdout()).Encode(e); err != nil {
					return err
				}
			} else {
				e.writeText(cmd.OutOrStdout())
			}
			if !e.OK {
				return withCode(exitNo, nil)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&p.data, "data", "", "data `DIR` of the daemon (default the user's state folder)")
	f.StringVar(&p.store, "store", "", "`URL` of the store, when it is not the data folder's own")
	f.StringVar(&p.config, "config", "", "the daemon's config `FILE`")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// examine runs the checks in the order in which one stands on the other.
func examine(ctx context.Context, p *place) *examination {
	e := &examination{OK: true}
	cfg := examineConfig(e, p)
	dir, err := p.dir()
	if err != nil {
		e.add("data folder", wrong, "", "%v", err)
		return e
	}
	if !examineFolder(e, dir) {
		return e
	}
	live := examineDaemon(ctx, e, dir)
	if cfg != nil {
		examineStore(ctx, e, cfg, dir, live)
	}
	examineSpools(e, dir)
	return e
}
