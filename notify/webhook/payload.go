package webhook

import (
	"time"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/sql/store"
)

// Version is the major version of the payload. A receiver ignores fields it does not know.
const Version = 1

// Payload is the body, in the outer form that Standard Webhooks recommends. Numbers that
// are not finite are the strings "NaN", "Infinity" and "-Infinity".
type Payload struct {
	Version   int       `json:"version"`
	Type      string    `json:"type"`      // finding.firing or finding.resolved
	Timestamp time.Time `json:"timestamp"` // when the message was made, the same for each try
	Data      Data      `json:"data"`
}

// Data is what a message speaks of: the objects of `epochwatch runs show --json`, and the
// words a person would read.
type Data struct {
	ID       string    `json:"id"` // as webhook-id
	Receiver string    `json:"receiver"`
	Subject  string    `json:"subject"`
	Text     string    `json:"text"`
	Link     string    `json:"link,omitempty"`
	Run      Run       `json:"run"`
	Finding  Finding   `json:"finding"`
	Commands []Command `json:"commands"`
}

// Run is the run.
type Run struct {
	ID        string     `json:"id"`
	Project   string     `json:"project"`
	Name      string     `json:"name"`
	Tags      []string   `json:"tags"`
	Attempts  int        `json:"attempts"`
	State     string     `json:"state"`
	StartedAt time.Time  `json:"started_at"`
	EndedAt   *time.Time `json:"ended_at"`
}

// Finding is the finding.
type Finding struct {
	ID            string                     `json:"id"`
	Kind          string                     `json:"kind"`
	Metric        string                     `json:"metric"`
	Severity      string                     `json:"severity"`
	State         string                     `json:"state"`
	OnsetEpoch    int                        `json:"onset_epoch"`
	FiredEpoch    int                        `json:"fired_epoch"`
	ResolvedEpoch *int                       `json:"resolved_epoch"`
	Confidence    contract.Number            `json:"confidence"`
	Reason        string                     `json:"reason"`
	Summary       string                     `json:"summary"`
	Evidence      map[string]contract.Number `json:"evidence"`
	Advice        []string                   `json:"advice"`
}

// Command is one thing that was done to the run.
type Command struct {
	ID           string           `json:"id"`
	Kind         string           `json:"kind"`
	From         *contract.Number `json:"from"`
	To           *contract.Number `json:"to"`
	State        string           `json:"state"`
	Reason       string           `json:"reason"`
	Answer       string           `json:"answer,omitempty"`
	Finding      string           `json:"finding"`
	DecidedEpoch int              `json:"decided_epoch"`
	AppliedEpoch *int             `json:"applied_epoch"`
	Effect       string           `json:"effect,omitempty"`
}

func payloadOf(n notice.Notice) Payload {
	s := notice.Tell(n)
	d := Data{
		ID: n.ID, Receiver: n.Receiver, Subject: s.Subject, Text: s.Text(), Link: n.Link,
		Run: Run{
			ID: n.Run.ID, Project: n.Run.Project, Name: n.Run.Name, Tags: orEmpty(n.Run.Tags),
			Attempts: n.Run.Attempts, State: string(n.Run.State), StartedAt: n.Run.StartedAt.UTC(), EndedAt: n.Run.EndedAt,
		},
		Finding:  findingOf(n.Finding.ID, n.Finding.Finding),
		Commands: []Command{},
	}
	for _, c := range n.Commands {
		d.Commands = append(d.Commands, commandOf(c))
	}
	return Payload{Version: Version, Type: "finding." + string(n.Event), Timestamp: n.CreatedAt.UTC(), Data: d}
}

func findingOf(id string, f detectors.Finding) Finding {
	state := "firing"
	if !f.Firing() {
		state = "resolved"
	}
	evidence := f.Evidence
	if evidence == nil {
		evidence = map[string]contract.Number{}
	}
	return Finding{
		ID: id, Kind: string(f.Kind), Metric: f.Metric, Severity: string(f.Severity), State: state,
		OnsetEpoch: f.OnsetEpoch, FiredEpoch: f.FiredEpoch, ResolvedEpoch: f.ResolvedEpoch,
		Confidence: contract.Number(f.Confidence), Reason: f.Reason, Summary: f.Summary,
		Evidence: evidence, Advice: orEmpty(f.Advice),
	}
}

func commandOf(c store.Command) Command {
	out := Command{
		ID: c.ID, Kind: string(c.Kind), From: c.Expected, To: c.Wanted, State: string(c.State), Reason: c.Reason, Answer: c.Answer,
		Finding: c.FindingID, DecidedEpoch: c.DecidedEpoch, AppliedEpoch: c.AppliedEpoch, Effect: string(c.Effect),
	}
	if c.Before != nil && c.After != nil {
		before, after := contract.Number(*c.Before), contract.Number(*c.After)
		out.From, out.To = &before, &after
	}
	return out
}

func orEmpty(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}
