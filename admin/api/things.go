package api

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/internal/uc"
)

// thing describes a kind of directory entry that is listed, read, added, replaced and deleted over REST.
type thing[T any, F any] struct {
	kind        uc.Kind
	plural      string
	read, write access.Operation
	list        func(d *uc.Directory, filter *F) []*T
	get         func(d *uc.Directory, id int64) *T
	add         func(c ctx, by uc.Actor, v T) (T, error) // nil if things of this kind are added otherwise
	update      func(c ctx, by uc.Actor, v T) error
	identify    func(v *T, id int64) // sets the id; may carry over what REST cannot change

	// warn is said before a change that needs to be confirmed; nil if none does.
	warn func(d *uc.Directory, before, after *T) string
}

// registerThings registers the kinds that need nothing but the five usual routes.
func (a *API) registerThings() {
	dir := a.Directory
	registerThing(a, thing[uc.Device, deviceFilter]{
		kind: uc.KindDevice, plural: "devices", read: access.ReadDevices, write: access.WriteDevices,
		list: listDevices,
		get:  func(d *uc.Directory, id int64) *uc.Device { return d.Devices.Get(uc.DeviceID(id)) },
		add:  dir.AddDevice, update: dir.UpdateDevice,
		identify: a.identifyDevice,
	})
	registerThing(a, thing[uc.Assignment, assignmentFilter]{
		kind: uc.KindAssignment, plural: "assignments", read: access.ReadDevices, write: access.WriteDevices,
		list: listAssignments,
		get:  func(d *uc.Directory, id int64) *uc.Assignment { return d.Assignments.Get(uc.AssignmentID(id)) },
		add:  dir.Assign, update: dir.UpdateAssignment,
		identify: func(v *uc.Assignment, id int64) { v.ID = uc.AssignmentID(id) },
	})
	registerThing(a, thing[uc.Location, NameFilter]{
		kind: uc.KindLocation, plural: "locations", read: access.ReadLocations, write: access.WriteLocations,
		list: func(d *uc.Directory, f *NameFilter) []*uc.Location {
			return desk.List(&d.Locations, desk.LocationName, func(l *uc.Location) bool { return f.matches(l.Name) })
		},
		get: func(d *uc.Directory, id int64) *uc.Location { return d.Locations.Get(uc.LocationID(id)) },
		add: dir.AddLocation, update: dir.UpdateLocation,
		identify: func(v *uc.Location, id int64) { v.ID = uc.LocationID(id) },
	})
	registerThing(a, thing[uc.Team, teamFilter]{
		kind: uc.KindTeam, plural: "teams", read: access.ReadTeams, write: access.WriteTeams,
		list: listTeams,
		get:  func(d *uc.Directory, id int64) *uc.Team { return d.Teams.Get(uc.TeamID(id)) },
		add:  dir.AddTeam, update: dir.UpdateTeam,
		identify: func(v *uc.Team, id int64) { v.ID = uc.TeamID(id) },
	})
	registerThing(a, thing[uc.Member, memberFilter]{
		kind: uc.KindMember, plural: "members", read: access.ReadTeams, write: access.WriteTeams,
		list: listMembers,
		get:  func(d *uc.Directory, id int64) *uc.Member { return d.Members.Get(uc.MemberID(id)) },
		add:  dir.AddMember, update: dir.UpdateMember,
		identify: func(v *uc.Member, id int64) { v.ID = uc.MemberID(id) },
	})
	registerThing(a, thing[uc.Role, roleFilter]{
		kind: uc.KindRole, plural: "roles", read: access.ReadRoles, write: access.WriteRoles,
		list: listRoles,
		get:  func(d *uc.Directory, id int64) *uc.Role { return d.Roles.Get(uc.RoleID(id)) },
		add:  dir.AddRole, update: dir.UpdateRole,
		identify: func(v *uc.Role, id int64) { v.ID = uc.RoleID(id) },
		warn:     desk.FirstUse,
	})
	registerThing(a, thing[uc.Profile, profileFilter]{
		kind: uc.KindProfile, plural: "profiles", read: access.ReadProfiles, write: access.WriteProfiles,
		list: listProfiles,
		get:  func(d *uc.Directory, id int64) *uc.Profile { return d.Profiles.Get(uc.ProfileID(id)) },
		add:  dir.AddProfile, update: dir.UpdateProfile,
		identify: func(v *uc.Profile, id int64) { v.ID = uc.ProfileID(id) },
	})
	registerThing(a, thing[uc.Forwarding, forwardingFilter]{
		kind: uc.KindForwarding, plural: "forwardings", read: access.ReadCallFlow, write: access.WriteCallFlow,
		list: listForwardings,
		get:  func(d *uc.Directory, id int64) *uc.Forwarding { return d.Forwardings.Get(uc.ForwardingID(id)) },
		add:  dir.AddForwarding, update: dir.UpdateForwarding,
		identify: func(v *uc.Forwarding, id int64) { v.ID = uc.ForwardingID(id) },
	})
	registerThing(a, thing[uc.FlowLine, flowFilter]{
		kind: uc.KindFlowLine, plural: "flowlines", read: access.ReadCallFlow, write: access.WriteCallFlow,
		list: listFlow,
		get:  func(d *uc.Directory, id int64) *uc.FlowLine { return d.FlowLines.Get(uc.FlowLineID(id)) },
		add:  dir.AddFlowLine, update: dir.UpdateFlowLine,
		identify: func(v *uc.FlowLine, id int64) { v.ID = uc.FlowLineID(id) },
	})
	registerThing(a, thing[uc.PhonebookEntry, NameFilter]{
		kind: uc.KindPhonebook, plural: "phonebook", read: access.ReadPhonebook, write: access.WritePhonebook,
		list: listPhonebook, get: getPhonebook,
		add: dir.AddPhonebookEntry, update: dir.UpdatePhonebookEntry,
		identify: func(v *uc.PhonebookEntry, id int64) { v.ID, v.Owner = uc.PhonebookID(id), 0 },
	})
}

