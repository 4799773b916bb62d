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
	Version int `json:"version"`
	// Type is finding.firing, finding.update, finding.resolved, run.ended or digest.
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"` // when the message was made, the same for each try
	Data      Data      `json:"data"`
}

// Data is what a message speaks of: the objects of `epochwatch runs show --json`, and the
// words a person would read.
type Data struct {
	ID       string `json:"id"` // as webhook-id
	Receiver string `json:"receiver"`
	Subject  string `json:"subject"`
	Text     string `json:"text"`
	Link     string `json:"link,omitempty"`
	// Repeat is true when nothing is new: the problem goes on.
	Repeat bool `json:"repeat,omitempty"`
	// Acknowledged are those who have seen the problem, so far.
	Acknowledged []Acknowledgement `json:"acknowledged"`
	// Run heads the message; null in a digest. Finding is its most likely cause; null in a
	// digest and at the end of a run.
	Run     *Run     `json:"run"`
	Finding *Finding `json:"finding"`
	// Symptoms are the other findings of the run, Others the other runs it happened to.
	Symptoms []Finding `json:"symptoms"`
	Others   []Member  `json:"others"`
	Commands []Command `json:"commands"`
	Digest   *Digest   `json:"digest,omitempty"`
}

// Acknowledgement is somebody's word to have seen a problem.
type Acknowledgement struct {
	By string    `json:"by"`
	At time.Time `json:"at"`
}

// Member is one more run that a message is about.
type Member struct {
	Run     Run     `json:"run"`
	Finding Finding `json:"finding"`
}

// Digest is what happened between two times.
type Digest struct {
	Name    string      `json:"name"`
	From    time.Time   `json:"from"`
	To      time.Time   `json:"to"`
	Ended   []DigestRun `json:"ended"`
	Running []DigestRun `json:"running"`
}

// DigestRun is one run of a digest.
type DigestRun struct {
	Run      Run       `json:"run"`
	Epochs   int       `json:"epochs"`
	Findings []Finding `json:"findings"`
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
	IssuedBy     string           `json:"issued_by"` // "policy", or the person who approved it or asked for it
	Finding      string           `json:"finding"`
	DecidedEpoch int              `json:"decided_epoch"`
	AppliedEpoch *int             `json:"applied_epoch"`
	Effect       string           `json:"effect,omitempty"`
}

func payloadOf(n notice.Notice) Payload {
	s := notice.Tell(n)
	d := Data{
		ID: n.ID, Receiver: n.Receiver, Subject: s.Subject, Text: s.Text(), Link: n.Link, Repeat: n.Repeat,
		Symptoms: findingsOf(n.Symptoms), Others: []Member{}, Acknowledged: []Acknowledgement{}, Commands: commandsOf(n.Commands),
	}
	for _, a := range n.Acknowledged {
		d.Acknowledged = append(d.Acknowledged, Acknowledgement{a.By, a.At.UTC()})
	}
	if n.Digest != nil {
		g := n.Digest
		d.Digest = &Digest{Name: g.Name, From: g.From.UTC(), To: g.To.UTC(), Ended: digestRuns(g.Ended), Running: digestRuns(g.Running)}
	} else {
		run := runOf(n.Run)
		d.Run = &run
	}
	if n.Finding.Kind != "" {
		f := findingOf(n.Finding.ID, n.Finding.Finding)
		d.Finding = &f
	}
	for _, m := range n.Others {
		d.Others = append(d.Others, Member{Run: runOf(m.Run), Finding: findingOf(m.Finding.ID, m.Finding.Finding)})
	}
	kind := "finding." + string(n.Event)
	switch n.Event {
	case store.MessageRunEnded:
		kind = "run.ended"
	case store.MessageDigest:
		kind = "digest"
	}
	return Payload{Version: Version, Type: kind, Timestamp: n.CreatedAt.UTC(), Data: d}
}

func runOf(r store.Run) Run {
	return Run{
		ID: r.ID, Project: r.Project, Name: r.Name, Tags: orEmpty(r.Tags),
		Attempts: r.Attempts, State: string(r.State), StartedAt: r.StartedAt.UTC(), EndedAt: r.EndedAt,
	}
}

func digestRuns(runs []notice.DigestRun) []DigestRun {
	out := []DigestRun{}
	for _, r := range runs {
		out = append(out, DigestRun{Run: runOf(r.Run), Epochs: r.Epochs, Findings: findingsOf(r.Findings), Commands: commandsOf(r.Commands)})
	}
	return out
}

func findingsOf(findings []store.Finding) []Finding {
	out := []Finding{}
	for _, f := range findings {
		out = append(out, findingOf(f.ID, f.Finding))
	}
	return out
}

func commandsOf(commands []store.Command) []Command {
	out := []Command{}
	for _, c := range commands {
		out = append(out, commandOf(c))
	}
	return out
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
		IssuedBy: c.IssuedBy,
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
