package directory_test

import (
	"testing"

	"github.com/rolecall/rolecall/internal/uc"
)

// busyCompany gives Anna something of every kind.
func busyCompany(t *testing.T) (c *company, loc uc.Location, team uc.Team, role uc.Role) {
	c = newCompany(t)
	ctx := t.Context()
	s := c.Snapshot()
	loc = added(c.AddLocation(ctx, root, uc.Location{Name: "Desk", Users: []uc.UserID{c.anna, c.ben}}))(t)
	team = added(c.AddTeam(ctx, root, uc.Team{Name: "Support", Ext: "70"}))(t)
	role = added(c.AddRole(ctx, root, uc.Role{
		Title: "Sales", Types: []uc.RoleType{uc.TypePersonal}, Users: []uc.UserID{c.anna, c.ben}, Locations: []uc.LocationID{loc.ID},
		Teams: []uc.TeamID{team.ID}, Devices: []uc.DeviceID{s.UserAssignments(c.anna)[0].Device, s.UserAssignments(c.anna)[1].Device},
	}))(t)
	desk := added(c.AddDevice(ctx, root, uc.Device{Name: "Desk phone", Kind: uc.DeviceDesk}))(t)
	added(c.Assign(ctx, root, uc.Assignment{Device: desk.ID, User: c.anna}))(t)
	at := added(c.AddDevice(ctx, root, uc.Device{Name: "Phone at the desk", Kind: uc.DeviceDesk}))(t)
	added(c.Assign(ctx, root, uc.Assignment{Device: at.ID, Location: loc.ID}))(t)
	added(c.AddMember(ctx, root, uc.Member{Team: team.ID, User: c.anna}))(t)
	added(c.AddForwarding(ctx, root, uc.Forwarding{User: c.anna, Target: "34"}))(t)
	added(c.AddFlowLine(ctx, root, uc.FlowLine{User: c.anna, List: uc.InternalAfter, Action: "voicemail"}))(t)
	added(c.AddFlowLine(ctx, root, uc.FlowLine{Team: team.ID, List: uc.InternalAfter, Action: "voicemail"}))(t)
	added(c.AddProfile(ctx, root, uc.Profile{Name: "Mine", Assigned: uc.AssignedPersonal, Owner: c.anna, Show: uc.ShowAway}))(t)
	added(c.AddPhonebookEntry(ctx, root, uc.PhonebookEntry{Name: "Mum", Owner: c.anna}))(t)
	added(c.SetWorkplace(ctx, root, c.anna, loc.ID))(t)
	ben := *s.Users.Get(c.ben)
	ben.MonitoredBoxes = []uc.UserID{c.anna, c.ben}
	ok(t, c.UpdateUser(ctx, root, ben))
	return c, loc, team, role
}

func TestDeletingUserTakesEverything(t *testing.T) {
	c, loc, team, role := busyCompany(t)
	shared := c.Snapshot().UserAssignments(c.anna)[0].Device
	added(c.Assign(t.Context(), root, uc.Assignment{Device: shared, User: c.ben}))(t)
	ok(t, c.Delete(t.Context(), root, uc.Ref{Kind: uc.KindUser, ID: int64(c.anna)}))

	s := c.Snapshot()
	equal(t, "user", s.Users.Get(c.anna), nil)
	equal(t, "state", s.UserStates.Get(c.anna), nil)
	equal(t, "members", s.Members.Len(), 0)
	equal(t, "forwardings", s.Forwardings.Len(), 0)
	equal(t, "flow lines, the team's", s.FlowLines.Len(), 1)
	equal(t, "profiles, the system's", s.Profiles.Len(), 2)
	equal(t, "phone book", s.Phonebook.Len(), 0)
	equal(t, "role members", s.Roles.Get(role.ID).Users, []uc.UserID{c.ben})
	equal(t, "location's users", s.Locations.Get(loc.ID).Users, []uc.UserID{c.ben})
	equal(t, "monitored boxes", s.Users.Get(c.ben).MonitoredBoxes, []uc.UserID{c.ben})
	equal(t, "the location is free", s.LocationUser(loc.ID), 0)
	equal(t, "team", s.Teams.Get(team.ID) != nil, true)
	equal(t, "assignments: Ben's and the location's", s.Assignments.Len(), 2)
	equal(t, "devices: shared softphone, two desk phones", s.Devices.Len(), 3)
	equal(t, "devices in the role", s.Roles.Get(role.ID).Devices, []uc.DeviceID{shared})

	ok(t, c.Delete(t.Context(), root, uc.Ref{Kind: uc.KindUser, ID: int64(c.ben)}))
	equal(t, "devices: the desk phones", c.Snapshot().Devices.Len(), 2)
	// With an empty list everybody might log in at the location that was Ben's.
	equal(t, "location's users", c.Snapshot().Locations.Get(loc.ID).Users, []uc.UserID{c.ben})
	kept := *c.Snapshot().Locations.Get(loc.ID)
	kept.Name = "Desk 2"
	ok(t, c.UpdateLocation(t.Context(), root, kept))
	wantReloaded(t, c)
}

