package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/backtest"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/detectors"
)

// backtesting is one call of backtest.
type backtesting struct {
	thresholds      thresholds
	labels, clinic  string
	against, apart  string
	atLeast, atMost []string
	odd, asJSON     bool
	control         bool

	problems []backtest.Problem
}

func newBacktestCommand() *cobra.Command {
	var b backtesting
	cmd := &cobra.Command{
		Use:   "backtest [CURVES.jsonl]",
		Short: "Judge the detectors and their thresholds on many known curves",
		Long: `backtest folds every curve through the detectors, epoch by epoch as a live run, and says how
often they name what the labels name, how long after the onset, and how often they raise
something on a run that was well; beside them, on the same curves, plain rules of others.
Intervals are by bootstrap over repositories. No daemon is needed. docs/backtest.md has the
forms of the files.

  epochwatch backtest curves.jsonl --labels labels.jsonl
  epochwatch backtest curves.jsonl --labels labels.jsonl --set overfitting.noise=3 --against defaults
  epochwatch backtest curves.jsonl --labels labels.jsonl --at-least recall=0.9 --at-most alarmed=0.05
  epochwatch backtest --clinic clinic.jsonl
  epochwatch backtest --control curves.jsonl --labels labels.jsonl

With --control it says instead at which epoch auto_lr would have acted first on each curve, and
how many curves of each label it would have acted on.

Exit codes: 0 judged; 1 a figure misses --at-least or --at-most; 2 a line could not be used
(the others are still judged).`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return b.run(cmd, args) },
	}
	b.thresholds.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&b.labels, "labels", "", "JSON-lines `FILE` with what is known of the curves in hindsight")
	f.StringVar(&b.clinic, "clinic", "", "JSON-lines `FILE` of curves with the diagnosis that a person gave")
	f.StringVar(&b.against, "against", "", "the config `FILE` of other thresholds to hold these against, or defaults")
	f.StringVar(&b.apart, "apart", "", "judge the `SHARE` of repositories that is kept apart from tuning, as in 1/3, by itself")
	f.StringSliceVar(&b.atLeast, "at-least", nil, "exit 1 when a figure is below its bound: `FIGURE=NUMBER`, as in recall=0.9,overfitting.recall=0.95")
	f.StringSliceVar(&b.atMost, "at-most", nil, "exit 1 when a figure is above its bound: `FIGURE=NUMBER`, as in alarmed=0.05,delay=6")
	f.BoolVar(&b.control, "control", false, "say when auto_lr would have acted on the curves")
	f.BoolVar(&b.odd, "odd", false, "list the curves on which labels and findings differ")
	f.BoolVar(&b.asJSON, "json", false, "one JSON object")
	return cmd
}

func (b *backtesting) run(cmd *cobra.Command, args []string) error {
	o, required, err := b.options(len(args) > 0)
	if err != nil {
		return err
	}
	if n := slices.DeleteFunc(append(slices.Clone(args), b.labels, b.clinic), func(s string) bool { return s != "-" }); len(n) > 1 {
		return usagef("standard input (-) can be only one of the files")
	}
	if b.control {
		return b.actions(cmd, args, o, len(required) > 0)
	}
	r := backtest.Report{Parts: []backtest.Part{}}
	if len(args) > 0 {
		curves, err := b.curves(cmd, args[0])
		if err != nil {
			return err
		}
		if r, err = backtest.Run(curves, o); err != nil {
			return err
		}
	}
	if b.clinic != "" {
		patients, problems, err := readJSONLines(cmd, b.clinic, backtest.ReadClinic)
		if err != nil {
			return err
		}
		b.problems = append(b.problems, problems...)
		if r.Clinic, err = backtest.JudgeClinic(patients, o.Thresholds.Config); err != nil {
			return err
		}
	}
	missed := r.Require(required)
	r.Problems = b.problems
	if err := b.show(cmd, r, r.WriteText); err != nil {
		return err
	}
	switch {
	case len(b.problems) > 0: // says more than a figure that is missed
		return withCode(exitUsage, nil)
	case missed != nil:
		return withCode(exitNo, nil)
	}
	return nil
}

// actions says when the policy would have acted.
func (b *backtesting) actions(cmd *cobra.Command, args []string, o backtest.Options, bounded bool) error {
	if len(args) == 0 || b.clinic != "" || b.against != "" || b.apart != "" || b.odd || bounded {
		return usagef("--control takes a file of curves, and of the other flags --labels, --set, --config and --json alone")
	}
	curves, err := b.curves(cmd, args[0])
	if err != nil {
		return err
	}
	a, err := backtest.Act(curves, o.Thresholds)
	if err != nil {
		return err
	}
	a.Problems = b.problems
	if err := b.show(cmd, a, a.WriteText); err != nil {
		return err
	}
	if len(b.problems) > 0 {
		return withCode(exitUsage, nil)
	}
	return nil
}

