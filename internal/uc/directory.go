package uc

import (
	"cmp"
	"slices"
	"strings"
)

// Tables lists rows of the directory by kind: everything at a start, or what a change puts.
type Tables struct {
	Users       []User
	UserStates  []UserState
	Devices     []Device
	Assignments []Assignment
	Locations   []Location
	Teams       []Team
	Members     []Member
	Roles       []Role
	Profiles    []Profile
	Forwardings []Forwarding
	FlowLines   []FlowLine
	Phonebook   []PhonebookEntry
}

// ChangeSet is one atomic change of the directory: rows to insert or replace, and rows to delete.
type ChangeSet struct {
	Put    Tables
	Delete []Ref
}

// Refs lists what the change puts and deletes.
func (c *ChangeSet) Refs() []Ref {
	var refs []Ref
	add := func(k Kind, id int64) { refs = append(refs, Ref{k, id}) }
	for i := range c.Put.Users {
		add(KindUser, int64(c.Put.Users[i].ID))
	}
	for i := range c.Put.UserStates {
		add(KindUserState, int64(c.Put.UserStates[i].User))
	}
	for i := range c.Put.Devices {
		add(KindDevice, int64(c.Put.Devices[i].ID))
	}
	for i := range c.Put.Assignments {
		add(KindAssignment, int64(c.Put.Assignments[i].ID))
	}
	for i := range c.Put.Locations {
		add(KindLocation, int64(c.Put.Locations[i].ID))
	}
	for i := range c.Put.Teams {
		add(KindTeam, int64(c.Put.Teams[i].ID))
	}
	for i := range c.Put.Members {
		add(KindMember, int64(c.Put.Members[i].ID))
	}
	for i := range c.Put.Roles {
		add(KindRole, int64(c.Put.Roles[i].ID))
	}
	for i := range c.Put.Profiles {
		add(KindProfile, int64(c.Put.Profiles[i].ID))
	}
	for i := range c.Put.Forwardings {
		add(KindForwarding, int64(c.Put.Forwardings[i].ID))
	}
	for i := range c.Put.FlowLines {
		add(KindFlowLine, int64(c.Put.FlowLines[i].ID))
	}
	for i := range c.Put.Phonebook {
		add(KindPhonebook, int64(c.Put.Phonebook[i].ID))
	}
	return append(refs, c.Delete...)
}

// Directory is an immutable snapshot of all people and things and their live switches. Lookups return
// pointers into the snapshot, or nil; nothing they point at may be written to.
type Directory struct {
	Version uint64 // rises with every change

	Users       Table[UserID, User]
	UserStates  Table[UserID, UserState]
	Devices     Table[DeviceID, Device]
	Assignments Table[AssignmentID, Assignment]
	Locations   Table[LocationID, Location]
	Teams       Table[TeamID, Team]
	Members     Table[MemberID, Member]
	Roles       Table[RoleID, Role]
	Profiles    Table[ProfileID, Profile]
	Forwardings Table[ForwardingID, Forwarding]
	FlowLines   Table[FlowLineID, FlowLine]
	Phonebook   Table[PhonebookID, PhonebookEntry]

	ofUser     Table[UserID, links]
	ofTeam     Table[TeamID, links]
	ofLocation Table[LocationID, links]
	ofDevice   Table[DeviceID, links]

	byLogin   index[UserID]
	byExt     index[Target]
	bySIPUser index[DeviceID]
	byNumber  index[*[]PhonebookID] // in ascending order

	shared []ProfileID // that are nobody's own, in ascending order
	hashes HashCensus  // of local users
}

// links are the identifiers of what belongs to one user, team, location or device, in ascending order.
type links struct {
	assignments []AssignmentID
	members     []MemberID
	forwardings []ForwardingID
	flowLines   []FlowLineID
	roles       []RoleID
	profiles    []ProfileID // of a user: their own
	occupants   []UserID    // of a location: who is logged in there; never more than one
}

// Target is what an extension belongs to; exactly one field is set.
type Target struct {
	User UserID
	Team TeamID
}

// NewDirectory makes a snapshot of the given rows.
func NewDirectory(version uint64, t Tables) *Directory {
	d := (&Directory{}).With(ChangeSet{Put: t})
	d.Version = version
	return d
}

// With returns the snapshot that the change leads to; its version is one higher. It checks nothing.
func (d *Directory) With(c ChangeSet) *Directory {
	n := *d
	n.Version++
	e := newEditor(&n)
	e.put(&c.Put)
	for _, ref := range c.Delete {
		e.delete(ref)
	}
	e.finish()
	return &n
}

// UserByLogin finds a user by login name (lower case).
func (d *Directory) UserByLogin(login string) *User {
	id, _ := d.byLogin.get(login)
	return d.Users.Get(id)
}

// Hashes counts the users whose password is kept here by the hashes that it is kept for.
func (d *Directory) Hashes() HashCensus { return d.hashes }

