package rules_test

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/daemon/config"
	"github.com/epochwatch/epochwatch/daemon/rules"
	"github.com/epochwatch/epochwatch/detectors"
)

var nan = math.NaN()

// alone is a config in which only these rules can speak.
func alone(t testing.TB, all ...rules.Rule) detectors.Config {
	t.Helper()
	c := detectors.Config{}
	for _, s := range detectors.Specs() {
		c[s.Kind] = detectors.Settings{Enabled: new(false)}
	}
	require.NoError(t, rules.AddTo(c, all))
	return c
}

// curves makes epochs of metrics by name; seconds and lr stand beside the metrics.
func curves(metrics map[string][]float64) []detectors.Epoch {
	var out []detectors.Epoch
	for name, ys := range metrics {
		for i, y := range ys {
			for len(out) <= i {
				out = append(out, detectors.Epoch{Epoch: len(out), Seconds: nan, LearningRate: nan, FirstBatchLoss: nan, Metrics: map[string]float64{}})
			}
			switch name {
			case "seconds":
				out[i].Seconds = y
			case "lr":
				out[i].LearningRate = y
			default:
				out[i].Metrics[name] = y
			}
		}
	}
	return out
}

func fold(t testing.TB, c detectors.Config, epochs []detectors.Epoch) *detectors.Monitor {
	t.Helper()
	m, err := detectors.NewMonitor(c)
	require.NoError(t, err)
	for _, e := range epochs {
		m.Fold(e)
	}
	return m
}

// holds says whether an expression holds at the end of loss 4, 2, 1, 3 and acc .1, .3, .2.
func holds(t *testing.T, when string) bool {
	t.Helper()
	m := fold(t, alone(t, rules.Rule{Name: "it", When: when}), curves(map[string][]float64{
		"loss": {4, 2, 1, 3}, "acc": {0.1, 0.3, 0.2}, "odd": {1, 2, 3, nan}, "lr": {0.1, 0.1, 0.1, 0.01}, "seconds": {1, 2, 3, 4}, "zero": {0, 0, 0, 5},
	}))
	for _, f := range m.Findings() {
		require.Equal(t, "holds", f.Reason, f.Summary)
		if f.Firing() {
			return true
		}
	}
	return false
}

