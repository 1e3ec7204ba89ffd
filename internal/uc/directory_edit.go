package uc

import "slices"

// editor applies a ChangeSet to a fresh copy of a Directory and keeps its indexes right: links and names
// one by one, and who is in which role at the end, for all if a role changed, else for who is new.
type editor struct {
	d *Directory

	users       tableEdit[UserID, User]
	userStates  tableEdit[UserID, UserState]
	devices     tableEdit[DeviceID, Device]
	assignments tableEdit[AssignmentID, Assignment]
	locations   tableEdit[LocationID, Location]
	teams       tableEdit[TeamID, Team]
	members     tableEdit[MemberID, Member]
	roles       tableEdit[RoleID, Role]
	profiles    tableEdit[ProfileID, Profile]
	forwardings tableEdit[ForwardingID, Forwarding]
	flowLines   tableEdit[FlowLineID, FlowLine]
	phonebook   tableEdit[PhonebookID, PhonebookEntry]

	ofUser     tableEdit[UserID, links]
	ofTeam     tableEdit[TeamID, links]
	ofLocation tableEdit[LocationID, links]
	ofDevice   tableEdit[DeviceID, links]

	byLogin   indexEdit[UserID]
	byExt     indexEdit[Target]
	bySIPUser indexEdit[DeviceID]
	byNumber  indexEdit[*[]PhonebookID]

	rolesChanged bool
	newUsers     []UserID
	newTeams     []TeamID
	newLocations []LocationID
}

func newEditor(d *Directory) *editor {
	e := &editor{d: d}
	e.users.t, e.userStates.t, e.devices.t = &d.Users, &d.UserStates, &d.Devices
	e.assignments.t, e.locations.t, e.teams.t = &d.Assignments, &d.Locations, &d.Teams
	e.members.t, e.roles.t, e.profiles.t = &d.Members, &d.Roles, &d.Profiles
	e.forwardings.t, e.flowLines.t, e.phonebook.t = &d.Forwardings, &d.FlowLines, &d.Phonebook
	e.ofUser.t, e.ofTeam.t, e.ofLocation.t, e.ofDevice.t = &d.ofUser, &d.ofTeam, &d.ofLocation, &d.ofDevice
	e.byLogin.x, e.byExt.x, e.bySIPUser.x, e.byNumber.x = &d.byLogin, &d.byExt, &d.bySIPUser, &d.byNumber
	return e
}

func (e *editor) put(t *Tables) {
	for _, r := range t.Users {
		var old User
		if had := e.d.Users.Get(r.ID); had != nil {
			old = *had
		} else {
			e.newUsers = append(e.newUsers, r.ID)
		}
		e.byLogin.move(old.Login, r.Login, r.ID)
		e.byExt.move(old.Ext, r.Ext, Target{User: r.ID})
		e.count(&old, -1)
		e.count(&r, +1)
		e.users.put(r.ID, r)
	}
	for _, r := range t.UserStates {
		e.leaveWorkplace(r.User)
		e.userStates.put(r.User, r)
		editLinks(&e.ofLocation, r.Workplace, func(l *links) { l.occupants = with(l.occupants, r.User) })
	}
	for _, r := range t.Devices {
		var old Device
		if had := e.d.Devices.Get(r.ID); had != nil {
			old = *had
		}
		e.bySIPUser.move(old.SIPUser, r.SIPUser, r.ID)
		e.devices.put(r.ID, r)
	}
	for _, r := range t.Assignments {
		e.unlinkAssignment(r.ID)
		e.assignments.put(r.ID, r)
		e.linkAssignment(&r)
	}
	for _, r := range t.Locations {
		if e.d.Locations.Get(r.ID) == nil {
			e.newLocations = append(e.newLocations, r.ID)
		}
		e.locations.put(r.ID, r)
	}
	for _, r := range t.Teams {
		var old Team
		if had := e.d.Teams.Get(r.ID); had != nil {
			old = *had
		} else {
			e.newTeams = append(e.newTeams, r.ID)
		}
		e.byExt.move(old.Ext, r.Ext, Target{Team: r.ID})
		e.teams.put(r.ID, r)
	}
	for _, r := range t.Members {
		e.unlinkMember(r.ID)
		e.members.put(r.ID, r)
		e.linkMember(&r)
	}
	for _, r := range t.Roles {
		e.rolesChanged = true
		e.roles.put(r.ID, r)
	}
	for _, r := range t.Profiles {
		e.unlinkProfile(r.ID)
		e.profiles.put(r.ID, r)
		if r.Assigned == AssignedPersonal {
			editLinks(&e.ofUser, r.Owner, func(l *links) { l.profiles = with(l.profiles, r.ID) })
		} else {
			e.d.shared = with(e.d.shared, r.ID)
		}
	}
	for _, r := range t.Forwardings {
		e.unlinkForwarding(r.ID)
		e.forwardings.put(r.ID, r)
		editLinks(&e.ofUser, r.User, func(l *links) { l.forwardings = with(l.forwardings, r.ID) })
	}
	for _, r := range t.FlowLines {
		e.unlinkFlowLine(r.ID)
		e.flowLines.put(r.ID, r)
		add := func(l *links) { l.flowLines = with(l.flowLines, r.ID) }
		editLinks(&e.ofUser, r.User, add)
		editLinks(&e.ofTeam, r.Team, add)
	}
	for _, r := range t.Phonebook {
		e.unlinkNumbers(r.ID)
		e.phonebook.put(r.ID, r)
		for _, number := range r.Numbers {
			e.editNumber(number, func(ids []PhonebookID) []PhonebookID { return with(ids, r.ID) })
		}
	}
}

