package demo

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rolecall/rolecall/internal/app"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/uc"
)

// Password is what everybody in the demo company signs in with.
const Password = "Reachable1"

// people are the demo company's users. Those with a desk get a desk phone besides the softphone.
var people = []struct {
	login, name, ext, department string
	desk, mobile                 bool
}{
	{"anna", "Anna Adler", "12", "Sales", true, true},
	{"ben", "Ben Brandt", "34", "Sales", true, false},
	{"clara", "Clara Conrad", "20", "Sales", true, false},
	{"david", "David Decker", "41", "Support", true, false},
	{"eva", "Eva Engel", "42", "Support", false, true},
	{"finn", "Finn Falk", "43", "Support", false, false},
}

// by is who founds the company.
var by = uc.Actor{Name: "demo", Via: "cli"}

// founder carries what is made on to what needs it.
type founder struct {
	dir   *directory.Directory
	users map[string]uc.UserID
	roles map[string]uc.RoleID
}

// mailDomain is that of the demo company's people.
const mailDomain = "@demo.example"

// Found makes the demo company in an empty directory: two departments that see one another's members, a
// team, a supervisor, a location, telephones and profiles. Where it is already it does nothing; it refuses to
// move in with another company.
func Found(ctx context.Context, dir *directory.Directory) error {
	used := false
	for _, u := range dir.Snapshot().Users.All() {
		if strings.HasSuffix(u.Email, mailDomain) {
			return nil
		}
		used = used || u.AdminLevel != uc.LevelSystem || !u.MustChangePassword // not the administrator of the first start
	}
	if used {
		return errors.New("the data folder is in use by another company than the demo's; name another one with --data")
	}
	f := &founder{dir: dir, users: make(map[string]uc.UserID), roles: make(map[string]uc.RoleID)}
	for _, step := range []func(context.Context) error{f.admin, f.departments, f.hire, f.rights, f.hotline, f.frontDesk, f.profiles} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("demo company: %w", err)
		}
	}
	return nil
}

// admin takes the one-time password away: who tries the server out signs in with everybody's.
func (f *founder) admin(ctx context.Context) error {
	u := f.dir.Snapshot().UserByLogin("admin")
	if u == nil {
		return nil
	}
	if err := f.dir.SetPassword(ctx, by, u.ID, Password); err != nil {
		return err
	}
	admin := *f.dir.Snapshot().Users.Get(u.ID)
	admin.MustChangePassword = false
	return f.dir.UpdateUser(ctx, by, admin)
}

// departments come before their members. With them, the role All need not show everybody to everybody.
func (f *founder) departments(ctx context.Context) error {
	all := *f.dir.Snapshot().Roles.Get(uc.RoleAll)
	all.Types = []uc.RoleType{uc.TypePersonal}
	if err := f.dir.UpdateRole(ctx, by, all); err != nil {
		return err
	}
	for _, title := range []string{"Sales", "Support"} {
		role, err := f.dir.AddRole(ctx, by, uc.Role{Title: title, Types: []uc.RoleType{uc.TypeXMPPGroup}})
		if err != nil {
			return err
		}
		f.roles[title] = role.ID
	}
	return nil
}

func (f *founder) hire(ctx context.Context) error {
	for _, p := range people {
		number := ""
		if p.mobile {
			number = "+4915100000" + p.ext
		}
		u, err := f.dir.AddUser(ctx, by, uc.NewUser{
			User: uc.User{Login: p.login, Name: p.name, Ext: p.ext, Auth: uc.AuthLocal, CallWaiting: false,
				Email: p.login + mailDomain, TeamsUPN: p.login + mailDomain, Voicemail: uc.VoicemailOff,
				MobileNumber: number},
			Password: Password, PIN: "1234", Softphone: true, Mobile: p.mobile,
		})
		if err != nil {
			return err
		}
		f.users[p.login] = u.ID
		if !p.desk {
			continue
		}
		if err := f.desk(ctx, p.name+", desk phone", uc.Assignment{User: u.ID}); err != nil {
			return err
		}
	}
	return nil
}

func (f *founder) desk(ctx context.Context, name string, a uc.Assignment) error {
	device, err := f.dir.AddDevice(ctx, by, uc.Device{Name: name, Kind: uc.DeviceDesk})
	if err != nil {
		return err
	}
	a.Device, a.Internal, a.External, a.Queue = device.ID, uc.DefaultRing, uc.DefaultRing, uc.DefaultRing
	_, err = f.dir.Assign(ctx, by, a)
	return err
}

