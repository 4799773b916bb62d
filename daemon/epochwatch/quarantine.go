package main

import (
	"fmt"

	"github.com/spf13/cobra"
)

// quarantineLimit is how many refused messages are listed unless asked otherwise.
const quarantineLimit = 100

func newQuarantineCommand() *cobra.Command {
	var p place
	var asJSON bool
	limit := quarantineLimit
	cmd := &cobra.Command{
		Use:   "quarantine",
		Short: "List messages that were refused, newest first, and why",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit is a whole number from 1")
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Quarantine(cmd.Context(), limit)
			if err != nil {
				return fmt.Errorf("list refused messages: %w", err)
			}
			if asJSON {
				return encodeLine(cmd.OutOrStdout(), list)
			}
			return list.WriteText(cmd.OutOrStdout())
		},
	}
	p.flags(cmd)
	cmd.Flags().IntVar(&limit, "limit", quarantineLimit, "at most `N` messages")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}
