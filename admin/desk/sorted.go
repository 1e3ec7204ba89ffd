package desk

import (
	"cmp"
	"slices"
	"strings"

	"github.com/rolecall/rolecall/internal/uc"
)

// List returns the values of a table that keep lets through (nil lets all through), ordered by the name
// that label gives, without regard to case, then by identifier.
func List[K ~int64, V any](t *uc.Table[K, V], label func(*V) string, keep func(*V) bool) []*V {
	type row struct {
		id    K
		label string
		v     *V
	}
	rows := make([]row, 0, t.Len())
	for id, v := range t.All() {
		if keep == nil || keep(v) {
			rows = append(rows, row{id, strings.ToLower(label(v)), v})
		}
	}
	slices.SortFunc(rows, func(a, b row) int { return cmp.Or(strings.Compare(a.label, b.label), cmp.Compare(a.id, b.id)) })
	list := make([]*V, len(rows))
	for i, r := range rows {
		list[i] = r.v
	}
	return list
}

// UserName labels a user in a list.
func UserName(u *uc.User) string { return u.Name }

// DeviceName labels a device in a list.
func DeviceName(d *uc.Device) string { return d.Name }

// LocationName labels a location in a list.
func LocationName(l *uc.Location) string { return l.Name }

// TeamName labels a team in a list.
func TeamName(t *uc.Team) string { return t.Name }

// RoleTitle labels a role in a list.
func RoleTitle(r *uc.Role) string { return r.Title }

// ProfileName labels a profile in a list: system profiles stand first.
func ProfileName(p *uc.Profile) string {
	if p.Assigned == uc.AssignedSystem {
		return ""
	}
	return p.Name
}

// EntryName labels a phone-book entry in a list.
func EntryName(e *uc.PhonebookEntry) string { return e.Name }

// Unnamed leaves a list in the order of identifiers.
func Unnamed[V any](*V) string { return "" }