// ByExt finds what an extension belongs to.
func (d *Directory) ByExt(ext string) (Target, bool) { return d.byExt.get(ext) }

// DeviceBySIPUser finds a device by its SIP user name.
func (d *Directory) DeviceBySIPUser(name string) *Device {
	id, _ := d.bySIPUser.get(name)
	return d.Devices.Get(id)
}

// State returns a user's live switches; a user without a row has the zero state.
func (d *Directory) State(u UserID) UserState {
	if s := d.UserStates.Get(u); s != nil {
		return *s
	}
	return UserState{User: u}
}

// UserAssignments lists the devices assigned to a user.
func (d *Directory) UserAssignments(u UserID) []*Assignment {
	return resolve(&d.Assignments, linksOf(&d.ofUser, u).assignments)
}

// LocationAssignments lists the devices assigned to a location.
func (d *Directory) LocationAssignments(l LocationID) []*Assignment {
	return resolve(&d.Assignments, linksOf(&d.ofLocation, l).assignments)
}

// DeviceAssignments lists the users and locations that a device is assigned to.
func (d *Directory) DeviceAssignments(dev DeviceID) []*Assignment {
	return resolve(&d.Assignments, linksOf(&d.ofDevice, dev).assignments)
}

// DeviceUser returns whose calls the device makes now: the user it is assigned to, or the user logged
// in at its location; 0 if nobody.
func (d *Directory) DeviceUser(dev DeviceID) UserID {
	for _, a := range d.DeviceAssignments(dev) {
		if a.User != 0 {
			return a.User
		}
		if u := d.LocationUser(a.Location); u != 0 {
			return u
		}
	}
	return 0
}

// LocationUser returns the user logged in at a location, or 0.
func (d *Directory) LocationUser(l LocationID) UserID {
	if at := linksOf(&d.ofLocation, l).occupants; len(at) > 0 {
		return at[0]
	}
	return 0
}

// Endpoints lists the assignments that count for a user now: their own, then those of the location
// they are logged in at.
func (d *Directory) Endpoints(u UserID) []*Assignment {
	list := d.UserAssignments(u)
	if at := d.State(u).Workplace; at != 0 {
		list = append(slices.Clone(list), d.LocationAssignments(at)...)
	}
	return list
}

// TeamMembers lists the members of a team.
func (d *Directory) TeamMembers(t TeamID) []*Member {
	return resolve(&d.Members, linksOf(&d.ofTeam, t).members)
}

// Memberships lists a user's places in teams.
func (d *Directory) Memberships(u UserID) []*Member {
	return resolve(&d.Members, linksOf(&d.ofUser, u).members)
}

// UserForwardings lists a user's forwardings.
func (d *Directory) UserForwardings(u UserID) []*Forwarding {
	return resolve(&d.Forwardings, linksOf(&d.ofUser, u).forwardings)
}

// UserFlow lists the lines of one of a user's call-flow lists in order.
func (d *Directory) UserFlow(u UserID, list FlowList) []*FlowLine {
	return flow(resolve(&d.FlowLines, linksOf(&d.ofUser, u).flowLines), list)
}

// TeamFlow lists the lines of one of a team's call-flow lists in order.
func (d *Directory) TeamFlow(t TeamID, list FlowList) []*FlowLine {
	return flow(resolve(&d.FlowLines, linksOf(&d.ofTeam, t).flowLines), list)
}

func flow(all []*FlowLine, list FlowList) []*FlowLine {
	all = slices.DeleteFunc(all, func(l *FlowLine) bool { return l.List != list })
	slices.SortStableFunc(all, func(a, b *FlowLine) int { return cmp.Compare(a.Position, b.Position) })
	return all
}

// UserRoles lists the roles a user is a member of, by hand or automatically.
func (d *Directory) UserRoles(u UserID) []*Role {
	return resolve(&d.Roles, linksOf(&d.ofUser, u).roles)
}

// TeamRoles lists the roles a team is a member of.
func (d *Directory) TeamRoles(t TeamID) []*Role {
	return resolve(&d.Roles, linksOf(&d.ofTeam, t).roles)
}

// LocationRoles lists the roles a location is a member of.
func (d *Directory) LocationRoles(l LocationID) []*Role {
	return resolve(&d.Roles, linksOf(&d.ofLocation, l).roles)
}

// HasType reports whether one of the user's roles has the type.
func (d *Directory) HasType(u UserID, t RoleType) bool {
	return slices.ContainsFunc(d.UserRoles(u), func(r *Role) bool { return slices.Contains(r.Types, t) })
}

// TypeUsed reports whether any role has the type (the "open until used" rule).
func (d *Directory) TypeUsed(t RoleType) bool {
	for _, r := range d.Roles.All() {
		if slices.Contains(r.Types, t) {
			return true
		}
	}
	return false
}

