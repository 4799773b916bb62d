package notice_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/notify/notice"
)

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0": 0, "5": 5, "-3": -3, "0.740": 0.7401, "12.3": 12.34, "123": 123.4, "41200": 41200, "0.00190": 0.0019,
		"5e-4": 0.0005, "1.23e-8": 1.234e-8, "4.12e7": 41200000, "-0.500": -0.5,
		"NaN": math.NaN(), "infinity": math.Inf(1), "-infinity": math.Inf(-1),
	} {
		require.Equal(t, want, notice.Number(v))
	}
}

func TestRate(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0.1": 0.1, "0.001": 0.001, "0.0001": 1e-4, "3.16e-4": 3.1622776e-4, "0.0316": 0.0316227766, "1e-5": 1e-5, "0.5": 0.5, "1": 1, "0.158": 0.15811388, "NaN": math.NaN(),
	} {
		require.Equal(t, want, notice.Rate(v))
	}
}

func TestPairTellsValuesApart(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b       float64
		wantA, rbB string
	}{
		{0.7401, 0.758, "0.740", "0.758"},
		{0.74012, 0.74034, "0.7401", "0.7403"},
		{1, 1, "1", "1"},
		{2.5, math.NaN(), "2.50", "NaN"},
		{0.1234567, 0.1234568, "0.1234567", "0.1234568"},
	} {
		a, b := notice.Pair(c.a, c.b)
		require.Equal(t, []string{c.wantA, c.rbB}, []string{a, b})
	}
}
