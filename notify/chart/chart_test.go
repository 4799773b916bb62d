package chart_test

import (
	"bytes"
	"flag"
	"fmt"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/chart"
	"github.com/epochwatch/epochwatch/notify/notice"
	"github.com/epochwatch/epochwatch/notify/notifytest"
	"github.com/epochwatch/epochwatch/sql/store"
)

// pictures is a folder to which the pictures are written, to be looked at.
var pictures = flag.String("pictures", "", "write the pictures of the specimens into this folder")

func TestThePictureOfEachSpecimen(t *testing.T) {
	t.Parallel()
	for name, n := range notifytest.Specimens() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := chart.Draw(n)
			require.NoError(t, err)
			if raw == nil {
				_, ok := chart.Of(n)
				require.False(t, ok)
				require.Empty(t, chart.Alt(n))
				return
			}
			img, err := png.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
			require.Equal(t, 1000, img.Bounds().Dx())
			require.Less(t, len(raw), 100<<10)
			require.NotEmpty(t, chart.Alt(n))
			if *pictures != "" {
				require.NoError(t, os.WriteFile(filepath.Join(*pictures, name+".png"), raw, 0o600))
			}
		})
	}
}

func TestWhatThePictureShows(t *testing.T) {
	t.Parallel()
	n := notifytest.Specimens()["resolved"]
	p, ok := chart.Of(n)
	require.True(t, ok)
	require.Len(t, p.Panels, 1)
	require.Equal(t, "loss", p.Panels[0].Lines[0].Name)
	require.Equal(t, 17, *p.Onset)
	require.Equal(t, 26, *p.End)
	require.Equal(t, []chart.Cut{{Epoch: 23, Label: "rate 0.1 to 0.0316"}}, p.Cuts)
	require.Equal(t, "loss of resnet-small, epochs 0 to 26; shaded from epoch 17 to 26; epoch 23: rate 0.1 to 0.0316", chart.Alt(n))
	require.False(t, p.Panels[0].Log)

	p, _ = chart.Of(notifytest.Specimens()["loss_nan"])
	require.True(t, p.Panels[0].Log, "from 2 to 41200 a plain scale shows nothing")
	require.True(t, math.IsNaN(p.Panels[0].Lines[0].Values[7]), "NaN reaches the picture")
	require.True(t, p.Panels[0].Lines[1].Validation)

	p, _ = chart.Of(notifytest.Specimens()["conflict"])
	require.Equal(t, "accuracy", p.Panels[1].Lines[0].Name, "what contradicts the loss stands below it")
}

// curve is a notice over the values of loss.
func curve(onset int, values ...float64) notice.Notice {
	n := notifytest.Specimens()["rising_loss"]
	n.Epochs, n.Commands = nil, nil
	n.Finding.OnsetEpoch = onset
	for i, v := range values {
		n.Epochs = append(n.Epochs, store.Epoch{Epoch: i, Metrics: map[string]float64{"loss": v}})
	}
	return n
}

func TestOddCurvesAreDrawn(t *testing.T) {
	t.Parallel()
	nan, inf := math.NaN(), math.Inf(1)
	long := make([]float64, 10_000)
	for i := range long {
		long[i] = 1 / float64(i+1)
	}
	long[5000] = 900 // one epoch
	long[7000] = nan
	for name, n := range map[string]notice.Notice{
		"one epoch":        curve(0, 0.5),
		"one NaN":          curve(0, nan),
		"all not finite":   curve(1, nan, inf, -inf),
		"constant":         curve(1, 2.3, 2.3, 2.3),
		"zero":             curve(1, 0, 0, 0),
		"the whole float":  curve(1, -math.MaxFloat64, math.MaxFloat64),
		"tiny":             curve(1, math.SmallestNonzeroFloat64, 0),
		"negative":         curve(1, -3, -4, -2),
		"alone among NaN":  curve(1, nan, 0.4, nan),
		"10,000 epochs":    curve(10, long...),
		"onset not there":  curve(99, 1, 2, 3),
		"onset before all": curve(-5, 1, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw, err := chart.Draw(n)
			require.NoError(t, err)
			_, err = png.Decode(bytes.NewReader(raw))
			require.NoError(t, err)
		})
	}
	p, ok := chart.Of(curve(10, long...))
	require.True(t, ok)
	l := p.Panels[0].Lines[0]
	require.LessOrEqual(t, len(l.Values), 600)
	require.Contains(t, l.Values, 900., "a spike of one epoch is not thinned away")
	require.Contains(t, strings.Join(words(l.Values), " "), "NaN", "nor is one NaN")
	require.IsIncreasing(t, l.Epochs)

	p, _ = chart.Of(curve(9_990, long...))
	require.Equal(t, 9_960, p.From, "the trouble is not pressed to the edge")
}

func words(values []float64) []string {
	var out []string
	for _, v := range values {
		out = append(out, notice.Number(v))
	}
	return out
}

func TestNothingToDraw(t *testing.T) {
	t.Parallel()
	for _, n := range []notice.Notice{{}, curve(0), {Digest: &notice.Digest{}}} {
		raw, err := chart.Draw(n)
		require.NoError(t, err)
		require.Nil(t, raw)
	}
}

func TestTheColoursAreThere(t *testing.T) {
	t.Parallel()
	seen := func(name string) map[string]int {
		raw, err := chart.Draw(notifytest.Specimens()[name])
		require.NoError(t, err)
		img, err := png.Decode(bytes.NewReader(raw))
		require.NoError(t, err)
		out := map[string]int{}
		for x := range img.Bounds().Dx() {
			for y := range img.Bounds().Dy() {
				r, g, b, _ := img.At(x, y).RGBA()
				out[fmt.Sprintf("%02x%02x%02x", r>>8, g>>8, b>>8)]++
			}
		}
		return out
	}
	const train, validation, shade, alarm, cut = "1f5fbf", "d96b00", "fdf0dc", "fde4e1", "1a7f37"
	got := seen("resolved")
	require.Greater(t, got[train], 1000)
	require.Greater(t, got[shade], 50_000)
	require.Greater(t, got[cut], 500)
	require.Zero(t, got[validation], "this run has none")
	got = seen("loss_nan")
	require.Greater(t, got[validation], 1000)
	require.Greater(t, got[alarm], 20_000)
}

// The picture is a function of the notice: a repeated try uploads the same.
func TestTheSameNoticeGivesTheSamePixels(t *testing.T) {
	t.Parallel()
	a, err := chart.Draw(notifytest.Specimens()["resolved"])
	require.NoError(t, err)
	b, err := chart.Draw(notifytest.Specimens()["resolved"])
	require.NoError(t, err)
	require.True(t, bytes.Equal(a, b))
}

func BenchmarkDraw(b *testing.B) {
	n := notifytest.Specimens()["plateau"]
	for b.Loop() {
		if _, err := chart.Draw(n); err != nil {
			b.Fatal(err)
		}
	}
}
