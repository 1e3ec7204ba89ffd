package web

import (
	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/admin/web/form"
	"github.com/rolecall/rolecall/internal/uc"
)

// locationRow is one line of the list of locations.
type locationRow struct {
	*uc.Location
	Devices []*uc.Device
	Here    *uc.User // who is logged in
}

func (q *request) locations() error {
	list := desk.List(&q.dir.Locations, desk.LocationName, func(l *uc.Location) bool { return q.search(l.Name) })
	rows := make([]locationRow, len(list))
	for i, l := range list {
		rows[i] = locationRow{Location: l, Here: q.dir.Users.Get(q.dir.LocationUser(l.ID))}
		for _, a := range q.dir.LocationAssignments(l.ID) {
			if d := q.dir.Devices.Get(a.Device); d != nil {
				rows[i].Devices = append(rows[i].Devices, d)
			}
		}
	}
	return q.ok("locations", "Locations", listOf(q, rows))
}

func (web *Web) locationEditor() editor[uc.Location] {
	return editor[uc.Location]{
		path: "/locations", page: "location", noun: "location", read: access.ReadLocations, write: access.WriteLocations,
		blank:  func(*request) uc.Location { return uc.Location{} },
		get:    func(d *uc.Directory, id int64) *uc.Location { return d.Locations.Get(uc.LocationID(id)) },
		setID:  func(v *uc.Location, id int64) { v.ID = uc.LocationID(id) },
		title:  func(v *uc.Location) string { return v.Name },
		add:    web.Directory.AddLocation,
		update: web.Directory.UpdateLocation,
		next:   func(v *uc.Location) string { return pathOf("/locations", v.ID) },
		extra: func(q *request, _ *uc.Location, id int64) any {
			list := q.assignments(q.dir.LocationAssignments(uc.LocationID(id)), pathOf("/locations", id))
			list.At = uc.LocationID(id)
			return list
		},
	}
}

// teamRow is one line of the list of teams.
type teamRow struct {
	*uc.Team
	Members, Active int
}

func (q *request) teams() error {
	list := desk.List(&q.dir.Teams, desk.TeamName, func(t *uc.Team) bool { return q.search(t.Name, t.Ext) })
	rows := make([]teamRow, len(list))
	for i, t := range list {
		rows[i] = teamRow{Team: t}
		for _, m := range q.dir.TeamMembers(t.ID) {
			rows[i].Members++
			if m.Active() {
				rows[i].Active++
			}
		}
	}
	return q.ok("teams", "Teams", listOf(q, rows))
}

// teamExtra is what the page of a team shows beside its form.
type teamExtra struct {
	Members []teamMember
	Free    []option
	Flow    []flowLists
}

type teamMember struct {
	*uc.Member
	User *uc.User
	Form *form.Form
}

func (web *Web) teamEditor() editor[uc.Team] {
	return editor[uc.Team]{
		path: "/teams", page: "team", noun: "team", read: access.ReadTeams, write: access.WriteTeams,
		blank:  func(*request) uc.Team { return uc.Team{Strategy: uc.RingAll, MemberTimeout: 20} },
		get:    func(d *uc.Directory, id int64) *uc.Team { return d.Teams.Get(uc.TeamID(id)) },
		setID:  func(v *uc.Team, id int64) { v.ID = uc.TeamID(id) },
		title:  func(v *uc.Team) string { return v.Name },
		add:    web.Directory.AddTeam,
		update: web.Directory.UpdateTeam,
		next:   func(v *uc.Team) string { return pathOf("/teams", v.ID) },
		extra:  func(q *request, _ *uc.Team, id int64) any { return q.teamExtra(uc.TeamID(id)) },
	}
}

func (q *request) teamExtra(id uc.TeamID) teamExtra {
	var out teamExtra
	in := make(map[uc.UserID]bool)
	for _, m := range q.dir.TeamMembers(id) {
		in[m.User] = true
		if u := q.dir.Users.Get(m.User); u != nil {
			out.Members = append(out.Members, teamMember{m, u, form.Of(m)})
		}
	}
	for _, u := range desk.List(&q.dir.Users, desk.UserName, func(u *uc.User) bool { return !in[u.ID] }) {
		out.Free = append(out.Free, idOption(u.ID, nameAndExt(u.Name, u.Ext)))
	}
	out.Flow = flowOf(func(list uc.FlowList) []*uc.FlowLine { return q.dir.TeamFlow(id, list) })
	return out
}