// registerThing registers the five usual routes of a kind.
func registerThing[T any, F any](a *API, th thing[T, F]) {
	path, kind, noun, nouns := "/"+th.plural, string(th.kind), string(th.kind), th.plural
	switch th.kind {
	case uc.KindFlowLine:
		noun, nouns = "line of a call flow", "lines of call flows"
	case uc.KindPhonebook:
		noun, nouns = "entry of the phone book", "entries of the phone book"
	}
	handle(a, route{"list-" + th.plural, http.MethodGet, path, th.read, th.plural, "List " + nouns, 0},
		func(_ *call, filter *F) (*list[T], error) {
			return listOf(th.list(a.Directory.Snapshot(), filter)), nil
		})
	handle(a, route{"get-" + kind, http.MethodGet, path + "/{id}", th.read, th.plural, "Read one " + noun, 0},
		func(_ *call, in *ByID) (*one[T], error) { return th.find(a, in.ID) })
	add := route{"add-" + kind, http.MethodPost, path, th.write, th.plural, "Add one " + noun, http.StatusCreated}
	replace := route{"replace-" + kind, http.MethodPut, path + "/{id}", th.write, th.plural, "Replace one " + noun, 0}
	if th.warn != nil {
		th.registerWarned(a, add, replace)
	} else {
		th.registerPlain(a, add, replace)
	}
	handle(a, route{"delete-" + kind, http.MethodDelete, path + "/{id}", th.write, th.plural, "Delete one " + noun, http.StatusNoContent},
		func(c *call, in *ByID) (*empty, error) {
			if _, err := th.find(a, in.ID); err != nil {
				return nil, err
			}
			return nil, a.Directory.Delete(c, c.actor(), uc.Ref{Kind: th.kind, ID: in.ID})
		})
}

