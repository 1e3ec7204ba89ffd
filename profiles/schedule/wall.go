package schedule

import "time"

// wallOf returns what a clock on the wall shows at an instant, written as if it were UTC.
func wallOf(t time.Time, loc *time.Location) time.Time {
	_, offset := t.In(loc).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// Instant returns when a wall clock time (written as UTC) happens in a zone. A time that exists twice
// is the first of the two; one that does not exist is the instant at which the clock leaps over it.
//
// time.Date promises neither: near such a leap it uses "one of the two zones involved".
func Instant(wall time.Time, loc *time.Location) time.Time {
	before := wall.Add(-offset(wall.Add(-day), loc))
	after := wall.Add(-offset(wall.Add(day), loc))
	first, second := before, after
	if after.Before(before) {
		first, second = after, before
	}
	for _, t := range []time.Time{first, second} {
		if wallOf(t, loc).Equal(wall) {
			return t.In(loc)
		}
	}
	_, leap := first.In(loc).ZoneBounds()
	return leap.In(loc)
}

// offset returns how far a zone is ahead of UTC.
func offset(t time.Time, loc *time.Location) time.Duration {
	_, seconds := t.In(loc).Zone()
	return time.Duration(seconds) * time.Second
}
