package profiles

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestAMissedSwitchIsAppliedOnceAfterDowntime(t *testing.T) {
	early := profile("Early")
	noon := uc.Profile{ID: 31, Name: "Noon", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00"}}}
	evening := uc.Profile{ID: 33, Name: "Evening", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "18:00", End: "19:00"}}}
	talk := uc.Profile{ID: 34, Name: "Talk", Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}}
	tests := []struct {
		name       string
		before     func(*world)
		down, up   time.Time
		want       uc.ProfileID
		wantReason string
	}{
		{"the latest of two", func(*world) {}, monday(t, 7, 30), monday(t, 15, 0), 31,
			"Noon (timed switch 12:00, missed while the server was down)"},
		{"one of yesterday", func(*world) {}, monday(t, 7, 30), monday(t, 30, 0), 31,
			"Noon (timed switch 12:00, missed while the server was down on 23 Nov)"},
		{"nothing, it was applied before", func(*world) {}, monday(t, 8, 0), monday(t, 9, 0), early.ID,
			"Early (timed switch 08:00)"},
		{"nothing, a choice came after it", func(w *world) { w.until(monday(t, 8, 1)); w.hand(30) }, monday(t, 8, 1), monday(t, 9, 0), 30,
			"Office (chosen by hand 08:01)"},
		{"nothing, a sticky base dropped it", func(w *world) { w.hand(32) }, monday(t, 8, 0), monday(t, 9, 0), 32,
			"Focus (chosen by hand 07:00)"},
		{"nothing, the sticky base that ran out since would have dropped it", func(w *world) {
			if _, err := w.engine.Switch(w.t.Context(), uc.SwitchRequest{User: anna, Profile: 32, By: byAnna, Until: monday(t, 12, 30)}); err != nil {
				w.t.Fatal(err)
			}
		}, monday(t, 11, 0), monday(t, 13, 0), uc.ProfileAvailable, "Available (nothing chosen yet)"},
		{"no window that the sticky base would have dropped", func(w *world) {
			if _, err := w.engine.Switch(w.t.Context(), uc.SwitchRequest{User: anna, Profile: 32, By: byAnna, Until: monday(t, 18, 10)}); err != nil {
				w.t.Fatal(err)
			}
		}, monday(t, 17, 0), monday(t, 18, 20), uc.ProfileAvailable, "Available (nothing chosen yet)"},
		{"no meeting that the sticky base has dropped", func(w *world) {
			if _, err := w.engine.Switch(w.t.Context(), uc.SwitchRequest{User: anna, Profile: 32, By: byAnna, Until: monday(t, 11, 30)}); err != nil {
				w.t.Fatal(err)
			}
			w.until(monday(t, 11, 10))
			w.teams("InACall")
		}, monday(t, 11, 20), monday(t, 11, 40), uc.ProfileAvailable, "Available (nothing chosen yet)"},
		{"a choice that ran out first does not hold it off", func(w *world) {
			if _, err := w.engine.Switch(w.t.Context(), uc.SwitchRequest{User: anna, Profile: 32, By: byAnna, Until: monday(t, 11, 30)}); err != nil {
				w.t.Fatal(err)
			}
		}, monday(t, 11, 0), monday(t, 13, 0), 31, "Noon (timed switch 12:00, missed while the server was down)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, monday(t, 7, 0), early, noon, evening, talk, uc.Profile{ID: 30, Name: "Office"}, uc.Profile{ID: 32, Name: "Focus", Sticky: true})
				w.start()
				tt.before(w)
				w.until(tt.down)
				w.stop()
				switches := len(w.journal())
				time.Sleep(tt.up.Sub(w.now()))
				w.start()
				defer func() { w.stop() }()
				if st := w.expect(tt.want); st.Reason != tt.wantReason {
					t.Errorf("reason %q", st.Reason)
				}
				if entries := w.journal(); len(entries) > switches+1 {
					t.Errorf("%d switches since", len(entries)-switches)
				}
				switches = len(w.journal())
				w.restart()
				if st := w.expect(tt.want); st.Reason != tt.wantReason || len(w.journal()) != switches {
					t.Errorf("a second start changes it to %q", st.Reason)
				}
			})
		})
	}
}

func TestMissedBySomebodyWhoNeverSwitched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 7, 0), profile("Early"))
		w.start()
		w.until(monday(t, 7, 30))
		w.stop()
		time.Sleep(time.Hour)
		w.start()
		defer func() { w.stop() }()
		if st := w.expect(profile("Early").ID); st.Base.Cause.Kind != uc.CauseRestart || w.journal()[0].Cause.Kind != uc.CauseRestart {
			t.Errorf("cause %+v", st.Base.Cause)
		}
	})
}

func TestNothingIsMissedBeforeTheVeryFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 15, 0), profile("Early"))
		w.start()
		defer func() { w.stop() }()
		w.expect(uc.ProfileAvailable)
	})
}

func TestWindowsAfterDowntime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 7, 0), profile("Lunch"), profile("Sport"))
		w.start()
		w.stop()
		time.Sleep(monday(t, 12, 45).Sub(w.now()))
		w.start()
		defer func() { w.stop() }()
		w.expect(profile("Sport").ID)
		w.stop()
		time.Sleep(monday(t, 15, 0).Sub(w.now()))
		w.start()
		w.expect(uc.ProfileAvailable)
	})
}

// shifted is a clock that a demo sets.
type shifted struct {
	mu sync.Mutex
	by time.Duration
}

func (s *shifted) set(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by = by
}

func (s *shifted) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.by)
}

func TestTheClockIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, monday(t, 7, 0), profile("Early"), profile("Lunch"))
		clock := &shifted{by: w.offset}
		w.options.Now = clock.now
		w.start()
		defer func() { w.stop() }()
		set := func(to time.Time) { clock.set(time.Until(to)) }

		set(monday(t, 8, 0))
		w.engine.Poke()
		w.expect(profile("Early").ID)

		set(monday(t, 12, 0))
		time.Sleep(time.Minute) // without a poke it is seen within a minute
		w.expect(profile("Lunch").ID)

		set(monday(t, 7, 30)) // set back: the day begins anew
		w.engine.Poke()
		w.expect(profile("Early").ID)
		w.hand(uc.ProfileDND)
		time.Sleep(30 * time.Minute)
		w.expect(profile("Early").ID)

		clock.set(clock.by - 20*time.Second) // a small correction does not let it strike twice
		w.hand(uc.ProfileDND)
		w.engine.Poke()
		time.Sleep(time.Minute)
		w.expect(uc.ProfileDND)
	})
}

// TestAYear lives through all changes of the clock of a year, with a window and switches that fall into them.
func TestAYear(t *testing.T) {
	tests := []struct{ zone, night, day, late string }{
		{"Europe/Berlin", "02:30", "08:00", "17:30"},
		{"Australia/Lord_Howe", "02:15", "08:00", "17:30"},
		{"Africa/Cairo", "00:00", "08:00", "17:30"},
	}
	for _, tt := range tests {
		t.Run(tt.zone, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				loc := zoneOf(t, tt.zone)
				begin := time.Date(2026, 1, 1, 12, 0, 0, 0, loc)
				w := newWorld(t, begin,
					uc.Profile{ID: 10, Name: "Night", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: tt.night}}},
					uc.Profile{ID: 11, Name: "Day", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: tt.day}}},
					uc.Profile{ID: 12, Name: "Late", Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: tt.late, End: "20:00",
						Weekdays: []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}}}})
				w.start()
				time.Sleep(begin.AddDate(1, 0, 0).Sub(begin))
				synctest.Wait()
				w.stop()
				checkYear(t, w, loc, tt.night, tt.day, tt.late)
			})
		})
	}
}

// checkYear holds the journal against a calendar: each switch once a day, on time but where the clock leapt.
func checkYear(t *testing.T, w *world, loc *time.Location, night, day, late string) {
	began := map[uc.ProfileID]map[string]string{10: {}, 11: {}, 12: {}}
	for _, e := range w.journal() {
		if e.Cause.Kind == uc.CauseWindow && e.To != 12 {
			continue // the end of a window
		}
		at := e.Time.In(loc)
		date := at.Format("2006-01-02")
		if began[e.To][date] != "" {
			t.Errorf("%s began twice on %s", e.ToName, date)
		}
		began[e.To][date] = at.Format("15:04")
	}
	var weekdays, leapt int
	for d := time.Date(2026, 1, 2, 12, 0, 0, 0, loc); d.Year() == 2026; d = d.AddDate(0, 0, 1) {
		date := d.Format("2006-01-02")
		if got := began[10][date]; got != night {
			leapt++
			if got == "" {
				t.Errorf("Night was lost on %s", date)
			}
		}
		if got := began[11][date]; got != day {
			t.Errorf("Day began at %q on %s", got, date)
		}
		if d.Weekday() != time.Saturday && d.Weekday() != time.Sunday {
			weekdays++
			if got := began[12][date]; got != late {
				t.Errorf("Late began at %q on %s", got, date)
			}
		}
	}
	if leapt != 1 || weekdays != len(began[12])-1 { // the first of January was a Thursday
		t.Errorf("the clock leapt over %d nights; %d windows on %d weekdays", leapt, len(began[12]), weekdays)
	}
}