func TestLanguage(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]bool{
		`true`: true, `false`: false, `not false`: true, `!true || true`: true, `true and not (1 > 2)`: true,
		`epoch == 3 && epochs == 4 and attempt == 1`: true, `epoch % 2 == 1`: true, `epoch / 2 == 1.5`: true, `2 ** 3 == 8`: true, `-epoch < -2`: true,
		`lr == 0.01 and learning_rate == lr`: true, `seconds == 4`: true, `abs(1 - epoch) == 2`: true, `1 - epoch | abs() == 2`: true, `abs(-1.5) == 1.5`: true,
		`last("loss") == 3`: true, `first("loss") == 4`: true, `best("loss") == 1`: true, `best("acc") == 0.3`: true,
		`since_best("loss") == 1`: true, `since_best("acc") == 2`: true, `min("loss") == 1 and max("loss") == 4`: true,
		`min("loss", 1) == 3`: true, `max("loss", 2) == 3 and max("loss", 3) == 3`: true, `mean("loss", 4) == 2.5`: true, `mean("loss", 2) == 2`: true,
		`median("loss", 3) == 2 and median("loss", 4) == 2.5`: true, `std("loss", 2) > 1.41 and std("loss", 2) < 1.42`: true,
		`slope("loss", 2) == 2`: true, `abs(slope("loss", 4) + 0.4) < 1e-9`: true, `change("loss", 2) == 2`: true, `change("loss", 4) == -0.25`: true,
		`noise("loss") > 0`: true, `noise("acc") > 0 or noise("acc") <= 0`: false,
		`has("loss")`: true, `has("acc")`: false, `has("nosuch")`: false, `last("acc") == 0.2`: true,
		`is_nan("odd")`: true, `is_nan("loss")`: false, `is_nan("nosuch")`: false, `last("odd") > 0 or last("odd") <= 0`: false, `best("zero_loss") < 9`: false,
		`mean("loss", 5) < 99`: false, `mean("odd", 3) == 2`: true,
		`last("nosuch") > 1`: false, `last("nosuch") < 1`: false, `last("nosuch") == last("nosuch")`: false, `last("nosuch") != 1`: false,
		`last("loss") != 1`: true, `last("loss") != 3`: false, `true != false`: true, `has("loss") == has("acc")`: false, `epoch != 3`: false,
		`1 < last("loss") < 4`: true, `1 < last("loss") + 1 < 4`: false, `0 < (epoch != 3 ? 1 : 2) < 3`: true,
		`(has("acc") ? last("acc") : last("loss")) == 3`: true, `epoch >= 5 ? last("loss") > 1 : false`: false,
		`change("zero", 2) > 1e9`: true, `last("loss") not in [1]`: false,
	} {
		if strings.Contains(when, " in ") {
			require.Error(t, rules.AddTo(detectors.Config{}, []rules.Rule{{Name: "it", When: when}}))
			continue
		}
		require.Equal(t, want, holds(t, when), when)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for when, want := range map[string]string{
		``: "is missing", `1`: "this is a number", `"a" == "b"`: `a text is only ever the name of a metric`, `nil`: "no part of this language",
		`last("loss") and true`: "a number beside and, which wants a condition", `true > 1`: "a condition beside >", `has("loss") + 1 > 0`: "a condition beside +",
		`all(1..1000000, # > 0)`: "unknown function", `(1..100000000) == 1`: "the operator .. is no part", `map([1], #) == 1`: `unknown function "map", known here: abs`,
		`let x = 1; x > 0`: "no part of this language", `(last("loss") ?? 1) > 0`: "the operator ?? is no part", `$env == 1`: "unknown name", `{"a": 1}.a == 1`: "no part", `[1][0] == 1`: "no part",
		`"a" matches "b"`: "no part", `now() > 1`: `unknown function "now"`, `len("a") > 0`: "unknown function", `true; true`: "no part",
		`epoch() > 1`: `unknown function "epoch"`, `last > 1`: "last is a function", `last() > 1`: `last is called as in last("loss")`, `mean("loss") > 1`: `mean is called as in mean("loss", 5)`,
		`last("loss", 2) > 1`: "is called as", `mean("loss", 17) > 1`: "from 1 to 16", `std("loss", 1) > 1`: "from 2 to 16", `mean("loss", epoch) > 1`: "a whole number", `mean("loss", 0) > 1`: "a whole number",
		`last("") > 1`: "want the name of a metric", `best("chrf") > 1`: "use min or max", `since_best("chrf") > 1`: "use min or max", `abs("a") > 1`: "a text is only", `abs() > 1`: "abs is called with one number",
		`last("accurcay") > 1`: `did you mean "accuracy"`, `last("val_los") > 1`: `did you mean "val_loss"`, `sinceBest("loss") > 1`: `did you mean "since_best"`,
		`last("loss") % 2 == 1`: "", `epoch > 1 > true`: "a condition beside >", strings.Repeat("(", 500) + "1" + strings.Repeat(")", 400): "",
		strings.Repeat("1 + ", 240) + "1 > 0": "nodes", strings.Repeat(" ", 1000) + "true": "1000 characters", "last(\"loss\") > 1 \xff": "1000 characters", `loss > 1`: `of a metric: last("loss")`,
		`"not equal"(1, 2)`: "", `epoch.x > 1`: "no part",
	} {
		err := rules.AddTo(detectors.Config{}, []rules.Rule{{Name: "it", When: when}})
		require.ErrorContains(t, err, want, "%q", when)
		require.NotContains(t, err.Error(), "\n", "%q", when)
	}
	for _, metric := range []string{"d_loss", "dloss", "val_dloss", "val_loss", "accuracy_1", "vall_loss", "mcc", "f2_score", "losses/x"} {
		require.NoError(t, rules.AddTo(detectors.Config{}, []rules.Rule{{Name: "it", Metric: "vall_loss", When: fmt.Sprintf("last(%q) > 1", metric)}}))
	}
	many := make([]rules.Rule, 33)
	for i := range many {
		many[i] = rules.Rule{Name: fmt.Sprintf("r%d", i), When: fmt.Sprintf(`last("m%d") > 1 and last("n%d") > 1`, i, i)}
	}
	err := rules.AddTo(detectors.Config{}, many)
	require.ErrorContains(t, err, "rules: there are 33, 32 at most")
	require.ErrorContains(t, err, "rules: they name 64 metrics, 32 at most")
}

