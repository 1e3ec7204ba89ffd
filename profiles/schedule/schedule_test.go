package schedule

import (
	"errors"
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

func rule(t testing.TB, tr uc.Trigger) Rule {
	t.Helper()
	tr.Kind = uc.TriggerTimed
	r, err := Parse(tr)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func instant(t testing.TB, text string) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

var workdays = []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}

func TestNextAcrossChangesOfTheClock(t *testing.T) {
	tests := []struct {
		name, zone string
		trigger    uc.Trigger
		after      string
		want       []string
	}{
		{"an hour that Berlin leaps over in spring strikes when the leap is done", "Europe/Berlin", uc.Trigger{At: "02:30"},
			"2026-03-28T00:00:00+01:00", []string{"2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"}},
		{"an hour that Berlin has twice in autumn strikes once, the first time", "Europe/Berlin", uc.Trigger{At: "02:30"},
			"2026-10-25T00:00:00+02:00", []string{"2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"}},
		{"asked between the two half past twos", "Europe/Berlin", uc.Trigger{At: "02:30"},
			"2026-10-25T02:10:00+01:00", []string{"2026-10-26T02:30:00+01:00"}},
		{"Lord Howe moves by half an hour and keeps its Sundays", "Australia/Lord_Howe", uc.Trigger{At: "08:00"},
			"2026-04-04T08:00:00+11:00", []string{"2026-04-05T08:00:00+10:30", "2026-04-06T08:00:00+10:30"}},
		{"Lord Howe leaps over 02:15", "Australia/Lord_Howe", uc.Trigger{At: "02:15"},
			"2026-10-03T12:00:00+10:30", []string{"2026-10-04T02:30:00+11:00", "2026-10-05T02:15:00+11:00"}},
		{"Cairo leaps over midnight, a Friday's 00:00 strikes at one", "Africa/Cairo", uc.Trigger{At: "00:00", Weekdays: []time.Weekday{time.Friday}},
			"2026-04-23T12:00:00+02:00", []string{"2026-04-24T01:00:00+03:00", "2026-05-01T00:00:00+03:00"}},
		{"Samoa left out a whole day", "Pacific/Apia", uc.Trigger{At: "12:00"},
			"2011-12-29T12:00:00-10:00", []string{"2011-12-31T00:00:00+14:00", "2011-12-31T12:00:00+14:00"}},
		{"workdays", "Europe/Berlin", uc.Trigger{At: "08:00", Weekdays: workdays},
			"2026-11-20T08:00:00+01:00", []string{"2026-11-23T08:00:00+01:00", "2026-11-24T08:00:00+01:00"}},
		{"one date, once", "Europe/Berlin", uc.Trigger{At: "13:00", Date: "2026-12-24"},
			"2026-11-20T08:00:00+01:00", []string{"2026-12-24T13:00:00+01:00", ""}},
		{"weekdays do not count beside a date", "Europe/Berlin", uc.Trigger{At: "13:00", Date: "2026-12-24", Weekdays: []time.Weekday{time.Sunday}},
			"2026-11-20T08:00:00+01:00", []string{"2026-12-24T13:00:00+01:00"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, loc, at := rule(t, tt.trigger), zone(t, tt.zone), instant(t, tt.after)
			for _, want := range tt.want {
				at = r.Next(at, loc)
				got := ""
				if !at.IsZero() {
					got = at.Format(time.RFC3339)
				}
				if got != want {
					t.Fatalf("got %q, want %q", got, want)
				}
			}
		})
	}
}

func TestInside(t *testing.T) {
	tests := []struct {
		name, zone string
		trigger    uc.Trigger
		now        string
		want       string // "" if outside
	}{
		{"before", "Europe/Berlin", uc.Trigger{At: "12:00", End: "13:00"}, "2026-11-23T11:59:59+01:00", ""},
		{"at the beginning", "Europe/Berlin", uc.Trigger{At: "12:00", End: "13:00"}, "2026-11-23T12:00:00+01:00", "23 12:00 – 23 13:00"},
		{"at the end", "Europe/Berlin", uc.Trigger{At: "12:00", End: "13:00"}, "2026-11-23T13:00:00+01:00", ""},
		{"over midnight", "Europe/Berlin", uc.Trigger{At: "22:00", End: "06:00", Weekdays: []time.Weekday{time.Sunday}}, "2026-11-23T05:00:00+01:00", "22 22:00 – 23 06:00"},
		{"over midnight, the day after", "Europe/Berlin", uc.Trigger{At: "22:00", End: "06:00", Weekdays: []time.Weekday{time.Sunday}}, "2026-11-24T05:00:00+01:00", ""},
		{"round the clock", "Europe/Berlin", uc.Trigger{At: "09:00", End: "09:00"}, "2026-11-23T08:00:00+01:00", "22 09:00 – 23 09:00"},
		{"the night of the leap is an hour short", "Europe/Berlin", uc.Trigger{At: "01:00", End: "02:30"}, "2026-03-29T01:59:00+01:00", "29 01:00 – 29 03:00"},
		{"a window that the clock leaps over is never open", "Europe/Berlin", uc.Trigger{At: "02:10", End: "02:50"}, "2026-03-29T03:00:00+02:00", ""},
		{"an end that comes twice is the first", "Europe/Berlin", uc.Trigger{At: "01:00", End: "02:30"}, "2026-10-25T02:10:00+01:00", ""},
		{"Lord Howe on the shortest day", "Australia/Lord_Howe", uc.Trigger{At: "08:00", End: "17:00"}, "2026-10-04T08:00:00+11:00", "4 08:00 – 4 17:00"},
		{"one date", "Europe/Berlin", uc.Trigger{At: "13:00", End: "18:00", Date: "2026-12-24"}, "2026-12-24T14:00:00+01:00", "24 13:00 – 24 18:00"},
		{"one date, a year later", "Europe/Berlin", uc.Trigger{At: "13:00", End: "18:00", Date: "2026-12-24"}, "2027-12-24T14:00:00+01:00", ""},
		{"a switch is no window", "Europe/Berlin", uc.Trigger{At: "12:00"}, "2026-11-23T12:00:00+01:00", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start, end, inside := rule(t, tt.trigger).Inside(instant(t, tt.now), zone(t, tt.zone))
			got := ""
			if inside {
				got = start.Format("2 15:04") + " – " + end.Format("2 15:04")
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestLast(t *testing.T) {
	loc := zone(t, "Europe/Berlin")
	daily := rule(t, uc.Trigger{At: "12:00"})
	now := instant(t, "2026-11-23T15:00:00+01:00")
	if got := daily.Last(now.Add(-10*time.Hour), now, loc); got.Format(time.RFC3339) != "2026-11-23T12:00:00+01:00" {
		t.Errorf("missed noon: got %v", got)
	}
	if got := daily.Last(now.Add(-3*time.Hour), now, loc); !got.IsZero() {
		t.Errorf("noon itself was seen, got %v", got)
	}
	once := rule(t, uc.Trigger{At: "08:00", Date: "2026-01-05"})
	if got := once.Last(now.AddDate(-1, 0, 0), now, loc); got.Format(time.RFC3339) != "2026-01-05T08:00:00+01:00" {
		t.Errorf("a date missed months ago: got %v", got)
	}
}

var zones = []string{"Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo", "America/St_Johns", "Pacific/Apia", "Asia/Kathmandu", "UTC"}

// TestInstantAgreesWithTheClock reads the wall clock minute by minute round each change of the year.
func TestInstantAgreesWithTheClock(t *testing.T) {
	for _, name := range zones {
		loc := zone(t, name)
		first := make(map[time.Time]time.Time) // wall → the first instant at which it is shown
		var minutes []time.Time
		for at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC); at.Year() == 2026; {
			_, end := at.In(loc).ZoneBounds()
			if end.IsZero() || end.Year() > 2026 {
				break
			}
			for m := end.Add(-3 * time.Hour); m.Before(end.Add(3 * time.Hour)); m = m.Add(time.Minute) {
				if w := wallOf(m, loc); first[w].IsZero() {
					first[w] = m
					minutes = append(minutes, m)
				}
			}
			at = end
		}
		for _, m := range minutes {
			w := wallOf(m, loc)
			if got := Instant(w, loc); !got.Equal(m) {
				t.Errorf("%s: %s is %v, want %v", name, w.Format("2006-01-02 15:04"), got, m)
			}
			if missing := w.Add(time.Minute); first[missing].IsZero() && !slices.Contains(minutes[len(minutes)-1:], m) {
				next := m.Add(time.Minute)
				if wallOf(next, loc).After(missing) && !Instant(missing, loc).Equal(next) {
					t.Errorf("%s: %s does not exist and is %v, want %v", name, missing.Format("2006-01-02 15:04"), Instant(missing, loc), next)
				}
			}
		}
	}
}

// TestStrikes holds what every rule promises: it strikes at most once for each of its days and none is lost.
func TestStrikes(t *testing.T) {
	locs := make([]*time.Location, len(zones))
	for i, name := range zones {
		locs[i] = zone(t, name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		loc := rapid.SampledFrom(locs).Draw(rt, "zone")
		at := time.Duration(rapid.IntRange(0, 24*60-1).Draw(rt, "minute")) * time.Minute
		r := rule(t, uc.Trigger{At: time.Time{}.Add(at).Format("15:04")})
		from := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rapid.IntRange(0, 365*24*60).Draw(rt, "from")) * time.Minute)
		last, n := from, 0
		to := from.Add(40 * day)
		for s := r.Next(from, loc); !s.After(to); s = r.Next(s, loc) {
			if !s.After(last) {
				rt.Fatalf("%v strikes at %v after %v", at, s, last)
			}
			if got := r.Last(last, s, loc); !got.Equal(s) {
				rt.Fatalf("Last(%v, %v) = %v", last, s, got)
			}
			last, n = s, n+1
		}
		if n < 39 || n > 41 {
			rt.Fatalf("%d strikes in 40 days", n)
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for _, tr := range []uc.Trigger{
		{Kind: uc.TriggerTeams, At: "08:00"},
		{Kind: uc.TriggerTimed},
		{Kind: uc.TriggerTimed, At: "24:00"},
		{Kind: uc.TriggerTimed, At: "8 o'clock"},
		{Kind: uc.TriggerTimed, At: "08:00", End: "25:00"},
		{Kind: uc.TriggerTimed, At: "08:00", Date: "24.12.2026"},
		{Kind: uc.TriggerTimed, At: "08:00", Weekdays: []time.Weekday{7}},
		{Kind: uc.TriggerTimed, At: "TZ=0"},
	} {
		if _, err := Parse(tr); !errors.Is(err, uc.ErrInvalid) {
			t.Errorf("%+v: got %v, want an invalid trigger", tr, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"08:00", "23:59", "TZ=0 8", "@daily", "1:2", "08:00:00", "08:00.5", "٠٨:٠٠"} {
		f.Add(seed, "17:00", "2026-12-24", 3)
	}
	f.Add("12:00", "", "", -1)
	f.Fuzz(func(t *testing.T, at, end, date string, weekday int) {
		r, err := Parse(uc.Trigger{Kind: uc.TriggerTimed, At: at, End: end, Date: date, Weekdays: []time.Weekday{time.Weekday(weekday)}})
		if err != nil {
			if !errors.Is(err, uc.ErrInvalid) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if r.at < 0 || r.at >= day || r.length < 0 || r.length > day {
			t.Fatalf("understood as %v for %v", r.at, r.length)
		}
		now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
		if next := r.Next(now, time.UTC); !next.IsZero() && !next.After(now) {
			t.Fatalf("next is %v", next)
		}
		if start, stop, in := r.Inside(now, time.UTC); in && (start.After(now) || !stop.After(now)) {
			t.Fatalf("inside from %v to %v", start, stop)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	r, loc := rule(b, uc.Trigger{At: "08:00", Weekdays: workdays}), zone(b, "Europe/Berlin")
	now := instant(b, "2026-11-20T08:00:00+01:00")
	for b.Loop() {
		r.Next(now, loc)
	}
}

func BenchmarkInside(b *testing.B) {
	r, loc := rule(b, uc.Trigger{At: "08:00", End: "17:00"}), zone(b, "Europe/Berlin")
	now := instant(b, "2026-11-20T09:00:00+01:00")
	for b.Loop() {
		r.Inside(now, loc)
	}
}

func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		rule(b, uc.Trigger{At: "08:00", Weekdays: workdays})
	}
}
