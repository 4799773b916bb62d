package cronspec

import (
	"fmt"
	"strings"
	"time"
)

// Clock is a schedule by the clock on the wall: what it says of a day happens once on that
// day, those on which the clock is changed included. A time that the clock skips is due as
// soon as the clock has passed it, one that it shows twice is due at the first.
type Clock struct {
	wall Schedule
	zone *time.Location
}

// ParseClock reads an expression as Parse does. One that has no times of its own, as
// "@every 90m", is an error: its times would hang on when it was asked.
func ParseClock(text, zone string) (Clock, error) {
	if _, err := Parse(text, zone); err != nil {
		return Clock{}, err
	}
	if strings.HasPrefix(strings.TrimSpace(text), "@every") {
		return Clock{}, fmt.Errorf("%.80q says how often, not when: write an expression such as \"0 8 * * 1\"", text)
	}
	// The wall's own time has no changes of the clock: to cron it is UTC.
	wall, err := Parse(text, "")
	if err != nil {
		return Clock{}, err
	}
	location, err := Zone(zone)
	return Clock{wall: wall, zone: location}, err
}

// Next returns the first time after t at which it is due, in UTC. It is zero for a zero
// Clock and when nothing is due within five years.
func (c Clock) Next(t time.Time) time.Time {
	if c.zone == nil {
		return time.Time{}
	}
	for wall := onWall(t.In(c.zone), time.UTC); ; {
		if wall = c.wall.Next(wall); wall.IsZero() {
			return time.Time{}
		}
		if at := c.at(wall); at.After(t) {
			return at.UTC()
		}
	}
}

// at returns the time at which the clock shows what wall shows. It never falls as wall rises,
// so that Next need not look at what is before its time on the wall.
func (c Clock) at(wall time.Time) time.Time {
	at := onWall(wall, c.zone)
	begin, end := at.ZoneBounds()
	switch shown := onWall(at, time.UTC); {
	case shown.After(wall): // skipped, and taken for a time after the change
		return begin
	case shown.Before(wall):
		return end
	case begin.IsZero():
		return at
	}
	_, before := begin.Add(-time.Nanosecond).Zone()
	_, after := at.Zone()
	if first := at.Add(time.Duration(after-before) * time.Second); before > after && first.Before(begin) {
		return first
	}
	return at
}

// longAgo is how far back Last looks: the longest time between two leap days is eight years.
const longAgo = 9 * 366 * 24 * time.Hour

// Last returns the last time at which it was due, t included, in UTC. It is zero for a zero
// Clock and when nothing was due within nine years.
func (c Clock) Last(t time.Time) time.Time {
	for back := time.Hour; ; back *= 4 {
		last := time.Time{}
		for at := c.Next(t.Add(-back)); !at.IsZero() && !at.After(t); at = c.Next(at) {
			last = at
		}
		if !last.IsZero() || back > longAgo {
			return last
		}
	}
}

// Zone is the time zone of its clock; nil for a zero Clock.
func (c Clock) Zone() *time.Location { return c.zone }
