package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/epochwatch/epochwatch/daemon/backtest"
	"github.com/epochwatch/epochwatch/daemon/report"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

func newReplayCommand() *cobra.Command {
	var p place
	var t thresholds
	var project string
	var act, asJSON bool
	cmd := &cobra.Command{
		Use:   "replay RUN",
		Short: "Say what present or other thresholds would have said about a run, epoch by epoch",
		Long: `replay folds a run through the detectors once more and shows at which epoch what opened,
escalated or was resolved. RUN is the id of a stored run, or a file as diagnose reads it (- is
standard input). With --set or --config a second column says what differs with those
thresholds from what the defaults say.

  epochwatch replay training.log --set overfitting.noise=3
  epochwatch replay ID --config epochwatch.yml

With --control it also says when and why auto_lr would have acted first.
What only a clock can tell, as that a run has stalled, is not replayed.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.config = p.config
			given, err := t.read()
			if err != nil {
				return err
			}
			sets := []backtest.Thresholds{{Name: defaults}}
			if given.Name != defaults {
				sets = append(sets, given)
			}
			story, notes, err := p.story(cmd, project, args[0])
			if err != nil {
				return err
			}
			r, err := backtest.Replay(args[0], story, sets...)
			if err != nil {
				return err
			}
			if act {
				if err := r.Act(story, sets...); err != nil {
					return err
				}
			}
			r.Notes = notes
			if asJSON {
				return encodeLine(cmd.OutOrStdout(), r)
			}
			return r.WriteText(cmd.OutOrStdout())
		},
	}
	p.flags(cmd)
	cmd.Flags().Lookup("config").Usage = "the daemon's config `FILE`, for its thresholds, and for the store when no daemon runs"
	t.setFlag(cmd)
	cmd.Flags().StringVar(&project, "project", "", "the project `NAME` of the run, when its id stands in several")
	cmd.Flags().BoolVar(&act, "control", false, "say when auto_lr would have acted first")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

// story reads a file, or the run of that id. A file comes first: an id can always be
// asked for from another folder.
func (p *place) story(cmd *cobra.Command, project, run string) (backtest.Story, []string, error) {
	_, err := os.Stat(run)
	switch {
	case run == "-" || err == nil:
		log, err := readLog(cmd, run)
		if err != nil {
			return nil, nil, withCode(exitUsage, err)
		}
		var notes []string
		for _, n := range log.Notes {
			notes = append(notes, n.String())
		}
		return backtest.Story{{Epochs: log.Epochs}}, notes, nil
	case !contract.ValidName(run):
		return nil, nil, usagef("%.80q is neither a file nor the id of a run", run)
	}
	if err := checkProject(project); err != nil {
		return nil, nil, err
	}
	return p.stored(cmd.Context(), project, run)
}

// stored reads a run out of the store, which knows more of it than the API says: what is
// trained, and epochs that were replaced. A daemon is asked where its store cannot be read.
func (p *place) stored(ctx context.Context, project, id string) (backtest.Story, []string, error) {
	if p.api() == "" {
		s, err := p.direct(ctx)
		if err == nil {
			defer s.Close()
			var story backtest.Story
			if story, err = storedStory(ctx, s, project, id); err == nil {
				return story, nil, nil
			}
			err = unread(err, project, id)
		}
		if asked, notes, ok := p.askedStory(ctx, project, id); ok {
			return asked, notes, nil
		}
		return nil, nil, err
	}
	s, err := p.open(ctx)
	if err != nil {
		return nil, nil, err
	}
	defer s.Close()
	doc, err := loadRun(ctx, s, project, id)
	if err != nil {
		return nil, nil, unread(err, project, id)
	}
	return documentStory(doc), []string{notAll}, nil
}

// askedStory asks the daemon of the data folder, if one runs: its config may name another
// store than this call knows of.
func (p *place) askedStory(ctx context.Context, project, id string) (backtest.Story, []string, bool) {
	s, err := p.open(ctx)
	if err != nil {
		return nil, nil, false
	}
	defer s.Close()
	if _, ok := s.(*client); !ok {
		return nil, nil, false
	}
	doc, err := loadRun(ctx, s, project, id)
	return documentStory(doc), []string{notAll}, err == nil
}

// notAll is said of a run that came over the API.
const notAll = "the daemon was asked, which does not say what is trained: rules that need it stay silent"

// storedStory returns store.ErrNotFound or store.ErrAmbiguous.
func storedStory(ctx context.Context, s source, project, id string) (backtest.Story, error) {
	st, ok := s.(storeSource)
	if !ok {
		return nil, errors.New("not a store")
	}
	run, err := st.Store.FindRun(ctx, project, id)
	if err != nil {
		return nil, err
	}
	attempts, err := st.Store.ListAttempts(ctx, run.PK)
	if err != nil {
		return nil, fmt.Errorf("list attempts: %w", err)
	}
	epochs, err := st.Store.ListEpochs(ctx, run.PK)
	if err != nil {
		return nil, fmt.Errorf("list epochs: %w", err)
	}
	return storyOf(attempts, epochs), nil
}

func storyOf(attempts []store.Attempt, epochs []store.Epoch) backtest.Story {
	var out backtest.Story
	i := 0
	for _, a := range attempts {
		t := backtest.Attempt{ID: a.ID}
		if a.Started != nil {
			t.Facts, t.Schedule = &a.Started.Facts, a.Started.Schedule
		}
		for ; i < len(epochs) && epochs[i].Attempt == a.ID; i++ {
			t.Epochs = append(t.Epochs, ingest.Epoch(epochs[i]))
		}
		out = append(out, t)
	}
	return out
}

// documentStory makes a story of what the API says.
func documentStory(doc report.RunDocument) backtest.Story {
	var out backtest.Story
	for i, e := range doc.Epochs {
		id := strconv.Itoa(e.Attempt)
		for len(out) < e.Attempt { // an attempt may have no epoch that still counts
			out = append(out, backtest.Attempt{ID: strconv.Itoa(len(out) + 1)})
		}
		d := detectors.Epoch{
			Epoch: e.Epoch, Attempt: id, Seq: int64(i) + 1, Seconds: orNaN(e.Seconds), LearningRate: orNaN(e.LearningRate),
			FirstBatchLoss: math.NaN(), Metrics: make(map[string]float64, len(e.Metrics)),
		}
		for name, v := range e.Metrics {
			d.Metrics[name] = float64(v)
		}
		t := &out[e.Attempt-1]
		t.Epochs = append(t.Epochs, d)
	}
	return out
}

func orNaN(n *contract.Number) float64 {
	if n == nil {
		return math.NaN()
	}
	return float64(*n)
}
