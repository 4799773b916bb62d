package main

import (
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
	facts   *contract.Facts
	least   int // rank of severity that fails; 0 for none
}

func newDiagnoseCommand() *cobra.Command {
	var d diagnosing
	cmd := &cobra.Command{
		Use:   "diagnose FILE…",
		Short: "Say what a training log shows, since which epoch, and what to try",
		Long: `diagnose reads the console output of Keras 1, 2 and 3 and the tables of CSVLogger; - is
standard input. It says what is happening, since which epoch, on what numbers, and what to
try. No daemon is needed.

Exit codes: 0 read; 1 a finding at or above --fail-on; 2 a file could not be read.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error { return d.run(cmd, files) },
	}
	cmd.Flags().BoolVar(&d.asJSON, "json", false, "one JSON object a file, one line each")
	cmd.Flags().StringVar(&d.context, "context", "", "JSON `FILE` with what a log cannot say: loss, head, optimizer, rate, data")
	cmd.Flags().StringVar(&d.failOn, "fail-on", "", "exit 1 when a finding is of this `SEVERITY` or above: warning or critical")
	return cmd
}

func (d *diagnosing) run(cmd *cobra.Command, files []string) error {
	switch s := detectors.Severity(d.failOn); s {
	case "":
	case detectors.SeverityWarning, detectors.SeverityCritical:
		d.least = s.Rank()
	default:
		return usagef("--fail-on %q: want warning or critical", d.failOn)
	}
	if d.context != "" {
		b, err := os.ReadFile(d.context)
		if err != nil {
			return usagef("--context: %w", err)
		}
		facts, err := report.ReadFacts(b)
		if err != nil {
			return usagef("--context %s: want one JSON object with facts such as {\"loss\": \"mse\", \"learning_rate\": 0.001}: %w", d.context, err)
		}
		d.facts = &facts
	}
	code := exitOK
	for i, name := range files {
		got, err := d.file(cmd, name, i > 0)
		if err != nil {
			return err
		}
		code = max(code, got) // 2, a file that could not be read, says more than 1
	}
	return withCode(code, nil)
}

// file reads and shows one file. The error is one of writing; what is wrong with the
// file is shown, and told by the code.
func (d *diagnosing) file(cmd *cobra.Command, name string, again bool) (int, error) {
	out, notes := cmd.OutOrStdout(), cmd.ErrOrStderr()
	found, err := d.read(cmd, name)
	if err != nil {
		line := oneline.Text(err.Error())
		if d.asJSON {
			return exitUsage, encodeLine(out, report.Unreadable{Source: name, Error: line})
		}
		_, err = fmt.Fprintf(notes, "epochwatch: %s\n", line)
		return exitUsage, err
	}
	code := exitOK
	for _, f := range found.Findings {
		if d.least > 0 && f.Severity.Rank() >= d.least {
			code = exitNo
		}
	}
	if d.asJSON {
		// The JSON has a fixed form; how the log was read is said beside it.
		for _, n := range found.Notes() {
			fmt.Fprintf(notes, "epochwatch: %s: %s\n", called(name), oneline.Text(n))
		}
		return code, encodeLine(out, found)
	}
	if again {
		fmt.Fprintln(out)
	}
	return code, found.WriteText(out, textOptions(out))
}

// called is what a source is called in a message.
func called(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

func (d *diagnosing) read(cmd *cobra.Command, name string) (report.Diagnosis, error) {
	log, err := readLog(cmd, name)
	if err != nil {
		return report.Diagnosis{}, err
	}
	return report.Diagnose(log, d.facts, nil)
}

// encodeLine writes v as JSON on one line.
func encodeLine(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
