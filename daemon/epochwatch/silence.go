package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/web"
	"github.com/epochwatch/epochwatch/notify"
	"github.com/epochwatch/epochwatch/sql/store"
)

func newSilenceCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "silence [RUN]",
		Short: "Keep findings from being told for a while",
		Example: `  epochwatch silence r-20260314 --for 1h
  epochwatch silence add 'kind=plateau' 'project=~"sweep-.*"' --for 2h --comment "known"
  epochwatch silence add 'tag=nightly' --until morning
  epochwatch silence list
  epochwatch silence expire ID`,
	}
	add := wanted{cmd: cmd}
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return add.do([]string{"run=" + strconv.Quote(args[0])})
	}
	add.flags()
	cmd.AddCommand(newSilenceAddCommand(), newSilenceListCommand(), newSilenceExpireCommand())
	return cmd
}

// wanted is a silence that is asked for.
type wanted struct {
	cmd    *cobra.Command
	p      place
	w      web.WantedSilence
	asJSON bool
}

func (a *wanted) flags() {
	a.p.flags(a.cmd)
	f := a.cmd.Flags()
	f.StringVar(&a.w.For, "for", "", "how long: a `SPAN` such as 90m, 2h or 1d (default 1h)")
	f.StringVar(&a.w.Until, "until", "", "until a `TIME` by the clock of this machine: morning (8 o'clock), 08:00 or 2026-03-14T08:00")
	f.StringVar(&a.w.Author, "author", "", "who asks for it (default the name of the user)")
	f.StringVar(&a.w.Comment, "comment", "", "`TEXT` that says why")
	f.BoolVar(&a.asJSON, "json", false, "one JSON object")
}

func (a *wanted) do(matchers []string) error {
	a.w.Matchers = matchers
	a.w.Author = author(a.w.Author)
	switch {
	case a.w.For != "" && a.w.Until != "":
		return usagef("--for and --until are two ends; keep one")
	case a.w.For+a.w.Until == "":
		a.w.For = "1h"
	}
	now := time.Now()
	end, err := a.w.End(now)
	if err != nil {
		return usagef("--%v", err)
	}
	if _, err := notify.NewSilence(matchers, a.w.Author, a.w.Comment, now, end.Sub(now)); err != nil {
		return usagef("%v", err)
	}
	if a.w.Until != "" || strings.HasPrefix(a.w.For, "until ") { // the daemon's clock may be set to another zone
		a.w.For, a.w.Until = "", end.Format(time.RFC3339)
	}
	s, err := a.p.open(a.cmd.Context())
	if err != nil {
		return err
	}
	defer s.Close()
	made, err := s.Silence(a.cmd.Context(), a.w)
	if err != nil {
		return fmt.Errorf("silence: %w", err)
	}
	return show(a.cmd.OutOrStdout(), made, a.asJSON, textOptions(a.cmd.OutOrStdout()))
}

func newSilenceAddCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "add MATCHER…",
		Short: "Keep back what matches: project, run, tag, kind, severity or metric, with =, !=, =~ or !~",
		Args:  cobra.MinimumNArgs(1),
	}
	add := wanted{cmd: cmd}
	cmd.RunE = func(_ *cobra.Command, args []string) error { return add.do(args) }
	add.flags()
	return cmd
}

func newSilenceListCommand() *cobra.Command {
	var p place
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the silences that hold",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Silences(cmd.Context())
			if err != nil {
				return fmt.Errorf("list silences: %w", err)
			}
			return show(cmd.OutOrStdout(), list, asJSON, textOptions(cmd.OutOrStdout()))
		},
	}
	p.flags(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func newSilenceExpireCommand() *cobra.Command {
	var p place
	cmd := &cobra.Command{
		Use:   "expire ID",
		Short: "End a silence now",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			err = s.EndSilence(cmd.Context(), args[0])
			if errors.Is(err, store.ErrNotFound) {
				return withCode(exitNo, fmt.Errorf("there is no silence %s, or it has ended", args[0]))
			}
			return err
		},
	}
	p.flags(cmd)
	return cmd
}
