package directory

import (
	"cmp"
	"context"
	"reflect"

	"github.com/rolecall/rolecall/internal/uc"
)

// AddUser adds a user with everything that the quick-add form asks for: softphone, mobile and fax devices
// with credentials of their own, and the after-actions that lead to voicemail.
func (d *Directory) AddUser(ctx context.Context, by uc.Actor, in uc.NewUser) (uc.User, error) {
	u := in.User
	u.Auth = cmp.Or(u.Auth, uc.AuthLocal)
	u.Password, u.PINHash = uc.PasswordKeys{}, ""
	if err := d.addSecrets(&u, in); err != nil {
		return uc.User{}, err
	}
	err := d.do(ctx, by, func(e *edit) error {
		u.ID = 0
		if err := e.checkUser(&u); err != nil {
			return err
		}
		if in.Mobile && u.MobileNumber == "" {
			return uc.FieldError(uc.ErrInvalid, "mobileNumber", "a mobile needs its number")
		}
		u.ID = uc.UserID(e.nextID(uc.KindUser))
		e.put.Users = append(e.put.Users, u)
		if in.Softphone {
			e.addDeviceOf(&u, uc.Device{Kind: uc.DeviceSoftphone, Name: u.Name + ", softphone"})
		}
		if in.Mobile {
			e.addDeviceOf(&u, uc.Device{Kind: uc.DeviceMobile, Name: u.Name + ", mobile", Number: u.MobileNumber})
		}
		e.followFax(&uc.User{}, &u)
		e.followVoicemail(&uc.User{Voicemail: uc.VoicemailOff}, &u)
		e.note("added user %s (%s)", u.Login, u.Name)
		return nil
	})
	if err != nil {
		return uc.User{}, err
	}
	return u, nil
}

// addSecrets derives what is kept of the password and the PIN. Local users must have a password.
func (d *Directory) addSecrets(u *uc.User, in uc.NewUser) (err error) {
	if u.Auth == uc.AuthLocal {
		if u.Password, err = d.passwordKeys(in.Password); err != nil {
			return err
		}
	} else if in.Password != "" {
		return uc.FieldError(uc.ErrInvalid, "password", "only local users have a password here")
	}
	if in.PIN != "" {
		u.PINHash, err = d.hashPIN(in.PIN)
	}
	return err
}

// UpdateUser changes everything of a user but the password and the PIN. Fax device, mobile number and
// voicemail actions follow.
func (d *Directory) UpdateUser(ctx context.Context, by uc.Actor, u uc.User) error {
	return d.do(ctx, by, func(e *edit) error {
		old, err := e.user(u.ID)
		if err != nil {
			return err
		}
		u.Password, u.PINHash = old.Password, old.PINHash
		if err := e.checkUser(&u); err != nil {
			return err
		}
		if reflect.DeepEqual(old, u) {
			return nil
		}
		if old.AdminLevel == uc.LevelSystem && u.AdminLevel != uc.LevelSystem && e.lastSystemAdmin(u.ID) {
			return uc.FieldError(uc.ErrConflict, "adminLevel", "%s is the last system administrator", old.Login)
		}
		e.put.Users = append(e.put.Users, u)
		e.followMobile(&old, &u)
		e.followFax(&old, &u)
		e.followVoicemail(&old, &u)
		e.note("changed user %s: %s", old.Login, diff(old, u))
		return nil
	})
}

// checkUser brings a user into its stored form and checks it.
func (e *edit) checkUser(u *uc.User) error {
	var c checks
	c.that(loginForm.MatchString(u.Login), "login",
		"%q is not a login name: lower-case letters, digits, \".\", \"_\" and \"-\", beginning with a letter", u.Login)
	other := e.dir.UserByLogin(u.Login)
	c.free(other == nil || other.ID == u.ID, "login", "there is a user %s already", u.Login)
	c.that(other != nil || !uc.IsTeamLogin(u.Login), "login", "%q is kept for teams: it is how their chat addresses begin", u.Login)
	c.name("name", &u.Name)
	u.Auth, u.Voicemail = cmp.Or(u.Auth, uc.AuthLocal), cmp.Or(u.Voicemail, uc.VoicemailOff)
	oneOf(&c, "auth", u.Auth, uc.AuthLocal, uc.AuthLDAP, uc.AuthNone)
	oneOf(&c, "voicemail", u.Voicemail, uc.VoicemailOff, uc.VoicemailExternal, uc.VoicemailInternal, uc.VoicemailAll)
	oneOf(&c, "adminLevel", u.AdminLevel,
		uc.LevelNone, uc.LevelMetrics, uc.LevelPhonebook, uc.LevelPBX, uc.LevelAdmin, uc.LevelSystem)
	self := uc.Ref{Kind: uc.KindUser, ID: int64(u.ID)}
	e.checkExtension(&c, "ext", u.Ext, self)
	e.checkExtension(&c, "faxExt", u.FaxExt, self)
	c.free(u.Ext == "" || u.Ext != u.FaxExt, "faxExt", "%s is the user's own extension", u.FaxExt)
	c.number("mobileNumber", &u.MobileNumber)
	c.number("callerID", &u.CallerID)
	c.email("email", u.Email)
	c.that(u.Language == "" || languageForm.MatchString(u.Language), "language", "%q is not a language (BCP 47)", u.Language)
	c.timeZone("timeZone", u.TimeZone)
	c.text("teamsID", &u.TeamsID, maxName)
	c.text("teamsUPN", &u.TeamsUPN, maxName)
	u.MonitoredBoxes = set(u.MonitoredBoxes)
	known(&c, "monitoredBoxes", &e.dir.Users, u.MonitoredBoxes...)
	return c.err
}