// RoleUsers lists the users that a role has, in ascending order.
func (d *Directory) RoleUsers(r *Role) []UserID {
	if !r.AutoUsers {
		return members(r.Users, &d.Users)
	}
	return sortedKeys(&d.Users)
}

// RoleTeams lists the teams that a role has, in ascending order.
func (d *Directory) RoleTeams(r *Role) []TeamID {
	if !r.AutoTeams {
		return members(r.Teams, &d.Teams)
	}
	return sortedKeys(&d.Teams)
}

// MayUseLocation reports whether the user may log in at the location, with the reason if not.
func (d *Directory) MayUseLocation(u UserID, l LocationID) (bool, string) {
	loc := d.Locations.Get(l)
	switch {
	case loc == nil:
		return false, "no such location"
	case len(loc.Users) > 0 && !slices.Contains(loc.Users, u):
		return false, "the location is reserved for others"
	case !d.TypeUsed(TypeLocationGroup):
		return true, ""
	}
	at := d.LocationRoles(l)
	for _, r := range d.UserRoles(u) {
		if slices.Contains(r.Types, TypeLocationGroup) && slices.Contains(at, r) {
			return true, ""
		}
	}
	return false, "no role with " + string(TypeLocationGroup) + " has both the user and the location"
}

// MaySupervise reports whether who holds xmpp.supervisor over whom.
func (d *Directory) MaySupervise(who, whom UserID) bool {
	for _, r := range d.UserRoles(who) {
		if !slices.Contains(r.Types, TypeSupervisor) {
			continue
		}
		if len(r.Supervises) == 0 {
			return true
		}
		for _, theirs := range d.UserRoles(whom) {
			if slices.Contains(r.Supervises, theirs.ID) {
				return true
			}
		}
	}
	return false
}

// Offered lists the profiles that a user may be in: the system profiles, those that one of the user's
// roles offers, and the user's own while a role allows personal ones. Ordered by kind, then name.
func (d *Directory) Offered(u UserID) []*Profile {
	list := append(resolve(&d.Profiles, d.shared), resolve(&d.Profiles, linksOf(&d.ofUser, u).profiles)...)
	list = slices.DeleteFunc(list, func(p *Profile) bool { return !d.MayUseProfile(u, p) })
	rank := map[Assigned]int{AssignedSystem: 0, AssignedAdmin: 1, AssignedPersonal: 2}
	slices.SortFunc(list, func(a, b *Profile) int {
		if a.Assigned == AssignedSystem && b.Assigned == AssignedSystem {
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(rank[a.Assigned], rank[b.Assigned]), strings.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return list
}

// MayUseProfile reports whether a profile is offered to a user.
func (d *Directory) MayUseProfile(u UserID, p *Profile) bool {
	switch {
	case p == nil:
		return false
	case p.Assigned == AssignedSystem:
		return true
	case p.Assigned == AssignedPersonal:
		return p.Owner == u && d.HasType(u, TypePersonal)
	case len(p.Roles) == 0:
		return slices.ContainsFunc(d.UserRoles(u), func(r *Role) bool { return r.ID == RoleAll })
	}
	return slices.ContainsFunc(d.UserRoles(u), func(r *Role) bool { return slices.Contains(p.Roles, r.ID) })
}

// NameOf returns the name that a caller with this number has in the company's phone book, or "".
func (d *Directory) NameOf(number string) string {
	if t, ok := d.ByExt(number); ok {
		if u := d.Users.Get(t.User); u != nil {
			return u.Name
		}
		if team := d.Teams.Get(t.Team); team != nil {
			return team.Name
		}
	}
	for _, e := range d.PhonebookByNumber(number) {
		if e.Owner == 0 {
			return e.Name
		}
	}
	return ""
}

// PhonebookByNumber lists the entries of all phone books that have a number.
func (d *Directory) PhonebookByNumber(number string) []*PhonebookEntry {
	ids, ok := d.byNumber.get(number)
	if !ok {
		return nil
	}
	return resolve(&d.Phonebook, *ids)
}

func linksOf[K ~int64](t *Table[K, links], key K) links {
	if l := t.Get(key); l != nil {
		return *l
	}
	return links{}
}

func resolve[K ~int64, V any](t *Table[K, V], ids []K) []*V {
	list := make([]*V, 0, len(ids))
	for _, id := range ids {
		if v := t.Get(id); v != nil {
			list = append(list, v)
		}
	}
	return list
}

func members[K ~int64, V any](ids []K, t *Table[K, V]) []K {
	list := slices.DeleteFunc(slices.Clone(ids), func(id K) bool { return t.Get(id) == nil })
	slices.Sort(list)
	return slices.Compact(list)
}

func sortedKeys[K ~int64, V any](t *Table[K, V]) []K {
	list := make([]K, 0, t.Len())
	for id := range t.All() {
		list = append(list, id)
	}
	slices.Sort(list)
	return list
}
