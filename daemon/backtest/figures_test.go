package backtest

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/detectors"
)

const (
	over    = detectors.KindOverfitting
	flat    = detectors.KindPlateau
	healthy = detectors.KindHealthy
	info    = detectors.SeverityInfo
	warning = detectors.SeverityWarning
)

// said is a judgement made by hand: nothing here depends on what detectors think.
func said(id, repository string, epochs int, labels Labels, verdict detectors.Kind, sure float64, alarms ...Alarm) Judgement {
	return Judgement{
		Curve:   &Curve{ID: id, Repository: repository, Epochs: make([]detectors.Epoch, epochs), Labels: labels},
		Alarms:  alarms,
		Verdict: detectors.Verdict{Kind: verdict, Confidence: sure},
	}
}

// byHand are judgements whose figures can be counted on the fingers.
func byHand() []Judgement {
	return []Judgement{
		// Named 4 epochs late; the second opening does not count.
		said("a1", "a/a", 20, Labels{over: new(6)}, over, 0.8, Alarm{over, warning, 10}, Alarm{over, warning, 15}),
		// Named before the onset, at first only as information.
		said("a2", "a/a", 20, Labels{over: new(6)}, over, 0.9, Alarm{over, info, 2}, Alarm{over, warning, 12}),
		// Missed; something else is said instead.
		said("b1", "b/b", 30, Labels{over: new(6)}, flat, 0.75, Alarm{flat, info, 20}),
		// Two labels, of one the onset is not known.
		said("b2", "b/b", 40, Labels{over: new(6), flat: nil}, flat, 0.7, Alarm{over, warning, 8}, Alarm{flat, info, 30}),
		// At the very onset.
		said("c1", "c/c", 10, Labels{over: new(6)}, over, 0.95, Alarm{over, warning, 6}),
		said("c2", "c/c", 50, Labels{healthy: nil}, healthy, 0.75),
		said("c3", "c/c", 50, Labels{healthy: nil}, healthy, 0.85, Alarm{flat, info, 30}),
		said("b3", "b/b", 60, Labels{healthy: nil}, over, 0.85, Alarm{flat, info, 30}, Alarm{over, warning, 30}, Alarm{over, warning, 50}),
		said("a3", "a/a", 40, Labels{healthy: nil}, healthy, 0.9),
		// Without labels: only that something was raised counts.
		said("d1", "d/d", 90, nil, over, 0.95, Alarm{over, warning, 3}),
	}
}

func figuresByHand(all []Judgement) (Figures, *sample) {
	var curves []*Curve
	for i := range all {
		curves = append(curves, all[i].Curve)
	}
	s := newSample(curves)
	return s.figures(Thresholds{Name: "by hand"}, all), s
}

func kind(t *testing.T, f Figures, k detectors.Kind) KindFigures {
	t.Helper()
	for _, x := range f.Kinds {
		if x.Kind == k {
			return x
		}
	}
	require.Fail(t, "no figures", "of %s", k)
	return KindFigures{}
}

func is(t *testing.T, e Estimate, count, of int) {
	t.Helper()
	require.Equal(t, [2]int{count, of}, [2]int{e.Count, e.Of})
	require.InDelta(t, float64(count)/float64(of), *e.Value, 1e-12)
}

