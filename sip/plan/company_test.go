package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

// The company of the stories. Anna has a desk phone, a softphone and a mobile, the others a desk phone
// each; Reception is a location with a lobby phone. Everything is registered unless a story says otherwise.
const (
	anna uc.UserID = iota + 1
	ben
	cleo
	dora
)

const (
	annaDesk uc.DeviceID = iota + 1
	annaSoft
	annaMobile
	annaFax
	benDesk
	cleoDesk
	doraDesk
	lobby
)

const (
	support   uc.TeamID     = 1
	reception uc.LocationID = 1
)

func company() *uc.Tables {
	t := &uc.Tables{
		Users: []uc.User{
			{ID: anna, Login: "anna", Name: "Anna", Ext: "12"},
			{ID: ben, Login: "ben", Name: "Ben", Ext: "34"},
			{ID: cleo, Login: "cleo", Name: "Cleo", Ext: "56"},
			{ID: dora, Login: "dora", Name: "Dora", Ext: "78"},
		},
		Devices: []uc.Device{
			{ID: annaDesk, Name: "Desk phone", Kind: uc.DeviceDesk},
			{ID: annaSoft, Name: "Softphone", Kind: uc.DeviceSoftphone},
			{ID: annaMobile, Name: "Mobile", Kind: uc.DeviceMobile, Number: "+4917012"},
			{ID: annaFax, Name: "Fax", Kind: uc.DeviceFax},
			{ID: benDesk, Name: "Desk phone", Kind: uc.DeviceDesk},
			{ID: cleoDesk, Name: "Desk phone", Kind: uc.DeviceDesk},
			{ID: doraDesk, Name: "Desk phone", Kind: uc.DeviceDesk},
			{ID: lobby, Name: "Lobby phone", Kind: uc.DeviceDesk},
		},
		Locations: []uc.Location{{ID: reception, Name: "Reception"}},
		Teams: []uc.Team{{ID: support, Name: "Support", Ext: "80", Prefix: "Support:", Strategy: uc.RingAll,
			MemberTimeout: 15}},
		Members: []uc.Member{
			{ID: 1, Team: support, User: anna, Static: true},
			{ID: 2, Team: support, User: ben, LoggedIn: true},
			{ID: 3, Team: support, User: cleo, SetBy: "cleo over xmpp, 2026-03-02 08:00"},
		},
		Roles: []uc.Role{
			{ID: uc.RoleAll, Title: "All", AutoUsers: true},
			{ID: 2, Title: "Management", Types: []uc.RoleType{uc.TypeRedirectChoice}, Users: []uc.UserID{dora}},
		},
		Phonebook: []uc.PhonebookEntry{{ID: 1, Name: "Miller & Co", Numbers: []string{"0891234"}}},
	}
	for device, user := range []uc.UserID{anna, anna, anna, anna, ben, cleo, dora} {
		ring := uc.DefaultRing
		t.Assignments = append(t.Assignments, uc.Assignment{ID: uc.AssignmentID(device + 1), Device: uc.DeviceID(device + 1),
			User: user, Internal: ring, External: ring, Queue: ring})
	}
	t.Assignments = append(t.Assignments, uc.Assignment{ID: 8, Device: lobby, Location: reception,
		Internal: uc.DefaultRing, External: uc.DefaultRing, Queue: uc.DefaultRing})
	return t
}

// fact is one thing that a story presumes.
type fact func(t *uc.Tables, l *state)

func ring(d uc.DeviceID, c uc.Class, r uc.Ring) fact {
	return func(t *uc.Tables, _ *state) { t.Assignments[d-1].SetRing(c, r) }
}

func off(d uc.DeviceID, c uc.Class, by string) fact {
	return ring(d, c, uc.Ring{Timeout: 999, SetBy: by})
}

// onlyDesk leaves Anna her desk phone alone.
func onlyDesk(t *uc.Tables, l *state) { unregistered(annaSoft, annaMobile)(t, l) }

func forward(u uc.UserID, kind uc.ForwardKind, class uc.ForwardClass, target string) fact {
	return func(t *uc.Tables, _ *state) {
		t.Forwardings = append(t.Forwardings, uc.Forwarding{ID: uc.ForwardingID(len(t.Forwardings) + 1), User: u, Kind: kind,
			Class: class, Target: target, Active: true, SetBy: "profile Meeting, 2026-03-02 10:02"})
	}
}

