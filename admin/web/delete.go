package web

import (
	"strings"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/internal/uc"
)

// deletable says how a kind of thing is deleted: by whom, what it is called, what goes with it, and which
// page is left afterwards.
var deletable = map[uc.Kind]struct {
	op    access.Operation
	name  func(d *uc.Directory, id int64) string // "" if there is none
	also  string
	after string
}{
	uc.KindUser: {access.WriteUsers, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Users, uc.UserID(id), func(u *uc.User) string { return u.Name })
	}, "Their places in teams, forwardings, call flow and device assignments go with them.", "/users"},
	uc.KindDevice: {access.WriteDevices, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Devices, uc.DeviceID(id), func(v *uc.Device) string { return v.Name })
	}, "It can no longer register, and rings for nobody.", "/devices"},
	uc.KindAssignment: {access.WriteDevices, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Assignments, uc.AssignmentID(id), func(*uc.Assignment) string { return "this assignment" })
	}, "The device itself stays; its FollowMe settings here are lost.", "/devices"},
	uc.KindLocation: {access.WriteLocations, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Locations, uc.LocationID(id), func(v *uc.Location) string { return v.Name })
	}, "Whoever is logged in there is logged out; its devices stay.", "/locations"},
	uc.KindTeam: {access.WriteTeams, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Teams, uc.TeamID(id), func(v *uc.Team) string { return v.Name })
	}, "Its memberships and call flow go with it.", "/teams"},
	uc.KindMember: {access.WriteTeams, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Members, uc.MemberID(id), func(*uc.Member) string { return "this membership" })
	}, "Calls to the team no longer ring at this user.", "/teams"},
	uc.KindRole: {access.WriteRoles, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Roles, uc.RoleID(id), func(v *uc.Role) string { return v.Title })
	}, "Its members lose the rights that it gives.", "/roles"},
	uc.KindProfile: {access.WriteProfiles, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Profiles, uc.ProfileID(id), func(v *uc.Profile) string { return v.Name })
	}, "Users who are in it return to Available.", "/profiles"},
	uc.KindForwarding: {access.WriteCallFlow, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Forwardings, uc.ForwardingID(id), func(*uc.Forwarding) string { return "this forwarding" })
	}, "To keep its target for later, switch it off instead.", "/forwardings"},
	uc.KindFlowLine: {access.WriteCallFlow, func(d *uc.Directory, id int64) string {
		return nameIn(&d.FlowLines, uc.FlowLineID(id), func(*uc.FlowLine) string { return "this line" })
	}, "", "/users"},
	uc.KindPhonebook: {access.WritePhonebook, func(d *uc.Directory, id int64) string {
		return nameIn(&d.Phonebook, uc.PhonebookID(id), func(v *uc.PhonebookEntry) string { return v.Name })
	}, "Callers from its numbers are no longer named.", "/phonebook"},
}

func nameIn[K ~int64, V any](t *uc.Table[K, V], id K, name func(*V) string) string {
	if v := t.Get(id); v != nil {
		return name(v)
	}
	return ""
}

// deletePage is what the question before deleting shows.
type deletePage struct {
	Name, Also, Back string
	Problem          string
}

// deleteRoutes returns a question and its answer for each kind that can be deleted.
func deleteRoutes() []route {
	var list []route
	for kind, how := range deletable {
		path := " /delete/" + string(kind) + "/{id}"
		list = append(list,
			route{"GET" + path, how.op, func(q *request) error { return q.askDelete(kind) }},
			route{"POST" + path, how.op, func(q *request) error { return q.delete(kind) }})
	}
	return list
}

func (q *request) askDelete(kind uc.Kind) error {
	how := deletable[kind]
	name := how.name(q.dir, q.id())
	if name == "" {
		return notFound(string(kind))
	}
	return q.ok("delete", "Delete "+name+"?", deletePage{Name: name, Also: how.also, Back: q.back(how.after)})
}

func (q *request) delete(kind uc.Kind) error {
	how := deletable[kind]
	if how.name(q.dir, q.id()) == "" {
		return notFound(string(kind))
	}
	if err := q.web.Directory.Delete(q.Context(), q.actor(), uc.Ref{Kind: kind, ID: q.id()}); err != nil {
		return err
	}
	back := q.back(how.after)
	if strings.HasPrefix(back, pathOf("/"+string(kind)+"s", q.id())) {
		back = how.after // the page of what was deleted
	}
	return q.done(back, "deleted")
}
