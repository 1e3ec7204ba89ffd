package uc

import (
	"fmt"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// An edited snapshot must answer like one made from scratch, and the one it came from must stay as it was.
func TestEditedDirectoryEqualsRebuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDirectory(0, Tables{})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			before := answers(d)
			next := d.With(drawChange(t))
			if got := answers(d); !reflect.DeepEqual(got, before) {
				t.Fatal("a change reached the snapshot it started from")
			}
			rebuilt := NewDirectory(next.Version, rows(next))
			if got, want := answers(next), answers(rebuilt); !reflect.DeepEqual(got, want) {
				t.Fatalf("edited %v\nrebuilt %v", got, want)
			}
			d = next
		}
	})
}

func drawChange(t *rapid.T) ChangeSet {
	var c ChangeSet
	id := func(label string) int64 { return rapid.Int64Range(1, 4).Draw(t, label) }
	switch rapid.IntRange(0, 11).Draw(t, "what") {
	case 0:
		i := id("user")
		name := func() string {
			return string(rune('a'+i)) + rapid.StringOfN(rapid.RuneFrom([]rune("xy")), 0, 1, -1).Draw(t, "name")
		}
		u := User{ID: UserID(i), Login: name(), Ext: name(), Auth: rapid.SampledFrom([]Auth{AuthLocal, AuthLDAP}).Draw(t, "auth")}
		u.Password = keysFor(HashSet(rapid.Uint8Range(0, uint8(AllHashes)).Draw(t, "hashes")), "x")
		c.Put.Users = []User{u}
	case 1:
		c.Put.Assignments = []Assignment{{ID: AssignmentID(id("assignment")), User: UserID(id("user")), Device: DeviceID(id("device"))}}
	case 2:
		c.Put.Roles = []Role{{ID: RoleID(id("role")), AutoUsers: rapid.Bool().Draw(t, "auto"), Users: []UserID{UserID(id("user"))},
			Types: []RoleType{rapid.SampledFrom(RoleTypes).Draw(t, "type")}}}
	case 3:
		c.Put.Members = []Member{{ID: MemberID(id("member")), User: UserID(id("user")), Team: TeamID(id("team"))}}
	case 4:
		c.Put.Forwardings = []Forwarding{{ID: ForwardingID(id("forwarding")), User: UserID(id("user"))}}
	case 5:
		c.Put.Teams = []Team{{ID: TeamID(id("team")), Ext: "9"}}
	case 6:
		c.Delete = []Ref{{KindUser, id("user")}, {KindRole, id("role")}}
	case 7:
		c.Delete = []Ref{{KindAssignment, id("assignment")}, {KindMember, id("member")}, {KindForwarding, id("forwarding")}}
	case 8:
		c.Put.UserStates = []UserState{{User: UserID(id("user")), Workplace: LocationID(id("location") - 1)}}
	case 9:
		p := Profile{ID: ProfileID(id("profile")), Name: "p", Assigned: rapid.SampledFrom([]Assigned{AssignedSystem, AssignedAdmin, AssignedPersonal}).Draw(t, "assigned")}
		if p.Assigned == AssignedPersonal {
			p.Owner = UserID(id("user"))
		} else if rapid.Bool().Draw(t, "narrowed") {
			p.Roles = []RoleID{RoleID(id("role"))}
		}
		c.Put.Profiles = []Profile{p}
	case 10:
		n := rapid.SliceOfN(rapid.SampledFrom([]string{"1", "2", "3"}), 0, 3).Draw(t, "numbers")
		i := id("entry")
		c.Put.Phonebook = []PhonebookEntry{{ID: PhonebookID(i), Name: fmt.Sprint("entry ", i), Numbers: n, Owner: UserID(rapid.Int64Range(0, 1).Draw(t, "owner"))}}
	case 11:
		c.Delete = []Ref{{KindUserState, id("user")}, {KindProfile, id("profile")}, {KindPhonebook, id("entry")}}
	}
	return c
}

