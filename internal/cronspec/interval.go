package cronspec

import (
	"fmt"
	"time"
)

// Interval is a time of the day, the week or the year that comes again and again.
type Interval struct {
	from, to Schedule
	zone     *time.Location
}

// ParseInterval reads the cron expressions at which an interval begins and ends, in a time
// zone, empty for UTC.
//
// Both are read by the clock on the wall. In the night in which the clock goes forward an
// interval whose beginning is skipped is there as soon as the clock has passed it; in the
// one in which it goes back, an hour that comes twice is twice inside or outside.
func ParseInterval(from, to, zone string) (Interval, error) {
	var i Interval
	var err error
	if i.zone, err = Zone(zone); err != nil {
		return Interval{}, err
	}
	// The wall's own time has no changes of the clock: to cron it is UTC.
	if i.from, err = Parse(from, ""); err != nil {
		return Interval{}, fmt.Errorf("from: %w", err)
	}
	if i.to, err = Parse(to, ""); err != nil {
		return Interval{}, fmt.Errorf("to: %w", err)
	}
	if i.from.String() == i.to.String() {
		return Interval{}, fmt.Errorf("it begins and ends at the same times, %.80q", from)
	}
	return i, nil
}

// Contains reports whether t is inside, and when that changes next: always after t.
func (i Interval) Contains(t time.Time) (inside bool, until time.Time) {
	if i.zone == nil {
		return false, t.Add(time.Hour)
	}
	wall := onWall(t.In(i.zone), time.UTC)
	begins, ends := i.from.Next(wall), i.to.Next(wall)
	inside = ends.Before(begins)
	next := begins
	if inside {
		next = ends
	}
	// A clock that goes back comes to the same place twice; the second time is near.
	if until = (Clock{zone: i.zone}).at(next); !until.After(t) {
		until = t.Add(time.Minute)
	}
	return inside, until.UTC()
}

// onWall returns the time at which the clock shows in a zone what it shows in t's.
func onWall(t time.Time, zone *time.Location) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), zone)
}
