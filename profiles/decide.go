package profiles

import (
	"fmt"
	"slices"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// maxBefore bounds how many choices with an expiry may lie beneath each other.
const maxBefore = 8

// outcome is what a decision leads to.
type outcome struct {
	state state
	cause uc.Cause // of the change of the profile in effect; the zero Cause if it did not change
}

// desired is the rule book: what follows from the stored state, the facts and the time in them.
func desired(s state, f *facts) outcome {
	e := evaluate(s, f)
	e.follow()
	return e.done()
}

// evaluation leads a state from one moment to the next.
type evaluation struct {
	f      *facts
	was    state
	s      state
	strike strike
	at     time.Time
	cause  uc.Cause // of the last change of the profile in effect
	byHand bool     // journalled also if the profile in effect stays
}

func evaluate(s state, f *facts) *evaluation {
	return &evaluation{f: f, was: s, s: s, strike: f.missed(), at: f.now}
}

// follow applies the rules at each moment from where the clock was last followed up to now.
func (e *evaluation) follow() {
	for _, at := range e.moments() {
		e.step(at)
	}
}

// moments lists when something struck or began since the clock was last looked at; the last is now. What
// a timed switch, a window and a choice that ran out mean to each other depends on their order, also when
// all of them are looked at late. Windows that came and went meanwhile leave no trace.
func (e *evaluation) moments() []time.Time {
	list := []time.Time{e.f.now}
	add := func(t time.Time) {
		if t.After(e.f.from) && t.Before(e.f.now) {
			list = append(list, t)
		}
	}
	add(e.strike.at)
	e.f.open(e.f.now, func(_ *rules, _ window, start, _ time.Time) { add(start) })
	slices.SortFunc(list, time.Time.Compare)
	return slices.CompactFunc(list, time.Time.Equal)
}

// step applies the rules at one moment: what is over ends before what begins.
func (e *evaluation) step(at time.Time) {
	e.at = at
	e.withdraw()
	e.expire()
	e.end()
	e.strikeNow()
	e.begin()
}

// done returns where the evaluation has led.
func (e *evaluation) done() outcome {
	if e.s.Effective == e.was.Effective {
		e.s.Since = e.was.Since
		if !e.byHand {
			e.cause = uc.Cause{}
		}
	}
	e.s.Checked = later(e.f.from, e.f.now)
	e.s.Reason = e.f.reason(&e.s)
	return outcome{e.s, e.cause}
}

// note brings the profile in effect in line with the stack.
func (e *evaluation) note(kind uc.CauseKind, format string, args ...any) {
	if top := e.s.top(); top != e.s.Effective {
		e.s.Effective = top
		e.s.Since = e.f.now
		e.cause = uc.Cause{Kind: kind, By: uc.System, Text: fmt.Sprintf(format, args...)}
	}
}

// withdraw leaves profiles that the user may no longer be in (rule 5). A base becomes Available; beneath
// an overlay that goes there is still the base.
func (e *evaluation) withdraw() {
	if e.f.offer(e.s.Base.Profile) == nil {
		text := e.f.nameIn(&e.s, e.s.Base.Profile) + " is no longer offered"
		if e.f.dir.Profiles.Get(e.s.Base.Profile) == nil {
			text = e.f.nameIn(&e.s, e.s.Base.Profile) + " was deleted"
		}
		e.s.Base = uc.Base{Profile: uc.ProfileAvailable, Since: e.at, Cause: uc.Cause{Kind: uc.CauseOffer, By: uc.System, Text: text}}
		e.note(uc.CauseOffer, "%s", text)
	}
	gone := func(o uc.Overlay) bool { return e.f.offer(o.Profile) == nil }
	if slices.ContainsFunc(e.s.Overlays, gone) {
		e.s.Overlays = slices.DeleteFunc(slices.Clone(e.s.Overlays), gone)
		e.note(uc.CauseOffer, "%s is no longer offered", e.f.name(e.s.Effective))
	}
}

// expire ends choices whose time is up; the base before them returns.
func (e *evaluation) expire() {
	for b := e.s.Base; !b.Until.IsZero() && !e.at.Before(b.Until); b = e.s.Base {
		if b.Before != nil {
			e.s.Base = *b.Before
		} else {
			e.s.Base = uc.Base{Profile: uc.ProfileAvailable, Since: b.Until, Cause: uc.Cause{Kind: uc.CauseExpiry, By: uc.System}}
		}
		if e.f.offer(e.s.Base.Profile) == nil {
			e.withdraw()
		}
		e.note(uc.CauseExpiry, "%s was chosen until %s", e.f.name(b.Profile), e.f.clock(b.Until))
	}
}

// end takes away the overlays whose trigger is over, and forgets what was held off and is over too.
func (e *evaluation) end() {
	for i := len(e.s.Held) - 1; i >= 0; i-- {
		if h := e.s.Held[i]; !e.on(h.Kind, h.Profile, h.Start) {
			e.s.Held = slices.Delete(slices.Clone(e.s.Held), i, i+1)
			e.setLeft(h.Profile, time.Time{})
		}
	}
	for i := len(e.s.Overlays) - 1; i >= 0; i-- {
		o := e.s.Overlays[i]
		if e.on(o.Kind, o.Profile, o.Since) {
			continue
		}
		e.s.Overlays = slices.Delete(slices.Clone(e.s.Overlays), i, i+1)
		e.setLeft(o.Profile, time.Time{})
		e.note(o.Kind, "%s ended", o.Text)
	}
}

// on reports whether a trigger that was on still is.
func (e *evaluation) on(kind uc.CauseKind, p uc.ProfileID, start time.Time) bool {
	if kind == uc.CauseTeams {
		return e.meeting(e.f.offer(p))
	}
	return e.f.isOpen(p, start, e.at)
}

// strikeNow lets a timed switch set the base (rule 2), unless a sticky base is in effect: then it is
// dropped (rule 4).
func (e *evaluation) strikeNow() {
	if !e.at.Equal(e.strike.at) || e.heldOff() {
		return
	}
	cause := uc.Cause{Kind: uc.CauseTimed, By: uc.System, Text: e.strike.text}
	if e.at.Before(e.f.started) {
		cause.Kind = uc.CauseRestart
		cause.Text += ", missed while the server was down"
	}
	e.s.Base = uc.Base{Profile: e.strike.profile.ID, Cause: cause, Since: e.at}
	e.note(cause.Kind, "%s", cause.Text)
}

// heldOff reports whether triggers are dropped now (rule 4). Beneath a sticky overlay they are not.
func (e *evaluation) heldOff() bool {
	return len(e.s.Overlays) == 0 && e.f.sticky(e.s.Base.Profile)
}

// begin lays the overlays of triggers that have come on (rule 2).
func (e *evaluation) begin() {
	e.running(func(h held, o uc.Overlay) {
		switch {
		case e.covered(o) || e.isHeld(h):
		case e.heldOff():
			e.keepOff(h)
		default:
			e.s.Overlays = e.f.lay(e.s.Overlays, o)
			e.note(o.Kind, "%s began", o.Text)
		}
	})
}

// running calls each for every trigger that is on now, as what it would be held by and laid as. Windows
// come before meetings. What Teams reports counts for the present only.
func (e *evaluation) running(each func(held, uc.Overlay)) {
	e.f.open(e.at, func(r *rules, w window, start, _ time.Time) {
		each(held{r.profile.ID, uc.CauseWindow, start},
			uc.Overlay{Profile: r.profile.ID, Kind: uc.CauseWindow, Key: w.key, Since: start, Text: w.text})
	})
	if !e.at.Equal(e.f.now) {
		return
	}
	for _, r := range e.f.rules {
		if r.meets(e.f.teams.activity) {
			e.setLeft(r.profile.ID, time.Time{})
			each(held{Profile: r.profile.ID, Kind: uc.CauseTeams}, uc.Overlay{Profile: r.profile.ID, Kind: uc.CauseTeams,
				Key: fmt.Sprintf("teams:%d", r.profile.ID), Since: e.at, Text: "Teams meeting"})
		}
	}
}

// covered reports whether the trigger has its overlay already.
func (e *evaluation) covered(o uc.Overlay) bool {
	return slices.ContainsFunc(e.s.Overlays, func(x uc.Overlay) bool {
		return x.Kind == o.Kind && x.Profile == o.Profile && (x.Kind == uc.CauseTeams || x.Since.Equal(o.Since))
	})
}

// lay puts an overlay into the stack: meetings above windows, the later begun above the earlier (rule 3),
// and nothing above a sticky profile in effect (rule 4).
func (f *facts) lay(stack []uc.Overlay, o uc.Overlay) []uc.Overlay {
	i := len(stack)
	if i > 0 && f.sticky(stack[i-1].Profile) {
		i--
	}
	for ; i > 0; i-- {
		below := stack[i-1]
		meeting := below.Kind == uc.CauseTeams && o.Kind == uc.CauseWindow
		later := below.Kind == o.Kind && below.Since.After(o.Since)
		if !meeting && !later {
			break
		}
	}
	return slices.Insert(slices.Clone(stack), i, o)
}

// isHeld reports whether a trigger may not begin before its next start.
func (e *evaluation) isHeld(h held) bool {
	return slices.ContainsFunc(e.s.Held, func(x held) bool { return sameHeld(x, h) })
}

// keepOff lets a trigger not begin before its next start.
func (e *evaluation) keepOff(h held) {
	if !e.isHeld(h) {
		e.s.Held = append(slices.Clip(e.s.Held), h)
	}
}

// choose sets the base by hand and ends the overlays that are on (rule 1).
func (e *evaluation) choose(req uc.SwitchRequest) {
	base := uc.Base{Profile: req.Profile, Since: e.at, Until: req.Until,
		Cause: uc.Cause{Kind: uc.CauseHand, By: req.By, Text: "chosen by hand"}}
	if !req.Until.IsZero() || req.Held {
		base.Before = beneath(e.s.Base, req.Until)
	}
	e.reset(base, nil)
	e.cause, e.byHand = base.Cause, true
}

// release ends a choice that was held; the base before it returns. What began over it stays.
func (e *evaluation) release(by uc.Actor) {
	e.s.Base = *e.s.Base.Before
	if e.f.offer(e.s.Base.Profile) == nil {
		e.withdraw()
	}
	cause := uc.Cause{Kind: uc.CauseHand, By: by, Text: "the choice before it returns"}
	e.note(cause.Kind, "%s", cause.Text)
	e.cause, e.byHand = cause, true
}

// reset puts a stack in the place of the present one. Triggers that are on and not in it wait for their
// next start; also a meeting that seems to be over but may only flicker.
func (e *evaluation) reset(base uc.Base, overlays []uc.Overlay) {
	old := e.s.Overlays
	e.s.Base, e.s.Overlays = base, overlays
	wait := func(h held, o uc.Overlay) {
		if !e.covered(o) {
			e.keepOff(h)
		}
	}
	for _, o := range old {
		wait(occurrence(o), o)
	}
	e.running(wait)
	e.s.Held = slices.DeleteFunc(slices.Clone(e.s.Held), func(h held) bool {
		return slices.ContainsFunc(overlays, func(o uc.Overlay) bool { return sameHeld(occurrence(o), h) })
	})
	e.note(base.Cause.Kind, "%s", base.Cause.Text)
}

// occurrence returns what an overlay's trigger is held by.
func occurrence(o uc.Overlay) held {
	h := held{Profile: o.Profile, Kind: o.Kind}
	if o.Kind == uc.CauseWindow {
		h.Start = o.Since
	}
	return h
}

// undo returns to the stack before the last switch, as far as it can still be: what is over by the clock
// is put in force by hand.
func (e *evaluation) undo(to before, from uc.ProfileID, by uc.Actor) {
	base := to.Base
	if !base.Until.IsZero() && !e.at.Before(base.Until) {
		base.Until, base.Before = time.Time{}, nil
	}
	overlays := slices.DeleteFunc(slices.Clone(to.Overlays), func(o uc.Overlay) bool { return !e.on(o.Kind, o.Profile, o.Since) })
	undone := uc.Cause{Kind: uc.CauseUndo, By: by, Text: "switch to " + e.f.name(e.s.Effective) + " undone"}
	if would := (&state{ProfileState: uc.ProfileState{Base: base, Overlays: overlays}}); would.top() != from {
		base, overlays = uc.Base{Profile: from, Cause: undone, Since: e.at}, nil
	}
	e.reset(base, overlays)
	e.cause, e.byHand = undone, true
}

// beneath returns what a choice until then returns to: the base, without the choices that run out
// before it does.
func beneath(base uc.Base, until time.Time) *uc.Base {
	b := &base
	for b != nil && !b.Until.IsZero() && !b.Until.After(until) {
		b = b.Before
	}
	for b != nil && depth(b) >= maxBefore {
		b = b.Before
	}
	return b
}

func depth(b *uc.Base) int {
	n := 0
	for ; b != nil; b = b.Before {
		n++
	}
	return n
}