func TestFiguresByHand(t *testing.T) {
	t.Parallel()
	f, s := figuresByHand(byHand())
	k := kind(t, f, over)
	is(t, k.Recall, 4, 5)                    // b1 is missed
	is(t, k.Early, 1, 4)                     // a2
	require.InDelta(t, 2, *k.Delay.Value, 0) // of 4, 2, 0
	require.Equal(t, 3, k.Delay.Of)
	is(t, k.Healthy, 1, 4)
	is(t, k.Alarmed, 1, 4)
	require.Equal(t, 6, k.Runs, "a1, a2, b2, c1, b3, d1")

	k = kind(t, f, flat)
	is(t, k.Recall, 1, 1)
	require.Nil(t, k.Early.Value, "the onset is not known")
	require.Nil(t, k.Delay.Value)
	is(t, k.Healthy, 2, 4)
	require.Zero(t, *k.Alarmed.Value, "information is no alarm")

	is(t, f.Recall, 5, 6)
	is(t, f.Early, 1, 4)
	is(t, f.Alarmed, 1, 4)
	is(t, f.Any, 2, 4)
	is(t, f.AlarmsPerRun, 2, 4)
	is(t, f.AnyPerRun, 4, 4)
	require.InDelta(t, 1, *f.AlarmsPer100.Value, 1e-12) // 2 in 200 epochs
	require.InDelta(t, 2, *f.AnyPer100.Value, 1e-12)
	is(t, f.Raised, 6, 10)

	require.Equal(t, []RepositoryFigures{
		{Repository: "a/a", Curves: 3, Labels: 2, Named: 2, Early: 1, Healthy: 1},
		{Repository: "b/b", Curves: 3, Labels: 3, Named: 2, Healthy: 1, Alarmed: 1, Any: 1},
		{Repository: "c/c", Curves: 3, Labels: 1, Named: 1, Healthy: 2, Any: 1},
		{Repository: "d/d", Curves: 1},
	}, s.byRepository(byHand()))
	require.Equal(t, []OddCurve{
		{ID: "a2", Repository: "a/a", Epochs: 20, Early: []detectors.Kind{over}},
		{ID: "b1", Repository: "b/b", Epochs: 30, Missed: []detectors.Kind{over}},
		{ID: "c3", Repository: "c/c", Epochs: 50, False: []detectors.Kind{flat}},
		{ID: "b3", Repository: "b/b", Epochs: 60, False: []detectors.Kind{flat, over}},
	}, odd(byHand()))
}

func TestCalibrationByHand(t *testing.T) {
	t.Parallel()
	f, _ := figuresByHand(byHand())
	well, ill := f.Calibration[0], f.Calibration[1]
	require.Equal(t, "healthy", well.Verdicts)
	is(t, well.Bins[3].Right, 1, 1)
	is(t, well.Bins[5].Right, 1, 1) // 0.9 is in the last bin
	require.InDelta(t, (0.25+0.15+0.1)/3, *well.Error, 1e-12)

	is(t, ill.Bins[3].Right, 1, 2) // b1 says plateau in vain, b2 rightly
	require.InDelta(t, 0.725, *ill.Bins[3].Mean, 1e-12)
	is(t, ill.Bins[4].Right, 1, 2) // a1 and b3
	is(t, ill.Bins[5].Right, 2, 2) // a2 and c1; d1 has no labels
	require.InDelta(t, (2*0.225+2*0.325+2*0.075)/6, *ill.Error, 1e-12)
	require.Nil(t, ill.Bins[0].Mean)
	require.Zero(t, ill.Unlabelled)

	all := byHand()
	all[0].Verdict.Kind = detectors.KindLRTooHigh
	all[1].Verdict.Confidence = 1
	f, _ = figuresByHand(all)
	require.Equal(t, 1, f.Calibration[1].Unlabelled)
	is(t, f.Calibration[1].Bins[5].Right, 2, 2) // 1 is in the last bin too
}

// made are curves that real detectors judge, of six repositories.
func made() []*Curve {
	var out []*Curve
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 36 {
		c := &Curve{ID: string(rune('a'+i%26)) + string(rune('0'+i/26)), Repository: string(rune('A' + i%6))}
		for e := range 30 {
			x := float64(e)
			loss := 0.2 + math.Exp(-x/8) + 0.01*r.NormFloat64()
			val := loss + 0.02*r.NormFloat64()
			if i%3 == 0 && e > 12 {
				val += 0.04 * (x - 12)
			}
			if i == 7 && e > 20 {
				loss = math.NaN()
			}
			c.Epochs = append(c.Epochs, detectors.Epoch{
				Epoch: e, Seconds: math.NaN(), LearningRate: math.NaN(), FirstBatchLoss: math.NaN(),
				Metrics: map[string]float64{"loss": loss, "val_loss": val},
			})
		}
		switch i % 3 {
		case 0:
			c.Labels = Labels{over: new(12)}
		case 1:
			c.Labels = Labels{healthy: nil}
		}
		out = append(out, c)
	}
	return out
}

