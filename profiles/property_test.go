package profiles

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/uc"
)

// life is one user's life under the pure rules: no store, no goroutine, only facts and time.
type life struct {
	t      *rapid.T
	facts  facts
	state  state
	causes []uc.CauseKind
}

// drawProfiles makes a few profiles with random triggers that strike on full quarters of an hour.
func drawProfiles(t *rapid.T, sticky bool) []uc.Profile {
	quarter := func(label string) string {
		return time.Time{}.Add(time.Duration(rapid.IntRange(0, 24*4-1).Draw(t, label)) * 15 * time.Minute).Format("15:04")
	}
	list := []uc.Profile{{ID: uc.ProfileAvailable, Name: "Available", Assigned: uc.AssignedSystem}}
	for i := range rapid.IntRange(1, 5).Draw(t, "profiles") {
		p := uc.Profile{ID: uc.ProfileID(10 + i), Name: fmt.Sprint("P", i), Assigned: uc.AssignedAdmin}
		p.Sticky = sticky && rapid.Bool().Draw(t, "sticky")
		for range rapid.IntRange(0, 2).Draw(t, "triggers") {
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 0:
				p.Triggers = append(p.Triggers, uc.Trigger{Kind: uc.TriggerTimed, At: quarter("at")})
			case 1:
				p.Triggers = append(p.Triggers, uc.Trigger{Kind: uc.TriggerTimed, At: quarter("from"), End: quarter("to")})
			default:
				p.Triggers = append(p.Triggers, uc.Trigger{Kind: uc.TriggerTeams})
			}
		}
		list = append(list, p)
	}
	return list
}

func newLife(t *rapid.T, profiles []uc.Profile, zone *time.Location) *life {
	dir := uc.NewDirectory(1, uc.Tables{
		Users:    []uc.User{{ID: anna, Login: "anna"}},
		Roles:    []uc.Role{{ID: uc.RoleAll, AutoUsers: true}},
		Profiles: profiles,
	})
	begin := time.Date(2026, 3, 28, 7, 0, 0, 0, zone) // the night after next, Berlin's clocks leap
	l := &life{t: t, state: initial(anna)}
	l.facts = facts{now: begin, from: begin, started: begin, zone: zone, dir: dir, user: anna, leaveDelay: 15 * time.Second, staleAfter: 5 * time.Minute}
	for _, p := range dir.Offered(anna) {
		l.facts.rules = append(l.facts.rules, understand(p, slog.New(slog.DiscardHandler)))
	}
	l.state.Checked = begin
	l.look()
	return l
}

// look evaluates at the present moment.
func (l *life) look() {
	l.facts.from = l.state.Checked
	o := desired(l.state, &l.facts)
	l.state = o.state
	l.causes = append(l.causes, o.cause.Kind)
}

// pass lets time go by; exactly stops at every edge, as the engine's loop does.
func (l *life) pass(until time.Time, exactly bool) {
	for exactly {
		next := l.facts.next(&l.state)
		if next.IsZero() || next.After(until) {
			break
		}
		l.facts.now = next
		l.check(l.look)
	}
	l.facts.now = until
	l.check(l.look)
}

// check holds the invariants over one step.
func (l *life) check(step func()) {
	was := l.state
	step()
	s := &l.state
	if s.Effective != s.top() {
		l.t.Fatalf("in effect is %d, on top lies %d", s.Effective, s.top())
	}
	e := evaluate(*s, &l.facts)
	for i, o := range s.Overlays {
		if !e.on(o.Kind, o.Profile, o.Since) {
			l.t.Fatalf("%v: %s of %d outlived its end", l.facts.now, o.Text, o.Profile)
		}
		if i > 0 && i < len(s.Overlays)-1 {
			below := s.Overlays[i-1]
			if below.Kind == uc.CauseTeams && o.Kind == uc.CauseWindow || below.Kind == o.Kind && below.Since.After(o.Since) {
				l.t.Fatalf("wrong order: %+v", s.Overlays)
			}
		}
	}
	if cause := l.causes[len(l.causes)-1]; cause == uc.CauseTimed && len(was.Overlays) == 0 && l.facts.sticky(was.Effective) && was.Base.Until.IsZero() {
		l.t.Fatalf("a timed switch replaced the sticky %d", was.Effective)
	}
	if s.Version == was.Version && s.Effective == was.Effective && !s.Since.Equal(was.Since) {
		l.t.Fatalf("since %v though nothing changed", s.Since)
	}
}

