package directory_test

import (
	"strings"
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

func ptr[T any](v T) *T { return &v }

var off, on = uc.RingPatch{Enabled: ptr(false)}, uc.RingPatch{Enabled: ptr(true)}

func (c *company) self(user uc.UserID) uc.Actor {
	return uc.Actor{User: user, Name: c.Snapshot().Users.Get(user).Login, Via: "xmpp"}
}

func (c *company) profile(user uc.UserID) uc.Actor {
	return uc.Actor{User: user, Name: "profile Lunch", Via: "profile"}
}

// keys lists what was changed.
func keys(changes []uc.Change) string {
	var list []string
	for _, c := range changes {
		list = append(list, c.Key)
	}
	return strings.Join(list, " ")
}

// deskPhone gives Anna a desk phone, which is not user configurable.
func (c *company) deskPhone() uc.Assignment {
	c.t.Helper()
	dev := added(c.AddDevice(c.t.Context(), root, uc.Device{Name: "Desk phone", Kind: uc.DeviceDesk}))(c.t)
	return added(c.Assign(c.t.Context(), root, uc.Assignment{Device: dev.ID, User: c.anna}))(c.t)
}

func TestSetFollowMe(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	desk := c.deskPhone() // assignment 3, beside softphone 1 and mobile 2

	got := added(c.SetFollowMe(ctx, c.self(c.anna), c.anna, "kind:mobile", []uc.Class{uc.Queue}, off))(t)
	equal(t, "changes", got, []uc.Change{{
		Key: "followme:2:queue", Text: "Anna Adler, mobile, queue: on → off",
		Before: `{"enabled":true,"delay":0,"timeout":999}`, After: `{"enabled":false,"delay":0,"timeout":999}`,
	}})
	ring := c.Snapshot().Assignments.Get(2).Queue
	equal(t, "stamp", ring.SetBy, "anna over xmpp, 2026-03-02 09:30")

	version := c.Snapshot().Version
	equal(t, "again", added(c.SetFollowMe(ctx, root, c.anna, "kind:mobile", []uc.Class{uc.Queue}, off))(t), nil)
	equal(t, "version", c.Snapshot().Version, version)

	times := uc.RingPatch{Delay: ptr(5), Timeout: ptr(20)}
	got = added(c.SetFollowMe(ctx, root, c.anna, uc.DeviceSelect("device:1"), []uc.Class{uc.Internal}, times))(t)
	equal(t, "text", got[0].Text, "Anna Adler, softphone, internal: on → on after 5 s for 20 s")

	got = added(c.SetFollowMe(ctx, c.self(c.anna), c.anna, "all", nil, off))(t)
	equal(t, "by herself: what she may", keys(got),
		"followme:1:internal followme:1:external followme:1:queue followme:2:internal followme:2:external")
	equal(t, "her desk phone", c.Snapshot().Assignments.Get(desk.ID).Internal.Enabled, true)

	got = added(c.SetFollowMe(ctx, c.profile(c.anna), c.anna, "", nil, off))(t)
	equal(t, "by her profile: everything", keys(got), "followme:3:internal followme:3:external followme:3:queue")
	equal(t, "by an administrator", len(added(c.SetFollowMe(ctx, root, c.anna, "all", nil, on))(t)), 9)
}

func TestSetFollowMeRefusals(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	c.deskPhone()
	for _, test := range []struct {
		name    string
		user    uc.UserID
		sel     uc.DeviceSelect
		classes []uc.Class
		patch   uc.RingPatch
		kind    error
		field   string
	}{
		{"desk phone", c.anna, "device:3", nil, off, uc.ErrForbidden, ""},
		{"all desk phones", c.anna, "kind:desk", nil, off, uc.ErrForbidden, ""},
		{"another's device", c.anna, "device:9", nil, off, uc.ErrNotFound, ""},
		{"unknown user", 99, "all", nil, off, uc.ErrNotFound, ""},
		{"selector", c.anna, "some", nil, off, uc.ErrInvalid, "devices"},
		{"kind", c.anna, "kind:toaster", nil, off, uc.ErrInvalid, "devices"},
		{"device 0", c.anna, "device:0", nil, off, uc.ErrInvalid, "devices"},
		{"class", c.anna, "all", []uc.Class{"night"}, off, uc.ErrInvalid, "classes"},
		{"nothing", c.anna, "all", nil, uc.RingPatch{}, uc.ErrInvalid, "enabled"},
		{"delay", c.anna, "all", nil, uc.RingPatch{Delay: ptr(1000)}, uc.ErrInvalid, "delay"},
		{"timeout", c.anna, "all", nil, uc.RingPatch{Timeout: ptr(0)}, uc.ErrInvalid, "timeout"},
	} {
		_, err := c.SetFollowMe(ctx, c.self(c.anna), test.user, test.sel, test.classes, test.patch)
		refused(t, test.name, err, test.kind, test.field)
	}
	equal(t, "a user without devices", added(c.SetFollowMe(ctx, c.self(c.ben), c.ben, "all", nil, off))(t), nil)
}

func TestFollowMeAtTheWorkplace(t *testing.T) {
	c, loc, _, _ := busyCompany(t)
	ctx := t.Context()
	at := c.Snapshot().LocationAssignments(loc.ID)[0]
	added(c.SetFollowMe(ctx, c.profile(c.anna), c.anna, "all", nil, off))(t)
	equal(t, "the phone where she sits", c.Snapshot().Assignments.Get(at.ID).External.Enabled, false)
	added(c.UnsetWorkplace(ctx, root, c.anna))(t)
	added(c.SetFollowMe(ctx, c.profile(c.anna), c.anna, "all", nil, on))(t)
	equal(t, "after she left", c.Snapshot().Assignments.Get(at.ID).External.Enabled, false)
}

func TestVirtualFaxDoesNotFollow(t *testing.T) {
	c := newCompany(t)
	u := *c.Snapshot().Users.Get(c.ben)
	u.FaxExt = "834"
	ok(t, c.UpdateUser(t.Context(), root, u))
	equal(t, "switching all on", added(c.SetFollowMe(t.Context(), root, c.ben, "all", nil, on))(t), nil)
}

func TestGSMAndStatusText(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	got := added(c.SetGSM(ctx, c.profile(c.anna), c.anna, true))(t)
	equal(t, "changes", got, []uc.Change{{Key: "gsm:1", Before: "false", After: "true", Text: "GSM mode: off → on"}})
	equal(t, "again", added(c.SetGSM(ctx, root, c.anna, true))(t), nil)
	got = added(c.SetStatusText(ctx, root, c.anna, "  back at <2> "))(t)
	equal(t, "keys", keys(got), "text:1")
	state := c.Snapshot().State(c.anna)
	equal(t, "state", state, uc.UserState{User: c.anna, GSM: true, StatusText: "back at <2>", SetBy: "root over page, 2026-03-02 09:30"})
	_, err := c.SetStatusText(ctx, root, c.anna, "a\x00b")
	refused(t, "control character", err, uc.ErrInvalid, "text")
	_, err = c.SetGSM(ctx, root, 99, true)
	refused(t, "unknown user", err, uc.ErrNotFound, "")
}

// teams puts Anna into Support (dynamic, member 1) and Sales (static, member 2).
func (c *company) teams() (support, sales uc.TeamID) {
	c.t.Helper()
	ctx := c.t.Context()
	support = added(c.AddTeam(ctx, root, uc.Team{Name: "Support"}))(c.t).ID
	sales = added(c.AddTeam(ctx, root, uc.Team{Name: "Sales"}))(c.t).ID
	added(c.AddMember(ctx, root, uc.Member{Team: support, User: c.anna}))(c.t)
	added(c.AddMember(ctx, root, uc.Member{Team: sales, User: c.anna, Static: true}))(c.t)
	return support, sales
}

func TestTeamLogin(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	support, sales := c.teams()
	got := added(c.TeamLogin(ctx, c.self(c.anna), c.anna, 0))(t)
	equal(t, "all", got, []uc.Change{{Key: "login:1", Before: "false", After: "true", Text: "Support: logged out → logged in"}})
	equal(t, "again", added(c.TeamLogin(ctx, root, c.anna, support))(t), nil)
	_, err := c.TeamLogin(ctx, root, c.anna, sales)
	refused(t, "static member in", err, uc.ErrConflict, "")
	_, err = c.TeamLogout(ctx, root, c.anna, sales)
	refused(t, "static member out", err, uc.ErrConflict, "")
	_, err = c.TeamLogin(ctx, root, c.ben, support)
	refused(t, "no member", err, uc.ErrNotFound, "")
	_, err = c.TeamLogin(ctx, root, c.anna, 99)
	refused(t, "unknown team", err, uc.ErrNotFound, "")
	equal(t, "in no team", added(c.TeamLogin(ctx, root, c.ben, 0))(t), nil)
	equal(t, "out", keys(added(c.TeamLogout(ctx, root, c.anna, support))(t)), "login:1")
	equal(t, "logged in", c.Snapshot().Members.Get(1).LoggedIn, false)
}

func TestTeamPause(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	support, sales := c.teams()
	got := added(c.TeamPause(ctx, root, c.anna, 0, ""))(t)
	equal(t, "all, with the default reason", got[1], uc.Change{
		Key: "pause:2", Before: `{"paused":false}`, After: `{"paused":true,"reason":"Pause"}`, Text: "Sales: not paused → paused (Pause)"})
	equal(t, "again", added(c.TeamPause(ctx, root, c.anna, support, "Pause"))(t), nil)
	equal(t, "another reason", keys(added(c.TeamPause(ctx, root, c.anna, sales, "Lunch"))(t)), "pause:2")
	equal(t, "reason", c.Snapshot().Members.Get(2).Reason, "Lunch")
	equal(t, "end", keys(added(c.TeamUnpause(ctx, root, c.anna, 0))(t)), "pause:1 pause:2")
	equal(t, "after the end", [2]any{c.Snapshot().Members.Get(2).Paused, c.Snapshot().Members.Get(2).Reason}, [2]any{false, ""})
	equal(t, "end again", added(c.TeamUnpause(ctx, root, c.anna, support))(t), nil)
}

func TestWorkplace(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	one := added(c.AddLocation(ctx, root, uc.Location{Name: "Desk 1"}))(t).ID
	two := added(c.AddLocation(ctx, root, uc.Location{Name: "Desk 2", Users: []uc.UserID{c.ben}}))(t).ID
	got := added(c.SetWorkplace(ctx, c.self(c.anna), c.anna, one))(t)
	equal(t, "changes", got, []uc.Change{{Key: "workplace:1", Before: "0", After: "1", Text: "Workplace of Anna Adler: none → Desk 1"}})
	equal(t, "again", added(c.SetWorkplace(ctx, root, c.anna, one))(t), nil)
	equal(t, "who is there", c.Snapshot().LocationUser(one), c.anna)

	added(c.SetWorkplace(ctx, root, c.ben, two))(t)
	c.drain()
	got = added(c.SetWorkplace(ctx, c.self(c.ben), c.ben, one))(t)
	equal(t, "changes", keys(got), "workplace:1 workplace:2")
	equal(t, "told to whom was thrown out", got[0].Text, "Workplace of Anna Adler: Desk 1 → none (Ben Bauer logged in there)")
	s := c.Snapshot()
	equal(t, "places", [3]any{s.LocationUser(one), s.LocationUser(two), s.State(c.anna).Workplace}, [3]any{c.ben, uc.UserID(0), uc.LocationID(0)})
	equal(t, "one event for both", len(c.drain()), 1)

	_, err := c.SetWorkplace(ctx, root, c.anna, two)
	refused(t, "reserved", err, uc.ErrForbidden, "")
	_, err = c.SetWorkplace(ctx, root, c.anna, 99)
	refused(t, "unknown", err, uc.ErrNotFound, "")
	equal(t, "out", keys(added(c.UnsetWorkplace(ctx, root, c.ben))(t)), "workplace:2")
	equal(t, "out again", added(c.UnsetWorkplace(ctx, root, c.ben))(t), nil)

	added(c.AddRole(ctx, root, uc.Role{Title: "Seats", Types: []uc.RoleType{uc.TypeLocationGroup}, Users: []uc.UserID{c.ben}, Locations: []uc.LocationID{one}}))(t)
	_, err = c.SetWorkplace(ctx, root, c.anna, one)
	refused(t, "without the role", err, uc.ErrForbidden, "")
	added(c.SetWorkplace(ctx, root, c.ben, one))(t)
}

// forwardings lists a user's active forwardings.
func (c *company) forwardings(user uc.UserID) string {
	var list []string
	for _, f := range c.Snapshot().UserForwardings(user) {
		if f.Active {
			list = append(list, string(f.Kind)+"/"+string(f.Class)+">"+f.Target)
		}
	}
	return strings.Join(list, " ")
}

func TestForwardingSwitches(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	set := func(kind uc.ForwardKind, class uc.ForwardClass, target, want string) []uc.Change {
		t.Helper()
		got := added(c.SetForwarding(ctx, c.self(c.anna), c.anna, kind, class, target))(t)
		equal(t, "set "+string(kind)+" "+string(class), c.forwardings(c.anna), want)
		return got
	}
	unset := func(kind uc.ForwardKind, class uc.ForwardClass, want string) []uc.Change {
		t.Helper()
		got := added(c.UnsetForwarding(ctx, c.self(c.anna), c.anna, kind, class))(t)
		equal(t, "unset "+string(kind)+" "+string(class), c.forwardings(c.anna), want)
		return got
	}
	got := set("", "", "34", "always/both>34")
	equal(t, "changes", got, []uc.Change{{Key: "forwarding:1:always:both", Before: "null", After: `{"target":"34","active":true}`,
		Text: "Forwarding of Anna Adler, always, both calls: off → to 34"}})
	equal(t, "again", set("", "", "34", "always/both>34"), nil)
	set(uc.ForwardAlways, uc.ForwardInternal, "70", "always/both>34 always/internal>70")
	set(uc.ForwardAlways, uc.ForwardBoth, "71", "always/both>71")
	set(uc.ForwardBusy, uc.ForwardExternal, "*102", "always/both>71 busy/external>*102")
	unset(uc.ForwardAlways, uc.ForwardInternal, "busy/external>*102 always/external>71")
	equal(t, "again", unset(uc.ForwardAlways, uc.ForwardInternal, "busy/external>*102 always/external>71"), nil)
	unset("", "", "busy/external>*102")
	set("", "", "", "always/both>71 busy/external>*102") // the last target
	unset(uc.ForwardBusy, uc.ForwardBoth, "always/both>71")

	for _, test := range []struct {
		name   string
		user   uc.UserID
		kind   uc.ForwardKind
		class  uc.ForwardClass
		target string
		field  string
	}{
		{"no target yet", c.anna, uc.ForwardNoAnswer, "", "", "target"},
		{"bad target", c.anna, "", "", "Ben", "target"},
		{"to herself", c.anna, "", "", "12", "target"},
		{"kind", c.anna, "never", "", "34", "kind"},
		{"class", c.anna, "", "queue", "34", "class"},
		{"unknown user", 99, "", "", "34", "user"},
	} {
		_, err := c.SetForwarding(ctx, root, test.user, test.kind, test.class, test.target)
		refused(t, test.name, err, uc.ErrInvalid, test.field)
	}
	_, err := c.UnsetForwarding(ctx, root, c.anna, "never", "")
	refused(t, "unset kind", err, uc.ErrInvalid, "kind")
}

func TestRevertPutsEverythingBack(t *testing.T) {
	c, loc, team, _ := busyCompany(t)
	ctx := t.Context()
	before := c.Snapshot()
	by := c.profile(c.anna)
	var changes []uc.Change
	add := func(list []uc.Change, err error) {
		t.Helper()
		ok(t, err)
		if len(list) == 0 {
			t.Error("a command changed nothing")
		}
		changes = append(changes, list...)
	}
	add(c.SetFollowMe(ctx, by, c.anna, "all", nil, off))
	add(c.SetFollowMe(ctx, by, c.anna, "kind:mobile", []uc.Class{uc.Internal}, uc.RingPatch{Delay: ptr(7), Enabled: ptr(true)}))
	add(c.SetGSM(ctx, by, c.anna, true))
	add(c.SetStatusText(ctx, by, c.anna, "busy"))
	add(c.TeamLogin(ctx, by, c.anna, team.ID))
	add(c.TeamPause(ctx, by, c.anna, 0, "Lunch"))
	add(c.SetWorkplace(ctx, by, c.ben, loc.ID)) // throws Anna out
	add(c.SetForwarding(ctx, by, c.anna, uc.ForwardAlways, uc.ForwardBoth, "70"))
	add(c.SetForwarding(ctx, by, c.anna, uc.ForwardBusy, uc.ForwardInternal, "70"))

	undone := added(c.Revert(ctx, by, changes))(t)
	equal(t, "values put back", len(undone), len(changes))
	equal(t, "switches", switches(c.Snapshot()), switches(before))
	equal(t, "a second time", added(c.Revert(ctx, by, changes))(t), nil)
	wantReloaded(t, c)
}

func TestRevertLeavesWhatOthersChanged(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	support, _ := c.teams()
	one := added(c.AddLocation(ctx, root, uc.Location{Name: "Desk 1"}))(t).ID
	added(c.SetWorkplace(ctx, root, c.anna, one))(t)
	by := c.profile(c.anna)
	var changes []uc.Change
	for _, list := range [][]uc.Change{
		added(c.SetFollowMe(ctx, by, c.anna, "kind:mobile", []uc.Class{uc.Internal, uc.Queue}, off))(t),
		added(c.SetStatusText(ctx, by, c.anna, "lunch"))(t),
		added(c.TeamPause(ctx, by, c.anna, support, "Lunch"))(t),
		added(c.UnsetWorkplace(ctx, by, c.anna))(t),
		added(c.SetForwarding(ctx, by, c.anna, "", "", "34"))(t),
		added(c.SetGSM(ctx, by, c.anna, true))(t),
	} {
		changes = append(changes, list...)
	}
	added(c.SetFollowMe(ctx, root, c.anna, "kind:mobile", []uc.Class{uc.Queue}, uc.RingPatch{Delay: ptr(3)}))(t)
	added(c.SetStatusText(ctx, root, c.anna, "gone"))(t)
	added(c.TeamPause(ctx, root, c.anna, support, "Meeting"))(t)
	added(c.SetWorkplace(ctx, root, c.ben, one))(t) // the place is taken now
	added(c.SetForwarding(ctx, root, c.anna, "", "", "35"))(t)
	added(c.SetGSM(ctx, root, c.anna, false))(t)
	added(c.SetGSM(ctx, root, c.anna, true))(t) // who set it does not matter, only the value

	got := added(c.Revert(ctx, by, changes))(t)
	equal(t, "values put back", keys(got), "gsm:1 followme:2:internal")
	s := c.Snapshot()
	equal(t, "text", s.State(c.anna).StatusText, "gone")
	equal(t, "place", s.LocationUser(one), c.ben)
	equal(t, "forwarding", c.forwardings(c.anna), "always/both>35")
}

func TestRevertOfWhatIsGone(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	support, _ := c.teams()
	var changes []uc.Change
	for _, list := range [][]uc.Change{
		added(c.SetFollowMe(ctx, root, c.anna, "all", nil, off))(t), added(c.SetGSM(ctx, root, c.anna, true))(t),
		added(c.TeamLogin(ctx, root, c.anna, support))(t), added(c.TeamPause(ctx, root, c.anna, 0, ""))(t),
		added(c.SetStatusText(ctx, root, c.anna, "x"))(t), added(c.SetForwarding(ctx, root, c.anna, "", "", "34"))(t),
	} {
		changes = append(changes, list...)
	}
	ok(t, c.Delete(ctx, root, uc.Ref{Kind: uc.KindUser, ID: int64(c.anna)}))
	equal(t, "values put back", added(c.Revert(ctx, root, changes))(t), nil)
	for _, bad := range []uc.Change{{}, {Key: "mood:1"}, {Key: "gsm:x", Before: "true", After: "false"}} {
		_, err := c.Revert(ctx, root, []uc.Change{bad})
		refused(t, "key "+bad.Key, err, uc.ErrInvalid, "")
	}
	if _, err := c.Revert(ctx, root, []uc.Change{{Key: "gsm:1", Before: "maybe", After: "true"}}); err == nil {
		t.Error("a value that is no JSON was accepted")
	}
}

// switches lists the values of all live switches without who set them. A row that holds the zero state
// counts like none.
func switches(d *uc.Directory) map[uc.Ref]any {
	all := tables(d)
	for ref, row := range all {
		switch v := row.(type) {
		case uc.UserState:
			if v.SetBy = ""; v == (uc.UserState{User: v.User}) {
				delete(all, ref)
				continue
			}
			all[ref] = v
		case uc.Assignment:
			v.Internal.SetBy, v.External.SetBy, v.Queue.SetBy = "", "", ""
			all[ref] = v
		case uc.Member:
			v.SetBy = ""
			all[ref] = v
		case uc.Forwarding:
			v.SetBy = ""
			all[ref] = v
		}
	}
	return all
}

func TestClientDND(t *testing.T) {
	ctx := t.Context()
	c := newCompany(t)
	var version uint64
	for range 2 { // the second time it changes nothing
		if err := c.SetClientDND(ctx, root, c.anna, true); err != nil {
			t.Fatal(err)
		}
		if version == 0 {
			version = c.Snapshot().Version
		}
	}
	equal(t, "setting", c.Snapshot().Users.Get(c.anna).ClientDND, true)
	equal(t, "version", c.Snapshot().Version, version)
	refused(t, "nobody", c.SetClientDND(ctx, root, 99, true), uc.ErrNotFound, "")
}
