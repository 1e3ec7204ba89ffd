package profiles

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
	"github.com/rolecall/rolecall/profiles/schedule"
)

// facts are what a decision is made from besides the stored state. They do not change while it is made.
type facts struct {
	now     time.Time
	from    time.Time // the clock has been followed up to here
	started time.Time // of this process: what struck before it was missed
	zone    *time.Location
	dir     *uc.Directory
	user    uc.UserID

	rules []*rules // of the profiles offered, in the order of [uc.Directory.Offered]
	teams teams

	leaveDelay, staleAfter time.Duration
}

// rules are the triggers of one profile, understood.
type rules struct {
	profile  *uc.Profile
	switches []timedSwitch
	windows  []window
	meetings []string // lower-case Teams activities; empty if it has no Teams trigger
}

type timedSwitch struct {
	schedule.Rule
	text string // "timed switch 12:00"
}

type window struct {
	schedule.Rule
	key  string
	text string // "window 12:00–13:00"
}

// meets reports whether a Teams activity puts the user into the profile.
func (r *rules) meets(activity string) bool { return slices.Contains(r.meetings, activity) }

// understand reads the triggers of a profile. A trigger that makes no sense is left out and logged.
func understand(p *uc.Profile, log *slog.Logger) *rules {
	r := &rules{profile: p}
	for i, t := range p.Triggers {
		switch t.Kind {
		case uc.TriggerTeams:
			r.meetings = append(r.meetings, activities(t)...)
		case uc.TriggerTimed:
			rule, err := schedule.Parse(t)
			if err != nil {
				log.Warn("a trigger is left out", "profile", p.Name, "trigger", i, "cause", err)
				continue
			}
			if t.Window() {
				r.windows = append(r.windows, window{rule, fmt.Sprintf("window:%d:%d", p.ID, i), "window " + t.At + "–" + t.End})
			} else {
				r.switches = append(r.switches, timedSwitch{rule, "timed switch " + t.At})
			}
		}
	}
	return r
}

func activities(t uc.Trigger) []string {
	list := t.Activities
	if len(list) == 0 {
		list = uc.DefaultActivities
	}
	lower := make([]string, len(list))
	for i, a := range list {
		lower[i] = strings.ToLower(a)
	}
	return lower
}

// library keeps what was understood of each profile until it changes.
type library struct {
	log *slog.Logger

	mu    sync.Mutex
	rules map[uc.ProfileID]*rules
}

// offered returns the rules of the profiles that a user may be in.
func (l *library) offered(dir *uc.Directory, user uc.UserID) []*rules {
	l.mu.Lock()
	defer l.mu.Unlock()
	offered := dir.Offered(user)
	list := make([]*rules, len(offered))
	for i, p := range offered {
		r := l.rules[p.ID]
		if r == nil || r.profile != p {
			r = understand(p, l.log)
			l.rules[p.ID] = r
		}
		list[i] = r
	}
	return list
}

// forget drops a deleted profile.
func (l *library) forget(p uc.ProfileID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.rules, p)
}

// offer returns the rules of a profile, nil if it is not offered.
func (f *facts) offer(p uc.ProfileID) *rules {
	for _, r := range f.rules {
		if r.profile.ID == p {
			return r
		}
	}
	return nil
}

func (f *facts) sticky(p uc.ProfileID) bool {
	r := f.offer(p)
	return r != nil && r.profile.Sticky
}

// strike is a timed switch that has struck.
type strike struct {
	at      time.Time
	profile *uc.Profile
	text    string
}

// missed returns the latest timed switch since the clock was last looked at. Of two at the same instant
// it is the one of the profile that stands later in the user's list: a personal one counts more than the company's.
func (f *facts) missed() strike {
	var s strike
	for _, r := range f.rules {
		for _, sw := range r.switches {
			if at := sw.Last(f.from, f.now, f.zone); !at.IsZero() && !at.Before(s.at) {
				s = strike{at, r.profile, sw.text}
			}
		}
	}
	return s
}

// open calls each for every window that is open at an instant.
func (f *facts) open(at time.Time, each func(r *rules, w window, start, end time.Time)) {
	for _, r := range f.rules {
		for _, w := range r.windows {
			if start, end, inside := w.Inside(at, f.zone); inside {
				each(r, w, start, end)
			}
		}
	}
}

// isOpen reports whether a profile has a window open at an instant that began at start.
func (f *facts) isOpen(p uc.ProfileID, start, at time.Time) bool {
	found := false
	if r := f.offer(p); r != nil {
		for _, w := range r.windows {
			s, _, inside := w.Inside(at, f.zone)
			found = found || inside && s.Equal(start)
		}
	}
	return found
}
