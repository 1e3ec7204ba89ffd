package directory_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rolecall/rolecall/internal/bus"
	"github.com/rolecall/rolecall/internal/directory"
	"github.com/rolecall/rolecall/internal/store"
	"github.com/rolecall/rolecall/internal/uc"
)

// TestRandomCommands throws commands at a directory on SQLite. Whatever they answer: what is reloaded
// equals the snapshot, the events lead to it, the rules that span rows hold, and identifiers only rise.
func TestRandomCommands(t *testing.T) {
	empty := emptyDatabase(t)
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "r.db")
		ok(t, os.WriteFile(path, empty, 0o600))
		st, err := store.Open(t.Context(), "sqlite://"+path, nil)
		ok(t, err)
		defer st.Close()
		b := bus.New()
		events := b.Subscribe(10_000, uc.DirectoryChanged{})
		m := &machine{Directory: open(t, st, b), t: t, rt: rt}
		start := m.Snapshot()
		for _, step := range rapid.SliceOfN(rapid.SampledFrom(m.commands()), 10, 60).Draw(rt, "commands") {
			// A refusal is a right answer; what the database refuses is not.
			var refusal *uc.Error
			if err := step(); err != nil && (!errors.As(err, &refusal) || strings.Contains(err.Error(), "directory:")) {
				rt.Fatalf("internal error: %v", err)
			}
			m.checkRules()
		}

		end := m.Snapshot()
		loaded, seq, version, err := st.LoadDirectory(t.Context())
		ok(t, err)
		equal(t, "reloaded version", version, end.Version)
		equal(t, "reloaded rows", tables(uc.NewDirectory(version, loaded)), tables(end))
		for ref := range tables(end) {
			if ref.Kind != uc.KindUserState && ref.ID > seq[ref.Kind] {
				rt.Errorf("%s exists, but the sequence is at %d", ref, seq[ref.Kind])
			}
		}
		follow(t, rt, events, start, end)
	})
}

// emptyDatabase is the content of a new database; making one takes longer than copying it.
func emptyDatabase(t *testing.T) []byte {
	path := filepath.Join(t.TempDir(), "empty.db")
	st, err := store.Open(t.Context(), "sqlite://"+path, nil)
	ok(t, err)
	ok(t, st.Close())
	content, err := os.ReadFile(path)
	ok(t, err)
	return content
}

// follow replays the events from one snapshot to the other and checks that they name all that changed.
func follow(t *testing.T, rt *rapid.T, events *bus.Reader, from, to *uc.Directory) {
	for from != to {
		e, err, more := events.TryNext()
		ok(t, err)
		if !more {
			rt.Fatal("the events do not lead to the snapshot")
		}
		changed := e.(uc.DirectoryChanged)
		if changed.After.Version <= from.Version {
			continue // the first start
		}
		if changed.Before != from {
			rt.Fatalf("an event leaves out what came before version %d", changed.After.Version)
		}
		before, after := tables(changed.Before), tables(changed.After)
		for _, ref := range changed.Changes {
			delete(before, ref)
			delete(after, ref)
		}
		equal(t, "what an event does not name", after, before)
		from = changed.After
	}
}

// machine draws the arguments of commands. Most exist, some do not.
type machine struct {
	*directory.Directory
	t  *testing.T
	rt *rapid.T
}

func (m *machine) id(what string) int64  { return rapid.Int64Range(0, 6).Draw(m.rt, what) }
func (m *machine) user() uc.UserID       { return uc.UserID(m.id("user")) }
func (m *machine) flag(what string) bool { return rapid.Bool().Draw(m.rt, what) }
func (m *machine) ext() string           { return fmt.Sprint(rapid.IntRange(10, 14).Draw(m.rt, "ext")) }
func (m *machine) name() string {
	return rapid.SampledFrom([]string{"a", "b", "c", "d", ""}).Draw(m.rt, "name")
}
func draw[T any](m *machine, values ...T) T { return rapid.SampledFrom(values).Draw(m.rt, "value") }
func some[T ~int64](m *machine, of string) []T {
	return rapid.SliceOfN(rapid.Map(rapid.Int64Range(1, 4), func(n int64) T { return T(n) }), 0, 2).Draw(m.rt, of)
}

func (m *machine) actor() uc.Actor {
	return uc.Actor{User: m.user(), Name: "somebody", Via: draw(m, "xmpp", "profile")}
}

func (m *machine) person() uc.User {
	return uc.User{
		Login: m.name(), Name: "N", Ext: draw(m, "", m.ext()), FaxExt: draw(m, "", m.ext()), Auth: uc.AuthNone,
		Voicemail:  draw(m, uc.VoicemailOff, uc.VoicemailAll, uc.VoicemailInternal, uc.VoicemailExternal),
		AdminLevel: draw(m, uc.LevelNone, uc.LevelSystem), MobileNumber: draw(m, "", "0171", "0172"), MonitoredBoxes: some[uc.UserID](m, "boxes"),
	}
}

