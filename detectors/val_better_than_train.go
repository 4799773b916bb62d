package detectors

import (
	"fmt"
	"math"
)

var valBetterThanTrainDetector = &detector{
	spec: Spec{
		Kind:     KindValBetterThanTrain,
		Title:    "Validation is better than training",
		Meaning:  "The validation loss has been far below the training loss for many epochs. Usually dropout or augmentation makes training harder than validation; it is no alarm.",
		Severity: SeverityInfo, MinEpochs: 10,
		HiddenBy: []Kind{KindLossNaN, KindDivergence, KindLRTooHigh, KindNotLearning, KindNoisyValidation},
		Params: []Param{
			{
				Name: "epochs", Doc: "last epochs that must all show it", Unit: unitEpochs, Default: 10, Min: 2, Max: recent,
				Source: "development corpus: at 5, 4 of 181 healthy curves, since at the start the training loss is a mean over an epoch in which the model got better",
			},
			{
				Name: "gap", Doc: "least share of the training loss by which the validation loss is below it", Unit: unitShare, Default: 0.6, Min: 0, Max: 10,
				Source: "development corpus: at 0.3, 6 of 181 healthy curves; own trainings: dropout of 0.8 makes 40 %",
			},
		},
		Reasons: []Reason{{"gap", "the validation loss is below the training loss by more than gap in each of the last epochs"}},
		Advice: []string{
			"With dropout or augmentation nothing needs to be done: model.evaluate on the training data gives figures that can be compared.",
			"Without them, look whether validation data is in the training data too, or is easier: another class balance, another source.",
			"A much lower validation loss beside strong dropout says that there is room for less dropout.",
		},
		FalseAlarms: "development corpus: information on 2 of 181 healthy curves; kept apart: 1 of 85; none of 600 runs of 10,000 noisy epochs",
	},
	make: func(p params) rule {
		return ruleOf(valBetterThanTrain{epochs: int32(p.get("epochs")), gap: p.get("gap")})
	},
	tell: func(d *decision, r *run, usual []string) (string, []string) {
		return fmt.Sprintf("%s (%.4g) has been below %s (%.4g) by more than %.0f %% for %.0f epochs: usually dropout or augmentation, which only training has.",
			d.metric, d.get("now"), r.name(trainLoss), d.get("train"), 100*d.get("gap"), d.get("epochs")), usual
	},
}

type valBetterThanTrain struct {
	gap    float64
	epochs int32
}

func (v *valBetterThanTrain) decide(r *run, out *say) {
	d := decision{holds: out.open(0)}
	if r.s[valLoss].fresh && r.s[trainLoss].fresh {
		d = v.judge(r, out.open(0))
	}
	out.put(0, &d)
}

func (v *valBetterThanTrain) judge(r *run, open bool) decision {
	val, train := r.s[valLoss].lasts(), r.s[trainLoss].lasts()
	n := int(v.epochs)
	if len(val) < n || len(train) < n {
		return decision{}
	}
	val, train = val[len(val)-n:], train[len(train)-n:]
	gap := math.Inf(1)
	for i := n - 1; i >= 0; i-- {
		if val[i].epoch != train[i].epoch {
			return decision{holds: open}
		}
		gap = min(gap, (train[i].y-val[i].y)/max(math.Abs(train[i].y), math.SmallestNonzeroFloat64))
		if gap <= v.gap || val[i].y < 0 {
			return decision{holds: open && i < n-1}
		}
	}
	d := decision{severity: SeverityInfo, metric: r.name(valLoss), onset: int(val[0].epoch), reason: "gap", confidence: 0.7}
	d.with("now", val[n-1].y)
	d.with("train", train[n-1].y)
	d.with("gap", gap)
	d.with("epochs", float64(n))
	return d
}
