package directory

import (
	"fmt"
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// find copies one row, or says that there is none.
func find[K ~int64, V any](t *uc.Table[K, V], id K, kind uc.Kind) (V, error) {
	if v := t.Get(id); v != nil {
		return *v, nil
	}
	var none V
	return none, uc.Errorf(uc.ErrNotFound, "there is no %s %d", kind, id)
}

// user copies one user.
func (e *edit) user(id uc.UserID) (uc.User, error) { return find(&e.dir.Users, id, uc.KindUser) }

// label names a thing in words, for texts that people read.
func label(dir *uc.Directory, ref uc.Ref) string {
	if name := nameOf(dir, ref); name != "" {
		return fmt.Sprintf("%s %s", ref.Kind, name)
	}
	return fmt.Sprintf("%s %d", ref.Kind, ref.ID)
}

func nameOf(dir *uc.Directory, ref uc.Ref) string {
	switch ref.Kind {
	case uc.KindUser, uc.KindUserState:
		if u := dir.Users.Get(uc.UserID(ref.ID)); u != nil {
			return u.Login
		}
	case uc.KindDevice:
		if dev := dir.Devices.Get(uc.DeviceID(ref.ID)); dev != nil {
			return dev.Name
		}
	case uc.KindLocation:
		if l := dir.Locations.Get(uc.LocationID(ref.ID)); l != nil {
			return l.Name
		}
	case uc.KindTeam:
		if t := dir.Teams.Get(uc.TeamID(ref.ID)); t != nil {
			return t.Name
		}
	case uc.KindRole:
		if r := dir.Roles.Get(uc.RoleID(ref.ID)); r != nil {
			return r.Title
		}
	case uc.KindProfile:
		if p := dir.Profiles.Get(uc.ProfileID(ref.ID)); p != nil {
			return p.Name
		}
	case uc.KindPhonebook:
		if p := dir.Phonebook.Get(uc.PhonebookID(ref.ID)); p != nil {
			return p.Name
		}
	}
	return ""
}

// deviceName names a device.
func deviceName(dir *uc.Directory, id uc.DeviceID) string {
	return nameOf(dir, uc.Ref{Kind: uc.KindDevice, ID: int64(id)})
}

// userName is a user's display name.
func userName(dir *uc.Directory, id uc.UserID) string {
	if u := dir.Users.Get(id); u != nil {
		return u.Name
	}
	return fmt.Sprintf("user %d", id)
}

// teamName names a team.
func teamName(dir *uc.Directory, id uc.TeamID) string {
	return nameOf(dir, uc.Ref{Kind: uc.KindTeam, ID: int64(id)})
}

// locationName names a location.
func locationName(dir *uc.Directory, id uc.LocationID) string {
	return nameOf(dir, uc.Ref{Kind: uc.KindLocation, ID: int64(id)})
}

// sorted copies all rows of a table in the order of their identifiers, so that the same command always
// makes the same change.
func sorted[K ~int64, V any](t *uc.Table[K, V]) []V {
	ids := make([]K, 0, t.Len())
	for id := range t.All() {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	list := make([]V, len(ids))
	for i, id := range ids {
		list[i] = *t.Get(id)
	}
	return list
}