// checkExtension checks an extension and that nothing but self has it; "" is none.
func (e *edit) checkExtension(c *checks, field, ext string, self uc.Ref) {
	if ext == "" {
		return
	}
	c.extension(field, ext)
	for _, holder := range extensionHolders(e.dir, ext) {
		c.free(holder == self, field, "extension %s belongs to %s", ext, label(e.dir, holder))
	}
}

// extensionHolders lists the users, teams and fax devices that have an extension. The fax device of a
// user's fax extension counts as the user.
func extensionHolders(dir *uc.Directory, ext string) []uc.Ref {
	var refs []uc.Ref
	if t, ok := dir.ByExt(ext); ok && t.User != 0 {
		refs = append(refs, uc.Ref{Kind: uc.KindUser, ID: int64(t.User)})
	} else if ok {
		refs = append(refs, uc.Ref{Kind: uc.KindTeam, ID: int64(t.Team)})
	}
	byFax := false
	for id, u := range dir.Users.All() {
		if u.FaxExt == ext {
			byFax = true
			refs = append(refs, uc.Ref{Kind: uc.KindUser, ID: int64(id)})
		}
	}
	for id, dev := range dir.Devices.All() {
		if dev.Kind == uc.DeviceFax && dev.Number == ext && !byFax {
			refs = append(refs, uc.Ref{Kind: uc.KindDevice, ID: int64(id)})
		}
	}
	return refs
}

// followMobile gives the user's mobiles the new number if they had the old one.
func (e *edit) followMobile(old, u *uc.User) {
	if old.MobileNumber == u.MobileNumber || u.MobileNumber == "" {
		return
	}
	for _, dev := range e.devicesOf(u.ID, uc.DeviceMobile) {
		if dev.Number == old.MobileNumber {
			dev.Number = u.MobileNumber
			e.put.Devices = append(e.put.Devices, dev)
		}
	}
}

// followFax adds, renumbers or removes the virtual fax of a user's fax extension.
func (e *edit) followFax(old, u *uc.User) {
	if old.FaxExt == u.FaxExt {
		return
	}
	if old.FaxExt == "" {
		e.addDeviceOf(u, uc.Device{Kind: uc.DeviceFax, Name: u.Name + ", fax", Number: u.FaxExt})
		return
	}
	for _, dev := range e.devicesOf(u.ID, uc.DeviceFax) {
		if dev.Number != old.FaxExt {
			continue
		}
		if u.FaxExt == "" {
			e.dropDevice(dev.ID)
			continue
		}
		dev.Number = u.FaxExt
		e.put.Devices = append(e.put.Devices, dev)
	}
}

// followVoicemail adds, renumbers or removes the after-actions that lead to the user's own box. The box
// has the number of the user's extension.
func (e *edit) followVoicemail(old, u *uc.User) {
	if old.Voicemail == u.Voicemail && old.Ext == u.Ext {
		return
	}
	e.followVoicemailList(old, u, uc.InternalAfter, u.Voicemail == uc.VoicemailAll || u.Voicemail == uc.VoicemailInternal)
	e.followVoicemailList(old, u, uc.ExternalAfter, u.Voicemail == uc.VoicemailAll || u.Voicemail == uc.VoicemailExternal)
}

func (e *edit) followVoicemailList(old, u *uc.User, list uc.FlowList, want bool) {
	lines := e.dir.UserFlow(u.ID, list)
	have := false
	for _, l := range lines {
		if l.Action != flowVoicemail || l.Target != old.Ext {
			continue
		}
		if !want {
			e.drop = append(e.drop, uc.Ref{Kind: uc.KindFlowLine, ID: int64(l.ID)})
			continue
		}
		have = true
		line := *l
		line.Target = u.Ext
		e.put.FlowLines = append(e.put.FlowLines, line)
	}
	if want && !have {
		e.put.FlowLines = append(e.put.FlowLines, uc.FlowLine{
			ID: uc.FlowLineID(e.nextID(uc.KindFlowLine)), User: u.ID, List: list,
			Position: nextPosition(lines), Status: flowAny, Action: flowVoicemail, Target: u.Ext,
		})
	}
}

// devicesOf copies the devices of a kind that are assigned to a user.
func (e *edit) devicesOf(user uc.UserID, kind uc.DeviceKind) []uc.Device {
	var list []uc.Device
	for _, a := range e.dir.UserAssignments(user) {
		if dev := e.dir.Devices.Get(a.Device); dev != nil && dev.Kind == kind {
			list = append(list, *dev)
		}
	}
	return list
}

// lastSystemAdmin reports whether no user but this one is a system administrator.
func (e *edit) lastSystemAdmin(user uc.UserID) bool {
	for id, u := range e.dir.Users.All() {
		if id != user && u.AdminLevel == uc.LevelSystem {
			return false
		}
	}
	return true
}
