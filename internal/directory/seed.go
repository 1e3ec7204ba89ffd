package directory

import (
	"context"

	"github.com/rolecall/rolecall/internal/uc"
)

// seed puts what ships with the server into an empty directory: the role All and the two system profiles.
func (d *Directory) seed(ctx context.Context) error {
	return d.do(ctx, uc.System, func(e *edit) error {
		on, off := true, false
		e.put.Roles = []uc.Role{{
			ID: uc.RoleID(e.nextID(uc.KindRole)), Title: "All", Description: "Everybody and everything",
			Types: []uc.RoleType{uc.TypeXMPPGroup}, AutoUsers: true, AutoTeams: true,
		}}
		e.put.Profiles = []uc.Profile{{
			ID: uc.ProfileID(e.nextID(uc.KindProfile)), Name: "Available", Color: "#2e9e4f", Icon: "check", IconVisible: true,
			Show: uc.ShowAvailable, Assigned: uc.AssignedSystem,
			Enter: []uc.Action{{Kind: uc.ActionFollowMe, Devices: "all", Enabled: &on}},
		}, {
			ID: uc.ProfileID(e.nextID(uc.KindProfile)), Name: "DND", Color: "#c9302c", Icon: "minus", IconVisible: true,
			Show: uc.ShowDND, Assigned: uc.AssignedSystem,
			Enter: []uc.Action{{Kind: uc.ActionFollowMe, Devices: "all", Enabled: &off}},
		}}
		e.note("first start")
		return nil
	})
}