func TestDeletingThings(t *testing.T) {
	c, loc, team, role := busyCompany(t)
	ctx := t.Context()
	softphone := c.Snapshot().UserAssignments(c.anna)[0]

	ok(t, c.Delete(ctx, root, uc.Ref{Kind: uc.KindDevice, ID: int64(softphone.Device)}))
	equal(t, "assignment", c.Snapshot().Assignments.Get(softphone.ID), nil)
	equal(t, "devices in the role", len(c.Snapshot().Roles.Get(role.ID).Devices), 1)

	ok(t, c.Delete(ctx, root, uc.Ref{Kind: uc.KindLocation, ID: int64(loc.ID)}))
	equal(t, "workplace", c.Snapshot().State(c.anna).Workplace, 0)
	equal(t, "location's assignments", len(c.Snapshot().LocationAssignments(loc.ID)), 0)
	equal(t, "locations in the role", c.Snapshot().Roles.Get(role.ID).Locations, nil)

	ok(t, c.Delete(ctx, root, uc.Ref{Kind: uc.KindTeam, ID: int64(team.ID)}))
	equal(t, "members", c.Snapshot().Members.Len(), 0)
	equal(t, "flow lines, Anna's", c.Snapshot().FlowLines.Len(), 1)
	equal(t, "teams in the role", c.Snapshot().Roles.Get(role.ID).Teams, nil)

	for _, ref := range []uc.Ref{
		{Kind: uc.KindAssignment, ID: int64(c.Snapshot().UserAssignments(c.anna)[0].ID)},
		{Kind: uc.KindForwarding, ID: 1}, {Kind: uc.KindFlowLine, ID: 1}, {Kind: uc.KindPhonebook, ID: 1}, {Kind: uc.KindProfile, ID: 3},
	} {
		ok(t, c.Delete(ctx, root, ref))
		refused(t, "again: "+ref.String(), c.Delete(ctx, root, ref), uc.ErrNotFound, "")
	}
	refused(t, "a state", c.Delete(ctx, root, uc.Ref{Kind: uc.KindUserState, ID: int64(c.anna)}), uc.ErrInvalid, "")
	for _, kind := range []uc.Kind{uc.KindUser, uc.KindDevice, uc.KindLocation, uc.KindTeam, uc.KindRole, uc.KindProfile, uc.KindMember} {
		refused(t, "unknown "+string(kind), c.Delete(ctx, root, uc.Ref{Kind: kind, ID: 999}), uc.ErrNotFound, "")
	}
	wantReloaded(t, c)
}

// A list of roles that becomes empty means everybody: deleting its last role must not open it.
func TestDeletingRoleOpensNothing(t *testing.T) {
	c := newCompany(t)
	ctx := t.Context()
	sales := added(c.AddRole(ctx, root, uc.Role{Title: "Sales"}))(t)
	ref := uc.Ref{Kind: uc.KindRole, ID: int64(sales.ID)}
	p := added(c.AddProfile(ctx, root, uc.Profile{Name: "Fair", Assigned: uc.AssignedAdmin, Show: uc.ShowAway, Roles: []uc.RoleID{sales.ID}}))(t)
	refused(t, "the only role of a profile", c.Delete(ctx, root, ref), uc.ErrConflict, "")
	p.Roles = []uc.RoleID{sales.ID, uc.RoleAll}
	ok(t, c.UpdateProfile(ctx, root, p))
	boss := added(c.AddRole(ctx, root, uc.Role{Title: "Boss", Types: []uc.RoleType{uc.TypeSupervisor}, Supervises: []uc.RoleID{sales.ID}}))(t)
	refused(t, "the only role supervised", c.Delete(ctx, root, ref), uc.ErrConflict, "")
	boss.Supervises = append(boss.Supervises, boss.ID)
	ok(t, c.UpdateRole(ctx, root, boss))
	ok(t, c.Delete(ctx, root, ref))
	equal(t, "profile's roles", c.Snapshot().Profiles.Get(p.ID).Roles, []uc.RoleID{uc.RoleAll})
	equal(t, "roles supervised", c.Snapshot().Roles.Get(boss.ID).Supervises, []uc.RoleID{boss.ID})
}

// wantReloaded checks that the store has what the snapshot has.
func wantReloaded(t *testing.T, c *company) {
	t.Helper()
	loaded, _, version, err := c.store.LoadDirectory(t.Context())
	ok(t, err)
	equal(t, "store", tables(uc.NewDirectory(version, loaded)), tables(c.Snapshot()))
}