// TestTheOrderOfCurvesDoesNotMatter holds it to the last digit.
func TestTheOrderOfCurvesDoesNotMatter(t *testing.T) {
	t.Parallel()
	curves := made()
	o := Options{
		Thresholds: Thresholds{Name: "defaults"}, Apart: 3, Odd: true,
		Against: &Thresholds{"off", detectors.Config{over: {Enabled: new(false)}}},
	}
	judge := func() string {
		r, err := Run(curves, o)
		require.NoError(t, err)
		b, err := json.Marshal(r)
		require.NoError(t, err)
		return string(b)
	}
	want := judge()
	for range 5 {
		rand.Shuffle(len(curves), func(i, j int) { curves[i], curves[j] = curves[j], curves[i] })
		require.Equal(t, want, judge())
	}
}

func TestThePartKeptApart(t *testing.T) {
	t.Parallel()
	r, err := Run(made(), Options{Thresholds: Thresholds{Name: "defaults"}, Apart: 2, Odd: true, Against: &Thresholds{Name: "off", Config: detectors.Config{over: {Enabled: new(false)}}}})
	require.NoError(t, err)
	require.Len(t, r.Parts, 2)
	dev, apart := r.Parts[0], r.Parts[1]
	require.Equal(t, 36, dev.Curves+apart.Curves)
	require.Equal(t, 6, dev.Repositories+apart.Repositories)
	require.Positive(t, apart.Curves)
	for _, f := range dev.Figures {
		require.NotEmpty(t, f.Repositories)
	}
	require.NotEmpty(t, dev.Figures[1].Odd)
	for _, f := range apart.Figures {
		require.Empty(t, f.Repositories, "the part kept apart stays unseen")
		require.Empty(t, f.Odd)
	}
	// With the detector off every label is missed, and the difference says so.
	require.Equal(t, 0, dev.Figures[1].Recall.Count)
	for _, d := range dev.Less {
		if d.Figure == "recall" {
			require.InDelta(t, *dev.Figures[0].Recall.Value, d.By, 1e-12)
		}
	}
	require.True(t, Apart("x", 1))
	require.False(t, Apart("x", 0))
}

// TestJudgedAsLive holds that what is said by an epoch does not depend on those after it,
// and that overfitting made on purpose is found where it is.
func TestJudgedAsLive(t *testing.T) {
	t.Parallel()
	for _, c := range made() {
		whole, err := Judge(c, nil)
		require.NoError(t, err)
		for n := range c.Epochs {
			part, err := Judge(&Curve{ID: c.ID, Epochs: c.Epochs[:n]}, nil)
			require.NoError(t, err)
			for i, a := range part.Alarms {
				require.Equal(t, whole.Alarms[i].Kind, a.Kind)
				require.Equal(t, whole.Alarms[i].Index, a.Index)
				require.Less(t, a.Index, n)
			}
		}
		if c.Labels != nil && !c.Labels.Healthy() {
			require.Greater(t, whole.first(over), 12, c.ID)
			require.True(t, whole.raised(over))
		}
	}
	_, err := Judge(made()[0], detectors.Config{"weather": {}})
	require.Error(t, err)
	_, err = Run(made(), Options{Thresholds: Thresholds{Config: detectors.Config{"weather": {}}}})
	require.Error(t, err)
}

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o600))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	for line := range strings.Lines(got) {
		require.LessOrEqual(t, utf8.RuneCountInString(strings.TrimRight(line, "\n")), 100, line)
	}
}

