package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// document is what the commands print.
type document interface {
	WriteText(w io.Writer, o report.TextOptions) error
}

func newRunsCommand() *cobra.Command {
	var p place
	var filter store.RunFilter
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "runs",
		Short: "List runs, newest first",
		Long: `Lists runs, newest first. Asks the daemon that holds the data folder; when none runs, what it
has stored is read.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkProject(filter.Project); err != nil {
				return err
			}
			if filter.Limit < 0 {
				return usagef("--limit is a whole number from 1, or 0 for all")
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			list, err := s.Runs(cmd.Context(), filter)
			if err != nil {
				return fmt.Errorf("list runs: %w", err)
			}
			o := textOptions(cmd.OutOrStdout())
			o.Load = func(project, id string) (report.RunDocument, error) { return loadRun(cmd.Context(), s, project, id) }
			return show(cmd.OutOrStdout(), list, asJSON, o)
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&filter.Project, "project", "", "only runs of the project `NAME`")
	cmd.Flags().IntVar(&filter.Limit, "limit", 0, "at most `N` runs")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	cmd.AddCommand(newShowCommand())
	return cmd
}

func newShowCommand() *cobra.Command {
	var p place
	var project string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show one run: its epochs, findings, verdict, commands and messages",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			if err := checkRun(id, project); err != nil {
				return err
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			doc, err := s.Run(cmd.Context(), project, id)
			if err != nil {
				return unread(err, project, id)
			}
			return show(cmd.OutOrStdout(), doc, asJSON, textOptions(cmd.OutOrStdout()))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&project, "project", "", "the project `NAME` of the run, when its id stands in several")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// unread says why a run could not be read.
func unread(err error, project, id string) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return withCode(exitNo, fmt.Errorf("there is no run %s%s: see epochwatch runs", id, of(project)))
	case errors.Is(err, store.ErrAmbiguous):
		return usagef("run %s stands in several projects: name one with --project", id)
	}
	return fmt.Errorf("read run %s: %w", id, err)
}

func of(project string) string {
	if project == "" {
		return ""
	}
	return " in project " + project
}

// checkRun refuses what cannot be the id of a run, or a project.
func checkRun(id, project string) error {
	if err := checkProject(project); err != nil {
		return err
	}
	if !contract.ValidName(id) {
		return usagef("%.80q is not the id of a run: ids have 1 to 64 letters, digits, - and _; see epochwatch runs", id)
	}
	return nil
}

func checkProject(name string) error {
	if name != "" && !contract.ValidName(name) {
		return usagef("--project: %.80q is not a project: names have 1 to 64 letters, digits, - and _", name)
	}
	return nil
}

// loadRun returns a run as a document, whoever answered.
func loadRun(ctx context.Context, s source, project, id string) (report.RunDocument, error) {
	v, err := s.Run(ctx, project, id)
	if err != nil {
		return report.RunDocument{}, err
	}
	switch d := v.(type) {
	case report.RunDocument:
		return d, nil
	case answered[report.RunDocument]:
		return d.document()
	}
	return report.RunDocument{}, fmt.Errorf("%T is no run", v)
}

// show writes a document as JSON on one line, or as text.
func show(w io.Writer, v any, asJSON bool, o report.TextOptions) error {
	if asJSON {
		return encodeLine(w, v)
	}
	d, ok := v.(document)
	if !ok {
		return fmt.Errorf("%T cannot be written as text", v)
	}
	return d.WriteText(w, o)
}

func textOptions(w io.Writer) report.TextOptions {
	return report.TextOptions{Colour: colour(w), Width: width(w)}
}

// width is how many columns text may have: what COLUMNS says, or the terminal; 0 where
// neither does.
func width(w io.Writer) int {
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}
