package main

import (
	"errors"
	"fmt"
	"os/user"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/sql/store"
)

func newAlertsAckCommand() *cobra.Command {
	var p place
	var w web.WantedAcknowledgement
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "ack (RUN | --message ID)",
		Short: "Say that you have seen what was told of a run: it is not repeated, and the others see who",
		Long: `Notes that you have seen what was told of a run and goes on, or what one message tells (its id
stands in epochwatch alerts). It is then not repeated, Slack messages say who has seen it, and what
is new or graver is told all the same. It holds until the problem is over.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				w.Run = args[0]
			}
			w.Author = author(w.Author)
			if err := w.Validate(); err != nil {
				return usagef("%v", err)
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			done, err := s.Acknowledge(cmd.Context(), w)
			switch {
			case errors.Is(err, store.ErrNotFound), errors.Is(err, store.ErrAmbiguous):
				return noRun(w.Run, err)
			case err != nil:
				return fmt.Errorf("acknowledge: %w", err)
			case done.Problems == 0:
				return withCode(exitNo, errors.New("nothing that was told goes on: see epochwatch alerts"))
			}
			if asJSON {
				return encodeLine(cmd.OutOrStdout(), done)
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "Acknowledged by %s.\n", w.Author)
			return err
		},
	}
	p.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&w.Message, "message", "", "`ID` of a message")
	f.StringVar(&w.Project, "project", "", "the run's project `NAME`, where its id stands in several")
	f.StringVar(&w.Author, "author", "", "who has seen it (default the name of the user)")
	f.BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// author is who asks: the one named, or the user.
func author(named string) string {
	if named != "" {
		return named
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "somebody"
}