func (th *thing[T, F]) registerPlain(a *API, add, replace route) {
	if th.add != nil {
		handle(a, add, func(c *call, in *struct{ Body T }) (*one[T], error) { return th.addOne(c, in.Body) })
	}
	handle(a, replace, func(c *call, in *struct {
		ByID
		Body T
	}) (*one[T], error) {
		return th.replaceOne(a, c, in.ID, in.Body)
	})
}

// Confirmation lets a client say that it means what it asks for. Exported for the same reason as ByID.
type Confirmation struct {
	Confirm bool `query:"confirm" doc:"Go on although the answer was 428 with a warning."`
}

// registerWarned is registerPlain for things with changes that must be confirmed.
func (th *thing[T, F]) registerWarned(a *API, add, replace route) {
	handle(a, add, func(c *call, in *struct {
		Confirmation
		Body T
	}) (*one[T], error) {
		if err := in.check(th.warn(a.Directory.Snapshot(), nil, &in.Body)); err != nil {
			return nil, err
		}
		return th.addOne(c, in.Body)
	}, http.StatusPreconditionRequired)
	handle(a, replace, func(c *call, in *struct {
		ByID
		Confirmation
		Body T
	}) (*one[T], error) {
		d := a.Directory.Snapshot()
		if before := th.get(d, in.ID); before != nil {
			if err := in.check(th.warn(d, before, &in.Body)); err != nil {
				return nil, err
			}
		}
		return th.replaceOne(a, c, in.ID, in.Body)
	}, http.StatusPreconditionRequired)
}

// check refuses a change that there is a warning about, until it is confirmed (RFC 6585 §3).
func (c Confirmation) check(warning string) error {
	if warning == "" || c.Confirm {
		return nil
	}
	return huma.NewError(http.StatusPreconditionRequired, warning,
		&huma.ErrorDetail{Location: "query.confirm", Message: "repeat the request with confirm=true"})
}

func (th *thing[T, F]) addOne(c *call, v T) (*one[T], error) {
	th.identify(&v, 0)
	added, err := th.add(c, c.actor(), v)
	return &one[T]{Body: added}, err
}

func (th *thing[T, F]) replaceOne(a *API, c *call, id int64, v T) (*one[T], error) {
	if _, err := th.find(a, id); err != nil {
		return nil, err
	}
	th.identify(&v, id)
	if err := th.update(c, c.actor(), v); err != nil {
		return nil, err
	}
	return th.find(a, id)
}

func (th *thing[T, F]) find(a *API, id int64) (*one[T], error) {
	v := th.get(a.Directory.Snapshot(), id)
	if v == nil {
		return nil, notFound(th.kind, id)
	}
	return &one[T]{Body: *v}, nil
}

// identifyDevice sets a device's id and carries over its credentials, which REST never changes.
func (a *API) identifyDevice(v *uc.Device, id int64) {
	v.ID, v.SIPUser = uc.DeviceID(id), ""
	if before := a.Directory.Snapshot().Devices.Get(v.ID); before != nil {
		v.SIPUser, v.SIPSecret = before.SIPUser, before.SIPSecret
	}
}

// NameFilter is the search that lists of named things share. Exported for the same reason as ByID.
type NameFilter struct {
	Query string `query:"q" doc:"Only those whose name contains this text."`
}

func (f *NameFilter) matches(texts ...string) bool {
	q := strings.ToLower(f.Query)
	return slices.ContainsFunc(texts, func(t string) bool { return strings.Contains(strings.ToLower(t), q) })
}

type deviceFilter struct {
	NameFilter
	Kind uc.DeviceKind `query:"kind" doc:"Only devices of this kind."`
}

