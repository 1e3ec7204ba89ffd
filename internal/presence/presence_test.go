package presence

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/uc"
)

var (
	available = &uc.Profile{ID: uc.ProfileAvailable, Name: "Available", Show: uc.ShowAvailable}
	lunch     = &uc.Profile{ID: 3, Name: "Lunch", Show: uc.ShowAway, Text: "Out for lunch", Icon: "fork", IconVisible: true}
	dnd       = &uc.Profile{ID: uc.ProfileDND, Name: "DND", Show: uc.ShowDND, Icon: "hidden"}
)

func call(legs ...uc.Leg) uc.Call {
	return uc.Call{ID: "c1", State: uc.CallRinging, Legs: legs,
		Caller: uc.Party{Number: "13", Name: "Ben"}, Called: uc.Party{Number: "12"}}
}

func TestReduce(t *testing.T) {
	online := func(show uc.Show, status string) []uc.Resource {
		return []uc.Resource{{Name: "desk", Show: show, Status: status}}
	}
	for _, c := range []struct {
		story string
		facts Facts
		show  uc.Show
		text  string
		phone uc.PhoneState
	}{
		{"nobody there", Facts{Profile: available}, uc.ShowOffline, "", uc.PhoneUnreachable},
		{"nobody there, at lunch", Facts{Profile: lunch}, uc.ShowOffline, "", uc.PhoneUnreachable},
		{"only a phone", Facts{Profile: available, Registered: true}, uc.ShowAvailable, "", uc.PhoneFree},
		{"a client", Facts{Profile: available, Resources: online(uc.ShowAvailable, "hi")}, uc.ShowAvailable, "hi", uc.PhoneUnreachable},
		{"profile over client", Facts{Profile: lunch, Resources: online(uc.ShowAvailable, "hi")}, uc.ShowAway, "Out for lunch", uc.PhoneUnreachable},
		{"stricter client, profile's text", Facts{Profile: lunch, Resources: online(uc.ShowXA, "gone")}, uc.ShowXA, "Out for lunch", uc.PhoneUnreachable},
		{"text of an action over the profile's", Facts{Profile: lunch, Resources: online(uc.ShowAvailable, ""), Live: uc.UserState{StatusText: "Back at one"}}, uc.ShowAway, "Back at one", uc.PhoneUnreachable},
		{"one client away, one here", Facts{Profile: available, Resources: []uc.Resource{{Show: uc.ShowAway}, {Show: uc.ShowAvailable, Status: "here"}}}, uc.ShowAvailable, "here", uc.PhoneUnreachable},
		{"dnd at one client", Facts{Profile: available, Resources: []uc.Resource{{Show: uc.ShowChat}, {Show: uc.ShowDND, Status: "no"}}}, uc.ShowDND, "no", uc.PhoneUnreachable},
		{"ringing", Facts{User: 1, Profile: available, Registered: true, Calls: []uc.Call{call(uc.Leg{User: 1, State: uc.LegRinging})}}, uc.ShowAvailable, "", uc.PhoneRinging},
		{"on the phone at lunch", Facts{User: 1, Profile: lunch, Registered: true, Calls: []uc.Call{call(uc.Leg{User: 1, State: uc.LegAnswered})}}, uc.ShowDND, OnThePhone, uc.PhoneBusy},
		{"calling", Facts{User: 1, Profile: available, Registered: true, Calls: []uc.Call{call(uc.Leg{User: 1, Caller: true, State: uc.LegTrying})}}, uc.ShowDND, OnThePhone, uc.PhoneBusy},
		{"answered elsewhere", Facts{User: 1, Profile: available, Registered: true, Calls: []uc.Call{call(uc.Leg{User: 1, State: uc.LegEnded}, uc.Leg{User: 2, State: uc.LegAnswered})}}, uc.ShowAvailable, "", uc.PhoneFree},
		{"dnd by profile, phone only", Facts{Profile: dnd, Registered: true}, uc.ShowDND, "", uc.PhoneFree},
	} {
		p := Reduce(c.facts)
		if p.Show != c.show || p.Text != c.text || p.Phone != c.phone {
			t.Errorf("%s: %v %q, phone %s; want %v %q, %s", c.story, p.Show, p.Text, p.Phone, c.show, c.text, c.phone)
		}
	}
}

func TestReduceTellsTheOtherPartyAndHidesIcons(t *testing.T) {
	began := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	c := call(uc.Leg{User: 1, State: uc.LegAnswered}, uc.Leg{User: 2, Caller: true, State: uc.LegAnswered})
	c.Began, c.Answered = began, began.Add(5*time.Second)
	p := Reduce(Facts{User: 1, Profile: dnd, Calls: []uc.Call{c}})
	if p.Call == nil || p.Call.Peer != "Ben" || !p.Call.Since.Equal(c.Answered) {
		t.Errorf("the person called sees %+v, want Ben since the answer", p.Call)
	}
	if p := Reduce(Facts{User: 2, Profile: lunch, Calls: []uc.Call{c}}); p.Call.Peer != "12" || p.Profile.Icon != "fork" {
		t.Errorf("the caller sees %+v in %+v, want 12 and the icon", p.Call, p.Profile)
	}
	if p.Profile.Icon != "" {
		t.Error("an icon that is not visible is shown")
	}
}

// rig runs a reducer over hand-made sources in virtual time.
type rig struct {
	bus     *bus.Bus
	dir     *uc.Directory
	calls   []uc.Call
	reducer *Reducer
	busy    sync.Mutex // held to keep the reducer from reading on
}

