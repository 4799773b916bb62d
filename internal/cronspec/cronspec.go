// Package cronspec reads cron expressions: the one door through which a schedule of a
// config reaches robfig/cron, whose parser panics on some inputs and takes a zone inside
// the expression.
package cronspec

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // zones are known also where the system brings none

	"github.com/robfig/cron/v3"
)

// Schedule says when something is due.
type Schedule struct {
	text string
	zone *time.Location
	next cron.Schedule
}

// parser reads the five usual fields and the @daily forms; seconds are not offered.
var parser = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor)

// Zone returns the time zone of a name such as Europe/Berlin; UTC for an empty one.
func Zone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("time zone %.80q is unknown: name it as in Europe/Berlin", name)
	}
	return location, nil
}

// Parse reads an expression such as "17 3 * * *" or "@daily". The zone is the name of a
// time zone (Europe/Berlin), empty for UTC; it never stands in the expression itself. An
// expression that cannot be read, or that is never due, is an error.
func Parse(text, zone string) (s Schedule, err error) {
	defer func() {
		if p := recover(); p != nil {
			s, err = Schedule{}, fmt.Errorf("%.80q is not a cron expression: %v", text, p)
		}
	}()
	location, err := Zone(zone)
	if err != nil {
		return Schedule{}, err
	}
	expression := strings.TrimSpace(text)
	if expression == "" {
		return Schedule{}, errors.New("a cron expression is missing: write one such as \"17 3 * * *\"")
	}
	// robfig/cron reads TZ=… and CRON_TZ=…, and panics when nothing follows it.
	if strings.Contains(expression, "TZ=") {
		return Schedule{}, fmt.Errorf("%.80q: the time zone does not belong into the expression, it has a key of its own", text)
	}
	next, err := parser.Parse(expression)
	if err != nil {
		return Schedule{}, fmt.Errorf("%.80q is not a cron expression: %w", text, err)
	}
	s = Schedule{text: expression, zone: location, next: next}
	// The parser accepts 30 February and then looks five years ahead for it. The next
	// 29 February is eight years off at most, around 2100; robfig's five years find it
	// from any year but those, so a leap day is looked for from a year that has one.
	if s.Next(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Schedule{}, fmt.Errorf("%.80q is never due", text)
	}
	return s, nil
}

// Next returns the first time after t at which it is due, in UTC. It is zero for a zero
// Schedule and when nothing is due within five years.
func (s Schedule) Next(t time.Time) time.Time {
	if s.next == nil {
		return time.Time{}
	}
	next := s.next.Next(t.In(s.zone))
	if next.IsZero() {
		return next
	}
	return next.UTC()
}

// String returns the expression as it was written, without surrounding space.
func (s Schedule) String() string { return s.text }
