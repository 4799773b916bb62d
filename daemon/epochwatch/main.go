// Command epochwatch watches Keras training: the daemon and everything a person asks it.
// Commands only parse and call.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program: it returns its exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	// What cobra refuses before a command runs is a matter of usage.
	otherwise := exitUsage
	root.PersistentPreRun = func(*cobra.Command, []string) { otherwise = exitFailed }
	cmd, err := root.ExecuteContextC(ctx)
	code, line := exitOf(err, otherwise)
	if line != "" {
		if code == exitUsage && otherwise == exitUsage {
			line += fmt.Sprintf(" (see %s --help)", cmd.CommandPath())
		}
		fmt.Fprintf(errOut, "epochwatch: %s\n", line)
	}
	return code
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "epochwatch",
		Short: "Watch Keras training: store each epoch, say what goes wrong, lower the learning rate of the live run",
		Long: `epochwatch watches model.fit. A callback in Python publishes each epoch; the daemon stores
it, reads the curve, tells people what goes wrong, and can lower the learning rate of the
run while it is still running.

  epochwatch up                      start the daemon; then train with callbacks=[EpochWatch()]
  epochwatch runs                    what was trained
  epochwatch runs show ID            one run: epochs, findings, cuts, messages
  epochwatch lr show ID              changes of its learning rate: approve, decline, set, revert
  epochwatch diagnose training.log   what a log says; needs no daemon

Exit codes: 0 fine; 1 the answer is no (something is left, wrong, or not there); 2 bad input;
3 it could not be done.`,
		SilenceUsage:  true,
		SilenceErrors: true,
		// Without it a word too many would be taken for a plain call.
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.AddCommand(commands()...)
	return root
}

// commands returns every command of the program.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newUpCommand(),
		newDiagnoseCommand(),
		newRunsCommand(),
		newLRCommand(),
		newStopCommand(),
		newSyncCommand(),
		newBacktestCommand(),
		newReplayCommand(),
		newAlertsCommand(),
		newDoctorCommand(),
		newQuarantineCommand(),
		newSilenceCommand(),
		newVersionCommand(),
		newManCommand(),
	}
}
