package backtest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/epochwatch/epochwatch/detectors"
)

// diagnoses says which kinds answer a diagnosis that a person gave. It is strict: what is
// only a sign of the same trouble, or only its consequence, answers nothing, except where
// one curve cannot tell the two apart.
var diagnoses = map[string][]detectors.Kind{
	"healthy":                            {detectors.KindHealthy},
	"loss_nan":                           {detectors.KindLossNaN},
	"divergence":                         {detectors.KindDivergence},
	"exploding_gradient":                 {detectors.KindDivergence, detectors.KindLossNaN},
	"lr_too_high":                        {detectors.KindLRTooHigh, detectors.KindDivergence},
	"lr_too_low":                         {detectors.KindLRTooLow, detectors.KindSlowProgress},
	"rising_loss":                        {detectors.KindRisingLoss},
	"overfitting":                        {detectors.KindOverfitting},
	"generalization_gap":                 {detectors.KindGeneralizationGap},
	"loss_up_accuracy_up_overconfidence": {detectors.KindLossAccuracyConflict},
	"loss_accuracy_conflict":             {detectors.KindLossAccuracyConflict},
	"plateau":                            {detectors.KindPlateau},
	"not_learning":                       {detectors.KindNotLearning},
	"dead_relu":                          {detectors.KindNotLearning, detectors.KindConstantMetric},
	"class_imbalance_majority":           {detectors.KindConstantMetric},
	"constant_metric":                    {detectors.KindConstantMetric},
	"oscillation":                        {detectors.KindOscillation},
	"small_validation_set_noise":         {detectors.KindNoisyValidation},
	"val_better_than_train_dropout":      {detectors.KindValBetterThanTrain},
	"metric_mismatch":                    {detectors.KindMetricMismatch},
	"head_loss_mismatch":                 {detectors.KindHeadLossMismatch},
	"initial_loss":                       {detectors.KindInitialLoss},
	"data_leak_or_label_bug":             nil, // no curve shows it
}

// Diagnoses returns the words of diagnoses that a clinic may use, with the kinds that
// answer each.
func Diagnoses() map[string][]detectors.Kind { return maps.Clone(diagnoses) }

// Patient is a curve that a person asked about, with the diagnosis that was given.
type Patient struct {
	Curve        *Curve
	Diagnosis    []string // the main cause first
	SymptomEpoch *int     // at which a careful person would first speak up, as the log numbers it
}

// ReadClinic reads curves as ReadCurves does, with "diagnosis" and "symptom_epoch".
func ReadClinic(r io.Reader, name string) ([]Patient, []Problem, error) {
	var out []Patient
	problems, err := eachLine(r, name, func(b []byte) error {
		var l curveLine
		if err := l.read(b); err != nil {
			return err
		}
		if len(l.Diagnosis) == 0 {
			return errors.New("diagnosis: there is none")
		}
		for _, word := range l.Diagnosis {
			if _, ok := diagnoses[word]; !ok {
				return fmt.Errorf("diagnosis: %.80q is none of %s", word, strings.Join(slices.Sorted(maps.Keys(diagnoses)), ", "))
			}
		}
		c, err := l.curve()
		if err != nil {
			return err
		}
		out = append(out, Patient{c, l.Diagnosis, l.SymptomEpoch})
		return nil
	})
	return out, problems, err
}

// Clinic is the verdicts beside the diagnoses. The intervals are Wilson's: the logs were
// asked about one by one.
type Clinic struct {
	Lines    []ClinicLine `json:"lines"`
	Main     Estimate     `json:"main"`     // verdicts that answer the main cause
	Answered Estimate     `json:"answered"` // verdicts that answer any of the causes
}

// Answer says what a verdict is worth beside a diagnosis.
type Answer string

// The answers.
const (
	AnswersMain  Answer = "main"  // the main cause
	AnswersOther Answer = "other" // one of the further causes
	AnswersNone  Answer = "no"
)

// ClinicLine is one curve of a clinic.
type ClinicLine struct {
	ID           string         `json:"id"`
	Epochs       int            `json:"epochs"`
	Diagnosis    []string       `json:"diagnosis"`
	Verdict      detectors.Kind `json:"verdict"`
	Confidence   float64        `json:"confidence"`
	Answers      Answer         `json:"answers"`
	SymptomEpoch *int           `json:"symptom_epoch"`
	// FiredEpoch is the epoch at which the verdict's kind first opened, as the log numbers
	// it; nil when healthy.
	FiredEpoch *int `json:"fired_epoch"`
	// Also are the other kinds that opened.
	Also []detectors.Kind `json:"also"`
}

// JudgeClinic holds verdicts against diagnoses, in the order of the patients. The error is
// that of a bad config.
func JudgeClinic(patients []Patient, cfg detectors.Config) (*Clinic, error) {
	c := &Clinic{Lines: []ClinicLine{}}
	main, answered := 0, 0
	for _, p := range patients {
		j, err := Judge(p.Curve, cfg)
		if err != nil {
			return nil, err
		}
		l := ClinicLine{
			ID: p.Curve.ID, Epochs: len(p.Curve.Epochs), Diagnosis: p.Diagnosis, Verdict: j.Verdict.Kind,
			Confidence: j.Verdict.Confidence, Answers: answer(p.Diagnosis, j.Verdict.Kind), SymptomEpoch: p.SymptomEpoch,
			Also: []detectors.Kind{},
		}
		for _, a := range j.Alarms {
			switch {
			case a.Kind != l.Verdict && !slices.Contains(l.Also, a.Kind):
				l.Also = append(l.Also, a.Kind)
			case a.Kind == l.Verdict && l.FiredEpoch == nil:
				l.FiredEpoch = new(p.Curve.Epochs[a.Index].Epoch)
			}
		}
		switch l.Answers {
		case AnswersMain:
			main++
			answered++
		case AnswersOther:
			answered++
		case AnswersNone:
		}
		c.Lines = append(c.Lines, l)
	}
	c.Main, c.Answered = wilson(main, len(patients)), wilson(answered, len(patients))
	return c, nil
}

// answer says which of the causes, the main one first, a verdict answers.
func answer(diagnosis []string, verdict detectors.Kind) Answer {
	for i, word := range diagnosis {
		if slices.Contains(diagnoses[word], verdict) {
			if i == 0 {
				return AnswersMain
			}
			return AnswersOther
		}
	}
	return AnswersNone
}