func listDevices(d *uc.Directory, f *deviceFilter) []*uc.Device {
	return desk.List(&d.Devices, desk.DeviceName, func(v *uc.Device) bool {
		return f.matches(v.Name, v.SIPUser) && (f.Kind == "" || f.Kind == v.Kind)
	})
}

type assignmentFilter struct {
	User     uc.UserID     `query:"user"`
	Location uc.LocationID `query:"location"`
	Device   uc.DeviceID   `query:"device"`
}

func listAssignments(d *uc.Directory, f *assignmentFilter) []*uc.Assignment {
	return desk.List(&d.Assignments, desk.Unnamed[uc.Assignment], func(v *uc.Assignment) bool {
		return (f.User == 0 || f.User == v.User) && (f.Location == 0 || f.Location == v.Location) && (f.Device == 0 || f.Device == v.Device)
	})
}

type teamFilter struct {
	NameFilter
	Ext string `query:"ext" doc:"The team with this extension."`
}

func listTeams(d *uc.Directory, f *teamFilter) []*uc.Team {
	return desk.List(&d.Teams, desk.TeamName, func(v *uc.Team) bool {
		return f.matches(v.Name) && (f.Ext == "" || f.Ext == v.Ext)
	})
}

type memberFilter struct {
	Team uc.TeamID `query:"team"`
	User uc.UserID `query:"user"`
}

func listMembers(d *uc.Directory, f *memberFilter) []*uc.Member {
	return desk.List(&d.Members, desk.Unnamed[uc.Member], func(v *uc.Member) bool {
		return (f.Team == 0 || f.Team == v.Team) && (f.User == 0 || f.User == v.User)
	})
}

type roleFilter struct {
	NameFilter
	Type uc.RoleType `query:"type" doc:"Only roles with this type."`
}

func listRoles(d *uc.Directory, f *roleFilter) []*uc.Role {
	return desk.List(&d.Roles, desk.RoleTitle, func(v *uc.Role) bool {
		return f.matches(v.Title) && contains(f.Type, "", v.Types)
	})
}

type profileFilter struct {
	NameFilter
	User uc.UserID `query:"user" doc:"Only profiles that are offered to this user."`
}

func listProfiles(d *uc.Directory, f *profileFilter) []*uc.Profile {
	return desk.List(&d.Profiles, desk.ProfileName, func(v *uc.Profile) bool {
		return f.matches(v.Name) && (f.User == 0 || d.MayUseProfile(f.User, v))
	})
}

type forwardingFilter struct {
	User uc.UserID `query:"user"`
}

func listForwardings(d *uc.Directory, f *forwardingFilter) []*uc.Forwarding {
	return desk.List(&d.Forwardings, desk.Unnamed[uc.Forwarding], func(v *uc.Forwarding) bool {
		return f.User == 0 || f.User == v.User
	})
}

type flowFilter struct {
	User uc.UserID   `query:"user"`
	Team uc.TeamID   `query:"team"`
	List uc.FlowList `query:"list"`
}

func listFlow(d *uc.Directory, f *flowFilter) []*uc.FlowLine {
	return desk.List(&d.FlowLines, desk.Unnamed[uc.FlowLine], func(v *uc.FlowLine) bool {
		return (f.User == 0 || f.User == v.User) && (f.Team == 0 || f.Team == v.Team) && (f.List == "" || f.List == v.List)
	})
}

// listPhonebook lists the company's entries; private ones are their owners' own business.
func listPhonebook(d *uc.Directory, f *NameFilter) []*uc.PhonebookEntry {
	return desk.List(&d.Phonebook, desk.EntryName, func(v *uc.PhonebookEntry) bool {
		return v.Owner == 0 && f.matches(append([]string{v.Name, v.Organisation}, v.Numbers...)...)
	})
}

func getPhonebook(d *uc.Directory, id int64) *uc.PhonebookEntry {
	if v := d.Phonebook.Get(uc.PhonebookID(id)); v != nil && v.Owner == 0 {
		return v
	}
	return nil
}