func rows(d *Directory) Tables {
	return Tables{Users: values(&d.Users), Assignments: values(&d.Assignments), Roles: values(&d.Roles),
		Members: values(&d.Members), Forwardings: values(&d.Forwardings), Teams: values(&d.Teams),
		UserStates: values(&d.UserStates), Profiles: values(&d.Profiles), Phonebook: values(&d.Phonebook)}
}

func values[K ~int64, V any](t *Table[K, V]) []V {
	var list []V
	for _, id := range sortedKeys(t) {
		list = append(list, *t.Get(id))
	}
	return list
}

func answers(d *Directory) map[string]any {
	m := map[string]any{}
	for _, id := range sortedKeys(&d.Users) {
		u := d.Users.Get(id)
		var roles []RoleID
		for _, r := range d.UserRoles(id) {
			roles = append(roles, r.ID)
		}
		m["roles "+u.Login] = roles
		m["assignments "+u.Login] = deref(d.UserAssignments(id))
		m["memberships "+u.Login] = deref(d.Memberships(id))
		m["forwardings "+u.Login] = deref(d.UserForwardings(id))
		m["login "+u.Login] = d.UserByLogin(u.Login).ID
		for _, former := range []string{"x", "y"} { // names that the user may have had
			m["login "+u.Login[:1]+former] = d.UserByLogin(u.Login[:1]+former) != nil
			_, m["ext "+u.Login[:1]+former] = d.ByExt(u.Login[:1] + former)
		}
		m["ext "+u.Ext], _ = d.ByExt(u.Ext)
		m["supervisor "+u.Login] = d.HasType(id, TypeSupervisor)
		m["offered "+u.Login] = deref(d.Offered(id))
	}
	for l := LocationID(0); l < 5; l++ {
		m[fmt.Sprint("at ", l)] = d.LocationUser(l)
	}
	m["hashes"] = d.Hashes()
	for _, number := range []string{"", "1", "2", "3"} {
		m["name of "+number] = d.NameOf(number)
		m["entries of "+number] = deref(d.PhonebookByNumber(number))
	}
	return m
}

// The indexes answer what a look at every row does.
func TestIndexesMissNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := NewDirectory(0, Tables{})
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			d = d.With(drawChange(t))
		}
		for _, s := range values(&d.UserStates) {
			if at := d.LocationUser(s.Workplace); (at == 0) != (s.Workplace == 0) || at != 0 && d.State(at).Workplace != s.Workplace {
				t.Fatalf("at location %d is %d", s.Workplace, at)
			}
		}
		for _, u := range sortedKeys(&d.Users) {
			offered := map[ProfileID]bool{}
			for _, p := range d.Offered(u) {
				offered[p.ID] = true
			}
			for _, p := range values(&d.Profiles) {
				if offered[p.ID] != d.MayUseProfile(u, &p) {
					t.Fatalf("profile %+v offered to %d: %v", p, u, offered[p.ID])
				}
			}
		}
		var census HashCensus
		for _, u := range values(&d.Users) {
			if u.Auth == AuthLocal {
				census[u.Password.Hashes()]++
			}
		}
		if d.Hashes() != census {
			t.Fatalf("users by hashes %v, counted %v", d.Hashes(), census)
		}
		for _, e := range values(&d.Phonebook) {
			for _, number := range e.Numbers {
				if !slices.ContainsFunc(d.PhonebookByNumber(number), func(found *PhonebookEntry) bool { return found.ID == e.ID }) {
					t.Fatalf("%+v is not found by %s", e, number)
				}
			}
		}
	})
}

func deref[V any](list []*V) []V {
	out := make([]V, 0, len(list))
	for _, v := range list {
		out = append(out, *v)
	}
	return out
}