func (m *machine) role() uc.Role {
	r := uc.Role{
		Title: m.name(), Users: some[uc.UserID](m, "users"), Devices: some[uc.DeviceID](m, "devices"), Teams: some[uc.TeamID](m, "teams"),
		Locations: some[uc.LocationID](m, "locations"), AutoUsers: m.flag("auto users"),
		Types: draw(m, nil, []uc.RoleType{uc.TypePersonal}, []uc.RoleType{uc.TypeLocationGroup}, []uc.RoleType{uc.TypeSupervisor}),
	}
	if slices.Contains(r.Types, uc.TypeSupervisor) {
		r.Supervises = some[uc.RoleID](m, "supervised")
	}
	return r
}

func (m *machine) profile() uc.Profile {
	p := uc.Profile{Name: m.name(), Show: uc.ShowAway, Assigned: uc.AssignedAdmin, Roles: some[uc.RoleID](m, "roles")}
	if m.flag("personal") {
		p.Assigned, p.Owner, p.Roles = uc.AssignedPersonal, m.user(), nil
	}
	return p
}

func only[T any](_ T, err error) error { return err }

// commands lists one command of each sort.
func (m *machine) commands() []func() error {
	ctx := m.t.Context()
	var last []uc.Change
	live := func(changes []uc.Change, err error) error {
		if err == nil && len(changes) > 0 {
			last = changes
		}
		return err
	}
	classes := []uc.ForwardClass{uc.ForwardBoth, uc.ForwardInternal, uc.ForwardExternal}
	return []func() error{
		func() error {
			return only(m.AddUser(ctx, m.actor(), uc.NewUser{User: m.person(), Softphone: m.flag("softphone"), Mobile: m.flag("mobile")}))
		},
		func() error { u := m.person(); u.ID = m.user(); return m.UpdateUser(ctx, m.actor(), u) },
		func() error {
			return only(m.AddDevice(ctx, m.actor(), uc.Device{Name: m.name(), Kind: draw(m, uc.DeviceDesk, uc.DeviceFax), Number: m.ext()}))
		},
		func() error { return only(m.RegenerateSecret(ctx, m.actor(), uc.DeviceID(m.id("device")))) },
		func() error {
			return only(m.Assign(ctx, m.actor(), uc.Assignment{Device: uc.DeviceID(m.id("device")), User: m.user(), UserConfigurable: m.flag("configurable")}))
		},
		func() error {
			return only(m.Assign(ctx, m.actor(), uc.Assignment{Device: uc.DeviceID(m.id("device")), Location: uc.LocationID(m.id("location"))}))
		},
		func() error {
			return only(m.AddLocation(ctx, m.actor(), uc.Location{Name: m.name(), Users: some[uc.UserID](m, "users")}))
		},
		func() error { return only(m.AddTeam(ctx, m.actor(), uc.Team{Name: m.name(), Ext: m.ext()})) },
		func() error {
			return only(m.AddMember(ctx, m.actor(), uc.Member{Team: uc.TeamID(m.id("team")), User: m.user(), Static: m.flag("static")}))
		},
		func() error { return only(m.AddRole(ctx, m.actor(), m.role())) },
		func() error { r := m.role(); r.ID = uc.RoleID(m.id("role")); return m.UpdateRole(ctx, m.actor(), r) },
		func() error { return only(m.AddProfile(ctx, m.actor(), m.profile())) },
		func() error {
			p := m.profile()
			p.ID = uc.ProfileID(m.id("profile"))
			return m.UpdateProfile(ctx, m.actor(), p)
		},
		func() error {
			return only(m.AddFlowLine(ctx, m.actor(), uc.FlowLine{User: m.user(), List: uc.InternalAfter, Action: "voicemail"}))
		},
		func() error {
			return only(m.AddPhonebookEntry(ctx, m.actor(), uc.PhonebookEntry{Name: m.name(), Owner: m.user()}))
		},
		func() error {
			return m.Delete(ctx, m.actor(), uc.Ref{ID: m.id("thing"), Kind: draw(m, uc.KindUser, uc.KindDevice, uc.KindAssignment, uc.KindLocation,
				uc.KindTeam, uc.KindMember, uc.KindRole, uc.KindProfile, uc.KindForwarding, uc.KindFlowLine, uc.KindPhonebook)})
		},
		func() error {
			return live(m.SetFollowMe(ctx, m.actor(), m.user(), draw(m, uc.DeviceSelect("all"), "kind:mobile", "device:1"), nil,
				uc.RingPatch{Enabled: ptr(m.flag("enabled")), Delay: ptr(rapid.IntRange(0, 2).Draw(m.rt, "delay"))}))
		},
		func() error { return live(m.SetGSM(ctx, m.actor(), m.user(), m.flag("on"))) },
		func() error { return live(m.SetStatusText(ctx, m.actor(), m.user(), m.name())) },
		func() error { return live(m.TeamLogin(ctx, m.actor(), m.user(), uc.TeamID(m.id("team")))) },
		func() error { return live(m.TeamLogout(ctx, m.actor(), m.user(), 0)) },
		func() error { return live(m.TeamPause(ctx, m.actor(), m.user(), 0, m.name())) },
		func() error { return live(m.TeamUnpause(ctx, m.actor(), m.user(), uc.TeamID(m.id("team")))) },
		func() error { return live(m.SetWorkplace(ctx, m.actor(), m.user(), uc.LocationID(m.id("location")))) },
		func() error { return live(m.UnsetWorkplace(ctx, m.actor(), m.user())) },
		func() error {
			return live(m.SetForwarding(ctx, m.actor(), m.user(), uc.ForwardAlways, draw(m, classes...), m.ext()))
		},
		func() error {
			return live(m.UnsetForwarding(ctx, m.actor(), m.user(), uc.ForwardAlways, draw(m, classes...)))
		},
		func() error { return live(m.Revert(ctx, m.actor(), last)) },
	}
}