func (f *founder) rights(ctx context.Context) error {
	for _, title := range []string{"Sales", "Support"} {
		role := *f.dir.Snapshot().Roles.Get(f.roles[title])
		for _, p := range people {
			if p.department == title {
				role.Users = append(role.Users, f.users[p.login])
			}
		}
		if err := f.dir.UpdateRole(ctx, by, role); err != nil {
			return err
		}
	}
	_, err := f.dir.AddRole(ctx, by, uc.Role{Title: "Supervisors", Description: "May steer everybody",
		Types: []uc.RoleType{uc.TypeSupervisor, uc.TypeRedirectGroup, uc.TypePresenceDetails}, Users: []uc.UserID{f.users["clara"]}})
	return err
}

func (f *founder) hotline(ctx context.Context) error {
	team, err := f.dir.AddTeam(ctx, by, uc.Team{Name: "Hotline", Ext: "50", Prefix: "Hotline", Strategy: uc.RingAll, MemberTimeout: 20, WrapUp: 5})
	if err != nil {
		return err
	}
	support := *f.dir.Snapshot().Roles.Get(f.roles["Support"])
	support.Teams = append(support.Teams, team.ID)
	if err := f.dir.UpdateRole(ctx, by, support); err != nil {
		return err
	}
	for i, login := range []string{"david", "eva", "finn"} {
		m := uc.Member{Team: team.ID, User: f.users[login], Static: i == 0, LoggedIn: i < 2}
		if _, err := f.dir.AddMember(ctx, by, m); err != nil {
			return err
		}
	}
	return nil
}

func (f *founder) frontDesk(ctx context.Context) error {
	at, err := f.dir.AddLocation(ctx, by, uc.Location{Name: "Front desk"})
	if err != nil {
		return err
	}
	return f.desk(ctx, "Front desk phone", uc.Assignment{Location: at.ID})
}

func (f *founder) profiles(ctx context.Context) error {
	off, on := false, true
	weekdays := []time.Weekday{time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday}
	for _, p := range []uc.Profile{
		{Name: "Teams Meeting", Color: "#6264a7", Icon: "video", IconVisible: true, Sticky: true, Show: uc.ShowDND,
			Text: "In a Teams meeting", UndoOnLeave: true,
			Triggers: []uc.Trigger{{Kind: uc.TriggerTeams}},
			Enter: []uc.Action{
				{Kind: uc.ActionFollowMe, Devices: "all", Enabled: &off},
				{Kind: uc.ActionSetRedirect, Forward: uc.ForwardAlways, Class: uc.ForwardBoth, Target: "20"},
			}},
		{Name: "Lunch", Color: "#c77700", Icon: "food", IconVisible: true, Show: uc.ShowAway, Text: "Out for lunch", UndoOnLeave: true,
			Roles:    []uc.RoleID{f.roles["Sales"]},
			Triggers: []uc.Trigger{{Kind: uc.TriggerTimed, At: "12:00", End: "13:00", Weekdays: weekdays}},
			Enter:    []uc.Action{{Kind: uc.ActionFollowMe, Devices: "kind:desk", Enabled: &off}}},
		{Name: "Office", Color: "#1f8a4c", Icon: "briefcase", IconVisible: true, Show: uc.ShowAvailable, Text: "In the office",
			Enter: []uc.Action{{Kind: uc.ActionFollowMe, Devices: "all", Enabled: &on}}},
		{Name: "Mobile only", Color: "#0a7ea4", Icon: "car", IconVisible: true, Show: uc.ShowAvailable, Text: "On the road", UndoOnLeave: true,
			Enter: []uc.Action{{Kind: uc.ActionFollowMe, Devices: "all", Enabled: &off}, {Kind: uc.ActionFollowMe, Devices: "kind:mobile", Enabled: &on}}},
	} {
		p.Assigned = uc.AssignedAdmin
		if _, err := f.dir.AddProfile(ctx, by, p); err != nil {
			return err
		}
	}
	return nil
}

// Phones lists the telephones of people with their credentials, for the demo to plug in.
func Phones(d *uc.Directory) []app.DemoPhone {
	var list []app.DemoPhone
	for _, p := range people {
		u := d.UserByLogin(p.login)
		if u == nil {
			continue
		}
		for _, a := range d.UserAssignments(u.ID) {
			if dev := d.Devices.Get(a.Device); dev != nil && dev.Kind.SIP() {
				list = append(list, app.DemoPhone{Login: p.login, Kind: dev.Kind, User: dev.SIPUser, Secret: dev.SIPSecret})
			}
		}
	}
	return list
}