func (web *Web) memberEditor() editor[uc.Member] {
	return editor[uc.Member]{
		path: "/members", page: "member", noun: "member", read: access.ReadTeams, write: access.WriteTeams,
		blank:  func(q *request) uc.Member { return uc.Member{Team: uc.TeamID(number(q.FormValue("team")))} },
		get:    func(d *uc.Directory, id int64) *uc.Member { return d.Members.Get(uc.MemberID(id)) },
		setID:  func(v *uc.Member, id int64) { v.ID = uc.MemberID(id) },
		title:  func(*uc.Member) string { return "Member of a team" },
		add:    web.Directory.AddMember,
		update: web.Directory.UpdateMember,
		next:   func(v *uc.Member) string { return pathOf("/teams", v.Team) },
	}
}

// roleRow is one line of the list of roles.
type roleRow struct {
	*uc.Role
	Members int
}

func (q *request) roles() error {
	list := desk.List(&q.dir.Roles, desk.RoleTitle, func(r *uc.Role) bool { return q.search(r.Title, r.Description) })
	rows := make([]roleRow, len(list))
	for i, r := range list {
		rows[i] = roleRow{r, len(q.dir.RoleUsers(r))}
	}
	return q.ok("roles", "Roles", listOf(q, rows))
}

func (web *Web) roleEditor() editor[uc.Role] {
	return editor[uc.Role]{
		path: "/roles", page: "role", noun: "role", read: access.ReadRoles, write: access.WriteRoles,
		blank:  func(*request) uc.Role { return uc.Role{} },
		get:    func(d *uc.Directory, id int64) *uc.Role { return d.Roles.Get(uc.RoleID(id)) },
		setID:  func(v *uc.Role, id int64) { v.ID = uc.RoleID(id) },
		title:  func(v *uc.Role) string { return v.Title },
		add:    web.Directory.AddRole,
		update: web.Directory.UpdateRole,
		next:   func(*uc.Role) string { return "/roles" },
		extra:  func(*request, *uc.Role, int64) any { return typeInfos },
		warn:   warnFirstUse,
	}
}

// typeInfos say what the role types do.
var typeInfos = []struct {
	Type uc.RoleType
	Text string
}{
	{uc.TypeXMPPGroup, "The members form one shared group in each other's contact lists."},
	{uc.TypeSupervisor, "Sees and steers everyone's presence and calls, or those of the roles below."},
	{uc.TypePickupGroup, "Members may pick up calls that ring at other members."},
	{uc.TypeLocationGroup, "Members may log in only at locations of the same role."},
	{uc.TypeRedirectChoice, "The holder's own calls ignore the callee's forwarding."},
	{uc.TypeRedirectGroup, "May set and clear other users' forwarding."},
	{uc.TypeBillingGroup, "Accounting group, written into the call records."},
	{uc.TypePersonal, "May create personal client profiles."},
	{uc.TypePresenceDetails, "Sees why someone is busy, and with whom on the phone."},
}

// warnFirstUse asks before the step that takes a right from everybody who is not in this role.
func warnFirstUse(q *request, before, after *uc.Role) string {
	return desk.FirstUse(q.dir, before, after)
}

// forwardingRow is one line of the overview of forwardings.
type forwardingRow struct {
	*uc.Forwarding
	User   *uc.User
	Target string // in words
}

func (q *request) forwardings() error {
	var rows []forwardingRow
	for _, f := range desk.List(&q.dir.Forwardings, func(f *uc.Forwarding) string { return q.userName(f.User) }, nil) {
		row := forwardingRow{f, q.dir.Users.Get(f.User), q.targetName(f.Target)}
		if row.User != nil && q.search(row.User.Name, row.User.Ext, f.Target) {
			rows = append(rows, row)
		}
	}
	return q.ok("forwardings", "Forwardings", listOf(q, rows))
}

func (q *request) userName(id uc.UserID) string {
	if u := q.dir.Users.Get(id); u != nil {
		return u.Name
	}
	return ""
}

func (q *request) targetName(target string) string {
	if name := q.dir.NameOf(target); name != "" {
		return target + " (" + name + ")"
	}
	return target
}

