package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/internal/oneline"
)

// diagnosing is one call of diagnose.
type diagnosing struct {
	asJSON  bool
	context string
	failOn  string
	html    string
	project string
	place   place
	facts   *contract.Facts
	watch   detectors.Config
	least   int // rank of severity that fails; 0 for none
}

func newDiagnoseCommand() *cobra.Command {
	var d diagnosing
	cmd := &cobra.Command{
		Use:   "diagnose FILE…",
		Short: "Say what a training log shows, since which epoch, and what to try",
		Long: `diagnose says what is happening in a training, since which epoch, on what numbers, and what
to try. It reads, whatever the file is called (- is standard input):

  the console output of Keras 1, 2 and 3, and the tables of CSVLogger
  History.history as JSON, or as Python prints it
  executed notebooks
  TensorBoard event files, and the log folder that Keras' TensorBoard callback writes

What is no file may be the id of a stored run; for anything else no daemon is needed. Of
several trainings in one file the last of some length is read, and that is said.

Exit codes: 0 read; 1 a finding at or above --fail-on; 2 a file could not be read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return d.run(cmd, files) },
	}
	cmd.Flags().BoolVar(&d.asJSON, "json", false, "one JSON object a file, one line each")
	cmd.Flags().StringVar(&d.context, "context", "", "JSON `FILE` with what a log cannot say: loss, head, optimizer, rate, data")
	cmd.Flags().StringVar(&d.html, "html", "", "write the diagnosis into `FILE` too: one page that can be forwarded")
	cmd.Flags().StringVar(&d.failOn, "fail-on", "", "exit 1 when a finding is of this `SEVERITY` or above: warning or critical")
	d.place.flags(cmd)
	cmd.Flags().Lookup("config").Usage = "the daemon's config `FILE`, for its thresholds and rules, and for the store when no daemon runs"
	cmd.Flags().StringVar(&d.project, "project", "", "the project `NAME` of a stored run, when its id stands in several")
	return cmd
}

func (d *diagnosing) run(cmd *cobra.Command, files []string) error {
	if err := d.check(); err != nil {
		return err
	}
	code := exitOK
	outcomes := make([]report.Outcome, 0, len(files))
	for i, name := range files {
		o := d.read(cmd, name)
		if d.html != "" {
			outcomes = append(outcomes, o)
		}
		if err := d.show(cmd, o, i > 0); err != nil {
			return err
		}
		code = max(code, d.code(o)) // 2, a file that could not be read, says more than 1
	}
	if d.html != "" {
		if err := d.write(outcomes); err != nil {
			return err
		}
	}
	return withCode(code, nil)
}

// check looks at the flags.
func (d *diagnosing) check() error {
	switch s := detectors.Severity(d.failOn); s {
	case "":
	case detectors.SeverityWarning, detectors.SeverityCritical:
		d.least = s.Rank()
	default:
		return usagef("--fail-on %q: want warning or critical", d.failOn)
	}
	if err := checkProject(d.project); err != nil {
		return err
	}
	if d.html != "" {
		// A name that was forgotten would make a log the page.
		if b, err := os.ReadFile(d.html); err == nil && len(b) > 0 && !report.IsHTML(b) {
			return usagef("--html %s: that file is no page of epochwatch, and is left as it is", d.html)
		}
	}
	given, err := (&thresholds{config: d.place.config}).read()
	if err != nil {
		return err
	}
	if d.watch = given.Config; d.context == "" {
		return nil
	}
	b, err := os.ReadFile(d.context)
	if err != nil {
		return usagef("--context: %w", err)
	}
	facts, err := report.ReadFacts(b)
	if err != nil {
		return usagef("--context %s: want one JSON object with facts such as {\"loss\": \"mse\", \"learning_rate\": 0.001}: %w", d.context, err)
	}
	d.facts = &facts
	return nil
}

// read reads one source. What is wrong with it is part of what is said.
func (d *diagnosing) read(cmd *cobra.Command, name string) report.Outcome {
	found, err := d.diagnose(cmd, name)
	if err != nil {
		found.Source = name
		return report.Outcome{Diagnosis: found, Error: oneline.Text(err.Error())}
	}
	return report.Outcome{Diagnosis: found}
}

// diagnose reads a file, or the run of that id. A file comes first: an id can always be
// asked for from another folder.
func (d *diagnosing) diagnose(cmd *cobra.Command, name string) (report.Diagnosis, error) {
	_, missing := os.Stat(name)
	if name == "-" || missing == nil || !contract.ValidName(name) {
		log, err := readLog(cmd, name)
		if err != nil {
			return report.Diagnosis{}, err
		}
		return report.Diagnose(log, d.facts, d.watch)
	}
	story, notes, err := d.place.stored(cmd.Context(), d.project, name)
	if err != nil {
		return report.Diagnosis{}, fmt.Errorf("%s is no file, and no run could be read: %w", name, err)
	}
	return report.DiagnoseRun(name, story, notes, d.facts, d.watch)
}

// code is what one source does to the exit code.
func (d *diagnosing) code(o report.Outcome) int {
	if o.Error != "" {
		return exitUsage
	}
	for _, f := range o.Findings {
		if d.least > 0 && f.Severity.Rank() >= d.least {
			return exitNo
		}
	}
	return exitOK
}

// show writes what came of one source.
func (d *diagnosing) show(cmd *cobra.Command, o report.Outcome, again bool) error {
	out, notes := cmd.OutOrStdout(), cmd.ErrOrStderr()
	switch {
	case o.Error != "" && d.asJSON:
		return encodeLine(out, report.Unreadable{Source: o.Source, Error: o.Error})
	case o.Error != "":
		_, err := fmt.Fprintf(notes, "epochwatch: %s\n", o.Error)
		return err
	case d.asJSON:
		// The JSON has a fixed form; how the log was read is said beside it.
		for _, n := range o.Notes() {
			fmt.Fprintf(notes, "epochwatch: %s: %s\n", called(o.Source), oneline.Text(n))
		}
		return encodeLine(out, o.Diagnosis)
	}
	if again {
		fmt.Fprintln(out)
	}
	return o.WriteText(out, textOptions(out))
}

// write makes the page.
func (d *diagnosing) write(outcomes []report.Outcome) error {
	var page bytes.Buffer
	if err := report.WriteHTML(&page, outcomes); err != nil {
		return err
	}
	if err := os.WriteFile(d.html, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("--html: %w", err)
	}
	return nil
}

// called is what a source is called in a message.
func called(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// encodeLine writes v as JSON on one line.
func encodeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
