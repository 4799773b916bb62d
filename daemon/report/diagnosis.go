package report

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/epochwatch/epochwatch/daemon/backtest"
	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/ingest/history"
)

// Verdict is the JSON form of detectors.Verdict.
type Verdict struct {
	Kind       detectors.Kind  `json:"kind"`
	Confidence contract.Number `json:"confidence"`
	Summary    string          `json:"summary"`
	Advice     []string        `json:"advice"`
}

// Finding is the JSON form of detectors.Finding.
type Finding struct {
	Kind          detectors.Kind             `json:"kind"`
	Metric        string                     `json:"metric"`
	Severity      detectors.Severity         `json:"severity"`
	OnsetEpoch    int                        `json:"onset_epoch"`
	FiredEpoch    int                        `json:"fired_epoch"`
	ResolvedEpoch *int                       `json:"resolved_epoch"`
	Evidence      map[string]contract.Number `json:"evidence"`
	Advice        []string                   `json:"advice"`
	Confidence    contract.Number            `json:"confidence"`
	Reason        string                     `json:"reason"`
	Summary       string                     `json:"summary"`
}

// Diagnosis is what is said of one log.
type Diagnosis struct {
	Source     string    `json:"source"`
	Epochs     int       `json:"epochs"`
	FirstEpoch int       `json:"first_epoch"`
	Verdict    Verdict   `json:"verdict"`
	Findings   []Finding `json:"findings"`

	log history.Log
}

// Unreadable is what is said of a source that could not be read.
type Unreadable struct {
	Source string `json:"source"`
	Error  string `json:"error"`
}

// Diagnose folds a log through a monitor, as a live run would be, and says what it
// found. facts may be nil. The error is that of a bad config.
func Diagnose(log history.Log, facts *contract.Facts, cfg detectors.Config) (Diagnosis, error) {
	return diagnose(log, backtest.Story{{Facts: facts, Epochs: log.Epochs}}, cfg)
}

// DiagnoseRun says the same of a stored run, attempt by attempt. facts, if not nil, stand in
// place of what the run itself has said. The error is that of a bad config.
func DiagnoseRun(id string, run backtest.Story, notes []string, facts *contract.Facts, cfg detectors.Config) (Diagnosis, error) {
	log := history.Log{Source: id, Epochs: current(run)}
	for _, n := range notes {
		log.Notes = append(log.Notes, history.Note{Count: 1, Text: n})
	}
	run = slices.Clone(run)
	for i := range run {
		if facts != nil {
			run[i].Facts = facts
		}
		if f := run[i].Facts; f != nil {
			log.Declared = f.PlannedEpochs
		}
	}
	return diagnose(log, run, cfg)
}

func diagnose(log history.Log, run backtest.Story, cfg detectors.Config) (Diagnosis, error) {
	m, err := detectors.NewMonitor(cfg)
	if err != nil {
		return Diagnosis{}, err
	}
	for _, a := range run {
		if a.Facts != nil {
			m.Start(a.ID, *a.Facts)
		}
		for _, e := range a.Epochs {
			m.Fold(e)
		}
	}
	d := Diagnosis{
		Source: log.Source, Epochs: len(log.Epochs), Verdict: verdictOf(m.Verdict()),
		Findings: findingsOf(m.Findings()), log: log,
	}
	if len(log.Epochs) > 0 {
		d.FirstEpoch = log.Epochs[0].Epoch
	}
	return d, nil
}

// current returns the epochs of a run without those that a later attempt replaced.
func current(run backtest.Story) []detectors.Epoch {
	byNumber := map[int]detectors.Epoch{}
	for _, a := range run {
		for _, e := range a.Epochs {
			byNumber[e.Epoch] = e
		}
	}
	out := make([]detectors.Epoch, 0, len(byNumber))
	for _, n := range slices.Sorted(maps.Keys(byNumber)) {
		out = append(out, byNumber[n])
	}
	return out
}

// Notes says how the log was read where that was not plain: which of several trainings,
// and which lines were understood only in part.
func (d Diagnosis) Notes() []string {
	var out []string
	for _, n := range slices.Concat(d.log.Notes, d.log.Skipped) {
		out = append(out, n.String())
	}
	return out
}

func verdictOf(v detectors.Verdict) Verdict {
	return Verdict{v.Kind, contract.Number(v.Confidence), v.Summary, list(v.Advice)}
}

func findingsOf(fs []detectors.Finding) []Finding {
	out := make([]Finding, 0, len(fs))
	for _, f := range fs {
		out = append(out, findingOf(f))
	}
	return out
}

func findingOf(f detectors.Finding) Finding {
	evidence := f.Evidence
	if evidence == nil {
		evidence = map[string]contract.Number{}
	}
	return Finding{
		Kind: f.Kind, Metric: f.Metric, Severity: f.Severity, OnsetEpoch: f.OnsetEpoch,
		FiredEpoch: f.FiredEpoch, ResolvedEpoch: f.ResolvedEpoch, Confidence: contract.Number(f.Confidence),
		Reason: f.Reason, Summary: f.Summary, Evidence: evidence, Advice: list(f.Advice),
	}
}

// list makes an absent list an empty one: JSON's null is one case more for every reader.
func list(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

// ReadFacts reads the file of --context: unknown names are ignored, any may be null.
func ReadFacts(b []byte) (contract.Facts, error) {
	var f contract.Facts
	err := json.Unmarshal(b, &f)
	return f, err
}
