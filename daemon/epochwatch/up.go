package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/epochwatch/epochwatch/daemon"
	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/folder"
	"github.com/epochwatch/epochwatch/internal/termlog"
)

// gcPercent has the garbage collected at half the usual growth: the daemon is idle nearly
// always, and its memory is wanted by the training beside it.
const gcPercent = 50

func newUpCommand() *cobra.Command {
	var flags config.Flags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Start the daemon and stay until it is told to stop",
		Long: `Starts the daemon: an embedded NATS server on 127.0.0.1:4222, SQLite in the data folder, and
the API on 127.0.0.1:8765, unless told otherwise. A callback on this machine finds it by itself.
SIGTERM or Ctrl-C stops it cleanly, a second one at once.

A default port that is taken moves to a free one; a port that is named stays, and is an
error when it is taken. What a flag says goes before the environment (EPOCHWATCH_CONFIG, _DATA,
_NATS, _HTTP, _STORE, _LOG_LEVEL, _LOG_FORMAT), which goes before the config file.`,
		Example: `  epochwatch up
  epochwatch up --config epochwatch.yml
  epochwatch up --nats nats://a:4222,nats://b:4222 --store postgres://epochwatch@db/epochwatch`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return up(cmd.Context(), flags, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f := cmd.Flags()
	f.StringVar(&flags.Config, "config", "", "YAML `FILE` with the config")
	f.StringVar(&flags.Data, "data", "", "data `DIR` (default the user's state folder)")
	f.StringVar(&flags.NATS, "nats", "", "`ADDR` to listen at (host:port), or of an outside broker (nats://host:port[,…])")
	f.StringVar(&flags.HTTP, "http", "", "`ADDR` of the API (host:port)")
	f.StringVar(&flags.Store, "store", "", "`URL` of the store: postgres://…, sqlite:///absolute/path or sqlite://relative")
	f.StringVar(&flags.LogLevel, "log-level", "", "least `LEVEL` that is logged: debug, info, warn, error")
	f.StringVar(&flags.LogFormat, "log-format", "", "`FORMAT` of the log: text or json")
	f.BoolVar(&asJSON, "json", false, "say where things are as one JSON object on stdout")
	return cmd
}

func up(ctx context.Context, flags config.Flags, asJSON bool, out, errOut io.Writer) error {
	cfg, err := config.Load(flags, os.LookupEnv)
	if err != nil {
		return withCode(exitUsage, fmt.Errorf("config: %w", err))
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	log, terminal := newLog(cfg, errOut)
	version := readBuild().Version
	d, err := daemon.New(cfg, daemon.Options{
		Log: log, Version: version, Terminal: terminal,
		Ready: func(s daemon.Status) { sayReady(out, s, version, asJSON) },
	})
	if err != nil {
		return withCode(exitUsage, err)
	}
	ctx, stop := untilSignal(ctx, log)
	defer stop()
	return d.Run(ctx)
}

// newLog returns the daemon's log, and where messages to people may stand in several
// lines, which is nil when machines read the log.
func newLog(cfg *config.Config, w io.Writer) (*slog.Logger, io.Writer) {
	level, err := cfg.LogLevel()
	if err != nil { // Load has refused it
		level = slog.LevelInfo
	}
	if cfg.Log.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level})), nil
	}
	return slog.New(termlog.New(w, termlog.Options{Level: level, Colour: colour(w)})), w
}

// colour reports whether a writer is a terminal that wants colours.
func colour(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// exit ends the program at once; a variable for the test of the second signal.
var exit = os.Exit

// untilSignal returns a context that ends with the first SIGINT, SIGTERM or SIGHUP. The second
// ends the program there and then.
func untilSignal(ctx context.Context, log *slog.Logger) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGTERM)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGHUP} {
		if !signal.Ignored(s) { // nohup, and shells that start us in the background, mean it
			signal.Notify(signals, s)
		}
	}
	// Who reads our output may go away; that is no reason to stop watching.
	signal.Ignore(syscall.SIGPIPE)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for stopping := false; ; stopping = true {
			s, ok := <-signals
			switch {
			case !ok:
				return
			case stopping:
				log.Warn("stopped at once by a second signal", "signal", s.String())
				exit(128 + number(s))
			}
			cancel()
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(signals)
		<-done
		cancel()
	}
}

func number(s os.Signal) int {
	if n, ok := s.(syscall.Signal); ok {
		return int(n)
	}
	return int(syscall.SIGINT)
}

// sayReady says where things are, without the token.
func sayReady(w io.Writer, s daemon.Status, version string, asJSON bool) {
	if asJSON {
		_ = json.NewEncoder(w).Encode(s) // a closed stdout is no reason to stop watching
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "epochwatch %s is ready (%.2f s)\n", version, s.Took.Seconds())
	fmt.Fprintf(&b, "  trainers  %s\n  web       %s\n  data      %s\n  store     %s\n", s.NATS, s.HTTP, s.Data, s.Store)
	for _, m := range s.Moved {
		fmt.Fprintf(&b, "  the default port of %s was taken: another one is used\n", m)
	}
	fmt.Fprintf(&b, "Train with callbacks=[EpochWatch()]%s. Look with: epochwatch runs%s\n", hintTrain(s), hintLook(s))
	_, _ = io.WriteString(w, b.String())
}

// hintTrain and hintLook say what must be added when the data folder is not the one that
// everybody looks at.
func hintTrain(s daemon.Status) string {
	if isDefault(s.Data) {
		return ""
	}
	return " and EPOCHWATCH_DATA=" + s.Data
}

func hintLook(s daemon.Status) string {
	if isDefault(s.Data) {
		return ""
	}
	return " --data " + s.Data
}

func isDefault(dir string) bool {
	d, err := folder.Default()
	return err == nil && d == dir
}