func (e *editor) delete(ref Ref) {
	switch id := ref.ID; ref.Kind {
	case KindUser:
		if u := e.d.Users.Get(UserID(id)); u != nil {
			e.byLogin.drop(u.Login, u.ID)
			e.byExt.drop(u.Ext, Target{User: u.ID})
			e.count(u, -1)
		}
		e.users.delete(UserID(id))
		editLinks(&e.ofUser, UserID(id), func(l *links) { l.roles = nil })
	case KindUserState:
		e.leaveWorkplace(UserID(id))
		e.userStates.delete(UserID(id))
	case KindDevice:
		if dev := e.d.Devices.Get(DeviceID(id)); dev != nil {
			e.bySIPUser.drop(dev.SIPUser, dev.ID)
		}
		e.devices.delete(DeviceID(id))
	case KindAssignment:
		e.unlinkAssignment(AssignmentID(id))
		e.assignments.delete(AssignmentID(id))
	case KindLocation:
		e.locations.delete(LocationID(id))
		editLinks(&e.ofLocation, LocationID(id), func(l *links) { l.roles = nil })
	case KindTeam:
		if t := e.d.Teams.Get(TeamID(id)); t != nil {
			e.byExt.drop(t.Ext, Target{Team: t.ID})
		}
		e.teams.delete(TeamID(id))
		editLinks(&e.ofTeam, TeamID(id), func(l *links) { l.roles = nil })
	case KindMember:
		e.unlinkMember(MemberID(id))
		e.members.delete(MemberID(id))
	case KindRole:
		e.rolesChanged = true
		e.roles.delete(RoleID(id))
	case KindProfile:
		e.unlinkProfile(ProfileID(id))
		e.profiles.delete(ProfileID(id))
	case KindForwarding:
		e.unlinkForwarding(ForwardingID(id))
		e.forwardings.delete(ForwardingID(id))
	case KindFlowLine:
		e.unlinkFlowLine(FlowLineID(id))
		e.flowLines.delete(FlowLineID(id))
	case KindPhonebook:
		e.unlinkNumbers(PhonebookID(id))
		e.phonebook.delete(PhonebookID(id))
	}
}

// count changes how many users there are with keys for the same hashes.
func (e *editor) count(u *User, by int) {
	if u.Auth == AuthLocal {
		e.d.hashes[u.Password.Hashes()] += by
	}
}

func (e *editor) linkAssignment(a *Assignment) {
	add := func(l *links) { l.assignments = with(l.assignments, a.ID) }
	editLinks(&e.ofUser, a.User, add)
	editLinks(&e.ofLocation, a.Location, add)
	editLinks(&e.ofDevice, a.Device, add)
}

func (e *editor) unlinkAssignment(id AssignmentID) {
	if old := e.d.Assignments.Get(id); old != nil {
		drop := func(l *links) { l.assignments = without(l.assignments, id) }
		editLinks(&e.ofUser, old.User, drop)
		editLinks(&e.ofLocation, old.Location, drop)
		editLinks(&e.ofDevice, old.Device, drop)
	}
}

func (e *editor) linkMember(m *Member) {
	add := func(l *links) { l.members = with(l.members, m.ID) }
	editLinks(&e.ofUser, m.User, add)
	editLinks(&e.ofTeam, m.Team, add)
}

func (e *editor) unlinkMember(id MemberID) {
	if old := e.d.Members.Get(id); old != nil {
		drop := func(l *links) { l.members = without(l.members, id) }
		editLinks(&e.ofUser, old.User, drop)
		editLinks(&e.ofTeam, old.Team, drop)
	}
}

func (e *editor) unlinkForwarding(id ForwardingID) {
	if old := e.d.Forwardings.Get(id); old != nil {
		editLinks(&e.ofUser, old.User, func(l *links) { l.forwardings = without(l.forwardings, id) })
	}
}