func TestWhatAFindingSays(t *testing.T) {
	t.Parallel()
	epochs := curves(map[string][]float64{"loss": {1, 1, 1}, "val_loss": {1, 3, 3}})
	f := fold(t, alone(t, rules.Rule{Name: "it", For: 2, When: "last(\"val_loss\") > 2 * last(\"loss\")\n and epoch >= 1", Advice: []string{"look"}}), epochs).Findings()[0]
	require.Equal(t, `The rule it holds, for 2 epochs: last(val_loss) is 3, last(loss) is 1. It says: last("val_loss") > 2 * last("loss") and epoch >= 1`, f.Summary)
	require.Equal(t, detectors.Key{Kind: "it", Metric: "val_loss", Onset: 1}, f.Key())
	require.InDelta(t, 3, float64(f.Evidence["last(val_loss)"]), 0)
	require.Equal(t, []string{"look"}, f.Advice)
	require.Equal(t, detectors.SeverityWarning, f.Severity)

	f = fold(t, alone(t, rules.Rule{Name: "it", When: "epoch > 1", Summary: "{last(\"val_loss\") / last(\"loss\")} x\n loss at {epoch}, {last(\"nosuch\")}"}), epochs).Findings()[0]
	require.Equal(t, "3 x loss at 2, NaN", f.Summary)
}

func TestARuleThatCannotBeWorkedOutRests(t *testing.T) {
	t.Parallel()
	m := fold(t, alone(t, rules.Rule{Name: "it", When: "10 % (epoch - 2) >= 0"}), curves(map[string][]float64{"loss": {1, 1, 1, 1}}))
	all := m.Findings()
	require.Len(t, all, 2)
	require.False(t, all[0].Firing())
	require.Equal(t, "error", all[1].Reason)
	require.Contains(t, all[1].Summary, "The rule it rests for the rest of this run: ")
	require.Contains(t, all[1].Summary, "divide by zero")
}

// TestNoRuleIsSlow holds what the bounds of the language promise: the largest expression
// takes less than a millisecond an epoch. The least of several counts, for other things
// run on this machine.
func TestNoRuleIsSlow(t *testing.T) {
	t.Parallel()
	var parts []string
	for n := 2; n <= 16; n++ {
		parts = append(parts, fmt.Sprintf(`median("loss",%d)>noise("m%d")`, n, n))
	}
	c := alone(t, rules.Rule{Name: "it", When: strings.Join(parts, " or ") + " or epoch ** 2 < 0"})
	ys := make([]float64, 300)
	for i := range ys {
		ys[i] = -float64(i * i % 7)
	}
	metrics := map[string][]float64{"loss": ys}
	for n := 2; n <= 16; n++ {
		metrics[fmt.Sprintf("m%d", n)] = ys
	}
	epochs := curves(metrics)
	m := fold(t, c, epochs[:200])
	least := time.Hour
	for _, e := range epochs[200:] {
		begun := time.Now()
		m.Fold(e)
		least = min(least, time.Since(begun))
	}
	t.Logf("%d calls take %s", len(parts)*2, least)
	require.Less(t, least, time.Millisecond)
}

var block = regexp.MustCompile("(?s)```yaml\n(.*?)```")

func flat(n int, y float64) []float64 { return line(n, y, 0) }

func line(n int, from, step float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = from + step*float64(i)
	}
	return out
}