func flow(l uc.FlowLine) fact {
	return func(t *uc.Tables, _ *state) {
		l.ID = uc.FlowLineID(len(t.FlowLines) + 1)
		l.Position = int(l.ID)
		t.FlowLines = append(t.FlowLines, l)
	}
}

func user(u uc.UserID, change func(*uc.User)) fact {
	return func(t *uc.Tables, _ *state) { change(&t.Users[u-1]) }
}

func waiting(u uc.UserID) fact { return user(u, func(u *uc.User) { u.CallWaiting = true }) }

func switches(s uc.UserState) fact {
	return func(t *uc.Tables, _ *state) { t.UserStates = append(t.UserStates, s) }
}

func team(change func(*uc.Team)) fact {
	return func(t *uc.Tables, _ *state) { change(&t.Teams[0]) }
}

func member(id uc.MemberID, change func(*uc.Member)) fact {
	return func(t *uc.Tables, _ *state) { change(&t.Members[id-1]) }
}

func unregistered(ids ...uc.DeviceID) fact {
	return func(_ *uc.Tables, l *state) {
		for _, id := range ids {
			l.gone[id] = true
		}
	}
}

func inCall(u uc.UserID, d uc.DeviceID) fact {
	return func(_ *uc.Tables, l *state) { l.users[u]++; l.devices[d]++ }
}

// did is what a member did for the team: calls today, and how long ago the last one was.
func did(u uc.UserID, calls int, ago time.Duration) fact {
	return func(_ *uc.Tables, l *state) {
		l.records[u] = uc.AgentRecord{Answered: calls, LastAnswer: now.Add(-ago - time.Minute), LastEnd: now.Add(-ago)}
	}
}

func ringing(d uc.DeviceID) fact {
	return func(_ *uc.Tables, l *state) { l.devices[d]++ }
}

// state is the live state of a story.
type state struct {
	gone    map[uc.DeviceID]bool
	devices map[uc.DeviceID]int
	users   map[uc.UserID]int
	records map[uc.UserID]uc.AgentRecord
}

func newState() *state {
	return &state{map[uc.DeviceID]bool{}, map[uc.DeviceID]int{}, map[uc.UserID]int{}, map[uc.UserID]uc.AgentRecord{}}
}

func (s *state) Registered(d uc.DeviceID) bool { return !s.gone[d] }
func (s *state) DeviceCalls(d uc.DeviceID) int { return s.devices[d] }
func (s *state) UserCalls(u uc.UserID) int     { return s.users[u] }

func (s *state) AgentRecord(_ uc.TeamID, u uc.UserID) uc.AgentRecord { return s.records[u] }

// from is a caller of ours at their desk, or somebody outside.
func from(u uc.UserID) uc.Party {
	desk := map[uc.UserID]uc.DeviceID{anna: annaDesk, ben: benDesk, cleo: cleoDesk, dora: doraDesk}[u]
	ext := map[uc.UserID]string{anna: "12", ben: "34", cleo: "56", dora: "78"}[u]
	return uc.Party{User: u, Device: desk, Number: ext}
}

func outsider(number string) uc.Party { return uc.Party{Number: number} }

// brief writes what a plan comes to: "ring 1:0+999 3:5+20 (999 s)", "ring 3:0+20 via +49… (20 s)" or
// "486 Busy Here".
func brief(p uc.Plan) string {
	if p.Outcome == uc.OutcomeReject {
		return fmt.Sprintf("%d %s", p.Status, p.Cause)
	}
	var b strings.Builder
	b.WriteString(string(p.Outcome))
	for _, r := range p.Branches {
		fmt.Fprintf(&b, " %d:%d+%d", r.Device, r.Delay, r.Timeout)
		if r.Number != "" {
			b.WriteString(" via " + r.Number)
		}
	}
	fmt.Fprintf(&b, " (%d s)", p.Ring)
	return b.String()
}

// said reports whether a plan has a line, written "step: text (because)".
func said(p uc.Plan, line string) bool {
	return slices.ContainsFunc(p.Lines, func(l uc.PlanLine) bool { return told(l) == line })
}

func told(l uc.PlanLine) string { return l.Step + ": " + l.Text + " (" + l.Because + ")" }

func story(p uc.Plan) string {
	var b strings.Builder
	for _, l := range p.Lines {
		b.WriteString("\n\t" + told(l))
	}
	return b.String()
}

// now is when the stories of teams take place.
var now = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
