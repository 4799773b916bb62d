package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/sql/store"
)

// alertsLimit is how many messages are listed unless asked otherwise.
const alertsLimit = 50

func newAlertsCommand() *cobra.Command {
	var p place
	var project, run string
	var asJSON bool
	limit := alertsLimit
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "List messages to people with each attempt, and what was not told and why",
		Long: `Lists the messages to people, newest first, with what went wrong at each attempt, and below them
the findings that a receiver was not told of: they wait for their group, or a silence, a time of
the route or another finding keeps them back.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usagef("--limit is a whole number from 1")
			}
			if err := checkProject(project); err != nil {
				return err
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Alerts(cmd.Context(), project, run, limit)
			if err != nil {
				return noRun(run, err)
			}
			return show(cmd.OutOrStdout(), list, asJSON, textOptions(cmd.OutOrStdout()))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&run, "run", "", "only what is about the run `ID`")
	cmd.Flags().StringVar(&project, "project", "", "the run's project `NAME`, where its id stands in several")
	cmd.Flags().IntVar(&limit, "limit", alertsLimit, "at most `N` messages")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	cmd.AddCommand(newAlertsTestCommand(), newAlertsRouteCommand(), newAlertsAckCommand())
	return cmd
}

// noRun says of a run that is not there what can be done.
func noRun(run string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return withCode(exitNo, fmt.Errorf("there is no run %s: see epochwatch runs", run))
	case errors.Is(err, store.ErrAmbiguous):
		return withCode(exitUsage, fmt.Errorf("run %s stands in several projects: name one with --project", run))
	}
	return fmt.Errorf("messages: %w", err)
}

func newAlertsRouteCommand() *cobra.Command {
	var p place
	var project, run string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "route --explain RUN",
		Short: "Say who would hear of a run's findings and why, and why someone would not",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if run == "" {
				return usagef("--explain is missing: the id of a run")
			}
			if err := checkProject(project); err != nil {
				return err
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			routing, err := s.Routing(cmd.Context(), project, run)
			if err != nil {
				return noRun(run, err)
			}
			return show(cmd.OutOrStdout(), routing, asJSON, textOptions(cmd.OutOrStdout()))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&run, "explain", "", "`ID` of the run")
	cmd.Flags().StringVar(&project, "project", "", "the run's project `NAME`, where its id stands in several")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}