func (e *editor) unlinkFlowLine(id FlowLineID) {
	if old := e.d.FlowLines.Get(id); old != nil {
		drop := func(l *links) { l.flowLines = without(l.flowLines, id) }
		editLinks(&e.ofUser, old.User, drop)
		editLinks(&e.ofTeam, old.Team, drop)
	}
}

func (e *editor) leaveWorkplace(u UserID) {
	if old := e.d.UserStates.Get(u); old != nil {
		editLinks(&e.ofLocation, old.Workplace, func(l *links) { l.occupants = without(l.occupants, u) })
	}
}

func (e *editor) unlinkProfile(id ProfileID) {
	switch old := e.d.Profiles.Get(id); {
	case old == nil:
	case old.Assigned == AssignedPersonal:
		editLinks(&e.ofUser, old.Owner, func(l *links) { l.profiles = without(l.profiles, id) })
	default:
		e.d.shared = without(e.d.shared, id)
	}
}

func (e *editor) unlinkNumbers(id PhonebookID) {
	if old := e.d.Phonebook.Get(id); old != nil {
		for _, number := range old.Numbers {
			e.editNumber(number, func(ids []PhonebookID) []PhonebookID { return without(ids, id) })
		}
	}
}

// editNumber changes which entries have a number.
func (e *editor) editNumber(number string, change func([]PhonebookID) []PhonebookID) {
	var ids []PhonebookID
	if had, ok := e.byNumber.x.get(number); ok {
		ids = *had
	}
	if ids = change(ids); len(ids) == 0 {
		delete(e.byNumber.shard(number), number)
	} else {
		e.byNumber.shard(number)[number] = &ids
	}
}

func (e *editor) finish() {
	if e.rolesChanged {
		e.indexRoles()
		return
	}
	if len(e.newUsers)+len(e.newTeams)+len(e.newLocations) > 0 {
		e.indexNew()
	}
}

// indexNew works out the roles of who and what is new.
func (e *editor) indexNew() {
	for _, id := range sortedKeys(&e.d.Roles) {
		r := e.d.Roles.Get(id)
		add := func(l *links) { l.roles = with(l.roles, id) }
		for _, u := range e.newUsers {
			if e.d.Users.Get(u) != nil && (r.AutoUsers || slices.Contains(r.Users, u)) {
				editLinks(&e.ofUser, u, add)
			}
		}
		for _, t := range e.newTeams {
			if e.d.Teams.Get(t) != nil && (r.AutoTeams || slices.Contains(r.Teams, t)) {
				editLinks(&e.ofTeam, t, add)
			}
		}
		for _, at := range e.newLocations {
			if e.d.Locations.Get(at) != nil && (r.AutoLocations || slices.Contains(r.Locations, at)) {
				editLinks(&e.ofLocation, at, add)
			}
		}
	}
}

// indexRoles works out anew who is in which role.
func (e *editor) indexRoles() {
	users, teams, locations := map[UserID][]RoleID{}, map[TeamID][]RoleID{}, map[LocationID][]RoleID{}
	for _, id := range sortedKeys(&e.d.Roles) {
		r := e.d.Roles.Get(id)
		for _, u := range e.d.RoleUsers(r) {
			users[u] = append(users[u], id)
		}
		for _, t := range e.d.RoleTeams(r) {
			teams[t] = append(teams[t], id)
		}
		at := members(r.Locations, &e.d.Locations)
		if r.AutoLocations {
			at = sortedKeys(&e.d.Locations)
		}
		for _, l := range at {
			locations[l] = append(locations[l], id)
		}
	}
	setRoles(&e.ofUser, &e.d.Users, users)
	setRoles(&e.ofTeam, &e.d.Teams, teams)
	setRoles(&e.ofLocation, &e.d.Locations, locations)
}

func setRoles[K ~int64, V any](edit *tableEdit[K, links], all *Table[K, V], roles map[K][]RoleID) {
	for id := range all.All() {
		if !slices.Equal(linksOf(edit.t, id).roles, roles[id]) {
			editLinks(edit, id, func(l *links) { l.roles = roles[id] })
		}
	}
}

// editLinks changes the links of one owner; owner 0 is nobody.
func editLinks[K ~int64](edit *tableEdit[K, links], owner K, change func(*links)) {
	if owner == 0 {
		return
	}
	l := linksOf(edit.t, owner)
	change(&l)
	edit.put(owner, l)
}

// with returns the sorted list with id in it, without changing the list it got.
func with[K ~int64](list []K, id K) []K {
	at, found := slices.BinarySearch(list, id)
	if found {
		return list
	}
	return slices.Insert(slices.Clone(list), at, id)
}

func without[K ~int64](list []K, id K) []K {
	at, found := slices.BinarySearch(list, id)
	if !found {
		return list
	}
	return slices.Delete(slices.Clone(list), at, at+1)
}
