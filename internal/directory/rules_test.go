package directory_test

import (
	"testing"
	"time"

	"github.com/rolecall/rolecall/internal/uc"
)

func TestQuickAdd(t *testing.T) {
	c := newCompany(t)
	s := c.Snapshot()
	u := s.Users.Get(c.anna)
	equal(t, "mobile number", u.MobileNumber, "+491715566")
	equal(t, "defaults", [2]any{u.Auth, u.Voicemail}, [2]any{uc.AuthLocal, uc.VoicemailOff})
	own := s.UserAssignments(c.anna)
	equal(t, "assignments", len(own), 2)
	for i, kind := range []uc.DeviceKind{uc.DeviceSoftphone, uc.DeviceMobile} {
		dev := s.Devices.Get(own[i].Device)
		equal(t, "kind", dev.Kind, kind)
		if len(dev.SIPSecret) < 24 || dev.SIPUser == "" || s.DeviceBySIPUser(dev.SIPUser) != dev {
			t.Errorf("credentials of %+v", dev)
		}
		equal(t, "user configurable", own[i].UserConfigurable, true)
		for _, class := range uc.Classes {
			equal(t, "FollowMe", own[i].Ring(class), uc.DefaultRing)
		}
	}
	equal(t, "number of the mobile", s.Devices.Get(own[1].Device).Number, u.MobileNumber)
	if s.Devices.Get(own[0].Device).SIPSecret == s.Devices.Get(own[1].Device).SIPSecret {
		t.Error("two devices have the same secret")
	}
}

