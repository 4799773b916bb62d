package detectors_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

// law is a law of noise of about standard deviation 1: one number an epoch.
type law struct {
	name string
	make func(r *rand.Rand) func(t int) float64
}

var laws = []law{
	{"gaussian", func(r *rand.Rand) func(int) float64 { return func(int) float64 { return r.NormFloat64() } }},
	{"laplace", func(r *rand.Rand) func(int) float64 {
		return func(int) float64 { return math.Copysign(r.ExpFloat64(), r.Float64()-0.5) / math.Sqrt2 }
	}},
	{"autocorrelated and uneven", func(r *rand.Rand) func(int) float64 {
		x := 0.0
		return func(t int) float64 {
			x = 0.3*x + math.Sqrt(1-0.09)*r.NormFloat64()
			return x * (1 + 0.3*math.Sin(float64(t)/50))
		}
	}},
}

// training is a run made of a trend and noise.
type training struct {
	epochs int
	trend  func(t float64) float64 // of the training loss
	val    func(t float64) float64 // of the validation loss; nil: as the training loss, a little above
	score  func(t float64) float64 // of the accuracy; nil: 1 less half the training loss
	sigma  float64
}

// falling is a loss that is still falling, ever more slowly, at any epoch.
func falling(t float64) float64 { return 0.4 + 1.6/math.Sqrt(1+t/3) }

// settled is a loss that has nothing left to gain after a few dozen epochs.
func settled(t float64) float64 { return 0.5 + 1.5*math.Exp(-t/10) }

// run folds the training and calls each with what changed at each epoch.
func (tr training) run(t testing.TB, l law, seed uint64, each func(epoch int, c []detectors.Change)) *detectors.Monitor {
	m := newMonitor(t, nil)
	noises := make([]func(int) float64, 4)
	for i := range noises {
		noises[i] = l.make(rand.New(rand.NewPCG(seed, uint64(i))))
	}
	val, score := tr.val, tr.score
	if val == nil {
		val = func(x float64) float64 { return 1.05 * tr.trend(x) }
	}
	if score == nil {
		score = func(x float64) float64 { return 1 - tr.trend(x)/2 }
	}
	e := epoch(0, map[string]float64{})
	for i := range tr.epochs {
		x := float64(i)
		e.Epoch = i
		e.Metrics["loss"] = tr.trend(x) + tr.sigma*noises[0](i)
		e.Metrics["val_loss"] = val(x) + tr.sigma*noises[1](i)
		e.Metrics["accuracy"] = max(0, score(x)+tr.sigma*noises[2](i)/2)
		e.Metrics["val_accuracy"] = max(0, score(x)-0.02+tr.sigma*noises[3](i)/2)
		if c := m.Fold(e); each != nil {
			each(i, c)
		}
	}
	return m
}

// seeds is how many seeds each question is asked with.
func seeds() uint64 {
	if raceEnabled || testing.Short() {
		return 5
	}
	return 100
}

// TestTenThousandHealthyEpochsAreNoAlarm is half of the promise; what is planted in the
// same noise is named in TestPlantedTroubleIsNamed.
func TestTenThousandHealthyEpochsAreNoAlarm(t *testing.T) {
	t.Parallel()
	for _, l := range laws {
		for name, trend := range map[string]func(float64) float64{"falling": falling, "settled": settled} {
			t.Run(l.name+", "+name, func(t *testing.T) {
				t.Parallel()
				tr := training{epochs: 10_000, trend: trend, sigma: 0.02}
				alarms := 0
				for seed := range seeds() {
					tr.run(t, l, seed, func(epoch int, changes []detectors.Change) {
						for _, c := range changes {
							if c.Finding.Severity != detectors.SeverityInfo && c.Type == detectors.Opened {
								alarms++
								t.Logf("seed %d, epoch %d: %s", seed, epoch, c.Finding.Summary)
							}
						}
					})
				}
				require.Zero(t, alarms)
			})
		}
	}
}

// planted is a trouble, the same noise as above, and what must be said.
type planted struct {
	name string
	kind detectors.Kind
	training
	at int // epoch of the trouble; what is named before it does not count
}

const sigma = 0.02

// drift is 5 sigma, come by in the given epochs after at, and there to stay.
func drift(t, at, in float64) float64 {
	return 5 * sigma * math.Min(1, math.Max(0, (t-at)/in))
}