// reportByHand holds only kinds that stand still while detectors are added.
func reportByHand(t *testing.T) Report {
	t.Helper()
	all := byHand()
	f, s := figuresByHand(all)
	other := byHand()
	other[2].Alarms = append(other[2].Alarms, Alarm{over, warning, 25})
	g, _ := figuresByHand(other)
	g.Thresholds = "overfitting.noise=1"
	p := Part{Name: PartAll, Repositories: 4, Figures: []Figures{f, g}, Less: differences(f, g)}
	for i := range p.Figures {
		p.Figures[i].Kinds = []KindFigures{kind(t, p.Figures[i], over), kind(t, p.Figures[i], flat)}
		p.Figures[i].Repositories = s.byRepository(all)
		p.Figures[i].Odd = odd(all)
	}
	var less []Difference
	for _, d := range p.Less {
		if k, _, dotted := strings.Cut(d.Figure, "."); !dotted || k == string(over) || k == string(flat) {
			less = append(less, d)
		}
	}
	p.Less = less
	for i := range all {
		c := all[i].Curve
		p.Curves++
		p.Epochs += len(c.Epochs)
		p.Labelled += min(len(c.Labels), 1)
		if c.Labels.Healthy() {
			p.Healthy++
		}
		for e := range c.Epochs { // falls to the middle, then rises
			x := math.Abs(float64(e) - float64(len(c.Epochs))/2)
			c.Epochs[e].Metrics = map[string]float64{"loss": 1 / float64(e+1), "val_loss": 1 + x/20}
		}
	}
	var curves []*Curve
	for i := range all {
		curves = append(curves, all[i].Curve)
	}
	for _, b := range Baselines() {
		p.Baselines = append(p.Baselines, s.baseline(b, curves))
	}
	r := Report{Parts: []Part{p}, Problems: []Problem{{"curves.jsonl", 3, "it has no id"}}}
	r.Clinic = &Clinic{Lines: []ClinicLine{
		{ID: "q1", Epochs: 9, Diagnosis: []string{"overfitting"}, Verdict: over, Confidence: 0.8, Answers: AnswersMain, SymptomEpoch: new(4), FiredEpoch: new(6), Also: []detectors.Kind{}},
		{ID: "q2", Epochs: 9, Diagnosis: []string{"lr_too_high", "plateau"}, Verdict: healthy, Confidence: 0.58, Answers: AnswersNone},
	}, Main: wilson(1, 2), Answered: wilson(1, 2)}
	required, err := ParseRequirements([]string{"recall=0.9", "alarmed=0.2"}, false)
	require.NoError(t, err)
	require.ErrorIs(t, r.Require(required), ErrMissed)
	return r
}

func TestAReportAsText(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	require.NoError(t, reportByHand(t).WriteText(&b))
	golden(t, "report.txt", b.String())
}

// TestAReportAsJSON holds names and that numbers are whole.
func TestAReportAsJSON(t *testing.T) {
	t.Parallel()
	b, err := json.Marshal(reportByHand(t))
	require.NoError(t, err)
	text := string(b)
	for _, want := range []string{
		`{"parts":[{"part":"all","curves":10,"repositories":4,"epochs":410,"labelled":9,"healthy":4,"figures":[{"thresholds":"by hand",` +
			`"recall":{"value":0.8333333333333334,"low":0.6666666666666666,"high":1,"count":5,"of":6},"early":{`,
		`{"kind":"plateau","recall":{"value":1,"low":null,"high":null,"count":1,"of":1},"early":{"value":null,`,
		`"repositories":[{"repository":"a/a","curves":3,"labels":2,"named":2,"early":1,"healthy":1,"alarmed":0,"any":0},`,
		`"calibration":[{"verdicts":"healthy","bins":[{"from":0,"to":0.5,"mean":null,"right":{`,
		`"odd":[{"id":"a2","repository":"a/a","epochs":20,"early":["overfitting"]},`,
		`"differences":[{"figure":"alarmed","by":0,"low":0,"high":0},`,
		`"baselines":[{"name":"EarlyStopping","doc":"val_loss has`,
		`"clinic":{"lines":[{"id":"q1","epochs":9,"diagnosis":["overfitting"],"verdict":"overfitting","confidence":0.8,"answers":"main",` +
			`"symptom_epoch":4,"fired_epoch":6,"also":[]},`,
		`"missed":[{"part":"all","figure":"recall","bound":0.9,"value":0.8333333333333334}]`,
		`"problems":[{"file":"curves.jsonl","line":3,"problem":"it has no id"}]}`,
	} {
		require.Contains(t, text, want)
	}
	require.NotContains(t, text, "NaN")
}
