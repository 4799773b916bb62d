package backtest

import (
	"bytes"
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// nanAt makes epochs whose loss falls and is not a number from one epoch on.
func nanAt(attempt string, from, to, nan int) []detectors.Epoch {
	var out []detectors.Epoch
	for i := from; i < to; i++ {
		loss := 1 / float64(i+1)
		if i >= nan {
			loss = math.NaN()
		}
		out = append(out, detectors.Epoch{
			Epoch: i, Attempt: attempt, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(),
			Metrics: map[string]float64{"loss": loss},
		})
	}
	return out
}

func off(k detectors.Kind) Thresholds {
	return Thresholds{string(k) + ".enabled=false", detectors.Config{k: {Enabled: new(false)}}}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	story := Story{
		{ID: "1", Facts: &contract.Facts{Loss: "mse"}, Epochs: nanAt("1", 0, 5, 3)},
		{ID: "2", Epochs: nanAt("2", 3, 6, 9)}, // goes back to before it and comes through
	}
	r, err := Replay("run", story, Thresholds{Name: "defaults"}, off(detectors.KindLossNaN))
	require.NoError(t, err)
	require.Len(t, r.Epochs, 8)
	require.Equal(t, 3, r.Epochs[5].Epoch)
	require.Equal(t, 2, r.Epochs[5].Attempt)
	opened := r.Epochs[3].Changes[0][0]
	require.Equal(t, detectors.Opened, opened.Change)
	require.Equal(t, detectors.KindLossNaN, opened.Kind)
	require.Equal(t, detectors.SeverityCritical, opened.Severity)
	require.Equal(t, 3, opened.OnsetEpoch)
	require.Contains(t, without(r.Epochs[3].Changes[0], r.Epochs[3].Changes[1]), "+ loss_nan critical")
	require.Contains(t, without(r.Epochs[5].Changes[0], nil), "- loss_nan")
	require.NotEqual(t, detectors.KindLossNaN, r.Verdicts[0].Kind)
	require.Equal(t, []string{"defaults", "loss_nan.enabled=false"}, r.Thresholds)
	b, err := json.Marshal(r)
	require.NoError(t, err)
	require.Contains(t, string(b), `{"epoch":2,"attempt":1,"metrics":{"loss":0.3333333333333333},"changes":[[],[]]}`)

	_, err = Replay("run", story, Thresholds{Config: detectors.Config{"weather": {}}})
	require.Error(t, err)
}

// TestAReplayAsText is of changes made by hand.
func TestAReplayAsText(t *testing.T) {
	t.Parallel()
	r := Replayed{Source: "run", Thresholds: []string{"defaults", "rising_loss.noise=5, plateau.enabled=false"}, Notes: []string{"one note"}}
	for i := range 40 {
		m := Moment{Epoch: i, Attempt: 1, Metrics: map[string]contract.Number{"loss": contract.Number(1 / float64(i+1)), "val_loss": 0.5}, Changes: [][]Change{{}, {}}}
		if i > 35 {
			m.Attempt, m.Epoch = 2, i-3
			m.Metrics = map[string]contract.Number{"loss": contract.Number(math.Inf(1))}
		}
		r.Epochs = append(r.Epochs, m)
	}
	rise := Change{Change: detectors.Opened, Kind: detectors.KindRisingLoss, Metric: "loss", Severity: detectors.SeverityWarning}
	worse := Change{Change: detectors.Escalated, Kind: detectors.KindRisingLoss, Metric: "loss", Severity: detectors.SeverityCritical}
	over := Change{Change: detectors.Resolved, Kind: detectors.KindRisingLoss, Metric: "loss", Severity: detectors.SeverityCritical}
	conflict := Change{Change: detectors.Opened, Kind: detectors.KindLossAccuracyConflict, Severity: detectors.SeverityWarning}
	r.Epochs[2].Changes = [][]Change{{rise, conflict}, {conflict}}
	r.Epochs[4].Changes = [][]Change{{worse}, {rise, worse}}
	r.Epochs[37].Changes = [][]Change{{over}, {over}}
	r.Verdicts = []Verdict{
		{Kind: detectors.KindHealthy, Confidence: 0.5, Summary: "Healthy so far: 10 rules on 40 epochs. Over since epoch 34: the loss has risen, and this sentence is long enough to be wrapped."},
		{Kind: detectors.KindHealthy, Confidence: 0.5, Summary: "Healthy so far."},
	}
	var b bytes.Buffer
	require.NoError(t, r.WriteText(&b))
	golden(t, "replay.txt", b.String())
	b.Reset()
	require.NoError(t, Replayed{Source: "empty", Thresholds: []string{"defaults"}}.WriteText(&b))
	require.Contains(t, b.String(), "empty: 0 epochs")
	b.Reset()
	require.NoError(t, Replayed{Source: "a\x1b[31m\u202eb", Notes: []string{"\aof it"}, Thresholds: []string{"defaults"}}.WriteText(&b))
	require.Contains(t, b.String(), "a [31mb: 0 epochs\nnote:  of it\n", "what others wrote does not steer the terminal")
}