func TestUserRules(t *testing.T) {
	c := newCompany(t)
	added(c.AddTeam(t.Context(), root, uc.Team{Name: "Support", Ext: "70"}))(t)
	added(c.AddUser(t.Context(), root, uc.NewUser{User: uc.User{Login: "fax", Name: "Fax", Auth: uc.AuthNone, FaxExt: "81"}}))(t)
	good := uc.NewUser{User: uc.User{Login: "new", Name: "New", Ext: "55"}, Password: "Secret123"}
	for _, test := range []struct {
		name  string
		spoil func(*uc.NewUser)
		kind  error
		field string
	}{
		{"upper case", func(u *uc.NewUser) { u.Login = "New" }, uc.ErrInvalid, "login"},
		{"digit first", func(u *uc.NewUser) { u.Login = "1new" }, uc.ErrInvalid, "login"},
		{"at sign", func(u *uc.NewUser) { u.Login = "new@x" }, uc.ErrInvalid, "login"},
		{"no login", func(u *uc.NewUser) { u.Login = "" }, uc.ErrInvalid, "login"},
		{"a team's address", func(u *uc.NewUser) { u.Login = "team-40" }, uc.ErrInvalid, "login"},
		{"login taken", func(u *uc.NewUser) { u.Login = "anna" }, uc.ErrConflict, "login"},
		{"no name", func(u *uc.NewUser) { u.Name = "  " }, uc.ErrInvalid, "name"},
		{"control character", func(u *uc.NewUser) { u.Name = "a\x01b" }, uc.ErrInvalid, "name"},
		{"not UTF-8", func(u *uc.NewUser) { u.Name = "a\xff" }, uc.ErrInvalid, "name"},
		{"no password", func(u *uc.NewUser) { u.Password = "" }, uc.ErrInvalid, "password"},
		{"weak password", func(u *uc.NewUser) { u.Password = "secret123" }, uc.ErrInvalid, "password"},
		{"password without local sign-in", func(u *uc.NewUser) { u.Auth = uc.AuthLDAP }, uc.ErrInvalid, "password"},
		{"short PIN", func(u *uc.NewUser) { u.PIN = "123" }, uc.ErrInvalid, "pin"},
		{"PIN with a letter", func(u *uc.NewUser) { u.PIN = "123a" }, uc.ErrInvalid, "pin"},
		{"unknown authentication", func(u *uc.NewUser) { u.Auth = "radius"; u.Password = "" }, uc.ErrInvalid, "auth"},
		{"extension 0", func(u *uc.NewUser) { u.Ext = "0" }, uc.ErrInvalid, "ext"},
		{"leading 0", func(u *uc.NewUser) { u.Ext = "012" }, uc.ErrInvalid, "ext"},
		{"single digit", func(u *uc.NewUser) { u.Ext = "7" }, uc.ErrInvalid, "ext"},
		{"letters", func(u *uc.NewUser) { u.Ext = "12a" }, uc.ErrInvalid, "ext"},
		{"emergency 110", func(u *uc.NewUser) { u.Ext = "110" }, uc.ErrInvalid, "ext"},
		{"emergency 112", func(u *uc.NewUser) { u.FaxExt = "112" }, uc.ErrInvalid, "faxExt"},
		{"emergency 911", func(u *uc.NewUser) { u.Ext = "911" }, uc.ErrInvalid, "ext"},
		{"emergency 999", func(u *uc.NewUser) { u.Ext = "999" }, uc.ErrInvalid, "ext"},
		{"a user's extension", func(u *uc.NewUser) { u.Ext = "12" }, uc.ErrConflict, "ext"},
		{"a team's extension", func(u *uc.NewUser) { u.Ext = "70" }, uc.ErrConflict, "ext"},
		{"a fax extension", func(u *uc.NewUser) { u.Ext = "81" }, uc.ErrConflict, "ext"},
		{"fax on a user's extension", func(u *uc.NewUser) { u.FaxExt = "12" }, uc.ErrConflict, "faxExt"},
		{"fax on the own extension", func(u *uc.NewUser) { u.FaxExt = "55" }, uc.ErrConflict, "faxExt"},
		{"time zone", func(u *uc.NewUser) { u.TimeZone = "Europe/Nowhere" }, uc.ErrInvalid, "timeZone"},
		{"time zone of the machine", func(u *uc.NewUser) { u.TimeZone = "Local" }, uc.ErrInvalid, "timeZone"},
		{"e-mail", func(u *uc.NewUser) { u.Email = "Anna <a@example.com>" }, uc.ErrInvalid, "email"},
		{"language", func(u *uc.NewUser) { u.Language = "german!" }, uc.ErrInvalid, "language"},
		{"voicemail", func(u *uc.NewUser) { u.Voicemail = "some" }, uc.ErrInvalid, "voicemail"},
		{"mobile without number", func(u *uc.NewUser) { u.Mobile = true }, uc.ErrInvalid, "mobileNumber"},
		{"mobile number", func(u *uc.NewUser) { u.MobileNumber = "0171 CALL" }, uc.ErrInvalid, "mobileNumber"},
		{"admin level", func(u *uc.NewUser) { u.AdminLevel = "boss" }, uc.ErrInvalid, "adminLevel"},
		{"monitored box", func(u *uc.NewUser) { u.MonitoredBoxes = []uc.UserID{99} }, uc.ErrInvalid, "monitoredBoxes"},
	} {
		in := good
		test.spoil(&in)
		_, err := c.AddUser(t.Context(), root, in)
		refused(t, test.name, err, test.kind, test.field)
	}
	equal(t, "users after all that was refused", c.Snapshot().Users.Len(), 3)
	added(c.AddUser(t.Context(), root, good))(t)
	added(c.AddUser(t.Context(), root, uc.NewUser{User: uc.User{Login: "admin", Name: "No extension"}, Password: "Secret123"}))(t)
}

func TestUpdateUser(t *testing.T) {
	c := newCompany(t)
	u := *c.Snapshot().Users.Get(c.anna)
	u.Password, u.PINHash = uc.PasswordKeys{}, ""
	u.Name, u.Ext, u.FaxExt, u.Voicemail, u.MobileNumber = "Anna Neu", "13", "813", uc.VoicemailAll, "0172/1"
	ok(t, c.UpdateUser(t.Context(), root, u))
	s := c.Snapshot()
	if _, right := c.CheckPassword(t.Context(), "anna", "Secret123"); !right || !c.CheckPIN(c.anna, "4711") {
		t.Error("an update touched the secrets")
	}
	if target, _ := s.ByExt("13"); target.User != c.anna {
		t.Error("she cannot be reached under her new extension")
	}
	own := s.UserAssignments(c.anna)
	equal(t, "number of the mobile", s.Devices.Get(own[1].Device).Number, "01721")
	fax := s.Devices.Get(own[2].Device)
	equal(t, "fax", [2]any{fax.Kind, fax.Number}, [2]any{uc.DeviceFax, "813"})
	equal(t, "the fax rings for her", own[2].Internal.Enabled, false)
	for _, list := range []uc.FlowList{uc.InternalAfter, uc.ExternalAfter} {
		lines := s.UserFlow(c.anna, list)
		equal(t, "voicemail lines", len(lines), 1)
		equal(t, "voicemail line", [3]string{lines[0].Action, lines[0].Target, lines[0].Status}, [3]string{"voicemail", "13", "any"})
	}

	version := s.Version
	ok(t, c.UpdateUser(t.Context(), root, u))
	equal(t, "version after an update that changes nothing", c.Snapshot().Version, version)

	u.Ext, u.FaxExt, u.Voicemail = "14", "", uc.VoicemailExternal
	ok(t, c.UpdateUser(t.Context(), root, u))
	s = c.Snapshot()
	equal(t, "faxes", len(s.UserAssignments(c.anna)), 2)
	equal(t, "fax devices", s.Devices.Get(fax.ID), nil)
	equal(t, "internal voicemail lines", len(s.UserFlow(c.anna, uc.InternalAfter)), 0)
	equal(t, "external voicemail box", s.UserFlow(c.anna, uc.ExternalAfter)[0].Target, "14")

	refused(t, "password of a user who cannot sign in", c.SetPassword(t.Context(), root, c.ben, "Secret123"), uc.ErrConflict, "auth")
	refused(t, "weak password", c.SetPassword(t.Context(), root, c.anna, "secret"), uc.ErrInvalid, "password")
	refused(t, "PIN of nobody", c.SetPIN(t.Context(), root, 99, "4711"), uc.ErrNotFound, "")

	u.Login = "ben"
	refused(t, "taken login", c.UpdateUser(t.Context(), root, u), uc.ErrConflict, "login")
	u.ID = 99
	refused(t, "unknown user", c.UpdateUser(t.Context(), root, u), uc.ErrNotFound, "")
}