// TestTheRulesOfTheDocs loads each rule of docs/rules.md as a daemon would and runs it on
// a curve that it is for and on one that it is not for.
func TestTheRulesOfTheDocs(t *testing.T) {
	t.Parallel()
	jump := append(flat(15, 1), 1, 9)
	calm := flat(17, 1)
	for i := range calm {
		jump[i] += 0.01 * float64(i*i%3)
		calm[i] = 1 + 0.01*float64(i*i%3)
	}
	cases := map[string]struct{ fires, silent map[string][]float64 }{
		"val_worse_than_twice_train": {
			map[string][]float64{"loss": line(15, 1, -0.06), "val_loss": flat(15, 0.9)},
			map[string][]float64{"loss": line(12, 1, -0.06), "val_loss": line(12, 1, -0.05)},
		},
		"no_new_best":            {map[string][]float64{"val_loss": line(12, 1, 0.1)}, map[string][]float64{"val_loss": line(40, 1, -0.01)}},
		"goal_out_of_reach":      {map[string][]float64{"val_accuracy": line(30, 0.5, 0.001)}, map[string][]float64{"val_accuracy": line(30, 0.3, 0.02)}},
		"too_slow_for_the_night": {map[string][]float64{"loss": flat(4, 1), "seconds": {500, 700, 700, 700}}, map[string][]float64{"loss": flat(4, 1), "seconds": {500, 700, 500, 700}}},
		"mask_head_jumps":        {map[string][]float64{"mask_loss": jump}, map[string][]float64{"mask_loss": calm}},
	}
	text, err := os.ReadFile("../../docs/rules.md")
	require.NoError(t, err)
	blocks := block.FindAllStringSubmatch(string(text), -1)
	require.Len(t, blocks, len(cases))
	for _, b := range blocks {
		cfg, err := config.Parse("rules.md", []byte(b[1]), func(string) (string, bool) { return "", false })
		require.NoError(t, err)
		require.Len(t, cfg.Rules, 1)
		c, ok := cases[cfg.Rules[0].Name]
		require.True(t, ok, cfg.Rules[0].Name)
		watch, err := cfg.Watch()
		require.NoError(t, err)
		said := func(metrics map[string][]float64) (out []detectors.Finding) {
			for _, f := range fold(t, watch, curves(metrics)).Findings() {
				if string(f.Kind) == cfg.Rules[0].Name {
					out = append(out, f)
				}
			}
			return out
		}
		fires := said(c.fires)
		require.Len(t, fires, 1, cfg.Rules[0].Name)
		require.Equal(t, "holds", fires[0].Reason)
		require.NotContains(t, fires[0].Summary, "NaN")
		require.Empty(t, said(c.silent), cfg.Rules[0].Name)
	}
}

// FuzzRule compiles whatever is written and asks it: nothing may panic, and the same
// epochs give the same answer.
func FuzzRule(f *testing.F) {
	for _, s := range []string{
		`last("loss") > 2 * best("loss") and epoch >= 5`, `1 < mean("loss", 3) < 4 ? has("x") : not is_nan("loss")`, `10 % (epoch - 2) != 0`,
		`abs(change("loss", 2)) ** 0.5 == seconds / lr`, `all(1..9, # > 0)`, `let a = 1; a > 0`, `((((`, `"`, `last("loss`,
	} {
		f.Add(s, "{"+s+"}", 2)
	}
	epochs := curves(map[string][]float64{"loss": {1, 2, nan, 4, 1, 1, math.Inf(1), 0}, "lr": flat(8, 0.1), "val_loss": {3, 1, 2}})
	f.Fuzz(func(t *testing.T, when, summary string, row int) {
		c := detectors.Config{}
		if err := rules.AddTo(c, []rules.Rule{{Name: "it", When: when, Summary: summary, For: row}}); err != nil {
			require.NotContains(t, err.Error(), "panic")
			return
		}
		a, b := fold(t, c, epochs), fold(t, c, epochs)
		require.Empty(t, cmp.Diff(a.Findings(), b.Findings(), cmpopts.EquateNaNs()))
	})
}

// BenchmarkFold prints what an epoch costs without a rule, with one, and with one alone.
func BenchmarkFold(b *testing.B) {
	epochs := curves(map[string][]float64{"loss": line(100, 1, -0.005), "val_loss": line(100, 1, -0.004), "accuracy": line(100, 0.5, 0.004)})
	rule := rules.Rule{Name: "it", When: `last("val_loss") > 2 * last("loss") and epoch >= 5`}
	with := detectors.Config{}
	require.NoError(b, rules.AddTo(with, []rules.Rule{rule}))
	for _, c := range []struct {
		name string
		cfg  detectors.Config
	}{{"detectors", nil}, {"detectors and a rule", with}, {"a rule alone", alone(b, rule)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			i := len(epochs)
			var m *detectors.Monitor
			for b.Loop() {
				if i == len(epochs) {
					b.StopTimer()
					m = fold(b, c.cfg, nil)
					i = 0
					b.StartTimer()
				}
				m.Fold(epochs[i])
				i++
			}
		})
	}
}