// options reads the flags.
func (b *backtesting) options(curves bool) (o backtest.Options, required []backtest.Requirement, err error) {
	if !curves && (b.clinic == "" || b.labels != "" || b.against != "" || b.apart != "" || b.odd) {
		return o, nil, usagef("name a file of curves, or --clinic and a file alone")
	}
	if o.Thresholds, err = b.thresholds.read(); err != nil {
		return o, nil, err
	}
	if b.against != "" {
		against, err := (&thresholds{config: b.against}).read()
		if err != nil {
			return o, nil, err
		}
		o.Against = &against
	}
	if b.apart != "" {
		one, n, _ := strings.Cut(b.apart, "/")
		o.Apart, err = strconv.Atoi(n)
		if one != "1" || err != nil || o.Apart < 2 || o.Apart > 20 {
			return o, nil, usagef("--apart %.40q: want a share from 1/2 to 1/20", b.apart)
		}
	}
	o.Odd = b.odd
	least, err := backtest.ParseRequirements(b.atLeast, false)
	if err != nil {
		return o, nil, usagef("--at-least %w", err)
	}
	most, err := backtest.ParseRequirements(b.atMost, true)
	if err != nil {
		return o, nil, usagef("--at-most %w", err)
	}
	return o, append(least, most...), nil
}

// curves reads the curves with their labels.
func (b *backtesting) curves(cmd *cobra.Command, name string) ([]*backtest.Curve, error) {
	curves, problems, err := readJSONLines(cmd, name, backtest.ReadCurves)
	if err != nil {
		return nil, err
	}
	b.problems = append(b.problems, problems...)
	if len(curves) == 0 {
		for _, p := range problems {
			fmt.Fprintf(cmd.ErrOrStderr(), "epochwatch: %s\n", p)
		}
		return nil, usagef("%s: there is no curve that can be used", called(name))
	}
	if b.labels == "" {
		return curves, nil
	}
	labels, problems, err := readJSONLines(cmd, b.labels, backtest.ReadLabels)
	if err != nil {
		return nil, err
	}
	b.problems = append(b.problems, problems...)
	strangers, outside := backtest.Attach(curves, labels)
	if n := len(strangers); n > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "epochwatch: %s: %d labels are of curves that are not in %s, the first of %.40q\n", called(b.labels), n, called(name), strangers[0])
	}
	for _, id := range outside {
		return nil, usagef("%s: the onset for %.40q lies behind the end of its curve: do these labels belong to %s?", called(b.labels), id, called(name))
	}
	return curves, nil
}

func (b *backtesting) show(cmd *cobra.Command, r any, write func(io.Writer) error) error {
	for _, p := range b.problems {
		fmt.Fprintf(cmd.ErrOrStderr(), "epochwatch: %s\n", p)
	}
	if b.asJSON {
		return encodeLine(cmd.OutOrStdout(), r)
	}
	return write(cmd.OutOrStdout())
}

// readJSONLines reads a file, or standard input, and shows how far it is.
func readJSONLines[T any](cmd *cobra.Command, name string, read func(io.Reader, string) (T, []backtest.Problem, error)) (T, []backtest.Problem, error) {
	var none T
	in, size, err := openInput(cmd, name)
	if err != nil {
		return none, nil, withCode(exitUsage, err)
	}
	defer in.Close()
	p := newReading(in, cmd.ErrOrStderr(), name, size)
	defer p.done()
	out, problems, err := read(p, called(name))
	return out, problems, withCodeIf(exitUsage, err)
}

// thresholds are the flags that say which thresholds the detectors have.
type thresholds struct {
	config string
	set    []string
}

func (t *thresholds) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&t.config, "config", "", "the daemon's config `FILE`, for its thresholds and rules")
	t.setFlag(cmd)
}

func (t *thresholds) setFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&t.set, "set", nil, "set one threshold: `KIND.PARAMETER=VALUE`, as in overfitting.noise=3 or plateau.enabled=false; may be repeated")
}

// defaults is the name of the thresholds that hold where nothing is set.
const defaults = "defaults"

// read returns the thresholds with what they are called.
func (t *thresholds) read() (backtest.Thresholds, error) {
	given, names := &config.Config{}, []string{}
	if t.config != "" && t.config != defaults {
		cfg, err := config.Load(config.Flags{Config: t.config}, os.LookupEnv)
		if err != nil {
			return backtest.Thresholds{}, withCode(exitUsage, fmt.Errorf("config: %w", err))
		}
		given, names = cfg, append(names, t.config)
	}
	changed := config.Detectors{}
	for kind, s := range given.Detectors { // the file's own maps stay as they are
		changed[kind] = maps.Clone(s)
	}
	for _, text := range t.set {
		if err := set(changed, text); err != nil {
			return backtest.Thresholds{}, usagef("--set %w", err)
		}
		names = append(names, text)
	}
	c, err := (&config.Config{Detectors: changed, Rules: given.Rules}).Watch()
	if err != nil {
		return backtest.Thresholds{}, usagef("thresholds: %w", err)
	}
	if len(names) == 0 {
		return backtest.Thresholds{Name: defaults, Config: detectors.Config{}}, nil
	}
	return backtest.Thresholds{Name: strings.Join(names, ", "), Config: c}, nil
}

// set reads "kind.key=value".
func set(into config.Detectors, text string) error {
	name, v, ok := strings.Cut(text, "=")
	kind, key, dotted := strings.Cut(name, ".")
	if !ok || !dotted || kind == "" || key == "" {
		return fmt.Errorf("%.80q: want KIND.PARAMETER=NUMBER or KIND.enabled=false", text)
	}
	var s config.Setting
	if on, err := strconv.ParseBool(v); err == nil && key == "enabled" {
		s.Bool = &on
	} else if x, err := strconv.ParseFloat(v, 64); err == nil {
		s.Number = &x
	} else {
		return fmt.Errorf("%.80q: %.40q is not a number", text, v)
	}
	if into[kind] == nil {
		into[kind] = map[string]config.Setting{}
	}
	into[kind][key] = s
	return nil
}
