package profiles

import (
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// reason says in words why the profile in effect is in effect, from the top of the stack to the base:
// "Teams meeting since 10:02, over Office (chosen by hand 08:55)".
func (f *facts) reason(s *state) string {
	parts := make([]string, 0, len(s.Overlays)+1)
	for i := len(s.Overlays) - 1; i >= 0; i-- {
		parts = append(parts, f.overlayWords(s, s.Overlays[i]))
	}
	return strings.Join(append(parts, f.baseWords(s)), ", over ")
}

func (f *facts) overlayWords(s *state, o uc.Overlay) string {
	if o.Kind != uc.CauseTeams {
		return f.name(o.Profile) + " (" + o.Text + ")"
	}
	words := o.Text + " since " + f.clock(o.Since)
	if heard := f.silence(s); !heard.IsZero() {
		words += " (no news from Teams since " + f.clock(heard) + ")"
	}
	return words
}

func (f *facts) baseWords(s *state) string {
	b := &s.Base
	return f.name(b.Profile) + " (" + f.causeWords(s.User, b) + ")"
}

func (f *facts) causeWords(user uc.UserID, b *uc.Base) string {
	switch b.Cause.Kind {
	case "":
		return "nothing chosen yet"
	case uc.CauseHand:
		return "chosen by hand " + f.clock(b.Since) + f.byWords(user, b.Cause.By) + f.untilWords(b.Until)
	case uc.CauseUndo:
		return "switch undone " + f.clock(b.Since) + f.byWords(user, b.Cause.By)
	case uc.CauseOffer:
		return "since " + f.clock(b.Since) + " because " + b.Cause.Text
	case uc.CauseExpiry:
		return "a choice by hand ran out " + f.clock(b.Since)
	}
	if day := f.clock(b.Since); strings.Contains(day, " ") {
		return b.Cause.Text + " on " + day[:strings.LastIndexByte(day, ' ')]
	}
	return b.Cause.Text
}

// byWords names who acted, if it was not the user.
func (f *facts) byWords(user uc.UserID, by uc.Actor) string {
	if by.User == user {
		return ""
	}
	return " by " + by.String()
}

func (f *facts) untilWords(until time.Time) string {
	if until.IsZero() {
		return ""
	}
	return ", until " + f.clock(until)
}

// clock writes an instant as the user reads it: the time of day, with the date unless it is today's.
func (f *facts) clock(t time.Time) string {
	t, now := t.In(f.zone), f.now.In(f.zone)
	switch {
	case t.Year() != now.Year():
		return t.Format("2 Jan 2006 15:04")
	case t.YearDay() != now.YearDay():
		return t.Format("2 Jan 15:04")
	}
	return t.Format("15:04")
}

// name returns a profile's name.
func (f *facts) name(p uc.ProfileID) string { return profileName(f.dir, p) }

// nameIn names a profile of a state, also the one in effect after it was deleted.
func (f *facts) nameIn(s *state, p uc.ProfileID) string {
	if f.dir.Profiles.Get(p) == nil && p == s.Effective && s.Visit.Name != "" {
		return s.Visit.Name
	}
	return f.name(p)
}

func profileName(dir *uc.Directory, p uc.ProfileID) string {
	if found := dir.Profiles.Get(p); found != nil {
		return found.Name
	}
	return "a deleted profile"
}
