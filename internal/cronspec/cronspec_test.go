package cronspec_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/epochwatch/epochwatch/internal/cronspec"
)

func TestParseReadsTheUsualForms(t *testing.T) {
	t.Parallel()
	from := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ text, zone, next string }{
		{"17 3 * * *", "", "2026-03-29T03:17:00Z"},
		{" 17 3 * * * ", "", "2026-03-29T03:17:00Z"},
		{"@daily", "", "2026-03-29T00:00:00Z"},
		{"@every 90m", "", "2026-03-28T13:30:00Z"},
		{"0 9 * * MON-FRI", "Europe/Berlin", "2026-03-30T07:00:00Z"}, // summer time by then
		{"0 0 29 2 *", "", "2028-02-29T00:00:00Z"},
	} {
		s, err := cronspec.Parse(c.text, c.zone)
		require.NoError(t, err, c.text)
		require.Equal(t, c.next, s.Next(from).Format(time.RFC3339), c.text)
		require.Equal(t, strings.TrimSpace(c.text), s.String())
	}
	require.True(t, cronspec.Schedule{}.Next(from).IsZero())
}

func TestParseRefusesWithAReason(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, zone, reason string }{
		{"", "", "missing"},
		{"  ", "", "missing"},
		{"17 3 * *", "", "not a cron expression"},
		{"61 3 * * *", "", "not a cron expression"},
		{"* * * * * *", "", "not a cron expression"}, // no seconds
		{"TZ=0", "", "key of its own"},               // panics in robfig/cron
		{"TZ=", "", "key of its own"},
		{"CRON_TZ=UTC", "", "key of its own"},
		{"TZ=UTC 17 3 * * *", "", "key of its own"},
		{"CRON_TZ=Asia/Tokyo 17 3 * * *", "", "key of its own"},
		{"0 0 30 2 *", "", "never due"},
		{"17 3 * * *", "Middle/Earth", "time zone"},
		{"17 3 * * *", "../../etc/passwd", "time zone"},
	} {
		_, err := cronspec.Parse(c.text, c.zone)
		require.ErrorContains(t, err, c.reason, "%q", c.text)
		require.NotContains(t, err.Error(), "\n")
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"": "UTC", "UTC": "UTC", "Europe/Berlin": "Europe/Berlin"} {
		zone, err := cronspec.Zone(name)
		require.NoError(t, err)
		require.Equal(t, want, zone.String())
	}
	for _, name := range []string{"Mars", "../etc/passwd", "TZ=0", "+02:00"} {
		_, err := cronspec.Zone(name)
		require.ErrorContains(t, err, "is unknown: name it as in Europe/Berlin")
	}
}

func FuzzParse(f *testing.F) {
	for _, text := range []string{"17 3 * * *", "@daily", "TZ=0", "TZ=", "CRON_TZ=UTC", " TZ=UTC * * * * *", "0 0 30 2 *", "@every 1h", "@every -1h", "*/0 * * * *", "1-0 * * * *", "? ? ? ? ?"} {
		f.Add(text, "")
	}
	f.Add("17 3 * * *", "Europe/Berlin")
	from := time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text, zone string) {
		s, err := cronspec.Parse(text, zone)
		if err != nil {
			require.Zero(t, s)
			return
		}
		// What is accepted is due, later than asked, and in UTC.
		next := s.Next(from)
		require.True(t, next.After(from), "%q: %v", text, next)
		require.Equal(t, time.UTC, next.Location())
	})
}