func start(t *testing.T) *rig {
	r := &rig{bus: bus.New(), dir: uc.NewDirectory(1, uc.Tables{
		Users:       []uc.User{{ID: 1, Login: "anna"}, {ID: 2, Login: "ben"}},
		Profiles:    []uc.Profile{*available, *dnd, *lunch},
		Devices:     []uc.Device{{ID: 1}, {ID: 2}},
		Locations:   []uc.Location{{ID: 1}},
		Assignments: []uc.Assignment{{ID: 1, Device: 1, User: 1}, {ID: 2, Device: 2, Location: 1}},
	})}
	r.reducer = New(r.bus)
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() {
		_ = r.reducer.Run(ctx, Sources{
			Directory: func() *uc.Directory {
				r.busy.Lock()
				defer r.busy.Unlock()
				return r.dir
			},
			Profile:       func(u uc.UserID) uc.ProfileState { return uc.ProfileState{User: u, Effective: uc.ProfileAvailable} },
			Calls:         func() []uc.Call { return r.calls },
			Registrations: func() []uc.Registration { return nil },
			Resources:     func() map[uc.UserID][]uc.Resource { return map[uc.UserID][]uc.Resource{} },
		})
	}()
	synctest.Wait()
	return r
}

func (r *rig) change(c uc.ChangeSet) {
	before := r.dir
	r.dir = before.With(c)
	r.bus.Publish(uc.DirectoryChanged{Before: before, After: r.dir, Changes: c.Refs()})
}

func (r *rig) expect(t *testing.T, user uc.UserID, show uc.Show, phone uc.PhoneState) {
	t.Helper()
	synctest.Wait()
	if p := r.reducer.Get(user); p.Show != show || p.Phone != phone {
		t.Errorf("user %d: %v, phone %s; want %v, %s", user, p.Show, p.Phone, show, phone)
	}
}

func TestReducerFollowsADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		told := r.bus.Subscribe(100, uc.PresenceChanged{})
		r.expect(t, 1, uc.ShowOffline, uc.PhoneUnreachable)
		r.bus.Publish(uc.RegistrationChanged{Registration: uc.Registration{Device: 1, Contacts: 1}})
		r.expect(t, 1, uc.ShowAvailable, uc.PhoneFree)
		r.bus.Publish(uc.ResourcesChanged{User: 1, Resources: []uc.Resource{{Name: "a", Show: uc.ShowAway}}})
		r.expect(t, 1, uc.ShowAway, uc.PhoneFree)

		// Ben has no phone of his own; logged in at the location, that phone is his.
		r.bus.Publish(uc.RegistrationChanged{Registration: uc.Registration{Device: 2, Contacts: 1}})
		r.expect(t, 2, uc.ShowOffline, uc.PhoneUnreachable)
		r.change(uc.ChangeSet{Put: uc.Tables{UserStates: []uc.UserState{{User: 2, Workplace: 1}}}})
		r.expect(t, 2, uc.ShowAvailable, uc.PhoneFree)

		c := call(uc.Leg{User: 2, Caller: true, State: uc.LegAnswered}, uc.Leg{User: 1, State: uc.LegAnswered})
		r.bus.Publish(uc.CallChanged{Call: c})
		r.expect(t, 1, uc.ShowDND, uc.PhoneBusy)
		r.expect(t, 2, uc.ShowDND, uc.PhoneBusy)
		c.State = uc.CallEnded
		r.bus.Publish(uc.CallChanged{Call: c})
		r.expect(t, 1, uc.ShowAway, uc.PhoneFree)
		r.expect(t, 2, uc.ShowAvailable, uc.PhoneFree)

		r.bus.Publish(uc.ProfileSwitched{State: uc.ProfileState{User: 2, Effective: uc.ProfileDND}})
		r.expect(t, 2, uc.ShowDND, uc.PhoneFree)
		r.change(uc.ChangeSet{Delete: []uc.Ref{{Kind: uc.KindUser, ID: 2}}})
		r.expect(t, 2, uc.ShowOffline, uc.PhoneUnreachable)
		if n := len(r.reducer.All()); n != 1 {
			t.Errorf("%d presences after Ben was deleted, want Anna's alone", n)
		}

		versions := map[uc.UserID]uint64{}
		for e, _, ok := told.TryNext(); ok; e, _, ok = told.TryNext() {
			p := e.(uc.PresenceChanged).Presence
			if p.Version <= versions[p.User] {
				t.Errorf("user %d: version %d after %d", p.User, p.Version, versions[p.User])
			}
			versions[p.User] = p.Version
		}
		if len(versions) != 2 {
			t.Errorf("presence was told of %d users, want 2", len(versions))
		}
	})
}

func TestReducerIsSilentWhenNothingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		synctest.Wait()
		told := r.bus.Subscribe(10, uc.PresenceChanged{})
		r.bus.Publish(uc.RegistrationChanged{Registration: uc.Registration{Device: 1, Contacts: 0}})
		r.bus.Publish(uc.ResourcesChanged{User: 1, Resources: nil})
		synctest.Wait()
		if e, _, ok := told.TryNext(); ok {
			t.Errorf("told %+v although nothing changed", e)
		}
	})
}

func TestReducerReadsEverythingAnewAfterOverflow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t)
		r.calls = []uc.Call{call(uc.Leg{User: 1, State: uc.LegAnswered})}
		r.busy.Lock()
		for range queueLimit + 2 { // none of these says that Anna is in a call
			r.bus.Publish(uc.ProfileSwitched{State: uc.ProfileState{User: 2, Effective: uc.ProfileAvailable}})
		}
		r.busy.Unlock()
		r.expect(t, 1, uc.ShowDND, uc.PhoneBusy)
	})
}
