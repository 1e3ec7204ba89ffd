package profiles

import (
	"maps"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// teams is what Microsoft Graph last said about a user. The zero value means that nothing was heard yet.
type teams struct {
	activity string    // lower case
	since    time.Time // when the activity was first seen
	seen     time.Time // when the last news came
}

// hear takes news in and reports whether somebody should look at the user again. News come in order: who
// reads them from Graph drops those that are older than what was read before.
func (t *teams) hear(p uc.TeamsPresence, now time.Time, staleAfter time.Duration) bool {
	activity := strings.ToLower(p.Activity)
	if activity == "" || activity == "presenceunknown" {
		return false // Graph does not know: that is no news
	}
	stale := now.Sub(t.seen) >= staleAfter
	changed := activity != t.activity
	if changed {
		t.activity, t.since = activity, now
	}
	t.seen = now
	return changed || stale
}

// meeting reports whether a Teams trigger that is on stays on. It does while there are no news, and
// until the meeting has been gone for the leave delay: a flicker is bridged.
func (e *evaluation) meeting(r *rules) bool {
	switch {
	case r == nil || len(r.meetings) == 0:
		return false
	case e.f.teams.seen.IsZero():
		return true
	case r.meets(e.f.teams.activity):
		return true
	}
	left := e.s.Left[r.profile.ID]
	if left.IsZero() {
		left = e.f.teams.since
		e.setLeft(r.profile.ID, left)
	}
	return e.at.Before(left.Add(e.f.leaveDelay))
}

// setLeft notes since when Teams reports no meeting; the zero time means that it reports one.
func (e *evaluation) setLeft(p uc.ProfileID, since time.Time) {
	if e.s.Left[p].Equal(since) {
		return
	}
	left := make(map[uc.ProfileID]time.Time, len(e.s.Left)+1)
	maps.Copy(left, e.s.Left)
	delete(left, p)
	if !since.IsZero() {
		left[p] = since
	}
	e.s.Left = left
}

// silence returns since when there are no news from Teams about a user whose profile depends on them;
// the zero time if there are, or if it does not.
func (f *facts) silence(s *state) time.Time {
	if heard := f.heard(); inMeeting(s) && f.now.Sub(heard) >= f.staleAfter {
		return heard
	}
	return time.Time{}
}

// heard returns when the last news from Teams came, or when somebody began to listen.
func (f *facts) heard() time.Time { return later(f.teams.seen, f.started) }

func inMeeting(s *state) bool {
	for _, o := range s.Overlays {
		if o.Kind == uc.CauseTeams {
			return true
		}
	}
	return false
}
