package backtest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

func TestClinic(t *testing.T) {
	t.Parallel()
	patients, problems, err := ReadClinic(strings.NewReader(`{"id": "q1", "first_epoch": 5, "symptom_epoch": 7, "metrics": {"loss": [1, 0.9, "nan", "nan"]}, "diagnosis": ["lr_too_high", "loss_nan"]}
{"id": "q2", "metrics": {"loss": [1, 0.9, 0.8, 0.7, 0.6]}, "diagnosis": ["healthy"]}
{"id": "q3", "metrics": {"loss": [1, 0.9, 0.8, 0.7, 0.6]}, "diagnosis": ["overfitting"]}
{"id": "q4", "metrics": {"loss": [1]}, "diagnosis": ["bad luck"]}
{"id": "q5", "metrics": {"loss": [1]}}
{"metrics": {"loss": [1]}, "diagnosis": ["healthy"]}
{"id": "q6", "metrics": {}, "diagnosis": ["healthy"]}`), "clinic")
	require.NoError(t, err)
	require.Len(t, patients, 3)
	require.Len(t, problems, 4)
	require.Contains(t, problems[0].String(), `clinic:4: diagnosis: "bad luck" is none of class_imbalance_majority, constant_metric, `)
	require.Equal(t, "clinic:5: diagnosis: there is none", problems[1].String())

	c, err := JudgeClinic(patients, nil)
	require.NoError(t, err)
	require.Equal(t, detectors.KindLossNaN, c.Lines[0].Verdict)
	require.Equal(t, AnswersOther, c.Lines[0].Answers)
	require.Equal(t, 7, *c.Lines[0].FiredEpoch)
	require.Equal(t, 7, *c.Lines[0].SymptomEpoch)
	require.Equal(t, AnswersMain, c.Lines[1].Answers)
	require.Nil(t, c.Lines[1].FiredEpoch)
	require.Equal(t, AnswersNone, c.Lines[2].Answers)
	require.Equal(t, [2]int{1, 3}, [2]int{c.Main.Count, c.Main.Of})
	require.Equal(t, [2]int{2, 3}, [2]int{c.Answered.Count, c.Answered.Of})
	_, err = JudgeClinic(patients, detectors.Config{"weather": {}})
	require.Error(t, err)
}

// TestDiagnosesNameKinds holds that every kind that answers exists, and that every kind
// which can be a verdict about the curve answers something.
func TestDiagnosesNameKinds(t *testing.T) {
	t.Parallel()
	answering := map[detectors.Kind]bool{}
	for word, kinds := range Diagnoses() {
		for _, k := range kinds {
			answering[k] = true
			if k != detectors.KindHealthy {
				require.NoError(t, (detectors.Config{k: {}}).Validate(), word)
			}
		}
	}
	require.Equal(t, AnswersMain, answer([]string{"lr_too_high"}, detectors.KindDivergence))
	require.Equal(t, AnswersNone, answer([]string{"divergence"}, detectors.KindLRTooHigh), "a rate that is too high need not diverge")
	require.Equal(t, AnswersNone, answer([]string{"data_leak_or_label_bug"}, detectors.KindNotLearning))
	for _, k := range []detectors.Kind{detectors.KindHealthy, detectors.KindOverfitting, detectors.KindLossNaN, detectors.KindPlateau} {
		require.True(t, answering[k], k)
	}
}

func TestRequirements(t *testing.T) {
	t.Parallel()
	good := []string{"recall=0.8", "overfitting.recall=0.8", "overfitting.healthy=0.1", "alarms_per_100_epochs=0.5"}
	least, err := ParseRequirements(good, false)
	require.NoError(t, err)
	f, _ := figuresByHand(byHand()) // recall 5 of 6, alarmed 1 of 4, delay 2
	r := Report{Parts: []Part{{Name: PartAll, Figures: []Figures{f, {}}}}}
	require.NoError(t, r.Require(least))
	most, err := ParseRequirements([]string{"alarmed=0.25", "delay=1.9", "plateau.delay=9", "clinic=1"}, true)
	require.NoError(t, err)
	require.ErrorIs(t, r.Require(most), ErrMissed)
	var missed []string
	for _, m := range r.Missed {
		missed = append(missed, m.String())
	}
	require.Equal(t, []string{
		"all: delay at most 1.9: it is 2",
		"all: plateau.delay at most 9: there is nothing to measure it on",
		"clinic: clinic at most 1: there is nothing to measure it on",
	}, missed)
	r = Report{Clinic: &Clinic{Main: wilson(1, 4), Answered: wilson(2, 4)}}
	bound, err := ParseRequirements([]string{"clinic=0.5", "clinic_main=0.5"}, false)
	require.NoError(t, err)
	require.ErrorIs(t, r.Require(bound), ErrMissed)
	require.Len(t, r.Missed, 1)
	require.Equal(t, "clinic: clinic_main at least 0.5: it is 0.25", r.Missed[0].String())

	for text, why := range map[string]string{
		"recall":           "want FIGURE=NUMBER",
		"recall=much":      `"much" is not a number`,
		"recall=NaN":       `"NaN" is not a number`,
		"precision=1":      `there is no figure "precision"; there are alarmed, `,
		"weather.recall=1": "no detector has such a figure",
	} {
		_, err := ParseRequirements([]string{text}, true)
		require.ErrorContains(t, err, why)
	}
}