func TestLastSystemAdministratorStays(t *testing.T) {
	c := newCompany(t)
	boss := *c.Snapshot().Users.Get(c.ben)
	boss.AdminLevel = uc.LevelSystem
	ok(t, c.UpdateUser(t.Context(), root, boss))
	less := boss
	less.AdminLevel = uc.LevelAdmin
	refused(t, "demoting", c.UpdateUser(t.Context(), root, less), uc.ErrConflict, "adminLevel")
	ref := uc.Ref{Kind: uc.KindUser, ID: int64(c.ben)}
	refused(t, "deleting", c.Delete(t.Context(), root, ref), uc.ErrConflict, "")
	second := *c.Snapshot().Users.Get(c.anna)
	second.AdminLevel = uc.LevelSystem
	ok(t, c.UpdateUser(t.Context(), root, second))
	ok(t, c.Delete(t.Context(), root, ref))
}

func TestDeviceRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	desk := added(c.AddDevice(ctx, root, uc.Device{Name: "Desk", Kind: uc.DeviceDesk, SIPUser: "desk1", SIPSecret: "guessed"}))(t)
	equal(t, "SIP user", desk.SIPUser, "desk1")
	if desk.SIPSecret == "guessed" || len(desk.SIPSecret) < 24 {
		t.Errorf("the secret is not generated: %q", desk.SIPSecret)
	}
	added(c.AddDevice(ctx, root, uc.Device{Name: "Fax", Kind: uc.DeviceFax, Number: "88"}))(t)
	for _, test := range []struct {
		name  string
		dev   uc.Device
		kind  error
		field string
	}{
		{"no name", uc.Device{Kind: uc.DeviceDesk}, uc.ErrInvalid, "name"},
		{"unknown kind", uc.Device{Name: "x", Kind: "toaster"}, uc.ErrInvalid, "kind"},
		{"external without number", uc.Device{Name: "x", Kind: uc.DeviceExternal}, uc.ErrInvalid, "number"},
		{"fax without number", uc.Device{Name: "x", Kind: uc.DeviceFax}, uc.ErrInvalid, "number"},
		{"fax on an extension", uc.Device{Name: "x", Kind: uc.DeviceFax, Number: "12"}, uc.ErrConflict, "number"},
		{"fax on a fax", uc.Device{Name: "x", Kind: uc.DeviceFax, Number: "88"}, uc.ErrConflict, "number"},
		{"SIP user taken", uc.Device{Name: "x", Kind: uc.DeviceDesk, SIPUser: "desk1"}, uc.ErrConflict, "sipUser"},
		{"SIP user of a fax", uc.Device{Name: "x", Kind: uc.DeviceFax, Number: "89", SIPUser: "f"}, uc.ErrInvalid, "sipUser"},
		{"SIP user with blanks", uc.Device{Name: "x", Kind: uc.DeviceDesk, SIPUser: "a b"}, uc.ErrInvalid, "sipUser"},
	} {
		_, err := c.AddDevice(ctx, root, test.dev)
		refused(t, test.name, err, test.kind, test.field)
	}

	changed := uc.Device{ID: desk.ID, Name: "Desk 2", Kind: uc.DeviceSoftphone, SIPSecret: "chosen"}
	ok(t, c.UpdateDevice(ctx, root, changed))
	got := c.Snapshot().Devices.Get(desk.ID)
	equal(t, "after an update", *got, uc.Device{ID: desk.ID, Name: "Desk 2", Kind: uc.DeviceSoftphone, SIPUser: "desk1", SIPSecret: desk.SIPSecret})
	changed.Kind, changed.Number = uc.DeviceExternal, "123"
	refused(t, "SIP device to number", c.UpdateDevice(ctx, root, changed), uc.ErrInvalid, "sipUser")

	ben := *c.Snapshot().Users.Get(c.ben)
	ben.FaxExt = "834"
	ok(t, c.UpdateUser(ctx, root, ben))
	fax := *c.Snapshot().Devices.Get(c.Snapshot().UserAssignments(c.ben)[0].Device)
	fax.Name = "Ben's fax"
	ok(t, c.UpdateDevice(ctx, root, fax))
	fax.Number = "835"
	refused(t, "the number of a user's fax", c.UpdateDevice(ctx, root, fax), uc.ErrConflict, "number")
	_, err := c.RegenerateSecret(ctx, root, fax.ID)
	refused(t, "secret of a fax", err, uc.ErrConflict, "")

	again := added(c.RegenerateSecret(ctx, root, desk.ID))(t)
	if again.SIPSecret == desk.SIPSecret || c.Snapshot().Devices.Get(desk.ID).SIPSecret != again.SIPSecret {
		t.Error("the secret is still the old one")
	}
	_, err = c.RegenerateSecret(ctx, root, 99)
	refused(t, "secret of nothing", err, uc.ErrNotFound, "")
}

func TestAssignmentRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	dev := added(c.AddDevice(ctx, root, uc.Device{Name: "Desk", Kind: uc.DeviceDesk}))(t)
	loc := added(c.AddLocation(ctx, root, uc.Location{Name: "Reception"}))(t)
	a := added(c.Assign(ctx, root, uc.Assignment{Device: dev.ID, User: c.anna, Queue: uc.Ring{Enabled: true, Delay: 5, Timeout: 20}}))(t)
	equal(t, "default", a.Internal, uc.DefaultRing)
	equal(t, "given", a.Queue, uc.Ring{Enabled: true, Delay: 5, Timeout: 20})
	for _, test := range []struct {
		name  string
		a     uc.Assignment
		kind  error
		field string
	}{
		{"unknown device", uc.Assignment{Device: 99, User: c.ben}, uc.ErrInvalid, "device"},
		{"to nobody", uc.Assignment{Device: dev.ID}, uc.ErrInvalid, "user"},
		{"to two", uc.Assignment{Device: dev.ID, User: c.ben, Location: loc.ID}, uc.ErrInvalid, "user"},
		{"unknown user", uc.Assignment{Device: dev.ID, User: 99}, uc.ErrInvalid, "user"},
		{"unknown location", uc.Assignment{Device: dev.ID, Location: 99}, uc.ErrInvalid, "location"},
		{"twice", uc.Assignment{Device: dev.ID, User: c.anna}, uc.ErrConflict, "device"},
		{"to a location besides a user", uc.Assignment{Device: dev.ID, Location: loc.ID}, uc.ErrConflict, "device"},
		{"delay", uc.Assignment{Device: dev.ID, User: c.ben, External: uc.Ring{Delay: -1, Timeout: 1}}, uc.ErrInvalid, "external.delay"},
		{"timeout", uc.Assignment{Device: dev.ID, User: c.ben, Queue: uc.Ring{Enabled: true, Timeout: 1000}}, uc.ErrInvalid, "queue.timeout"},
	} {
		_, err := c.Assign(ctx, root, test.a)
		refused(t, test.name, err, test.kind, test.field)
	}
	a.External.Enabled, a.Internal.SetBy = false, "forged"
	ok(t, c.UpdateAssignment(ctx, root, a))
	got := c.Snapshot().Assignments.Get(a.ID)
	equal(t, "stamp of the class that changed", got.External.SetBy, "root over page, 2026-03-02 09:30")
	equal(t, "stamp of another", got.Internal.SetBy, "")
}

func TestLocationTeamAndMemberRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	loc := added(c.AddLocation(ctx, root, uc.Location{Name: "Desk 1", Users: []uc.UserID{c.anna}}))(t)
	_, err := c.AddLocation(ctx, root, uc.Location{Name: "desk 1"})
	refused(t, "same name", err, uc.ErrConflict, "name")
	loc.Users = []uc.UserID{99}
	refused(t, "unknown user", c.UpdateLocation(ctx, root, loc), uc.ErrInvalid, "users")

	team := added(c.AddTeam(ctx, root, uc.Team{Name: "Support", Ext: "70"}))(t)
	equal(t, "defaults", [2]any{team.Strategy, team.MemberTimeout}, [2]any{uc.RingAll, 15})
	for _, test := range []struct {
		name  string
		team  uc.Team
		kind  error
		field string
	}{
		{"no name", uc.Team{}, uc.ErrInvalid, "name"},
		{"extension", uc.Team{Name: "x", Ext: "12"}, uc.ErrConflict, "ext"},
		{"emergency", uc.Team{Name: "x", Ext: "112"}, uc.ErrInvalid, "ext"},
		{"strategy", uc.Team{Name: "x", Strategy: "loudest"}, uc.ErrInvalid, "strategy"},
		{"timeout", uc.Team{Name: "x", MemberTimeout: -1}, uc.ErrInvalid, "memberTimeout"},
		{"overflow", uc.Team{Name: "x", Overflow: "nobody"}, uc.ErrInvalid, "overflow"},
		{"overflow into itself", uc.Team{Name: "x", Ext: "71", Overflow: "71"}, uc.ErrInvalid, "overflow"},
	} {
		_, err := c.AddTeam(ctx, root, test.team)
		refused(t, test.name, err, test.kind, test.field)
	}
	team.WrapUp = 10
	ok(t, c.UpdateTeam(ctx, root, team))

	m := added(c.AddMember(ctx, root, uc.Member{Team: team.ID, User: c.anna, Paused: true}))(t)
	equal(t, "default reason", m.Reason, "Pause")
	_, err = c.AddMember(ctx, root, uc.Member{Team: team.ID, User: c.anna, Static: true})
	refused(t, "twice", err, uc.ErrConflict, "user")
	_, err = c.AddMember(ctx, root, uc.Member{Team: 99, User: c.anna})
	refused(t, "unknown team", err, uc.ErrInvalid, "team")
	m.Paused = false
	ok(t, c.UpdateMember(ctx, root, m))
	got := c.Snapshot().Members.Get(m.ID)
	equal(t, "after the pause", [2]string{got.Reason, got.SetBy}, [2]string{"", "root over page, 2026-03-02 09:30"})
}

func TestRoleRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	sales := added(c.AddRole(ctx, root, uc.Role{Title: "Sales"}))(t)
	for _, test := range []struct {
		name  string
		role  uc.Role
		kind  error
		field string
	}{
		{"no title", uc.Role{}, uc.ErrInvalid, "title"},
		{"same title", uc.Role{Title: "SALES"}, uc.ErrConflict, "title"},
		{"unknown type", uc.Role{Title: "x", Types: []uc.RoleType{"xmpp.boss"}}, uc.ErrInvalid, "types"},
		{"unknown user", uc.Role{Title: "x", Users: []uc.UserID{99}}, uc.ErrInvalid, "users"},
		{"unknown device", uc.Role{Title: "x", Devices: []uc.DeviceID{99}}, uc.ErrInvalid, "devices"},
		{"unknown location", uc.Role{Title: "x", Locations: []uc.LocationID{99}}, uc.ErrInvalid, "locations"},
		{"unknown team", uc.Role{Title: "x", Teams: []uc.TeamID{99}}, uc.ErrInvalid, "teams"},
		{"unknown supervised role", uc.Role{Title: "x", Types: []uc.RoleType{uc.TypeSupervisor}, Supervises: []uc.RoleID{99}}, uc.ErrInvalid, "supervises"},
		{"supervises without the type", uc.Role{Title: "x", Supervises: []uc.RoleID{sales.ID}}, uc.ErrInvalid, "supervises"},
	} {
		_, err := c.AddRole(ctx, root, test.role)
		refused(t, test.name, err, test.kind, test.field)
	}
	all := *c.Snapshot().Roles.Get(uc.RoleAll)
	all.Types, all.AutoUsers = []uc.RoleType{uc.TypePickupGroup, uc.TypePersonal, uc.TypePickupGroup}, false
	ok(t, c.UpdateRole(ctx, root, all))
	equal(t, "types of All", c.Snapshot().Roles.Get(uc.RoleAll).Types, []uc.RoleType{uc.TypePickupGroup, uc.TypePersonal})
	all.Title = "Everyone"
	refused(t, "renaming All", c.UpdateRole(ctx, root, all), uc.ErrForbidden, "title")
}

func TestProfileRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	yes, no := true, -1
	lunch := uc.Profile{Name: "Lunch", Assigned: uc.AssignedAdmin, Show: uc.ShowAway, Color: "#00ff00"}
	trigger := func(tr uc.Trigger) func(*uc.Profile) {
		return func(p *uc.Profile) { p.Triggers = []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00"}, tr} }
	}
	enter := func(a uc.Action) func(*uc.Profile) { return func(p *uc.Profile) { p.Enter = []uc.Action{a} } }
	for _, test := range []struct {
		name  string
		spoil func(*uc.Profile)
		kind  error
		field string
	}{
		{"no name", func(p *uc.Profile) { p.Name = "" }, uc.ErrInvalid, "name"},
		{"name of a system profile", func(p *uc.Profile) { p.Name = "dnd" }, uc.ErrConflict, "name"},
		{"color", func(p *uc.Profile) { p.Color = "green" }, uc.ErrInvalid, "color"},
		{"shows offline", func(p *uc.Profile) { p.Show = uc.ShowOffline }, uc.ErrInvalid, "show"},
		{"unknown role", func(p *uc.Profile) { p.Roles = []uc.RoleID{99} }, uc.ErrInvalid, "roles"},
		{"system", func(p *uc.Profile) { p.Assigned = uc.AssignedSystem }, uc.ErrInvalid, "assigned"},
		{"unknown assignment", func(p *uc.Profile) { p.Assigned = "" }, uc.ErrInvalid, "assigned"},
		{"owner of an admin profile", func(p *uc.Profile) { p.Owner = c.anna }, uc.ErrInvalid, "owner"},
		{"personal without owner", func(p *uc.Profile) { p.Assigned = uc.AssignedPersonal }, uc.ErrInvalid, "owner"},
		{"personal without the right", func(p *uc.Profile) { p.Assigned, p.Owner = uc.AssignedPersonal, c.anna }, uc.ErrForbidden, "owner"},
		{"time", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "24:00"}), uc.ErrInvalid, "triggers[1].at"},
		{"time with one digit", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "8:00"}), uc.ErrInvalid, "triggers[1].at"},
		{"end", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "08:00", End: "09:60"}), uc.ErrInvalid, "triggers[1].end"},
		{"date", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "08:00", Date: "2026-02-29"}), uc.ErrInvalid, "triggers[1].date"},
		{"date and weekdays", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "08:00", Date: "2026-02-28", Weekdays: []time.Weekday{1}}), uc.ErrInvalid, "triggers[1].weekdays"},
		{"weekday", trigger(uc.Trigger{Kind: uc.TriggerTimed, At: "08:00", Weekdays: []time.Weekday{7}}), uc.ErrInvalid, "triggers[1].weekdays"},
		{"trigger kind", trigger(uc.Trigger{Kind: "moon"}), uc.ErrInvalid, "triggers[1].kind"},
		{"Teams with a time", trigger(uc.Trigger{Kind: uc.TriggerTeams, At: "08:00"}), uc.ErrInvalid, "triggers[1].kind"},
		{"empty activity", trigger(uc.Trigger{Kind: uc.TriggerTeams, Activities: []string{" "}}), uc.ErrInvalid, "triggers[1].activities"},
		{"action kind", enter(uc.Action{Kind: "dance"}), uc.ErrInvalid, "enter[0].kind"},
		{"FollowMe of nothing", enter(uc.Action{Kind: uc.ActionFollowMe}), uc.ErrInvalid, "enter[0].enabled"},
		{"FollowMe selector", enter(uc.Action{Kind: uc.ActionFollowMe, Devices: "kind:toaster", Enabled: &yes}), uc.ErrInvalid, "enter[0].devices"},
		{"FollowMe of an unknown device", enter(uc.Action{Kind: uc.ActionFollowMe, Devices: "device:99", Enabled: &yes}), uc.ErrInvalid, "enter[0].devices"},
		{"FollowMe class", enter(uc.Action{Kind: uc.ActionFollowMe, Classes: []uc.Class{"all"}, Enabled: &yes}), uc.ErrInvalid, "enter[0].classes"},
		{"FollowMe delay", enter(uc.Action{Kind: uc.ActionFollowMe, Delay: &no}), uc.ErrInvalid, "enter[0].delay"},
		{"GSM", enter(uc.Action{Kind: uc.ActionGSM}), uc.ErrInvalid, "enter[0].enabled"},
		{"unknown team", enter(uc.Action{Kind: uc.ActionTeamLogin, Team: 99}), uc.ErrInvalid, "enter[0].team"},
		{"unknown location", enter(uc.Action{Kind: uc.ActionSetWorkplace}), uc.ErrInvalid, "enter[0].location"},
		{"redirect without target", enter(uc.Action{Kind: uc.ActionSetRedirect}), uc.ErrInvalid, "enter[0].target"},
		{"redirect kind", enter(uc.Action{Kind: uc.ActionUnsetRedirect, Forward: "never"}), uc.ErrInvalid, "enter[0].forward"},
		{"redirect class", enter(uc.Action{Kind: uc.ActionUnsetRedirect, Class: "queue"}), uc.ErrInvalid, "enter[0].class"},
		{"webhook", enter(uc.Action{Kind: uc.ActionWebhook, URL: "file:///etc/passwd"}), uc.ErrInvalid, "enter[0].url"},
		{"message to nobody", enter(uc.Action{Kind: uc.ActionMessage, Text: "x"}), uc.ErrInvalid, "enter[0].target"},
		{"empty message", enter(uc.Action{Kind: uc.ActionMessage, Target: "ben@example.com"}), uc.ErrInvalid, "enter[0].text"},
		{"leave list", func(p *uc.Profile) { p.Leave = []uc.Action{{Kind: uc.ActionUnsetWorkplace}, {}} }, uc.ErrInvalid, "leave[1].kind"},
	} {
		in := lunch
		test.spoil(&in)
		_, err := c.AddProfile(ctx, root, in)
		refused(t, test.name, err, test.kind, test.field)
	}

	p := added(c.AddProfile(ctx, root, lunch))(t)
	p.Triggers = []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00", Weekdays: []time.Weekday{5, 1, 5}}, {Kind: uc.TriggerTeams}}
	p.Enter = []uc.Action{{Kind: uc.ActionText}, {Kind: uc.ActionTeamPause, Reason: "Lunch"}, {Kind: uc.ActionSetRedirect, Target: "*102"}}
	ok(t, c.UpdateProfile(ctx, root, p))
	equal(t, "weekdays", c.Snapshot().Profiles.Get(p.ID).Triggers[0].Weekdays, []time.Weekday{1, 5})
}