func (l *life) hand(p uc.ProfileID, until time.Time) {
	l.check(func() {
		l.facts.from = l.state.Checked
		e := evaluate(l.state, &l.facts)
		e.follow()
		e.choose(uc.SwitchRequest{User: anna, Profile: p, By: byAnna, Until: until})
		o := e.done()
		l.state = o.state
		l.causes = append(l.causes, o.cause.Kind)
	})
	if l.state.Effective != p || len(l.state.Overlays) != 0 {
		l.t.Fatalf("chose %d, in effect is %d", p, l.state.Effective)
	}
	l.look()
	if l.state.Effective != p {
		l.t.Fatalf("chose %d, and looked at again %d is in effect", p, l.state.Effective)
	}
}

func (l *life) teams(activity string) {
	l.facts.teams.hear(uc.TeamsPresence{Activity: activity}, l.facts.now, l.facts.staleAfter)
	l.check(l.look)
}

// event is something that happens in a life.
type event struct {
	after    time.Duration // since the event before
	kind     int           // 0, 1: by hand; 2: Teams; 3: nothing
	profile  int
	until    time.Duration // 0 means for ever
	activity string
}

var events = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event {
	return event{
		after:    time.Duration(rapid.IntRange(0, 8*60*60).Draw(t, "after")) * time.Second,
		kind:     rapid.IntRange(0, 3).Draw(t, "event"),
		profile:  rapid.IntRange(0, 9).Draw(t, "profile"),
		until:    time.Duration(rapid.IntRange(0, 3).Draw(t, "hours")) * time.Hour,
		activity: rapid.SampledFrom([]string{"InACall", "inacall", "Available", "Busy", "PresenceUnknown"}).Draw(t, "activity"),
	}
}), 1, 25)

func (l *life) happen(ev event, exactly bool) {
	l.pass(l.facts.now.Add(ev.after), exactly)
	switch ev.kind {
	case 0, 1:
		var until time.Time
		if ev.until > 0 {
			until = l.facts.now.Add(ev.until)
		}
		l.hand(l.facts.rules[ev.profile%len(l.facts.rules)].profile.ID, until)
	case 2:
		l.teams(ev.activity)
	}
}

// reborn returns the life after its state went through the store.
func (l *life) reborn() {
	st, err := l.state.stored()
	if err != nil {
		l.t.Fatal(err)
	}
	b, err := json.Marshal(st)
	if err != nil {
		l.t.Fatal(err)
	}
	var back uc.ProfileState
	if err := json.Unmarshal(b, &back); err != nil {
		l.t.Fatal(err)
	}
	if l.state, err = restore(back); err != nil {
		l.t.Fatal(err)
	}
}

func same(a, b *state) bool {
	return sameVisible(a, b) && slices.EqualFunc(a.Held, b.Held, sameHeld)
}

// TestTheSameFactsGiveTheSameState lives one life in several ways: as it is, with more looks at it, and
// through the store after each event. All end in the same state.
func TestTheSameFactsGiveTheSameState(t *testing.T) {
	zone := berlin(t)
	rapid.Check(t, func(rt *rapid.T) {
		profiles := drawProfiles(rt, true)
		happens := events.Draw(rt, "events")
		plain, nervous, mortal := newLife(rt, profiles, zone), newLife(rt, profiles, zone), newLife(rt, profiles, zone)
		for i, ev := range happens {
			plain.happen(ev, true)
			for range rapid.IntRange(0, 3).Draw(rt, "looks") {
				part := time.Duration(rapid.Int64Range(0, int64(ev.after)).Draw(rt, "part"))
				nervous.pass(nervous.facts.now.Add(part), true)
				ev.after -= part
			}
			nervous.happen(ev, true)
			mortal.happen(happens[i], true)
			mortal.reborn()
			if !same(&plain.state, &nervous.state) {
				rt.Fatalf("event %d: %+v\nlooked at more often: %+v", i, plain.state, nervous.state)
			}
			if !same(&plain.state, &mortal.state) {
				rt.Fatalf("event %d: %+v\nafter a restart: %+v", i, plain.state, mortal.state)
			}
		}
	})
}

