package cronspec_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/cronspec"
)

func TestAClockIsDueOnceOnTheDaysThatChangeIt(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		days int // of March and of October 2026
		want []string
	}{
		"in the morning": {"0 8 * * *", 3, []string{
			"2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z",
			"2026-10-24T06:00:00Z", "2026-10-25T07:00:00Z", "2026-10-26T07:00:00Z",
		}},
		"in the hour that is skipped, and comes twice": {"30 2 * * *", 3, []string{
			"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z",
			"2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z",
		}},
	} {
		clock, err := cronspec.ParseClock(c.text, "Europe/Berlin")
		require.NoError(t, err)
		var got []string
		for _, from := range []string{"2026-03-27T23:00:00Z", "2026-10-23T22:00:00Z"} {
			at, err := time.Parse(time.RFC3339, from)
			require.NoError(t, err)
			for range c.days {
				next := clock.Next(at)
				require.Equal(t, next, clock.Last(next), "%s: it is due then", name)
				require.Equal(t, next, clock.Last(clock.Next(next).Add(-time.Second)), "%s: until the next one", name)
				at = next
				got = append(got, at.Format(time.RFC3339))
			}
		}
		require.Equal(t, c.want, got, name)
	}
}

func TestAClockLooksFarBack(t *testing.T) {
	t.Parallel()
	leap, err := cronspec.ParseClock("0 0 29 2 *", "")
	require.NoError(t, err)
	require.Equal(t, "2024-02-29T00:00:00Z", leap.Last(time.Date(2028, 2, 28, 0, 0, 0, 0, time.UTC)).Format(time.RFC3339))
	minute, err := cronspec.ParseClock("* * * * *", "")
	require.NoError(t, err)
	require.Equal(t, "2026-03-14T12:07:00Z", minute.Last(time.Date(2026, 3, 14, 12, 7, 59, 0, time.UTC)).Format(time.RFC3339))
	require.True(t, cronspec.Clock{}.Last(time.Now()).IsZero())
	require.True(t, cronspec.Clock{}.Next(time.Now()).IsZero())
	require.Nil(t, cronspec.Clock{}.Zone())
}

func TestParseClockRefusesWithAReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, zone, want string }{
		{"TZ=0", "", "key of its own"},
		{"0 8 * *", "", "not a cron expression"},
		{"0 8 * * 1", "Mars", `time zone "Mars" is unknown`},
		{"@every 1h", "", "not when"},
	} {
		_, err := cronspec.ParseClock(c.text, c.zone)
		require.ErrorContains(t, err, c.want)
	}
}

func FuzzClock(f *testing.F) {
	for _, seed := range []string{"0 8 * * 1", "30 2 * * *", "TZ=0", "CRON_TZ=UTC", "@weekly", "*/7 * * * *", "0 0 29 2 *"} {
		f.Add(seed, "Europe/Berlin", int64(1774746000))
	}
	f.Fuzz(func(t *testing.T, text, zone string, at int64) {
		c, err := cronspec.ParseClock(text, zone)
		if err != nil {
			return
		}
		moment := time.Unix(at%4e9, 0).UTC()
		next, last := c.Next(moment), c.Last(moment)
		if !next.IsZero() && !next.After(moment) || last.After(moment) {
			t.Fatalf("%q in %q at %s: last %s, next %s", text, zone, moment, last, next)
		}
		if !last.IsZero() && !next.IsZero() && !c.Next(last).Equal(next) {
			t.Fatalf("%q in %q at %s: after %s comes %s, not %s", text, zone, moment, last, c.Next(last), next)
		}
	})
}
