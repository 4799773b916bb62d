package timespan_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/timespan"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"10s": 10 * time.Second, "90m": 90 * time.Minute, " 4h ": 4 * time.Hour, "1h30m": 90 * time.Minute, "0s": 0, "0": 0,
		"1d": 24 * time.Hour, "7d": 7 * 24 * time.Hour, "1.5d": 36 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "1.5h": 90 * time.Minute,
	} {
		got, err := timespan.Parse(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "10", "-1s", "+1s", "-1d", "d", "soon", "1.5.d", "1h1d", "1d-1h", "1d+1h", "1d 1h", "infd", "NaNd", "1e3d", "0x1d", "1w", "tomorrow", "1d12"} {
		_, err := timespan.Parse(text)
		require.ErrorContains(t, err, "is not a time span such as 30s, 90m, 4h or 7d", "%q", text)
	}
	for _, text := range []string{"200000d", "99999999999999999999999d", "106751d24h"} {
		_, err := timespan.Parse(text)
		require.ErrorContains(t, err, "is too long", text)
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"1d", "1d12h", "90m", "106751d23h", "1.5d", "-1h", "infd"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := timespan.Parse(text)
		if err == nil && d < 0 || err != nil && d != 0 {
			t.Fatalf("%q: %v, %v", text, d, err)
		}
	})
}

func TestUntil(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	now := time.Date(2026, 3, 28, 21, 30, 0, 0, berlin) // the clock goes forward in this night
	for text, want := range map[string]string{
		"morning":                   "2026-03-29T08:00:00+02:00",
		"08:00":                     "2026-03-29T08:00:00+02:00",
		"22:15":                     "2026-03-28T22:15:00+01:00",
		"21:30":                     "2026-03-29T21:30:00+02:00",
		"2026-03-30T09:15":          "2026-03-30T09:15:00+02:00",
		"2026-03-30 09:15":          "2026-03-30T09:15:00+02:00",
		"2026-03-30":                "2026-03-30T00:00:00+02:00",
		"2026-03-28T20:45:00Z":      "2026-03-28T20:45:00Z",
		"2026-03-28T21:45:00+01:00": "2026-03-28T21:45:00+01:00",
	} {
		got, err := timespan.Until(text, now)
		require.NoError(t, err, text)
		require.Equal(t, want, got.Format(time.RFC3339), text)
	}
	for text, want := range map[string]string{
		"":                     `"" is not a time such as morning, 08:00 or 2026-03-29T08:00`,
		"soon":                 `"soon" is not a time`,
		"25:00":                `"25:00" is not a time`,
		"2026-02-30":           `"2026-02-30" is not a time`,
		"2026-03-28T21:30":     "2026-03-28T21:30 is over: it is 2026-03-28 21:30 CET now",
		"2026-03-28T20:15:00Z": "is over",
	} {
		_, err := timespan.Until(text, now)
		require.ErrorContains(t, err, want, text)
	}
}

func TestEnd(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 14, 15, 9, 0, 0, time.UTC)
	for _, c := range []struct{ span, until, want string }{
		{"90m", "", "2026-03-14T16:39:00Z"},
		{"1d", "", "2026-03-15T15:09:00Z"},
		{"until morning", "", "2026-03-15T08:00:00Z"},
		{"", "morning", "2026-03-15T08:00:00Z"},
		{"", "", "neither for nor until"},
		{"1h", "morning", "both for and until"},
		{"0s", "", "for: it is over at once"},
		{"soon", "", `for: "soon" is not a time span`},
		{"until soon", "", `until: "soon" is not a time`},
	} {
		got, err := timespan.End(c.span, c.until, now)
		if err != nil {
			require.ErrorContains(t, err, c.want)
			continue
		}
		require.Equal(t, c.want, got.Format(time.RFC3339))
	}
}