func troubles() []planted {
	late := func(t float64) float64 { return settled(t) + drift(t, 5000, 300) }
	// A short run has to show more: eight sigma.
	early := func(t float64) float64 { return settled(t) + 1.6*drift(t, 45, 5) }
	still := func(float64) float64 { return 0.7 }
	return []planted{
		{"a drift late in a long run", detectors.KindRisingLoss, training{epochs: 10_000, trend: late, sigma: sigma}, 5000},
		{"a drift in a short run", detectors.KindRisingLoss, training{epochs: 75, trend: early, sigma: sigma}, 45},
		{"a drift of the validation loss", detectors.KindOverfitting, training{epochs: 10_000, trend: falling, val: late, sigma: sigma}, 5000},
		{"overfitting in a short run", detectors.KindOverfitting, training{
			epochs: 60, trend: func(t float64) float64 { return 2 * math.Exp(-t/20) }, val: early, sigma: sigma,
		}, 45},
		{"loss and accuracy both up", detectors.KindLossAccuracyConflict, training{
			epochs: 60, trend: func(t float64) float64 { return 0.7 + 0.004*math.Max(0, t-20)*2 - 0.01*math.Min(t, 20) },
			score: func(t float64) float64 { return 0.5 + 0.4*(1-math.Exp(-t/25)) }, sigma: sigma / 2,
		}, 20},
		{"a loss that runs away", detectors.KindDivergence, training{
			epochs: 80, trend: func(t float64) float64 { return settled(t) + math.Exp((t-50)/4) - math.Exp(-12.5) }, sigma: sigma,
		}, 20},
		{"no progress any more", detectors.KindPlateau, training{epochs: 300, trend: settled, sigma: sigma}, 25},
		{"nothing learned", detectors.KindNotLearning, training{epochs: 20, trend: still, sigma: 0.0007}, 0},
		{"swings", detectors.KindLRTooHigh, training{
			epochs: 20, trend: func(t float64) float64 { return 0.8 + 0.3*math.Sin(2.4*t) }, sigma: sigma,
		}, 0},
	}
}

// TestPlantedTroubleIsNamed is the other half: in the noise that gives no alarm, what
// is wrong is named in at least 95 of 100 runs, and not before it is there.
func TestPlantedTroubleIsNamed(t *testing.T) {
	t.Parallel()
	for _, p := range troubles() {
		for _, l := range laws {
			t.Run(p.name+", "+l.name, func(t *testing.T) {
				t.Parallel()
				named, before := 0, 0
				for seed := range seeds() {
					first := -1
					p.run(t, l, seed, func(epoch int, changes []detectors.Change) {
						for _, c := range changes {
							if first < 0 && c.Finding.Kind == p.kind {
								first = epoch
							}
						}
					})
					switch {
					case first >= p.at:
						named++
					case first >= 0:
						before++
					}
				}
				require.GreaterOrEqual(t, float64(named), 0.95*float64(seeds()), "%d named, %d before epoch %d", named, before, p.at)
			})
		}
	}
}

// TestSoundTwinsAreNotNamed asks the rules of short runs the same question without the
// trouble: as many epochs, as much noise, and nothing planted.
func TestSoundTwinsAreNotNamed(t *testing.T) {
	t.Parallel()
	twins := map[detectors.Kind]training{
		detectors.KindPlateau:     {epochs: 120, trend: func(t float64) float64 { return 2 - t/80 }, sigma: sigma},
		detectors.KindNotLearning: {epochs: 20, trend: func(t float64) float64 { return 0.7 - 0.005*t }, sigma: 0.0007},
		detectors.KindLRTooHigh:   {epochs: 20, trend: settled, sigma: sigma},
		detectors.KindDivergence:  {epochs: 80, trend: settled, sigma: sigma},
		detectors.KindOverfitting: {epochs: 60, trend: func(t float64) float64 { return 2 * math.Exp(-t/20) }, val: settled, sigma: sigma},
		detectors.KindLossAccuracyConflict: {
			epochs: 60, trend: settled, score: func(t float64) float64 { return 0.5 + 0.4*(1-math.Exp(-t/25)) }, sigma: sigma / 2,
		},
	}
	for kind, tr := range twins {
		for _, l := range laws {
			t.Run(fmt.Sprintf("%s, %s", kind, l.name), func(t *testing.T) {
				t.Parallel()
				said := 0
				for seed := range seeds() {
					for _, f := range tr.run(t, l, seed, nil).Findings() {
						if f.Kind == kind {
							said++
						}
					}
				}
				require.LessOrEqual(t, float64(said), 0.02*float64(seeds()))
			})
		}
	}
}
