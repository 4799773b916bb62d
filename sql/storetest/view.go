package storetest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/sql/store"
)

func testView(t *testing.T, e Engine) {
	s := e.Open(t)
	write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		first, second := anAttempt(r.Run.PK, 1), anAttempt(r.Run.PK, 2)
		return store.Changes{Attempts: []store.Attempt{first, second}, Epochs: []store.Epoch{
			anEpoch(first, 2, 0, map[string]float64{"loss": 0.5, "val_loss": math.Inf(1)}),
			anEpoch(first, 3, 1, map[string]float64{"loss": 9}), // replaced
			anEpoch(first, 4, 2, map[string]float64{"loss": 9}), // replaced
			anEpoch(second, 2, 1, map[string]float64{"loss": math.NaN(), "val_loss": math.Inf(-1)}),
		}}
	})
	write(t, s, store.RunKey{Project: "p", ID: "other"}, everything)
	require.Equal(t, [][]string{
		{"p", "r", "0", "1", "loss", "0.5", "0.5"},
		{"p", "r", "0", "1", "val_loss", "Infinity", "NULL"},
		{"p", "r", "1", "2", "loss", "NaN", "NULL"},
		{"p", "r", "1", "2", "val_loss", "-Infinity", "NULL"},
	}, e.Text(t, s, `SELECT project, run, epoch, attempt, metric, value, finite FROM metric_values
		WHERE project = 'p' AND run = 'r' ORDER BY epoch, metric`))
	require.Equal(t, [][]string{{"0.5"}}, e.Text(t, s, `SELECT avg(finite) FROM metric_values WHERE run = 'r'`))
}

// testViewIsCurve compares the view with store.Curve on runs that start again anywhere.
func testViewIsCurve(t *testing.T, e Engine) {
	s := e.Open(t)
	for seed := range uint64(12) {
		random := rand.New(rand.NewPCG(seed, 1))
		id := fmt.Sprintf("run%d", seed)
		run := write(t, s, store.RunKey{Project: "p", ID: id}, func(r store.RunState) store.Changes {
			var c store.Changes
			for n := range 1 + random.IntN(4) {
				a := anAttempt(r.Run.PK, n+1)
				c.Attempts = append(c.Attempts, a)
				from := random.IntN(6)
				for i := range random.IntN(7) {
					c.Epochs = append(c.Epochs, anEpoch(a, int64(i+2), from+i, map[string]float64{"loss": float64(100*n + i)}))
				}
			}
			return c
		})
		all, err := s.ListEpochs(t.Context(), run.PK)
		require.NoError(t, err)
		var want [][]string
		for _, ep := range store.Curve(all) {
			want = append(want, []string{strconv.Itoa(ep.Epoch), strconv.FormatFloat(ep.Metrics["loss"], 'f', -1, 64)})
		}
		var got [][]string
		for _, row := range e.Text(t, s, `SELECT epoch, value FROM metric_values WHERE run = '`+id+`' ORDER BY epoch`) {
			v, err := strconv.ParseFloat(row[1], 64)
			require.NoError(t, err)
			got = append(got, []string{row[0], strconv.FormatFloat(v, 'f', -1, 64)})
		}
		require.True(t, slices.EqualFunc(want, got, slices.Equal[[]string]), "seed %d: want %v, got %v", seed, want, got)
	}
}

func testReadable(t *testing.T, e Engine) {
	s := e.Open(t)
	write(t, s, store.RunKey{Project: "p", ID: "r"}, func(r store.RunState) store.Changes {
		a := anAttempt(r.Run.PK, 1)
		ep := anEpoch(a, 1, 0, nil)
		ep.LearningRate, ep.Seconds = new(math.NaN()), new(math.Inf(1))
		return store.Changes{Attempts: []store.Attempt{a}, Epochs: []store.Epoch{ep}}
	})
	require.Equal(t, [][]string{{"NaN", "Infinity", "NULL"}}, e.Text(t, s, `SELECT learning_rate, seconds, first_batch_loss FROM epoch`))
}
