package report

import (
	"context"
	"fmt"
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Run is the head of a run.
type Run struct {
	ID        string      `json:"id"`
	Project   string      `json:"project"`
	Name      string      `json:"name"`
	Attempts  int         `json:"attempts"`
	State     store.State `json:"state"`
	StartedAt time.Time   `json:"started_at"`
	EndedAt   *time.Time  `json:"ended_at"`
	EndReason string      `json:"end_reason,omitempty"`
	Tags      []string    `json:"tags,omitempty"`
}

// Epoch is one epoch of the curve; Attempt counts from 1.
type Epoch struct {
	Epoch        int                        `json:"epoch"`
	Attempt      int                        `json:"attempt"`
	Seconds      *contract.Number           `json:"seconds"`
	LearningRate *contract.Number           `json:"learning_rate"`
	Metrics      map[string]contract.Number `json:"metrics"`
}

// RunFinding is a finding of a stored run.
type RunFinding struct {
	ID    string `json:"id"`
	State string `json:"state"` // firing or resolved
	Finding
}

// Message is a message to people.
type Message struct {
	Receiver  string             `json:"receiver"`
	Channel   string             `json:"channel"`
	State     store.MessageState `json:"state"`
	Attempts  int                `json:"attempts"`
	ID        string             `json:"id"`
	Event     store.MessageEvent `json:"event"`
	Finding   string             `json:"finding,omitempty"`
	CreatedAt time.Time          `json:"created_at"`
	SentAt    *time.Time         `json:"sent_at"`
	LastError string             `json:"last_error,omitempty"`
}

// RunDocument is everything about one run.
type RunDocument struct {
	Run      Run          `json:"run"`
	Epochs   []Epoch      `json:"epochs"`
	Findings []RunFinding `json:"findings"`
	Verdict  Verdict      `json:"verdict"`
	Commands []Command    `json:"commands"`
	Messages []Message    `json:"messages"`
}

// RunList is the heads of runs, newest first.
type RunList struct {
	Runs []Run `json:"runs"`
}

// ListRuns returns the runs of a filter.
func ListRuns(ctx context.Context, st store.Store, f store.RunFilter) (RunList, error) {
	runs, err := st.ListRuns(ctx, f)
	if err != nil {
		return RunList{}, fmt.Errorf("list runs: %w", err)
	}
	out := RunList{Runs: make([]Run, 0, len(runs))}
	for _, r := range runs {
		out.Runs = append(out.Runs, headOf(r))
	}
	return out, nil
}

// LoadRun returns one run. It returns store.ErrNotFound or store.ErrAmbiguous.
func LoadRun(ctx context.Context, st store.Store, project, id string, cfg detectors.Config) (RunDocument, error) {
	r, err := st.FindRun(ctx, project, id)
	if err != nil {
		return RunDocument{}, err
	}
	l := loader{ctx: ctx, st: st, run: r}
	attempts := load(&l, "attempts", st.ListAttempts)
	epochs := load(&l, "epochs", st.ListEpochs)
	findings := load(&l, "findings", st.ListFindings)
	commands := load(&l, "commands", st.ListCommands)
	messages := load(&l, "messages", st.ListMessages)
	if l.err != nil {
		return RunDocument{}, l.err
	}
	verdict, err := verdictOfRun(attempts, epochs, findings, cfg)
	if err != nil {
		return RunDocument{}, err
	}
	doc := RunDocument{
		Run: headOf(r), Epochs: epochsOf(store.Curve(epochs), attempts), Findings: make([]RunFinding, 0, len(findings)),
		Verdict: verdict, Commands: make([]Command, 0, len(commands)), Messages: make([]Message, 0, len(messages)),
	}
	for _, f := range findings {
		state := "firing"
		if !f.Firing() {
			state = "resolved"
		}
		doc.Findings = append(doc.Findings, RunFinding{f.ID, state, findingOf(f.Finding)})
	}
	for _, c := range commands {
		doc.Commands = append(doc.Commands, CommandOf(c))
	}
	markReverted(doc.Commands)
	for _, m := range messages {
		doc.Messages = append(doc.Messages, messageOf(m))
	}
	return doc, nil
}

// loader reads lists of one run until one fails.
type loader struct {
	ctx context.Context //nolint:containedctx // lives as long as one call of LoadRun
	st  store.Store
	run store.Run
	err error
}

func load[T any](l *loader, what string, list func(context.Context, int64) ([]T, error)) []T {
	if l.err != nil {
		return nil
	}
	out, err := list(l.ctx, l.run.PK)
	if err != nil {
		l.err = fmt.Errorf("list %s of run %s: %w", what, l.run.ID, err)
	}
	return out
}

// verdictOfRun rebuilds the run's monitor from what is stored.
func verdictOfRun(attempts []store.Attempt, epochs []store.Epoch, findings []store.Finding, cfg detectors.Config) (Verdict, error) {
	m, err := detectors.NewMonitor(cfg)
	if err != nil {
		return Verdict{}, err
	}
	i := 0
	for _, a := range attempts {
		if a.Started != nil {
			m.Start(a.ID, a.Started.Facts)
		}
		for ; i < len(epochs) && epochs[i].Attempt == a.ID; i++ {
			m.Fold(ingest.Epoch(epochs[i]))
		}
	}
	stored := make([]detectors.Finding, 0, len(findings))
	for _, f := range findings {
		stored = append(stored, f.Finding)
	}
	m.Adopt(stored)
	return verdictOf(m.Verdict()), nil
}

func headOf(r store.Run) Run {
	return Run{
		ID: r.ID, Project: r.Project, Name: r.Name, Attempts: r.Attempts, State: r.State,
		StartedAt: r.StartedAt.UTC(), EndedAt: utc(r.EndedAt), EndReason: r.EndReason, Tags: r.Tags,
	}
}

func utc(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	u := t.UTC()
	return &u
}

func epochsOf(curve []store.Epoch, attempts []store.Attempt) []Epoch {
	place := map[string]int{}
	for i, a := range attempts {
		place[a.ID] = i + 1
	}
	out := make([]Epoch, 0, len(curve))
	for _, e := range curve {
		metrics := make(map[string]contract.Number, len(e.Metrics))
		for name, v := range e.Metrics {
			metrics[name] = contract.Number(v)
		}
		out = append(out, Epoch{
			Epoch: e.Epoch, Attempt: place[e.Attempt], Seconds: number(e.Seconds),
			LearningRate: number(e.LearningRate), Metrics: metrics,
		})
	}
	return out
}

func number(v *float64) *contract.Number {
	if v == nil {
		return nil
	}
	n := contract.Number(*v)
	return &n
}

func messageOf(m store.Message) Message {
	state := m.State
	switch {
	case state != store.MessageSending: // which is a step of one try, told with those
	case m.LastError == "":
		state = store.MessageQueued
	default:
		state = store.MessageFailed
	}
	return Message{
		Receiver: m.Receiver, Channel: m.Channel, State: state, Attempts: m.Attempts, ID: m.ID, Event: m.Event,
		Finding: m.FindingID, CreatedAt: m.CreatedAt.UTC(), SentAt: utc(m.SentAt), LastError: m.LastError,
	}
}
