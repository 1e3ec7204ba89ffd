package desk

import (
	"slices"

	"github.com/rolecall/rolecall/internal/uc"
)

// firstUse are the types that are open to everybody until a role has them ("open until used").
var firstUse = map[uc.RoleType]string{
	uc.TypeLocationGroup: "So far everybody may log in at every location. From the first role with location.group on, only its members may, and only at its locations. Give every user and location that needs it such a role.",
	uc.TypePickupGroup:   "So far everybody may pick up every call. From the first role with pickup.group on, only its members may, and only each other's calls.",
}

// FirstUse is the warning before a change of a role that takes a right from everybody who is not in it; empty if
// it takes none. before is nil for a new role.
func FirstUse(d *uc.Directory, before, after *uc.Role) string {
	for _, t := range []uc.RoleType{uc.TypeLocationGroup, uc.TypePickupGroup} {
		had := before != nil && slices.Contains(before.Types, t)
		if slices.Contains(after.Types, t) && !had && !d.TypeUsed(t) {
			return firstUse[t]
		}
	}
	return ""
}