func TestPersonalProfiles(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	added(c.AddRole(ctx, root, uc.Role{Title: "Own", Types: []uc.RoleType{uc.TypePersonal}, Users: []uc.UserID{c.anna}}))(t)
	mine := uc.Profile{Name: "Focus", Assigned: uc.AssignedPersonal, Owner: c.anna, Show: uc.ShowDND}
	p := added(c.AddProfile(ctx, root, mine))(t)
	if !c.Snapshot().MayUseProfile(c.anna, c.Snapshot().Profiles.Get(p.ID)) {
		t.Error("her own profile is not offered to her")
	}
	added(c.AddProfile(ctx, root, uc.Profile{Name: "Focus", Assigned: uc.AssignedAdmin, Show: uc.ShowDND}))(t) // another namespace
	p.Roles = []uc.RoleID{uc.RoleAll}
	refused(t, "a personal profile for a role", c.UpdateProfile(ctx, root, p), uc.ErrInvalid, "roles")
}

func TestSystemProfilesStay(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	dnd := *c.Snapshot().Profiles.Get(uc.ProfileDND)
	dnd.Color, dnd.Sticky = "#000000", true
	ok(t, c.UpdateProfile(ctx, root, dnd))
	for field, change := range map[string]func(*uc.Profile){
		"name":     func(p *uc.Profile) { p.Name = "Quiet" },
		"assigned": func(p *uc.Profile) { p.Assigned = uc.AssignedAdmin },
		"roles":    func(p *uc.Profile) { p.Roles = []uc.RoleID{uc.RoleAll} },
	} {
		p := dnd
		change(&p)
		refused(t, field, c.UpdateProfile(ctx, root, p), uc.ErrForbidden, field)
	}
	refused(t, "deleting", c.Delete(ctx, root, uc.Ref{Kind: uc.KindProfile, ID: int64(uc.ProfileDND)}), uc.ErrForbidden, "")
	refused(t, "deleting All", c.Delete(ctx, root, uc.Ref{Kind: uc.KindRole, ID: int64(uc.RoleAll)}), uc.ErrForbidden, "")
}