// checkRules checks what must hold between rows after every command.
func (m *machine) checkRules() {
	d := m.Snapshot()
	exts, at := map[string]bool{}, map[uc.LocationID]bool{}
	unique := func(ext string) {
		if ext != "" && exts[ext] {
			m.rt.Errorf("extension %s belongs to two", ext)
		}
		exts[ext] = true
	}
	for _, u := range d.Users.All() {
		unique(u.Ext)
		unique(u.FaxExt)
	}
	for _, team := range d.Teams.All() {
		unique(team.Ext)
	}
	for user, s := range d.UserStates.All() {
		if d.Users.Get(user) == nil || s.Workplace != 0 && (d.Locations.Get(s.Workplace) == nil || at[s.Workplace]) {
			m.rt.Errorf("state %+v", *s)
		}
		at[s.Workplace] = true
	}
	for _, a := range d.Assignments.All() {
		if d.Devices.Get(a.Device) == nil || (d.Users.Get(a.User) == nil) == (d.Locations.Get(a.Location) == nil) {
			m.rt.Errorf("assignment %+v", *a)
		}
	}
	for _, member := range d.Members.All() {
		if d.Users.Get(member.User) == nil || d.Teams.Get(member.Team) == nil {
			m.rt.Errorf("member %+v", *member)
		}
	}
	for _, p := range d.Profiles.All() {
		if (p.Assigned == uc.AssignedPersonal) != (d.Users.Get(p.Owner) != nil) {
			m.rt.Errorf("profile %+v", *p)
		}
	}
	m.checkSystem(d)
}

func (m *machine) checkSystem(d *uc.Directory) {
	if d.Roles.Get(uc.RoleAll) == nil || d.Profiles.Get(uc.ProfileAvailable) == nil || d.Profiles.Get(uc.ProfileDND) == nil {
		m.rt.Error("something that ships with the server is gone")
	}
	for _, f := range d.Forwardings.All() {
		if d.Users.Get(f.User) == nil || f.Active && f.Target == "" {
			m.rt.Errorf("forwarding %+v", *f)
		}
	}
}

// TestAuditHoldsNoSecrets makes secrets by every way there is and looks for them in the audit.
func TestAuditHoldsNoSecrets(t *testing.T) {
	st, err := store.Open(t.Context(), "sqlite://"+filepath.Join(t.TempDir(), "r.db"), nil)
	ok(t, err)
	defer st.Close()
	d := open(t, st, bus.New())
	ctx := t.Context()
	u := added(d.AddUser(ctx, root, uc.NewUser{
		User: uc.User{Login: "anna", Name: "Anna", MobileNumber: "0171"}, Password: "Secret123", PIN: "4711", Softphone: true, Mobile: true,
	}))(t)
	ok(t, d.SetPassword(ctx, root, u.ID, "Second456"))
	ok(t, d.SetPIN(ctx, root, u.ID, "0815"))
	dev := added(d.AddDevice(ctx, root, uc.Device{Name: "Desk", Kind: uc.DeviceDesk}))(t)
	added(d.RegenerateSecret(ctx, root, dev.ID))(t)
	u.Name = "Anna Neu"
	ok(t, d.UpdateUser(ctx, root, u))

	list, err := st.Audit(ctx, 0, 100)
	ok(t, err)
	var texts []string
	for _, e := range list {
		texts = append(texts, e.Text)
		equal(t, "time", e.Time, now)
	}
	equal(t, "audit", texts, []string{
		`changed user anna: name "Anna" → "Anna Neu"`, "made a new secret for device Desk", "added device Desk (desk)",
		"set the PIN of anna", "set the password of anna", "added user anna (Anna)", "first start",
	})
	equal(t, "who", list[0].By, root)
	equal(t, "what", list[0].Refs, []uc.Ref{{Kind: uc.KindUser, ID: int64(u.ID)}})
}
