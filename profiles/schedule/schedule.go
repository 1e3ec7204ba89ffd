// Package schedule calculates when the timed triggers of profiles strike: pure functions of a trigger,
// a time zone and an instant. It starts no goroutine and reads no clock.
//
// The calendar is robfig/cron/v3, used only to calculate and only on wall clock times that are written
// as if they were UTC. Given a real zone its Next goes wrong where the zone changes its offset: 02:30 in
// Berlin is skipped in spring and struck twice in autumn, a Sunday is lost twice a year in Lord Howe
// (half-hour step), and in Cairo, where the clock jumps from midnight to one, a weekly 00:00 waits a week
// longer. UTC has no such days; what a wall clock time means in a zone is decided in wall.go. The
// parser of cron, which panics on texts that begin with TZ=, is only given texts that are made here.
package schedule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/rolecall/rolecall/internal/uc"
)

const (
	day       = 24 * time.Hour
	dayLayout = "2006-01-02"
)

// Rule is a timed trigger that was understood.
type Rule struct {
	repeat cron.Schedule // nil if it strikes once
	once   time.Time     // wall clock, if repeat is nil
	at     time.Duration // after midnight
	length time.Duration // on the wall clock, of a window; 0 if it is a switch
}

// Parse understands a timed trigger. Its errors are of kind [uc.ErrInvalid] and name the field at fault.
func Parse(t uc.Trigger) (Rule, error) {
	if t.Kind != uc.TriggerTimed {
		return Rule{}, uc.FieldError(uc.ErrInvalid, "kind", "%q is not a timed trigger", t.Kind)
	}
	r := Rule{}
	var err error
	if r.at, err = clock("at", t.At); err != nil {
		return Rule{}, err
	}
	if t.End != "" {
		end, err := clock("end", t.End)
		if err != nil {
			return Rule{}, err
		}
		if r.length = end - r.at; r.length <= 0 {
			r.length += day
		}
	}
	if t.Date != "" {
		r.once, err = time.Parse(dayLayout, t.Date)
		if err != nil {
			return Rule{}, uc.FieldError(uc.ErrInvalid, "date", "%q is not a date like 2026-12-24", t.Date)
		}
		r.once = r.once.Add(r.at)
		return r, nil
	}
	r.repeat, err = weekly(r.at, t.Weekdays)
	return r, err
}

func clock(field, text string) (time.Duration, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, uc.FieldError(uc.ErrInvalid, field, "%q is not a time of day like 08:30", text)
	}
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute, nil
}

func weekly(at time.Duration, days []time.Weekday) (cron.Schedule, error) {
	on := "*"
	if len(days) > 0 {
		names := make([]string, 0, len(days))
		for _, d := range slices.Compact(slices.Sorted(slices.Values(days))) {
			if d < time.Sunday || d > time.Saturday {
				return nil, uc.FieldError(uc.ErrInvalid, "weekdays", "%d is not a day from 0 (Sunday) to 6", d)
			}
			names = append(names, strconv.Itoa(int(d)))
		}
		on = strings.Join(names, ",")
	}
	return cron.ParseStandard(fmt.Sprintf("%d %d * * %s", int(at.Minutes())%60, int(at.Hours()), on))
}

// Window reports whether the rule has an end.
func (r Rule) Window() bool { return r.length > 0 }

// Next returns the first strike after an instant; the zero time if there is none.
func (r Rule) Next(after time.Time, loc *time.Location) time.Time {
	for wall := r.nextWall(wallOf(after, loc)); !wall.IsZero(); wall = r.nextWall(wall) {
		if at := Instant(wall, loc); at.After(after) {
			return at
		}
	}
	return time.Time{}
}

// Last returns the latest strike after from and not after to; the zero time if there is none.
func (r Rule) Last(from, to time.Time, loc *time.Location) time.Time {
	_, at := r.last(to, loc)
	if !at.After(from) {
		return time.Time{}
	}
	return at
}

// Inside reports whether a window is open, since when and until when. An end that exists twice is the first.
func (r Rule) Inside(now time.Time, loc *time.Location) (start, end time.Time, inside bool) {
	if !r.Window() {
		return time.Time{}, time.Time{}, false
	}
	wall, start := r.last(now, loc)
	if start.IsZero() {
		return time.Time{}, time.Time{}, false
	}
	end = Instant(wall.Add(r.length), loc)
	if !now.Before(end) {
		return time.Time{}, time.Time{}, false
	}
	return start, end, true
}

// last finds the latest strike not after to, as wall clock time and as instant; zero if there is none.
func (r Rule) last(to time.Time, loc *time.Location) (wall, at time.Time) {
	if r.repeat == nil {
		return r.lastSince(r.once.Add(-day), to, loc)
	}
	now := wallOf(to, loc)
	if wall, at = r.lastSince(now.Add(-2*day), to, loc); !at.IsZero() {
		return wall, at
	}
	// A rule that repeats strikes at least once in seven days. Two more cover the largest leaps that
	// zones have made, a whole day at the date line.
	return r.lastSince(now.Add(-9*day), to, loc)
}

// lastSince finds the latest strike whose wall clock time is after from and that is not after to.
func (r Rule) lastSince(from, to time.Time, loc *time.Location) (wall, at time.Time) {
	for w := r.nextWall(from); !w.IsZero(); w = r.nextWall(w) {
		t := Instant(w, loc)
		if t.After(to) {
			break
		}
		wall, at = w, t
	}
	return wall, at
}

// nextWall returns the first strike after a wall clock time, as such; the zero time if there is none.
func (r Rule) nextWall(after time.Time) time.Time {
	if r.repeat == nil {
		if r.once.After(after) {
			return r.once
		}
		return time.Time{}
	}
	// The time of day is known: cron, which counts every second and minute up, is asked just before it.
	next := after.Truncate(day).Add(r.at)
	if !next.After(after) {
		next = next.Add(day)
	}
	return r.repeat.Next(next.Add(-time.Second))
}
