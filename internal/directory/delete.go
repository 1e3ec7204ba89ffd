package directory

import (
	"context"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// Delete removes a thing and everything that belongs to it. The role All, the system profiles and the
// last system administrator stay (ErrForbidden, ErrConflict), and so does a role whose removal would
// open something to everybody (ErrConflict).
func (d *Directory) Delete(ctx context.Context, by uc.Actor, ref uc.Ref) error {
	return d.do(ctx, by, func(e *edit) error {
		name := label(e.dir, ref)
		if err := e.deleteRef(ref); err != nil {
			return err
		}
		e.drop = append(e.drop, ref)
		e.note("deleted %s", name)
		return nil
	})
}

// deleteRef removes what belongs to a thing, after checking that the thing is there and may go.
func (e *edit) deleteRef(ref uc.Ref) error {
	switch ref.Kind {
	case uc.KindUser:
		return e.deleteUser(uc.UserID(ref.ID))
	case uc.KindDevice:
		return e.deleteDevice(uc.DeviceID(ref.ID))
	case uc.KindLocation:
		return e.deleteLocation(uc.LocationID(ref.ID))
	case uc.KindTeam:
		return e.deleteTeam(uc.TeamID(ref.ID))
	case uc.KindRole:
		return e.deleteRole(uc.RoleID(ref.ID))
	case uc.KindProfile:
		return e.deleteProfile(uc.ProfileID(ref.ID))
	case uc.KindAssignment:
		return exists(&e.dir.Assignments, uc.AssignmentID(ref.ID), ref.Kind)
	case uc.KindMember:
		return exists(&e.dir.Members, uc.MemberID(ref.ID), ref.Kind)
	case uc.KindForwarding:
		return exists(&e.dir.Forwardings, uc.ForwardingID(ref.ID), ref.Kind)
	case uc.KindFlowLine:
		return exists(&e.dir.FlowLines, uc.FlowLineID(ref.ID), ref.Kind)
	case uc.KindPhonebook:
		return exists(&e.dir.Phonebook, uc.PhonebookID(ref.ID), ref.Kind)
	}
	return uc.Errorf(uc.ErrInvalid, "a thing of kind %q cannot be deleted", ref.Kind)
}

func exists[K ~int64, V any](t *uc.Table[K, V], id K, kind uc.Kind) error {
	_, err := find(t, id, kind)
	return err
}

// dropRow removes one row with the command.
func dropRow[K ~int64](e *edit, kind uc.Kind, id K) {
	e.drop = append(e.drop, uc.Ref{Kind: kind, ID: int64(id)})
}

func (e *edit) deleteUser(id uc.UserID) error {
	u, err := e.user(id)
	if err != nil {
		return err
	}
	if u.AdminLevel == uc.LevelSystem && e.lastSystemAdmin(id) {
		return uc.Errorf(uc.ErrConflict, "%s is the last system administrator", u.Login)
	}
	for _, a := range e.dir.UserAssignments(id) {
		e.releaseDevice(a)
	}
	for _, m := range e.dir.Memberships(id) {
		dropRow(e, uc.KindMember, m.ID)
	}
	for _, f := range e.dir.UserForwardings(id) {
		dropRow(e, uc.KindForwarding, f.ID)
	}
	e.dropFlow(func(l *uc.FlowLine) bool { return l.User == id })
	for _, p := range sorted(&e.dir.Profiles) {
		if p.Owner == id {
			dropRow(e, uc.KindProfile, p.ID)
		}
	}
	for _, p := range sorted(&e.dir.Phonebook) {
		if p.Owner == id {
			dropRow(e, uc.KindPhonebook, p.ID)
		}
	}
	if e.dir.UserStates.Get(id) != nil {
		dropRow(e, uc.KindUserState, id)
	}
	for _, r := range sorted(&e.dir.Roles) {
		if users, had := removed(r.Users, id); had {
			r.Users = users
			e.put.Roles = append(e.put.Roles, r)
		}
	}
	e.releaseUser(id)
	return nil
}

// releaseUser takes a user off the lists of locations and of monitored boxes.
func (e *edit) releaseUser(id uc.UserID) {
	for _, l := range sorted(&e.dir.Locations) {
		// The last one stays on the list: an empty list would open the location to everybody.
		if users, had := removed(l.Users, id); had && len(users) > 0 {
			l.Users = users
			e.put.Locations = append(e.put.Locations, l)
		}
	}
	for _, other := range sorted(&e.dir.Users) {
		if boxes, had := removed(other.MonitoredBoxes, id); had && other.ID != id {
			other.MonitoredBoxes = boxes
			e.put.Users = append(e.put.Users, other)
		}
	}
}

// releaseDevice ends an assignment; a device that was made for the user goes with it, unless somebody
// else has it too.
func (e *edit) releaseDevice(a *uc.Assignment) {
	dev := e.dir.Devices.Get(a.Device)
	made := dev != nil && (dev.Kind == uc.DeviceSoftphone || dev.Kind == uc.DeviceMobile || dev.Kind == uc.DeviceFax)
	if made && len(e.dir.DeviceAssignments(a.Device)) == 1 {
		e.dropDevice(a.Device)
		return
	}
	dropRow(e, uc.KindAssignment, a.ID)
}

// dropDevice removes a device, its assignments and its places in roles.
func (e *edit) dropDevice(id uc.DeviceID) {
	e.clearDevice(id)
	dropRow(e, uc.KindDevice, id)
}

func (e *edit) clearDevice(id uc.DeviceID) {
	for _, a := range e.dir.DeviceAssignments(id) {
		dropRow(e, uc.KindAssignment, a.ID)
	}
	for _, r := range sorted(&e.dir.Roles) {
		if devices, had := removed(r.Devices, id); had {
			r.Devices = devices
			e.put.Roles = append(e.put.Roles, r)
			e.view() // the next device may be in the same role
		}
	}
}

func (e *edit) deleteDevice(id uc.DeviceID) error {
	if err := exists(&e.dir.Devices, id, uc.KindDevice); err != nil {
		return err
	}
	e.clearDevice(id)
	return nil
}

func (e *edit) deleteLocation(id uc.LocationID) error {
	if err := exists(&e.dir.Locations, id, uc.KindLocation); err != nil {
		return err
	}
	for _, a := range e.dir.LocationAssignments(id) {
		dropRow(e, uc.KindAssignment, a.ID)
	}
	for _, s := range sorted(&e.dir.UserStates) {
		if s.Workplace == id {
			s.Workplace, s.SetBy = 0, e.stamp()
			e.put.UserStates = append(e.put.UserStates, s)
		}
	}
	for _, r := range sorted(&e.dir.Roles) {
		if locations, had := removed(r.Locations, id); had {
			r.Locations = locations
			e.put.Roles = append(e.put.Roles, r)
		}
	}
	return nil
}

func (e *edit) deleteTeam(id uc.TeamID) error {
	if err := exists(&e.dir.Teams, id, uc.KindTeam); err != nil {
		return err
	}
	for _, m := range e.dir.TeamMembers(id) {
		dropRow(e, uc.KindMember, m.ID)
	}
	e.dropFlow(func(l *uc.FlowLine) bool { return l.Team == id })
	for _, r := range sorted(&e.dir.Roles) {
		if teams, had := removed(r.Teams, id); had {
			r.Teams = teams
			e.put.Roles = append(e.put.Roles, r)
		}
	}
	return nil
}

func (e *edit) dropFlow(belongs func(*uc.FlowLine) bool) {
	for _, l := range sorted(&e.dir.FlowLines) {
		if belongs(&l) {
			dropRow(e, uc.KindFlowLine, l.ID)
		}
	}
}

// deleteRole takes a role off the profiles that are offered to it and the roles that supervise it. A
// list that would become empty, and so mean everybody, holds the role back.
func (e *edit) deleteRole(id uc.RoleID) error {
	if err := exists(&e.dir.Roles, id, uc.KindRole); err != nil {
		return err
	}
	if id == uc.RoleAll {
		return uc.Errorf(uc.ErrForbidden, "the role All cannot be deleted")
	}
	for _, p := range sorted(&e.dir.Profiles) {
		roles, had := removed(p.Roles, id)
		if !had {
			continue
		}
		if len(roles) == 0 {
			return uc.Errorf(uc.ErrConflict, "the profile %s is offered to this role only; change it first", p.Name)
		}
		p.Roles = roles
		e.put.Profiles = append(e.put.Profiles, p)
	}
	for _, r := range sorted(&e.dir.Roles) {
		roles, had := removed(r.Supervises, id)
		if !had || r.ID == id {
			continue
		}
		if len(roles) == 0 {
			return uc.Errorf(uc.ErrConflict, "the role %s supervises this role only; change it first", r.Title)
		}
		r.Supervises = roles
		e.put.Roles = append(e.put.Roles, r)
	}
	return nil
}

func (e *edit) deleteProfile(id uc.ProfileID) error {
	p, err := find(&e.dir.Profiles, id, uc.KindProfile)
	if err == nil && p.Assigned == uc.AssignedSystem {
		return uc.Errorf(uc.ErrForbidden, "the system profile %s cannot be deleted", p.Name)
	}
	return err
}

// removed returns a list without one value, and whether it was there. The list it got is not changed.
func removed[T comparable](list []T, v T) ([]T, bool) {
	at := slices.Index(list, v)
	if at < 0 {
		return list, false
	}
	return owned(slices.Delete(slices.Clone(list), at, at+1)), true
}
