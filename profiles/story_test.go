package profiles

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The profiles that stories are told with, by name.
var cast = map[string]uc.Profile{
	"Office":        {ID: 10},
	"Home":          {ID: 11},
	"Focus":         {ID: 12, Sticky: true},
	"Early":         {ID: 13, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "08:00"}}},
	"Lunch":         {ID: 14, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00"}}},
	"Sport":         {ID: 15, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:30", End: "14:00"}}},
	"Exam":          {ID: 16, Sticky: true, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00"}}},
	"Closed":        {ID: 17, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:15"}}},
	"Meeting":       {ID: 18, Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}},
	"Quiet Meeting": {ID: 19, Sticky: true, Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}}},
	"Stage":         {ID: 20, Triggers: []uc.Trigger{{Kind: uc.TriggerTeams, Activities: []string{"presenting"}}}},
	"Weekly":        {ID: 21, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "09:00", End: "10:00", Weekdays: []time.Weekday{time.Tuesday}}}},
	"Night":         {ID: 22, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "22:00", End: "06:00"}}},
	"Vault":         {ID: 23, Sticky: true, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:15"}}},
	"Mine":          {ID: 24, Assigned: uc.AssignedPersonal, Owner: anna, Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:15"}}},
}

func profile(name string) uc.Profile {
	switch name {
	case "Available":
		return uc.Profile{ID: uc.ProfileAvailable}
	case "DND":
		return uc.Profile{ID: uc.ProfileDND}
	}
	p, ok := cast[name]
	if !ok {
		panic("no profile " + name)
	}
	p.Name = name
	if p.Assigned == "" {
		p.Assigned = uc.AssignedAdmin
	}
	return p
}

// A story tells of one Monday in Berlin. Each line is "time, event → profile: reason"; without an event
// the time alone passes. It begins at 07:00 in Available.
type story struct {
	name  string
	offer string // the profiles that exist, separated by commas
	lines string
}

// silence is the story whose reason depends on when this process began to listen.
const silence = "Graph does not know for a while"

var stories = []story{
	{"nothing happens", "Office", `
		09:00 → Available: Available (nothing chosen yet)`},
	{"a choice by hand stays", "Office, Home", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		17:00 → Office: Office (chosen by hand 08:55)
		17:30 choose Home → Home: Home (chosen by hand 17:30)`},
	{"somebody else chooses", "Office", `
		08:55 boss chooses Office → Office: Office (chosen by hand 08:55 by boss over page)`},
	{"a choice runs out and the base before it returns", "Office, Home", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		10:00 choose Home until 11:30 → Home: Home (chosen by hand 10:00, until 11:30)
		11:29:59 → Home: Home (chosen by hand 10:00, until 11:30)
		11:30 → Office: Office (chosen by hand 08:55)`},
	{"choices that run out lie beneath each other", "Office, Home, Focus", `
		08:00 choose Office → Office: Office (chosen by hand 08:00)
		09:00 choose Home until 15:00 → Home: Home (chosen by hand 09:00, until 15:00)
		10:00 choose Focus until 11:00 → Focus: Focus (chosen by hand 10:00, until 11:00)
		11:00 → Home: Home (chosen by hand 09:00, until 15:00)
		15:00 → Office: Office (chosen by hand 08:00)`},
	{"what runs out beneath a later choice does not come back", "Office, Home, Focus", `
		08:00 choose Office → Office: Office (chosen by hand 08:00)
		09:00 choose Home until 10:30 → Home: Home (chosen by hand 09:00, until 10:30)
		10:00 choose Focus until 11:00 → Focus: Focus (chosen by hand 10:00, until 11:00)
		11:00 → Office: Office (chosen by hand 08:00)`},
	{"a timed switch sets the base", "Office, Early", `
		07:30 choose Office → Office: Office (chosen by hand 07:30)
		08:00 → Early: Early (timed switch 08:00)
		23:00 → Early: Early (timed switch 08:00)`},
	{"of two timed switches at once the user's own counts", "Closed, Mine", `
		12:15 → Mine: Mine (timed switch 12:15)`},
	{"a window begins and ends", "Office, Lunch", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		11:59:59 → Office: Office (chosen by hand 08:55)
		12:00 → Lunch: Lunch (window 12:00–13:00), over Office (chosen by hand 08:55)
		12:59:59 → Lunch: Lunch (window 12:00–13:00), over Office (chosen by hand 08:55)
		13:00 → Office: Office (chosen by hand 08:55)`},
	{"a window of another day stays shut", "Weekly", `
		09:30 → Available: Available (nothing chosen yet)`},
	{"a meeting begins and ends", "Office, Meeting", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		10:02 teams InACall → Meeting: Teams meeting since 10:02, over Office (chosen by hand 08:55)
		10:04 teams Presenting → Meeting: Teams meeting since 10:02, over Office (chosen by hand 08:55)
		10:05 teams Available → Meeting: Teams meeting since 10:02, over Office (chosen by hand 08:55)
		10:05:14 → Meeting: Teams meeting since 10:02, over Office (chosen by hand 08:55)
		10:05:15 → Office: Office (chosen by hand 08:55)`},
	{"a meeting flickers", "Meeting", `
		10:00 teams inacall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:01 teams Busy → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:01:10 teams InAConferenceCall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:01:40 → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:02 teams Away → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:02:10 teams Available → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:02:15 → Available: Available (nothing chosen yet)`},
	{"a meeting that is only in the calendar does not count", "Meeting", `
		10:00 teams InAMeeting → Available: Available (nothing chosen yet)`},
	{silence, "Meeting", `
		10:00 teams InACall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:01 teams PresenceUnknown → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:05:59 → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:06 → Meeting: Teams meeting since 10:00 (no news from Teams since 10:01), over Available (nothing chosen yet)
		10:30 teams InACall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:31 teams Available → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:31:15 → Available: Available (nothing chosen yet)`},
	{"two profiles for meetings, the later begun is on top", "Meeting, Stage", `
		10:00 teams InACall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:10 teams Presenting → Stage: Teams meeting since 10:10, over Teams meeting since 10:00, over Available (nothing chosen yet)
		10:20 teams InACall → Stage: Teams meeting since 10:10, over Teams meeting since 10:00, over Available (nothing chosen yet)
		10:20:15 → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)`},
	{"a timed switch that falls into a meeting counts when it ends", "Office, Closed, Meeting", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		12:10 teams InACall → Meeting: Teams meeting since 12:10, over Office (chosen by hand 08:55)
		12:15 → Meeting: Teams meeting since 12:10, over Closed (timed switch 12:15)
		12:20 teams Available → Meeting: Teams meeting since 12:10, over Closed (timed switch 12:15)
		12:20:15 → Closed: Closed (timed switch 12:15)`},
	{"Teams beats windows, whichever came first", "Lunch, Sport, Meeting", `
		12:10 teams InACall → Meeting: Teams meeting since 12:10, over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:30 → Meeting: Teams meeting since 12:10, over Sport (window 12:30–14:00), over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:50 teams Away → Meeting: Teams meeting since 12:10, over Sport (window 12:30–14:00), over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:50:15 → Sport: Sport (window 12:30–14:00), over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		13:00 → Sport: Sport (window 12:30–14:00), over Available (nothing chosen yet)
		14:00 → Available: Available (nothing chosen yet)`},
	{"a choice by hand ends the overlays that are on, not those to come", "Office, Lunch, Sport, Meeting", `
		12:10 teams InACall → Meeting: Teams meeting since 12:10, over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:20 choose Office → Office: Office (chosen by hand 12:20)
		12:29:59 → Office: Office (chosen by hand 12:20)
		12:30 → Sport: Sport (window 12:30–14:00), over Office (chosen by hand 12:20)
		12:40 teams Available → Sport: Sport (window 12:30–14:00), over Office (chosen by hand 12:20)
		12:41 teams InACall → Meeting: Teams meeting since 12:41, over Sport (window 12:30–14:00), over Office (chosen by hand 12:20)`},
	{"a choice in the moment of a flicker does not begin the meeting anew", "Office, Meeting", `
		10:00 teams InACall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:05 teams Busy → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:05:05 choose Office → Office: Office (chosen by hand 10:05)
		10:05:10 teams InACall → Office: Office (chosen by hand 10:05)
		10:30 teams Available → Office: Office (chosen by hand 10:05)
		10:40 teams InACall → Meeting: Teams meeting since 10:40, over Office (chosen by hand 10:05)`},
	{"choosing the profile that is in effect keeps it", "Office, Meeting", `
		10:00 teams InACall → Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:05 choose Meeting → Meeting: Meeting (chosen by hand 10:05)
		10:30 teams Available → Meeting: Meeting (chosen by hand 10:05)
		10:45 → Meeting: Meeting (chosen by hand 10:05)`},
	{"a sticky base drops what it holds off", "Focus, Lunch, Closed, Meeting", `
		11:50 choose Focus until 12:40 → Focus: Focus (chosen by hand 11:50, until 12:40)
		12:00 → Focus: Focus (chosen by hand 11:50, until 12:40)
		12:05 teams InACall → Focus: Focus (chosen by hand 11:50, until 12:40)
		12:15 → Focus: Focus (chosen by hand 11:50, until 12:40)
		12:40 → Available: Available (nothing chosen yet)
		12:50 teams Available → Available: Available (nothing chosen yet)
		12:55 teams InACall → Meeting: Teams meeting since 12:55, over Available (nothing chosen yet)`},
	{"a sticky base is left by hand", "Focus, Office", `
		09:00 choose Focus → Focus: Focus (chosen by hand 09:00)
		09:30 choose Office → Office: Office (chosen by hand 09:30)`},
	{"a sticky profile that came by the clock holds off as well", "Vault, Sport", `
		12:15 → Vault: Vault (timed switch 12:15)
		12:30 → Vault: Vault (timed switch 12:15)`},
	{"beneath a sticky meeting the base changes and shows when it ends", "Office, Closed, Quiet Meeting", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		12:10 teams InACall → Quiet Meeting: Teams meeting since 12:10, over Office (chosen by hand 08:55)
		12:15 → Quiet Meeting: Teams meeting since 12:10, over Closed (timed switch 12:15)
		12:30 teams Available → Quiet Meeting: Teams meeting since 12:10, over Closed (timed switch 12:15)
		12:30:15 → Closed: Closed (timed switch 12:15)`},
	{"a choice by hand wins over a sticky meeting", "Office, Quiet Meeting", `
		10:00 teams InACall → Quiet Meeting: Teams meeting since 10:00, over Available (nothing chosen yet)
		10:05 choose Office → Office: Office (chosen by hand 10:05)`},
	{"a window that begins during a sticky meeting lies beneath it", "Lunch, Quiet Meeting", `
		11:50 teams InACall → Quiet Meeting: Teams meeting since 11:50, over Available (nothing chosen yet)
		12:00 → Quiet Meeting: Teams meeting since 11:50, over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:30 teams Available → Quiet Meeting: Teams meeting since 11:50, over Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		12:30:15 → Lunch: Lunch (window 12:00–13:00), over Available (nothing chosen yet)`},
	{"a meeting does not replace a sticky window, and shows when that ends", "Exam, Sport, Meeting", `
		12:20 teams InACall → Exam: Exam (window 12:00–13:00), over Teams meeting since 12:20, over Available (nothing chosen yet)
		12:30 → Exam: Exam (window 12:00–13:00), over Teams meeting since 12:20, over Sport (window 12:30–14:00), over Available (nothing chosen yet)
		13:00 → Meeting: Teams meeting since 12:20, over Sport (window 12:30–14:00), over Available (nothing chosen yet)`},
	{"a profile that is deleted is left", "Office", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		10:15 delete Office → Available: Available (since 10:15 because Office was deleted)`},
	{"a profile that is no longer offered is left, and not taken up again", "Office", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		10:15 withdraw Office → Available: Available (since 10:15 because Office is no longer offered)
		10:20 offer Office → Available: Available (since 10:15 because Office is no longer offered)`},
	{"an overlay that is withdrawn leaves what lies beneath", "Office, Lunch", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		12:00 → Lunch: Lunch (window 12:00–13:00), over Office (chosen by hand 08:55)
		12:15 withdraw Lunch → Office: Office (chosen by hand 08:55)
		12:20 offer Lunch → Lunch: Lunch (window 12:00–13:00), over Office (chosen by hand 08:55)`},
	{"what would return is not offered any more", "Office, Home", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		09:00 choose Home until 10:00 → Home: Home (chosen by hand 09:00, until 10:00)
		09:30 withdraw Office → Home: Home (chosen by hand 09:00, until 10:00)
		10:00 → Available: Available (since 10:00 because Office is no longer offered)`},
	{"a timed trigger that is made after its time waits for tomorrow", "Office", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		12:20 offer Closed → Office: Office (chosen by hand 08:55)
		12:30 → Office: Office (chosen by hand 08:55)`},
	{"a window that is made while it is open begins at once", "Office, Sport", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		12:40 → Sport: Sport (window 12:30–14:00), over Office (chosen by hand 08:55)
		12:45 offer Lunch → Sport: Sport (window 12:30–14:00), over Lunch (window 12:00–13:00), over Office (chosen by hand 08:55)`},
	{"a switch by hand is undone", "Office, Home", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		10:00 choose Home → Home: Home (chosen by hand 10:00)
		10:05 undo → Office: Office (chosen by hand 08:55)`},
	{"a choice that threw an overlay off is undone", "Office, Lunch", `
		12:10 choose Office → Office: Office (chosen by hand 12:10)
		12:20 undo → Lunch: Lunch (window 12:00–13:00), over Available (nothing chosen yet)
		13:00 → Available: Available (nothing chosen yet)`},
	{"the beginning of a window is undone, the window stays away", "Lunch", `
		12:05 undo → Available: Available (nothing chosen yet)
		12:30 → Available: Available (nothing chosen yet)`},
	{"the end of a window is undone by a choice", "Lunch", `
		13:00 → Available: Available (nothing chosen yet)
		13:05 undo → Lunch: Lunch (switch undone 13:05)`},
	{"the end of a choice is undone, it now stays", "Office, Home", `
		08:55 choose Office → Office: Office (chosen by hand 08:55)
		09:00 choose Home until 10:00 → Home: Home (chosen by hand 09:00, until 10:00)
		10:01 → Office: Office (chosen by hand 08:55)
		10:02 undo → Home: Home (chosen by hand 09:00)`},
	{"the night is a window over midnight", "Night", `
		21:59:59 → Available: Available (nothing chosen yet)
		22:00 → Night: Night (window 22:00–06:00), over Available (nothing chosen yet)`},
}

// TestStories tells each story three times: as it is, with a restart after each line, and with the clock
// looked at once more after each line.
func TestStories(t *testing.T) {
	ways := map[string]func(*world){
		"straight":         func(*world) {},
		"with restarts":    func(w *world) { w.restart() },
		"with second look": func(w *world) { w.engine.everybody(); synctest.Wait() },
	}
	for _, s := range stories {
		for way, after := range ways {
			if s.name == silence && way == "with restarts" {
				continue
			}
			t.Run(s.name+"/"+way, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { s.tell(t, after) })
			})
		}
	}
}

func (s story) tell(t *testing.T, after func(*world)) {
	var profiles []uc.Profile
	for name := range strings.SplitSeq(s.offer, ", ") {
		profiles = append(profiles, profile(name))
	}
	w := newWorld(t, monday(t, 7, 0), profiles...)
	w.start()
	defer func() { w.stop() }()
	for line := range strings.SplitSeq(strings.TrimSpace(s.lines), "\n") {
		line = strings.TrimSpace(line)
		what, want, _ := strings.Cut(line, " → ")
		at, event, _ := strings.Cut(what, " ")
		w.until(clockOf(t, at))
		s.happen(w, event)
		st := w.engine.State(anna)
		if got := w.people.name(st.Effective) + ": " + st.Reason; got != want {
			t.Errorf("%s\n got %s", line, got)
		}
		after(w)
		if again := w.engine.State(anna); again.Reason != st.Reason || again.Effective != st.Effective {
			t.Errorf("%s\n looked at again: %s", line, again.Reason)
		}
	}
}

func (s story) happen(w *world, event string) {
	w.t.Helper()
	verb, what, _ := strings.Cut(event, " ")
	switch {
	case event == "":
	case verb == "teams":
		w.teams(what)
	case verb == "undo":
		if _, err := w.engine.Undo(w.t.Context(), anna, byAnna); err != nil {
			w.t.Errorf("undo: %v", err)
		}
	case verb == "delete":
		w.people.delete(profile(what).ID)
	case verb == "withdraw":
		p := profile(what)
		p.Roles = []uc.RoleID{99}
		w.people.put(p)
	case verb == "offer":
		w.people.put(profile(what))
	default:
		by := byAnna
		if verb == "boss" {
			by = uc.Actor{User: boss, Name: "boss", Via: "page"}
			what = strings.TrimPrefix(what, "chooses ")
		}
		name, until, _ := strings.Cut(what, " until ")
		req := uc.SwitchRequest{User: anna, Profile: profile(name).ID, By: by}
		if until != "" {
			req.Until = clockOf(w.t, until)
		}
		if _, err := w.engine.Switch(w.t.Context(), req); err != nil {
			w.t.Errorf("%s: %v", event, err)
		}
	}
	synctest.Wait()
}

// clockOf returns when a clock in Berlin shows "15:04" or "15:04:05" on the Monday of the stories.
func clockOf(t testing.TB, text string) time.Time {
	t.Helper()
	var h, m, s int
	if n, err := fmt.Sscanf(text+":0", "%d:%d:%d", &h, &m, &s); n < 3 {
		t.Fatalf("%q is no time: %v", text, err)
	}
	return monday(t, h, m).Add(time.Duration(s) * time.Second)
}