func (web *Web) forwardingEditor() editor[uc.Forwarding] {
	return editor[uc.Forwarding]{
		path: "/forwardings", page: "forwarding", noun: "forwarding", read: access.ReadCallFlow, write: access.WriteCallFlow,
		blank: func(q *request) uc.Forwarding {
			return uc.Forwarding{User: uc.UserID(number(q.FormValue("user"))), Kind: uc.ForwardAlways, Class: uc.ForwardBoth, Active: true}
		},
		get:    func(d *uc.Directory, id int64) *uc.Forwarding { return d.Forwardings.Get(uc.ForwardingID(id)) },
		setID:  func(v *uc.Forwarding, id int64) { v.ID = uc.ForwardingID(id) },
		title:  func(*uc.Forwarding) string { return "Forwarding" },
		add:    web.Directory.AddForwarding,
		update: web.Directory.UpdateForwarding,
		next:   func(*uc.Forwarding) string { return "/forwardings" },
	}
}

func (web *Web) flowEditor() editor[uc.FlowLine] {
	return editor[uc.FlowLine]{
		path: "/flowlines", page: "flowline", noun: "line", read: access.ReadCallFlow, write: access.WriteCallFlow,
		blank: func(q *request) uc.FlowLine {
			return uc.FlowLine{
				User: uc.UserID(number(q.FormValue("user"))), Team: uc.TeamID(number(q.FormValue("team"))),
				List: uc.FlowList(q.FormValue("list")), Status: "any", Action: "voicemail",
			}
		},
		get:    func(d *uc.Directory, id int64) *uc.FlowLine { return d.FlowLines.Get(uc.FlowLineID(id)) },
		setID:  func(v *uc.FlowLine, id int64) { v.ID = uc.FlowLineID(id) },
		title:  func(*uc.FlowLine) string { return "Line of the call flow" },
		add:    web.Directory.AddFlowLine,
		update: web.Directory.UpdateFlowLine,
		next: func(v *uc.FlowLine) string {
			if v.Team != 0 {
				return pathOf("/teams", v.Team)
			}
			return pathOf("/users", v.User) + "/flow"
		},
	}
}

// entryRow is one line of the phone book: a user or an entry of the company.
type entryRow struct {
	Name, Organisation, Email string
	Numbers                   []string
	Path                      string // empty for users, whose entry follows their own data
}

func (q *request) phonebook() error {
	var rows []entryRow
	for _, u := range desk.List(&q.dir.Users, desk.UserName, func(u *uc.User) bool {
		return !u.PhonebookHidden && u.Ext != "" && q.search(u.Name, u.Ext, u.Email)
	}) {
		rows = append(rows, entryRow{Name: u.Name, Email: u.Email, Numbers: []string{u.Ext}})
	}
	for _, e := range desk.List(&q.dir.Phonebook, desk.EntryName, func(e *uc.PhonebookEntry) bool {
		return e.Owner == 0 && q.search(append([]string{e.Name, e.Organisation, e.Email}, e.Numbers...)...)
	}) {
		rows = append(rows, entryRow{e.Name, e.Organisation, e.Email, e.Numbers, pathOf("/phonebook", e.ID)})
	}
	return q.ok("phonebook", "Phone book", listOf(q, rows))
}

func (web *Web) phonebookEditor() editor[uc.PhonebookEntry] {
	return editor[uc.PhonebookEntry]{
		path: "/phonebook", page: "entry", noun: "entry", read: access.ReadPhonebook, write: access.WritePhonebook,
		blank: func(*request) uc.PhonebookEntry { return uc.PhonebookEntry{} },
		get: func(d *uc.Directory, id int64) *uc.PhonebookEntry {
			if e := d.Phonebook.Get(uc.PhonebookID(id)); e != nil && e.Owner == 0 {
				return e
			}
			return nil // private entries are their owners' own business
		},
		setID:  func(v *uc.PhonebookEntry, id int64) { v.ID, v.Owner = uc.PhonebookID(id), 0 },
		title:  func(v *uc.PhonebookEntry) string { return v.Name },
		add:    web.Directory.AddPhonebookEntry,
		update: web.Directory.UpdatePhonebookEntry,
		next:   func(*uc.PhonebookEntry) string { return "/phonebook" },
	}
}
