package control

import (
	"encoding/json"
	"math"

	"github.com/epochwatch/epochwatch/ingest/contract"
	"github.com/epochwatch/epochwatch/sql/store"
)

// judgement is what came after a command, as it was when the effect was told.
type judgement struct {
	After  contract.Number `json:"after"`  // median of the epochs after it
	Epochs int             `json:"epochs"` // of how many
	Below  contract.Number `json:"below"`  // helped below this
	Above  contract.Number `json:"above"`  // hurt above this
}

// withJudgement adds a judgement to an encoded forecast.
func withJudgement(encoded []byte, j *judgement) []byte {
	var f forecast
	if j == nil || json.Unmarshal(encoded, &f) != nil {
		return encoded
	}
	f.Judged = j
	return f.encode()
}

// Outlook says by what a command is judged: where the curve was heading without it, when it
// counts as having helped or hurt, and what came.
type Outlook struct {
	Metric string `json:"metric"`
	// Without is the level that was expected of the epochs after it, had nothing been done;
	// Infinity where the last value was not a number.
	Without contract.Number `json:"without"`
	Before  contract.Number `json:"before"` // median of the last epochs before it
	Noise   contract.Number `json:"noise"`  // standard deviation of one epoch
	// It has helped when the median of the Within epochs after it is below HelpedBelow, and
	// hurt when that is above HurtAbove.
	HelpedBelow contract.Number `json:"helped_below"`
	HurtAbove   contract.Number `json:"hurt_above"`
	Within      int             `json:"within_epochs"`
	// After is that median; nil until it is known.
	After *contract.Number `json:"after"`
}

// OutlookOf reads what a command is judged by; false where nothing was written down.
func OutlookOf(c store.Command) (Outlook, bool) {
	var f forecast
	if json.Unmarshal(c.Forecast, &f) != nil || f.Metric == "" || math.IsNaN(float64(f.Level)) {
		return Outlook{}, false
	}
	below, above := f.bounds(judgeEpochs, float64(f.Before))
	o := Outlook{
		Metric: f.Metric, Without: f.Level, Before: f.Before, Noise: f.Noise,
		HelpedBelow: contract.Number(below), HurtAbove: contract.Number(above), Within: judgeEpochs,
	}
	if j := f.Judged; j != nil {
		o.HelpedBelow, o.HurtAbove, o.Within, o.After = j.Below, j.Above, j.Epochs, &j.After
	}
	return o, true
}