func TestForwardingFlowAndPhonebookRules(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	f := added(c.AddForwarding(ctx, root, uc.Forwarding{User: c.anna, Target: " 34 "}))(t)
	equal(t, "stored form", [3]any{f.Kind, f.Class, f.Target}, [3]any{uc.ForwardAlways, uc.ForwardBoth, "34"})
	for _, test := range []struct {
		name  string
		f     uc.Forwarding
		kind  error
		field string
	}{
		{"no target", uc.Forwarding{User: c.ben}, uc.ErrInvalid, "target"},
		{"bad target", uc.Forwarding{User: c.ben, Target: "the boss"}, uc.ErrInvalid, "target"},
		{"to oneself", uc.Forwarding{User: c.ben, Target: "34"}, uc.ErrInvalid, "target"},
		{"kind", uc.Forwarding{User: c.ben, Target: "12", Kind: "never"}, uc.ErrInvalid, "kind"},
		{"class", uc.Forwarding{User: c.ben, Target: "12", Class: "queue"}, uc.ErrInvalid, "class"},
		{"unknown user", uc.Forwarding{User: 99, Target: "12"}, uc.ErrInvalid, "user"},
		{"second of a kind", uc.Forwarding{User: c.anna, Target: "35"}, uc.ErrConflict, "kind"},
	} {
		_, err := c.AddForwarding(ctx, root, test.f)
		refused(t, test.name, err, test.kind, test.field)
	}
	f.Active = true
	ok(t, c.UpdateForwarding(ctx, root, f))

	first := added(c.AddFlowLine(ctx, root, uc.FlowLine{User: c.anna, List: uc.ExternalAfter, Action: "goto", Target: "34"}))(t)
	second := added(c.AddFlowLine(ctx, root, uc.FlowLine{User: c.anna, List: uc.ExternalAfter, Action: "hangup", Target: "486", Status: "busy"}))(t)
	equal(t, "stored form", [3]any{first.Status, first.Position, second.Position}, [3]any{"any", 1, 2})
	for _, test := range []struct {
		name  string
		line  uc.FlowLine
		field string
	}{
		{"nobody's", uc.FlowLine{List: uc.InternalAfter, Action: "voicemail"}, "user"},
		{"unknown team", uc.FlowLine{Team: 99, List: uc.InternalAfter, Action: "voicemail"}, "team"},
		{"list", uc.FlowLine{User: c.anna, List: "later", Action: "voicemail"}, "list"},
		{"status before", uc.FlowLine{User: c.anna, List: uc.InternalBefore, Status: "busy", Action: "voicemail"}, "status"},
		{"status of a team", uc.FlowLine{User: c.anna, List: uc.InternalAfter, Status: "full", Action: "voicemail"}, "status"},
		{"action", uc.FlowLine{User: c.anna, List: uc.InternalAfter, Action: "sing"}, "action"},
		{"goto nowhere", uc.FlowLine{User: c.anna, List: uc.InternalAfter, Action: "goto"}, "target"},
		{"hang up with success", uc.FlowLine{User: c.anna, List: uc.InternalAfter, Action: "hangup", Target: "200"}, "target"},
	} {
		_, err := c.AddFlowLine(ctx, root, test.line)
		refused(t, test.name, err, uc.ErrInvalid, test.field)
	}
	second.Position = 9
	ok(t, c.UpdateFlowLine(ctx, root, second))

	p := added(c.AddPhonebookEntry(ctx, root, uc.PhonebookEntry{Name: "ACME", Numbers: []string{"+49 30 / 123"}}))(t)
	equal(t, "name of a caller", c.Snapshot().NameOf("+4930123"), "ACME")
	p.Name, p.Notes = "ACME Ltd", "line 1\nline 2"
	ok(t, c.UpdatePhonebookEntry(ctx, root, p))
	equal(t, "after an update", *c.Snapshot().Phonebook.Get(p.ID), p)
	p.Numbers = []string{""}
	refused(t, "empty number", c.UpdatePhonebookEntry(ctx, root, p), uc.ErrInvalid, "numbers")
	_, err := c.AddPhonebookEntry(ctx, root, uc.PhonebookEntry{Name: "x", Owner: 99})
	refused(t, "unknown owner", err, uc.ErrInvalid, "owner")
}
