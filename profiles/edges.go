package profiles

import (
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// Edge is a moment at which a trigger of a user will switch, if nothing is in its way then.
type Edge struct {
	At      time.Time    `json:"at"`
	Profile uc.ProfileID `json:"profile"`
	Kind    uc.CauseKind `json:"kind"` // CauseTimed, CauseWindow or CauseExpiry
	Text    string       `json:"text"` // "timed switch 12:00", "window 12:00–13:00 begins"
}

// edges lists the next edge of each trigger of the clock, soonest first.
func (f *facts) edges(s *state) []Edge {
	var list []Edge
	add := func(at time.Time, p uc.ProfileID, kind uc.CauseKind, text string) {
		if !at.IsZero() {
			list = append(list, Edge{at, p, kind, text})
		}
	}
	if b := s.Base; !b.Until.IsZero() {
		to := uc.ProfileAvailable
		if b.Before != nil {
			to = b.Before.Profile
		}
		add(b.Until, to, uc.CauseExpiry, f.name(b.Profile)+" runs out")
	}
	for _, r := range f.rules {
		for _, sw := range r.switches {
			add(sw.Next(f.now, f.zone), r.profile.ID, uc.CauseTimed, sw.text)
		}
		for _, w := range r.windows {
			add(w.Next(f.now, f.zone), r.profile.ID, uc.CauseWindow, w.text+" begins")
			if _, end, inside := w.Inside(f.now, f.zone); inside {
				add(end, r.profile.ID, uc.CauseWindow, w.text+" ends")
			}
		}
	}
	slices.SortStableFunc(list, func(a, b Edge) int { return a.At.Compare(b.At) })
	return list
}

// next returns when the user must be looked at again; the zero time means not before something happens.
func (f *facts) next(s *state) time.Time {
	var soonest time.Time
	earlier := func(t time.Time) {
		if t.After(f.now) && (soonest.IsZero() || t.Before(soonest)) {
			soonest = t
		}
	}
	for _, edge := range f.edges(s) {
		earlier(edge.At)
	}
	for _, left := range s.Left {
		earlier(left.Add(f.leaveDelay))
	}
	if inMeeting(s) {
		earlier(f.heard().Add(f.staleAfter))
	}
	return soonest
}