// TestLateIsAsGoodAsInTime sleeps over all edges between the events. While no profile is sticky the
// same is in effect afterwards as if each edge had been seen. (A sticky one would have dropped the later
// of two missed switches; after downtime the latest counts.)
func TestLateIsAsGoodAsInTime(t *testing.T) {
	zone := berlin(t)
	rapid.Check(t, func(rt *rapid.T) {
		profiles := drawProfiles(rt, false)
		inTime, late := newLife(rt, profiles, zone), newLife(rt, profiles, zone)
		for i, ev := range events.Draw(rt, "events") {
			inTime.happen(ev, true)
			late.happen(ev, false)
			if !same(&inTime.state, &late.state) {
				rt.Fatalf("event %d: %+v\nlate: %+v", i, inTime.state, late.state)
			}
		}
	})
}

// TestUndoReturns: after a choice, undo leads back to what was in effect before.
func TestUndoReturns(t *testing.T) {
	zone := berlin(t)
	rapid.Check(t, func(rt *rapid.T) {
		l := newLife(rt, drawProfiles(rt, true), zone)
		for _, ev := range events.Draw(rt, "events") {
			l.happen(ev, true)
		}
		was := l.state
		l.hand(l.facts.rules[rapid.IntRange(0, len(l.facts.rules)-1).Draw(rt, "chosen")].profile.ID, time.Time{})
		l.facts.from = l.state.Checked
		e := evaluate(l.state, &l.facts)
		e.undo(before{Base: was.Base, Overlays: was.Overlays}, was.Effective, byAnna)
		o := e.done()
		if o.state.Effective != was.Effective || !sameBase(&o.state.Base, &was.Base) || o.cause.Kind != uc.CauseUndo {
			rt.Fatalf("was %+v\n is %+v", was, o.state)
		}
		l.state = o.state
		l.check(l.look)
		if l.state.Effective != was.Effective {
			rt.Fatalf("looked at again: %+v", l.state)
		}
	})
}

func TestChoicesThatRunOutFirstAreNotKept(t *testing.T) {
	now := monday(t, 9, 0)
	office := uc.Base{Profile: 10}
	short := uc.Base{Profile: 11, Until: now.Add(time.Hour), Before: &office}
	if b := beneath(short, now.Add(2*time.Hour)); b == nil || b.Profile != 10 {
		t.Errorf("kept %+v", b)
	}
	if b := beneath(short, now.Add(30*time.Minute)); b == nil || b.Profile != 11 {
		t.Errorf("kept %+v", b)
	}
}

func TestChoicesBeneathEachOtherAreBounded(t *testing.T) {
	now := monday(t, 9, 0)
	base := uc.Base{Profile: 10}
	for i := range 100 {
		until := now.Add(time.Duration(1000-i) * time.Hour)
		base = uc.Base{Profile: uc.ProfileID(11 + i), Until: until, Before: beneath(base, until)}
	}
	if n := depth(&base); n > maxBefore+1 {
		t.Errorf("%d choices lie beneath each other", n)
	}
	b := &base
	for b.Before != nil {
		if !b.Before.Until.IsZero() && !b.Before.Until.After(b.Until) {
			t.Errorf("a choice until %v lies beneath one until %v", b.Before.Until, b.Until)
		}
		b = b.Before
	}
	if b.Profile != 10 {
		t.Errorf("at the bottom lies %d", b.Profile)
	}
}
