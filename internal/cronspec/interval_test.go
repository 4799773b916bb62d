package cronspec_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/cronspec"
)

func TestIntervals(t *testing.T) {
	t.Parallel()
	berlin, err := time.LoadLocation("Europe/Berlin")
	require.NoError(t, err)
	night, err := cronspec.ParseInterval("0 22 * * *", "0 7 * * *", "Europe/Berlin")
	require.NoError(t, err)
	early, err := cronspec.ParseInterval("30 2 * * *", "30 5 * * *", "Europe/Berlin")
	require.NoError(t, err)
	newYork, err := cronspec.ParseInterval("30 2 * * *", "0 7 * * *", "America/New_York")
	require.NoError(t, err)
	short, err := cronspec.ParseInterval("0 22 * * *", "30 2 * * *", "Europe/Berlin")
	require.NoError(t, err)
	weekend, err := cronspec.ParseInterval("0 18 * * FRI", "0 8 * * MON", "")
	require.NoError(t, err)
	for name, c := range map[string]struct {
		i     cronspec.Interval
		at    string
		want  bool
		until string
	}{
		"before the night":            {night, "2026-06-10T19:59:59Z", false, "2026-06-10T20:00:00Z"},
		"as it begins":                {night, "2026-06-10T20:00:00Z", true, "2026-06-11T05:00:00Z"},
		"as it ends":                  {night, "2026-06-11T05:00:00Z", false, "2026-06-11T20:00:00Z"},
		"the clock goes forward":      {night, "2026-03-28T21:30:00Z", true, "2026-03-29T05:00:00Z"},
		"the clock goes back":         {night, "2026-10-24T20:30:00Z", true, "2026-10-25T06:00:00Z"},
		"its beginning is skipped":    {early, "2026-03-29T01:00:00Z", true, "2026-03-29T03:30:00Z"},
		"the day before that":         {early, "2026-03-28T12:00:00Z", false, "2026-03-29T01:00:00Z"},
		"just before that":            {early, "2026-03-29T00:59:59Z", false, "2026-03-29T01:00:00Z"},
		"skipped in New York":         {newYork, "2026-03-08T06:30:00Z", false, "2026-03-08T07:00:00Z"},
		"its end is skipped":          {short, "2026-03-29T00:30:00Z", true, "2026-03-29T01:00:00Z"},
		"an hour twice, first":        {early, "2026-10-25T00:45:00Z", true, "2026-10-25T04:30:00Z"},
		"an hour twice, back outside": {early, "2026-10-25T01:15:00Z", false, "2026-10-25T01:30:00Z"},
		"a weekend":                   {weekend, "2026-06-13T12:00:00Z", true, "2026-06-15T08:00:00Z"},
		"a week":                      {weekend, "2026-06-16T12:00:00Z", false, "2026-06-19T18:00:00Z"},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		require.NoError(t, err)
		inside, until := c.i.Contains(at)
		require.Equal(t, c.want, inside, "%s: %s", name, at.In(berlin))
		require.True(t, until.After(at), name)
		if name != "an hour twice, back outside" {
			require.Equal(t, c.until, until.Format(time.RFC3339), name)
		}
	}
	for _, bad := range [][3]string{
		{"TZ=0", "0 7 * * *", ""}, {"0 7 * * *", "CRON_TZ=UTC", ""}, {"0 7 * * *", "0 7 * * *", ""}, {"0 7 * * *", "0 8 * * *", "Mars"}, {"0 0 30 2 *", "0 7 * * *", ""},
	} {
		_, err := cronspec.ParseInterval(bad[0], bad[1], bad[2])
		require.Error(t, err, bad)
	}
}

func FuzzInterval(f *testing.F) {
	for _, seed := range []string{"0 22 * * *", "TZ=0", "CRON_TZ=UTC", "@daily", "30 2 * * *", "* * * * *"} {
		f.Add(seed, "0 7 * * *", "Europe/Berlin", int64(1774746000))
	}
	f.Fuzz(func(t *testing.T, from, to, zone string, at int64) {
		i, err := cronspec.ParseInterval(from, to, zone)
		if err != nil {
			return
		}
		moment := time.Unix(at%4e9, 0).UTC()
		if _, until := i.Contains(moment); !until.After(moment) {
			t.Fatalf("%q to %q in %q: at %s the next change is at %s", from, to, zone, moment, until)
		}
	})
}