func TestMayUseLocationIsOpenUntilUsed(t *testing.T) {
	d := NewDirectory(1, Tables{
		Users:     []User{{ID: 1, Login: "anna"}, {ID: 2, Login: "ben"}},
		Locations: []Location{{ID: 1, Name: "Desk 7"}},
		Roles:     []Role{{ID: RoleAll, AutoUsers: true}},
	})
	if ok, why := d.MayUseLocation(2, 1); !ok {
		t.Fatalf("no role has location.group, yet Ben is refused: %s", why)
	}
	d = d.With(ChangeSet{Put: Tables{Roles: []Role{{ID: 2, Types: []RoleType{TypeLocationGroup}, Users: []UserID{1}, Locations: []LocationID{1}}}}})
	if ok, _ := d.MayUseLocation(1, 1); !ok {
		t.Error("Anna shares the role with the location and is refused")
	}
	if ok, _ := d.MayUseLocation(2, 1); ok {
		t.Error("Ben is in no role with location.group and is let in")
	}
}

func TestOffered(t *testing.T) {
	d := NewDirectory(1, Tables{
		Users: []User{{ID: 1, Login: "anna"}, {ID: 2, Login: "ben"}},
		Roles: []Role{{ID: RoleAll, AutoUsers: true}, {ID: 2, Users: []UserID{1}, Types: []RoleType{TypePersonal}}},
		Profiles: []Profile{
			{ID: ProfileAvailable, Name: "Available", Assigned: AssignedSystem}, {ID: ProfileDND, Name: "DND", Assigned: AssignedSystem},
			{ID: 3, Name: "Lunch", Assigned: AssignedAdmin}, {ID: 4, Name: "Boss", Assigned: AssignedAdmin, Roles: []RoleID{2}},
			{ID: 5, Name: "Mine", Assigned: AssignedPersonal, Owner: 1}, {ID: 6, Name: "His", Assigned: AssignedPersonal, Owner: 2},
		},
	})
	for u, want := range map[UserID][]string{1: {"Available", "DND", "Boss", "Lunch", "Mine"}, 2: {"Available", "DND", "Lunch"}} {
		var got []string
		for _, p := range d.Offered(u) {
			got = append(got, p.Name)
		}
		if !slices.Equal(got, want) {
			t.Errorf("user %d: offered %v, want %v", u, got, want)
		}
	}
}

func TestFloorCompose(t *testing.T) {
	for _, c := range []struct {
		floor    Floor
		show     Show
		status   string
		wantShow Show
		wantText string
	}{
		{Floor{Show: ShowAvailable}, ShowAvailable, "at my desk", ShowAvailable, "at my desk"},
		{Floor{Show: ShowAvailable}, ShowChat, "", ShowChat, ""},
		{Floor{Show: ShowAway, StatusText: "Lunch"}, ShowAvailable, "at my desk", ShowAway, "Lunch"},
		{Floor{Show: ShowAway, StatusText: "Lunch"}, ShowDND, "", ShowDND, "Lunch"},
		{Floor{Show: ShowDND, CallText: "On the phone", StatusText: "Lunch"}, ShowXA, "gone", ShowDND, "On the phone"},
	} {
		show, text := c.floor.Compose(c.show, c.status)
		if show != c.wantShow || text != c.wantText {
			t.Errorf("%+v over %v %q: %v %q, want %v %q", c.floor, c.show, c.status, show, text, c.wantShow, c.wantText)
		}
	}
}

// BenchmarkAddUser is one user more in a company of ten thousand.
func BenchmarkAddUser(b *testing.B) {
	var t Tables
	for i := UserID(1); i <= 10000; i++ {
		t.Users = append(t.Users, User{ID: i, Login: fmt.Sprint("u", i), Ext: fmt.Sprint(i + 10)})
	}
	t.Roles = []Role{{ID: RoleAll, AutoUsers: true}}
	d := NewDirectory(1, t)
	for b.Loop() {
		d.With(ChangeSet{Put: Tables{Users: []User{{ID: 10001, Login: "new", Ext: "99999"}}}})
	}
}
