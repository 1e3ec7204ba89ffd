package api

import (
	"net/http"

	"github.com/rolecall/rolecall/admin/access"
	"github.com/rolecall/rolecall/admin/desk"
	"github.com/rolecall/rolecall/internal/uc"
)

type userFilter struct {
	NameFilter
	Login string `query:"login" doc:"The user with this login name."`
	Ext   string `query:"ext" doc:"The user with this extension."`
	Role  int64  `query:"role" doc:"Only members of the role with this id."`
}

func (a *API) registerUsers() {
	dir := a.Directory
	users := thing[uc.User, userFilter]{
		kind: uc.KindUser, plural: "users", read: access.ReadUsers, write: access.WriteUsers,
		list:   listUsers,
		get:    func(d *uc.Directory, id int64) *uc.User { return d.Users.Get(uc.UserID(id)) },
		update: dir.UpdateUser, identify: a.identifyUser,
	}
	registerThing(a, users)
	handle(a, route{"add-user", http.MethodPost, "/users", access.WriteUsers, "users",
		"Add a user with softphone, mobile, fax and voicemail as wished", http.StatusCreated}, a.addUser)
	handle(a, route{"set-password", http.MethodPut, "/users/{id}/password", access.WriteUsers, "users",
		"Set a user's password", http.StatusNoContent}, a.setPassword)
	handle(a, route{"set-pin", http.MethodPut, "/users/{id}/pin", access.WriteUsers, "users",
		"Set a user's PIN", http.StatusNoContent}, a.setPIN)
	handle(a, route{"get-credentials", http.MethodGet, "/devices/{id}/credentials", access.ReadSecrets, "devices",
		"Read a device's SIP credentials", 0}, a.credentials)
	handle(a, route{"renew-credentials", http.MethodPost, "/devices/{id}/credentials", access.WriteDevices, "devices",
		"Make a device new SIP credentials", 0}, a.renewCredentials)
}

func listUsers(d *uc.Directory, f *userFilter) []*uc.User {
	return desk.List(&d.Users, desk.UserName, func(u *uc.User) bool {
		return f.matches(u.Name, u.Login, u.Ext, u.Email) &&
			(f.Login == "" || f.Login == u.Login) && (f.Ext == "" || f.Ext == u.Ext) && hasRole(d, u.ID, f.Role)
	})
}

func hasRole(d *uc.Directory, u uc.UserID, role int64) bool {
	if role == 0 {
		return true
	}
	for _, r := range d.UserRoles(u) {
		if int64(r.ID) == role {
			return true
		}
	}
	return false
}

// identifyUser sets a user's id and carries over the secrets, which are no part of the JSON form.
func (a *API) identifyUser(v *uc.User, id int64) {
	v.ID = uc.UserID(id)
	if before := a.Directory.Snapshot().Users.Get(v.ID); before != nil {
		v.Password, v.PINHash = before.Password, before.PINHash
	}
}

func (a *API) addUser(c *call, in *struct{ Body uc.NewUser }) (*one[uc.User], error) {
	in.Body.ID = 0
	added, err := a.Directory.AddUser(c, c.actor(), in.Body)
	return &one[uc.User]{Body: added}, err
}

func (a *API) setPassword(c *call, in *struct {
	ByID
	Body struct {
		Password string `json:"password" required:"true"`
	}
}) (*empty, error) {
	return nil, a.Directory.SetPassword(c, c.actor(), uc.UserID(in.ID), in.Body.Password)
}

func (a *API) setPIN(c *call, in *struct {
	ByID
	Body struct {
		PIN string `json:"pin" required:"true"`
	}
}) (*empty, error) {
	return nil, a.Directory.SetPIN(c, c.actor(), uc.UserID(in.ID), in.Body.PIN)
}

// credentials are what a phone registers with; this is the only place where REST tells a secret.
type credentials struct {
	SIPUser   string `json:"sipUser"`
	SIPSecret string `json:"sipSecret"`
}

func (a *API) credentials(c *call, in *ByID) (*one[credentials], error) {
	d := a.Directory.Snapshot().Devices.Get(uc.DeviceID(in.ID))
	if d == nil {
		return nil, notFound(uc.KindDevice, in.ID)
	}
	a.Log.InfoContext(c, "SIP credentials were read", "device", d.ID, "by", c.actor().String())
	return &one[credentials]{Body: credentials{d.SIPUser, d.SIPSecret}}, nil
}

func (a *API) renewCredentials(c *call, in *ByID) (*one[credentials], error) {
	d, err := a.Directory.RegenerateSecret(c, c.actor(), uc.DeviceID(in.ID))
	return &one[credentials]{Body: credentials{d.SIPUser, d.SIPSecret}}, err
}
