package detectors_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
	"github.com/epochwatch/epochwatch/ingest/contract"
)

// shape is a run by formula, for what a training cannot say: restarts, durations, rates.
type shape struct {
	epochs int
	facts  contract.Facts
	at     func(e *detectors.Epoch, i int, noise [4]float64)
}

func (s shape) run(t testing.TB, l law, seed uint64) []detectors.Finding {
	m := newMonitor(t, nil)
	m.Start("", s.facts)
	var noises [4]func(int) float64
	for i := range noises {
		noises[i] = l.make(rand.New(rand.NewPCG(seed, uint64(i)+10)))
	}
	for i := range s.epochs {
		e := epoch(i, map[string]float64{})
		s.at(&e, i, [4]float64{noises[0](i), noises[1](i), noises[2](i), noises[3](i)})
		m.Fold(e)
	}
	return m.Findings()
}

// with makes the shape of a training loss and, when not nil, of a validation loss.
func with(epochs int, loss, val func(t float64) float64, sigma float64) shape {
	return shape{epochs: epochs, at: func(e *detectors.Epoch, i int, z [4]float64) {
		e.Metrics["loss"] = loss(float64(i)) + sigma*z[0]
		if val != nil {
			e.Metrics["val_loss"] = val(float64(i)) + sigma*z[1]
		}
	}}
}

// fault is a trouble, the twin without it in the same noise, and what must be said of the
// one and not of the other.
type fault struct {
	name        string
	kind        detectors.Kind
	sick, sound shape
	at          int // epoch before which nothing of the kind may be said
}

func wave(period float64) func(t float64) float64 {
	return func(t float64) float64 { return settled(t) + 5*sigma*math.Cos(2*math.Pi*t/period) }
}

func faults() []fault {
	quick := func(t float64) float64 { return 0.3 + 1.7*math.Exp(-t/4) }
	long := func(t float64) float64 { return 0.2 + 1.8*math.Exp(-t/12) }
	gone := func(t float64) float64 { return 2 * math.Exp(-t/12) }
	bad := func(t float64) float64 {
		if t == 40 {
			return settled(t) + 25*sigma
		}
		return settled(t)
	}
	line := func(t float64) float64 { return 2 - 0.004*t }
	sgd := contract.Facts{Optimizer: "SGD", LearningRate: number(1e-5)}
	low := with(30, func(t float64) float64 { return 2 - 0.012*t }, nil, 0.0004)
	low.facts = sgd
	usual := low
	usual.facts = contract.Facts{Optimizer: "SGD", LearningRate: number(1e-2)}
	return []fault{
		{"the gap widens", detectors.KindGeneralizationGap, with(40, gone, func(t float64) float64 { return 1 + math.Exp(-t/4) }, sigma), with(40, gone, func(t float64) float64 { return 0.2 + gone(t) }, sigma), 14},
		{"one class is predicted", detectors.KindConstantMetric, guesses(0), guesses(0.002), 5},
		{"one class is predicted from some epoch on", detectors.KindConstantMetric, collapses(20), collapses(40), 25},
		{"swings to and fro", detectors.KindOscillation, with(60, wave(2), nil, sigma), with(60, falling, nil, sigma), 0},
		{"swings of period 5", detectors.KindOscillation, with(60, wave(5), nil, sigma), with(60, settled, nil, sigma), 0},
		{"swings of period 8", detectors.KindOscillation, with(60, wave(8), nil, sigma), with(60, quick, nil, sigma), 0},
		{"one bad epoch", detectors.KindSpike, with(60, bad, nil, sigma), with(60, settled, nil, sigma), 40},
		{"a tiny validation set", detectors.KindNoisyValidation, scattered(0.4), scattered(0.03), 15},
		{"slowly on and on", detectors.KindSlowProgress, with(60, func(t float64) float64 { return 2 - 0.001*t }, nil, 0.005), with(60, long, nil, 0.005), 24},
		{"a straight line", detectors.KindLRTooLow, with(30, line, nil, 0.0004), with(30, quick, nil, 0.0004), 11},
		{"a rate known to be low", detectors.KindLRTooLow, low, usual, 11},
		{"training harder than validation", detectors.KindValBetterThanTrain, with(40, settled, func(t float64) float64 { return 0.35 * settled(t) }, sigma), with(40, settled, func(t float64) float64 { return 0.8 * settled(t) }, sigma), 9},
		{"an epoch five times as long", detectors.KindSlowEpoch, lasting(30), lasting(-1), 30},
		{"the weights are not restored", detectors.KindResumeRegression, resumed(5), resumed(25), 30},
	}
}

func number(x float64) *contract.Number { n := contract.Number(x); return &n }

