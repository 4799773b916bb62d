package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/control"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/sql/store"
)

// envUser names who asks, where the login name does not say it.
const envUser = "EPOCHWATCH_USER"

// answerWait is how long a command stays for the run's answer: runs with short epochs have
// answered by then, others may take hours.
const answerWait = 10 * time.Second

func newLRCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "lr",
		Short: "See, approve, decline, set or take back changes of a run's learning rate",
		Long: `Changes of a live run's learning rate. The owner of the run says what is allowed, in the script
that trains: EpochWatch(auto_lr=True), or control=Control(mode="ask"). With neither, nobody changes it.

  epochwatch lr show RUN            what was changed or is proposed, why, and what came of it
  epochwatch lr approve RUN         send the proposal to the run
  epochwatch lr decline RUN         do not; it is not proposed again while its finding lasts
  epochwatch lr set RUN 0.001       lower the rate
  epochwatch lr revert RUN          take the last change back

A change takes effect at the end of an epoch. The command waits ` + answerWait.String() + ` for the run's answer (--wait).
Exit codes: 0 done, or on its way; 1 refused, with the reason.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(
		newLRShowCommand(),
		newWishCommand(control.ActApprove, "approve RUN", "Send a proposed change to the run"),
		newWishCommand(control.ActDecline, "decline RUN", "Decline a proposed change"),
		newWishCommand(control.ActSet, "set RUN RATE", "Lower a run's learning rate, within its owner's bounds"),
		newWishCommand(control.ActRevert, "revert RUN", "Take a change of the learning rate back"),
	)
	return cmd
}

func newStopCommand() *cobra.Command {
	return newWishCommand(control.ActStop, "stop RUN", "Stop a run at the end of its epoch, with its best weights where its owner allows that")
}

func newLRShowCommand() *cobra.Command {
	var p place
	var project string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show RUN",
		Short: "Show what was changed or is proposed, why, and what came of it",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkRun(args[0], project); err != nil {
				return err
			}
			s, err := p.open(cmd.Context())
			if err != nil {
				return err
			}
			defer s.Close()
			doc, err := loadRun(cmd.Context(), s, project, args[0])
			if err != nil {
				return unread(err, project, args[0])
			}
			return show(cmd.OutOrStdout(), doc.CommandList(), asJSON, textOptions(cmd.OutOrStdout()))
		},
	}
	p.flags(cmd)
	cmd.Flags().StringVar(&project, "project", "", "the project `NAME` of the run, when its id stands in several")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// wishFlags are those of a command that changes a run.
type wishFlags struct {
	place   place
	project string
	wait    time.Duration
	json    bool
	wish    control.Wish
}

func newWishCommand(action control.Action, use, short string) *cobra.Command {
	var f wishFlags
	f.wish.Action = action
	arguments := 1
	if action == control.ActSet {
		arguments = 2
	}
	cmd := &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(arguments),
		RunE: func(cmd *cobra.Command, args []string) error {
			if action == control.ActSet {
				rate, err := strconv.ParseFloat(args[1], 64)
				if err != nil {
					return usagef("%.80q is not a learning rate: want a number above 0", args[1])
				}
				f.wish.Rate = rate
			}
			return f.run(cmd, args[0])
		},
	}
	flags := cmd.Flags()
	f.place.flags(cmd)
	flags.StringVar(&f.project, "project", "", "the project `NAME` of the run, when its id stands in several")
	flags.StringVar(&f.wish.By, "by", "", "`NAME` on the record (default "+envUser+", else the login name)")
	flags.StringVar(&f.wish.Reason, "reason", "", "`TEXT` on the record")
	flags.BoolVar(&f.json, "json", false, "one JSON object")
	if action != control.ActDecline {
		flags.DurationVar(&f.wait, "wait", answerWait, "how long to wait for the run's answer")
	}
	switch action {
	case control.ActApprove, control.ActDecline:
		flags.StringVar(&f.wish.Command, "command", "", "`ID` of the proposal (default the only open one)")
	case control.ActRevert:
		flags.StringVar(&f.wish.Command, "command", "", "`ID` of the change to take back (default the last one)")
	case control.ActSet:
		flags.StringVar(&f.wish.Optimizer, "optimizer", "", "`NAME` of one of several optimizers (default all, by the same factor)")
	case control.ActStop:
		flags.BoolVar(&f.wish.KeepWeights, "keep-weights", false, "leave the weights as they are")
	}
	return cmd
}

// run asks for the wish and tells what became of it.
func (f *wishFlags) run(cmd *cobra.Command, id string) error {
	if err := checkRun(id, f.project); err != nil {
		return err
	}
	if f.wish.By == "" {
		f.wish.By = asker()
	}
	if err := f.wish.Validate(); err != nil {
		return withCode(exitUsage, err)
	}
	c, err := f.place.daemon()
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	done, err := c.Act(cmd.Context(), f.project, id, f.wish)
	var refused *control.RefusedError
	switch {
	case errors.As(err, &refused):
		return withCode(exitNo, fmt.Errorf("run %s stays as it is: %s", id, refused.Reason))
	case err != nil:
		return unread(err, f.project, id)
	}
	if done.State == store.CommandSent {
		done = f.await(cmd.Context(), c, id, done)
	}
	if err := show(cmd.OutOrStdout(), done, f.json, textOptions(cmd.OutOrStdout())); err != nil {
		return err
	}
	switch {
	case done.State == store.CommandSent && !f.json:
		fmt.Fprintf(cmd.OutOrStdout(), "It is on its way, and takes effect at the end of an epoch: see epochwatch lr show %s\n", id)
	case done.State == store.CommandRefused && f.wish.Action != control.ActDecline, done.State == store.CommandExpired:
		return withCode(exitNo, nil) // the reason has been shown
	}
	return nil
}

// await returns the command with the run's answer, or as it is when the time is over.
func (f *wishFlags) await(ctx context.Context, c *client, id string, sent report.Command) report.Command {
	ctx, cancel := context.WithTimeout(ctx, f.wait)
	defer cancel()
	again := time.NewTicker(250 * time.Millisecond)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return sent
		case <-again.C:
		}
		doc, err := loadRun(ctx, c, f.project, id)
		if err != nil {
			continue // the answer may still come
		}
		for _, now := range doc.Commands {
			if now.ID == sent.ID && now.State != store.CommandSent {
				return now
			}
		}
	}
}

// asker names who sits at the keyboard.
func asker() string {
	if name := strings.TrimSpace(os.Getenv(envUser)); name != "" {
		return name
	}
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "somebody"
}