// guesses is a run whose accuracy is that of guessing, give or take.
func guesses(take float64) shape {
	return shape{epochs: 20, at: func(e *detectors.Epoch, _ int, z [4]float64) {
		e.Metrics["loss"], e.Metrics["accuracy"], e.Metrics["val_accuracy"] = 0.6931+0.0001*z[0], 0.5+take*z[1], 0.5+take*z[2]
	}}
}

// collapses is a run that learns until some epoch, and then names one class.
func collapses(at int) shape {
	return shape{epochs: 40, at: func(e *detectors.Epoch, i int, z [4]float64) {
		e.Metrics["loss"], e.Metrics["accuracy"], e.Metrics["val_accuracy"] = settled(float64(i))+sigma*z[0], 0.8+sigma*z[1]/2, 0.7+sigma*z[2]/2
		if i >= at {
			e.Metrics["loss"], e.Metrics["accuracy"], e.Metrics["val_accuracy"] = 2.3026, 0.1, 0.1
		}
	}}
}

// scattered is a run with a calm training loss and a validation loss that is not.
func scattered(share float64) shape {
	return shape{epochs: 60, at: func(e *detectors.Epoch, i int, z [4]float64) {
		e.Metrics["loss"] = falling(float64(i)) + 0.01*z[0]
		e.Metrics["val_loss"] = 1 + math.Exp(-float64(i)/3) + share*math.Sqrt2*z[1]
	}}
}

// lasting is a run of epochs of about a minute, one of which takes five.
func lasting(slow int) shape {
	return shape{epochs: 60, at: func(e *detectors.Epoch, i int, z [4]float64) {
		e.Metrics["loss"] = falling(float64(i))
		e.Seconds = 60 * math.Exp(0.1*z[0])
		if i == slow {
			e.Seconds *= 5
		}
	}}
}

// resumed is a run of 30 epochs taken up by another attempt, with the weights of an epoch.
func resumed(with int) shape {
	return shape{epochs: 45, at: func(e *detectors.Epoch, i int, z [4]float64) {
		e.Attempt = "a"
		if i >= 30 {
			e.Attempt = "b"
			i += with - 30
		}
		e.Metrics["loss"] = settled(float64(i)) + sigma*z[0]
	}}
}

// TestPlantedFaultsOfCurvesAreNamed holds both halves of the promise for each kind.
func TestPlantedFaultsOfCurvesAreNamed(t *testing.T) {
	t.Parallel()
	for _, f := range faults() {
		for _, l := range laws {
			t.Run(fmt.Sprintf("%s, %s, %s", f.kind, f.name, l.name), func(t *testing.T) {
				t.Parallel()
				of := func(g detectors.Finding) bool { return g.Kind == f.kind }
				named, early, wrong := 0, 0, 0
				for seed := range seeds() {
					sick := f.sick.run(t, l, seed)
					if i := slices.IndexFunc(sick, of); i >= 0 {
						named++
						if sick[i].FiredEpoch < f.at {
							early++
						}
						checkFinding(t, sick[i])
					} else if seed == 0 {
						t.Log(sick)
					}
					if slices.ContainsFunc(f.sound.run(t, l, seed), of) {
						wrong++
					}
				}
				require.GreaterOrEqual(t, float64(named-early), math.Floor(0.95*float64(seeds())), "%d named, %d of them early", named, early)
				require.LessOrEqual(t, float64(wrong), math.Ceil(0.01*float64(seeds())))
			})
		}
	}
}

// TestInformationIsRareInNoise holds that what is no alarm is not said of everything either:
// of the long healthy runs at most one in a hundred hears of any of these kinds.
func TestInformationIsRareInNoise(t *testing.T) {
	t.Parallel()
	rare := []detectors.Kind{
		detectors.KindGeneralizationGap, detectors.KindConstantMetric, detectors.KindOscillation, detectors.KindSpike, detectors.KindNoisyValidation,
		detectors.KindSlowProgress, detectors.KindLRTooLow, detectors.KindValBetterThanTrain, detectors.KindSlowEpoch, detectors.KindResumeRegression,
	}
	for _, l := range laws {
		for name, trend := range map[string]func(float64) float64{"falling": falling, "settled": settled} {
			t.Run(l.name+", "+name, func(t *testing.T) {
				t.Parallel()
				said := map[detectors.Kind]int{}
				for seed := range seeds() {
					tr := training{epochs: 10_000, trend: trend, sigma: sigma}
					for _, f := range tr.run(t, l, seed, nil).Findings() {
						if slices.Contains(rare, f.Kind) {
							said[f.Kind]++
							t.Log(f.Summary)
						}
					}
				}
				for kind, n := range said {
					require.LessOrEqual(t, float64(n), math.Ceil(0.01*float64(seeds())), kind)
				}
			})
		}
	}
}
